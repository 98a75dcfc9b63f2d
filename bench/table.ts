/** How a measurement is printed. */
import type { Benchmark, Target } from './benchmark.ts'
import type { Measurement, Spread } from './measure.ts'

export const HEADINGS = ['benchmark', 'a second', '', 'each', 'memory', 'ratio', '', 'target', 'compared with'] as const

const DIGITS = 3

/** 3 digits, thousands apart: '3 610 000'; '0.412'. */
export const figure = (value: number): string => {
  const rounded = Number(value.toPrecision(DIGITS))
  if (rounded < 1_000) return String(rounded)
  return String(Math.round(rounded)).replaceAll(/(?<=\d)(?=(?:\d{3})+$)/g, ' ')
}

/** The time of one unit. */
export const each = (perSecond: number): string => {
  const nanoseconds = 1e9 / perSecond
  if (nanoseconds < 1e3) return `${figure(nanoseconds)} ns`
  if (nanoseconds < 1e6) return `${figure(nanoseconds / 1e3)} µs`
  return nanoseconds < 1e9 ? `${figure(nanoseconds / 1e6)} ms` : `${figure(nanoseconds / 1e9)} s`
}

const range = ({ least, most }: Spread): string => `(${figure(least)}–${figure(most)})`

/** Null: nothing was to be reached. */
export const reached = (target: Target | undefined, { subjectPerSecond, ratio, peakMemory }: Measurement): boolean | null => {
  if (target === undefined) return null
  return (
    subjectPerSecond.median >= (target.perSecond ?? 0) &&
    ratio.median >= (target.ratio ?? 0) &&
    peakMemory <= (target.peakMemory ?? Infinity)
  )
}

const targetText = (target: Target | undefined, measurement: Measurement): string => {
  if (target === undefined) return ''
  const parts = [
    ...(target.perSecond === undefined ? [] : [`≥ ${figure(target.perSecond)} a second`]),
    ...(target.ratio === undefined ? [] : [`ratio ≥ ${figure(target.ratio)}`]),
    ...(target.peakMemory === undefined ? [] : [`≤ ${figure(target.peakMemory)} MB`]),
  ]
  return `${reached(target, measurement) === true ? '✓' : '✗'} ${parts.join(', ')}`
}

export const rowOf = ({ name, units, target, baseline }: Benchmark, measurement: Measurement): readonly string[] => {
  const { subjectPerSecond, ratio, peakMemory } = measurement
  return [
    name,
    `${figure(subjectPerSecond.median)} ${units}`,
    range(subjectPerSecond),
    each(subjectPerSecond.median),
    `${peakMemory} MB`,
    figure(ratio.median),
    range(ratio),
    targetText(target, measurement),
    baseline,
  ]
}
