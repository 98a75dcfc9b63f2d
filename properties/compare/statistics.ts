/** Whether a difference between two policies is real: pairs of runs on the same arrivals, resampled. */
import { mean, quantile, sampleStandardDeviation } from 'simple-statistics'
import type { Random } from '../../sim/random.ts'

export interface Spread {
  readonly mean: number
  /** Sample standard deviation; 0 for a single run. */
  readonly deviation: number
}

export interface PairedDifference {
  readonly mean: number
  /** Percentile bootstrap over the pairs (Efron and Tibshirani 1993), 95 %. */
  readonly low: number
  readonly high: number
  /** Cohen's d of the paired differences; Infinity where they do not vary. */
  readonly effect: number
}

const RESAMPLES = 4_000

export const spreadOf = (values: readonly number[]): Spread => ({
  mean: mean([...values]),
  deviation: values.length < 2 ? 0 : sampleStandardDeviation([...values]),
})

/** one[i] and other[i] are of the same seed. Null: too few pairs to say anything. */
export const pairedDifference = (one: readonly number[], other: readonly number[], random: Random): PairedDifference | null => {
  const differences = one.map((value, index) => value - (other[index] as number))
  if (differences.length < 2) return null
  const means = Array.from({ length: RESAMPLES }, () => {
    let sum = 0
    for (let draw = 0; draw < differences.length; draw++) sum += differences[random.below(differences.length)] as number
    return sum / differences.length
  })
  const { mean: middle, deviation } = spreadOf(differences)
  const effect = middle === 0 ? 0 : deviation === 0 ? Math.sign(middle) * Infinity : middle / deviation
  return { mean: middle, low: quantile(means, 0.025), high: quantile(means, 0.975), effect }
}

/** Zero lies outside the interval. */
export const isReal = ({ low, high }: PairedDifference): boolean => low > 0 || high < 0
