/** The one event queue: a binary heap ordered by (time, sequence), so that equal times keep the order of asking. */
export interface Ordered {
  at: number
  sequence: number
}

export class EventQueue<Event extends Ordered> {
  private readonly heap: Event[] = []

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
      if (above.at < event.at || (above.at === event.at && above.sequence < event.sequence)) break
      heap[index] = above
      index = parent
    }
    heap[index] = event
  }

  pop(): Event | undefined {
    const heap = this.heap
    const first = heap[0]
    const last = heap.pop()
    if (last === undefined || last === first) return first
    const length = heap.length
    let index = 0
    for (;;) {
      let child = index * 2 + 1
      if (child >= length) break
      let smaller = heap[child] as Event
      const right = heap[child + 1]
      if (right !== undefined && (right.at < smaller.at || (right.at === smaller.at && right.sequence < smaller.sequence))) {
        smaller = right
        child++
      }
      if (last.at < smaller.at || (last.at === smaller.at && last.sequence < smaller.sequence)) break
      heap[index] = smaller
      index = child
    }
    heap[index] = last
    return first
  }
}
