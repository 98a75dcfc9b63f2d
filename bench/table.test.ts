import { expect, test } from 'vitest'
import { measure, rate } from './measure.ts'
import { BENCHMARKS } from './register.ts'
import { each, figure, reached, rowOf } from './table.ts'

test('figures have three digits, and thousands apart', () => {
  expect([0.41234, 12.345, 999.4, 1_234, 4_321_000].map(figure)).toEqual(['0.412', '12.3', '999', '1 230', '4 320 000'])
  expect([4_000_000, 250_000, 500, 0.5].map(each)).toEqual(['250 ns', '4 µs', '2 ms', '2 s'])
})

test('a measurement says units a second of both, and whether the target was reached; both are run once more than is counted', () => {
  const runs = { subject: 0, baseline: 0 }
  const count = (which: 'subject' | 'baseline', units: number) => (): number => {
    runs[which]++
    return units
  }
  const benchmark = {
    name: 'none',
    sentence: 'nothing',
    units: 'things',
    baseline: 'less',
    target: { perSecond: 1 },
    prepare: () => ({ subject: count('subject', 20), baseline: count('baseline', 10) }),
  }
  const measurement = measure(benchmark, 3, 0)
  expect(runs).toEqual({ subject: 4, baseline: 4 })
  const { subjectPerSecond } = measurement
  expect(subjectPerSecond.least).toBeLessThanOrEqual(subjectPerSecond.median)
  expect(subjectPerSecond.median).toBeLessThanOrEqual(subjectPerSecond.most)
  expect(reached(benchmark.target, measurement)).toBe(true)
  expect(reached({ perSecond: Infinity }, measurement)).toBe(false)
  expect(reached({ peakMemory: 1 }, measurement)).toBe(false)
  expect(reached(undefined, measurement)).toBe(null)
  expect(rowOf(benchmark, measurement)[7]).toBe('✓ ≥ 1 a second')
})

test('what a subject does besides its baseline is measured alone', () => {
  expect(rate({ units: 2, cpuMicroseconds: 500_000 })).toBe(4)
  expect(rate({ units: 2, cpuMicroseconds: 500_000 }, 250_000)).toBe(8)
})

test('benchmarks are named apart', () => {
  const names = BENCHMARKS.map((one) => one.name)
  expect(new Set(names).size).toBe(names.length)
})
