/** Whether a difference between two policies is real: pairs of runs on the same arrivals, resampled. */
import { mean, quantile, sampleStandardDeviation } from 'simple-statistics'
import type { Random } from '../../sim/random.ts'

export interface Spread {
  readonly mean: number
  /** Sample standard deviation; 0 for a single run. */
  readonly deviation: number
}

/** A mean with its percentile bootstrap over the runs (Efron and Tibshirani 1993), 95 %. */
export interface Interval {
  readonly mean: number
  readonly low: number
  readonly high: number
}

/** Resampled over the pairs. */
export interface PairedDifference extends Interval {
  /** Cohen's d of the paired differences; Infinity where they do not vary. */
  readonly effect: number
}

const RESAMPLES = 4_000

export const spreadOf = (values: readonly number[]): Spread => ({
  mean: mean([...values]),
  deviation: values.length < 2 ? 0 : sampleStandardDeviation([...values]),
})

export const interval = (values: readonly number[], random: Random): Interval => {
  const means = Array.from({ length: RESAMPLES }, () => {
    let sum = 0
    for (let draw = 0; draw < values.length; draw++) sum += values[random.below(values.length)] as number
    return sum / values.length
  })
  return { mean: mean([...values]), low: quantile(means, 0.025), high: quantile(means, 0.975) }
}

/** one[i] and other[i] are of the same seed. Null: too few pairs to say anything. */
export const pairedDifference = (one: readonly number[], other: readonly number[], random: Random): PairedDifference | null => {
  const differences = one.map((value, index) => value - (other[index] as number))
  if (differences.length < 2) return null
  const found = interval(differences, random)
  const { deviation } = spreadOf(differences)
  const effect = found.mean === 0 ? 0 : deviation === 0 ? Math.sign(found.mean) * Infinity : found.mean / deviation
  return { ...found, effect }
}

/** Zero lies outside the interval. */
export const isReal = ({ low, high }: PairedDifference): boolean => low > 0 || high < 0
