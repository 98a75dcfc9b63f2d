/**
 * The yardstick: a discrete-event loop as one would write it by hand, with nothing in it that is not needed.
 *
 * Five actors hand events to each other; a binary heap orders them by (time, sequence). No network, no names, no faults.
 */
interface Event {
  readonly at: number
  readonly sequence: number
  readonly to: number
  readonly message: string
}
type Actor = (message: string) => void

const ACTORS = 5
const IN_FLIGHT = 20

const before = (one: Event, other: Event): boolean => one.at < other.at || (one.at === other.at && one.sequence < other.sequence)

const push = (heap: Event[], event: Event): void => {
  let place = heap.length
  heap.push(event)
  while (place > 0) {
    const parent = (place - 1) >> 1
    const above = heap[parent] as Event
    if (before(above, event)) break
    heap[place] = above
    place = parent
  }
  heap[place] = event
}

const pop = (heap: Event[]): Event => {
  const first = heap[0] as Event
  const last = heap.pop() as Event
  if (heap.length === 0) return first
  let place = 0
  for (;;) {
    let child = place * 2 + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && before(heap[child + 1] as Event, heap[child] as Event)) child++
    if (before(last, heap[child] as Event)) break
    heap[place] = heap[child] as Event
    place = child
  }
  heap[place] = last
  return first
}

/** Delivers so many events, and returns how many the actors heard. */
export const heapLoop = (events: number): number => {
  const heap: Event[] = []
  let now = 0
  let sequence = 0
  let heard = 0
  let state = 1
  const send = (to: number, message: string): void => {
    // Marsaglia's xorshift: as cheap as randomness gets.
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    push(heap, { at: now + 1 + (state & 7), sequence: sequence++, to, message })
  }
  const actors = Array.from({ length: ACTORS }, (_, place): Actor => (message) => {
    heard++
    send((place + 1 + (state & 3)) % ACTORS, message === 'ping' ? 'pong' : 'ping')
  })
  for (let index = 0; index < IN_FLIGHT; index++) send(index % ACTORS, 'ping')
  while (heard < events) {
    const event = pop(heap)
    now = event.at
    actors[event.to]?.(event.message)
  }
  return heard
}
