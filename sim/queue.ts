/** The one event queue: a binary heap ordered by (time, sequence), so that equal times keep the order of asking. */
export interface Ordered {
  readonly at: number
  readonly sequence: number
  cancelled: boolean
}

const before = (one: Ordered, other: Ordered): boolean => one.at < other.at || (one.at === other.at && one.sequence < other.sequence)

/** Fewer are not worth sweeping. */
const SWEEP_LEAST = 64

export class EventQueue<Event extends Ordered> {
  private heap: Event[] = []
  /** Cancelled since the last sweep; some of them may have left by themselves. */
  private cancelled = 0

  /** Those cancelled that were not swept out yet count as well. */
  get size(): number {
    return this.heap.length
  }

  get next(): Event | undefined {
    return this.heap[0]
  }

  push(event: Event): void {
    const heap = this.heap
    let index = heap.length
    heap.push(event)
    while (index > 0) {
      const parent = (index - 1) >> 1
      const above = heap[parent] as Event
      if (before(above, event)) break
      heap[index] = above
      index = parent
    }
    heap[index] = event
  }

  pop(): Event | undefined {
    const heap = this.heap
    const first = heap[0]
    const last = heap.pop()
    if (last !== undefined && last !== first) this.sink(0, last)
    return first
  }

  /**
   * A cancelled event comes out like any other until it is swept out: when half of them may be such. Most timers are set
   * for the worst and cancelled, long before their time.
   */
  cancel(event: Event): void {
    event.cancelled = true
    this.cancelled++
    if (this.cancelled >= SWEEP_LEAST && this.cancelled * 2 > this.heap.length) this.sweep()
  }

  private sweep(): void {
    this.heap = this.heap.filter((event) => !event.cancelled)
    this.cancelled = 0
    for (let index = (this.heap.length >> 1) - 1; index >= 0; index--) this.sink(index, this.heap[index] as Event)
  }

  /** Puts an event where a place is free, or below it. */
  private sink(place: number, event: Event): void {
    const heap = this.heap
    const length = heap.length
    let index = place
    for (;;) {
      let child = index * 2 + 1
      if (child >= length) break
      let smaller = heap[child] as Event
      const right = heap[child + 1]
      if (right !== undefined && before(right, smaller)) {
        smaller = right
        child++
      }
      if (before(event, smaller)) break
      heap[index] = smaller
      index = child
    }
    heap[index] = event
  }
}
