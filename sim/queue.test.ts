import { fc, test } from '@fast-check/vitest'
import { expect } from 'vitest'
import { EventQueue } from './queue.ts'

interface Event {
  at: number
  sequence: number
}

// Goal: events come in order of (time, sequence). Method: any mix of pushes and pops against a list kept sorted.
test.prop([fc.array(fc.option(fc.integer({ min: 0, max: 9 }), { freq: 3 }), { maxLength: 200, size: 'max' })])(
  'a queue gives what a sorted list gives',
  (steps) => {
    const queue = new EventQueue<Event>()
    let list: Event[] = []
    for (const [sequence, at] of steps.entries()) {
      if (at === null) {
        expect(queue.pop()).toEqual(list.shift())
        continue
      }
      queue.push({ at, sequence })
      list = [...list, { at, sequence }].toSorted((one, other) => one.at - other.at || one.sequence - other.sequence)
      expect(queue.next).toEqual(list[0])
    }
    expect(queue.size).toBe(list.length)
  },
)
