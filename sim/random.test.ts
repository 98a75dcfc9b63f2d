import { fc, test } from '@fast-check/vitest'
import { expect } from 'vitest'
import { Streams } from './random.ts'

const draws = (streams: Streams, name: string, count: number): number[] =>
  Array.from({ length: count }, () => streams.stream(name).below(1_000_000))

// Goal: removing an action must not shift the draws of others. Method: draw from another stream in between, or not.
test.prop([fc.string(), fc.nat({ max: 20 })])('what one stream draws does not shift another', (seed, between) => {
  const alone = draws(new Streams(seed), 'election', 10)
  const streams = new Streams(seed)
  const first = draws(streams, 'election', 4)
  draws(streams, 'net', between)
  expect([...first, ...draws(streams, 'election', 6)]).toEqual(alone)
})

test.prop([fc.integer({ min: -50, max: 50 }), fc.nat({ max: 50 })])('numbers stay within their bounds', (low, width) => {
  const stream = new Streams('s').stream('a')
  for (let index = 0; index < 50; index++) {
    const value = stream.between(low, low + width)
    expect(value).toBeGreaterThanOrEqual(low)
    expect(value).toBeLessThanOrEqual(low + width)
  }
})

const ascending = (one: number, other: number): number => one - other

test.prop([fc.array(fc.integer())])('a shuffle keeps what it shuffles', (items) => {
  expect(new Streams('s').stream('a').shuffle(items).toSorted(ascending)).toEqual(items.toSorted(ascending))
})
