import { fc, test } from '@fast-check/vitest'
import { expect } from 'vitest'
import { EventQueue, type Ordered } from './queue.ts'

type Step = { readonly push: number } | { readonly cancel: number } | 'pop'
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ push: fc.integer({ min: 0, max: 9 }) }) },
  { weight: 2, arbitrary: fc.record({ cancel: fc.nat(999) }) },
  { weight: 1, arbitrary: fc.constant('pop' as const) },
)

/** The next one that was not cancelled, as whoever runs the queue takes it. */
const next = (queue: EventQueue<Ordered>): Ordered | undefined => {
  for (;;) {
    const event = queue.pop()
    if (event?.cancelled !== true) return event
  }
}

// Goal: events come in order of (time, sequence), and only those not cancelled. Method: any mix of pushes, pops and
// cancellations, of events that have come out as well, against a list kept sorted.
test.prop([fc.array(step, { maxLength: 1000, size: 'max' })])('a queue gives what a sorted list gives', (steps) => {
  const queue = new EventQueue<Ordered>()
  const all: Ordered[] = []
  let list: Ordered[] = []
  for (const [sequence, one] of steps.entries()) {
    if (one === 'pop') expect(next(queue)).toBe(list.shift())
    else if ('push' in one) {
      const event = { at: one.push, sequence, cancelled: false }
      queue.push(event)
      all.push(event)
      list = [...list, event].toSorted((left, right) => left.at - right.at || left.sequence - right.sequence)
    } else if (all.length > 0) {
      const event = all[one.cancel % all.length] as Ordered
      queue.cancel(event)
      list = list.filter((other) => other !== event)
    }
  }
  while (list.length > 0) expect(next(queue)).toBe(list.shift())
  expect(next(queue)).toBe(undefined)
})

test('what is cancelled does not pile up', () => {
  const queue = new EventQueue<Ordered>()
  for (let sequence = 0; sequence < 10_000; sequence++) {
    const event = { at: 1, sequence, cancelled: false }
    queue.push(event)
    queue.cancel(event)
  }
  expect(queue.size).toBeLessThan(100)
})
