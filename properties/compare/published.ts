/** Figures that somebody else has published of the same policies on the same workload, beside those measured here. */
import { basename } from 'node:path'
import type { Random } from '../../sim/random.ts'
import type { CompareSetting } from './compare.ts'
import { interval, type Interval } from './statistics.ts'

/** What a module exports as `published`: the setting, and the mean of each policy. */
export interface Published {
  readonly source: string
  /** Names of files, without their folders. */
  readonly nodes: string
  readonly workload: string
  readonly until: number
  readonly measure: string
  /** How far a mean may be off to count as the same. */
  readonly tolerance: number
  readonly means: Readonly<Record<string, number>>
}

export interface Reproduction {
  readonly source: string
  readonly measure: string
  readonly tolerance: number
  readonly rows: readonly { readonly policy: string; readonly published: number; readonly found: Interval; readonly met: boolean }[]
  /** Policies whose published means differ by more than the tolerance come in the same order here. */
  readonly sameOrder: boolean
}

/** Null: these are figures of another setting. */
export const reproductionOf = (
  published: Published,
  setting: CompareSetting,
  values: ReadonlyMap<string, readonly number[]>,
  random: Random,
): Reproduction | null => {
  const same =
    typeof setting.nodes === 'string' &&
    basename(setting.nodes) === published.nodes &&
    basename(setting.workload) === published.workload &&
    setting.until === published.until
  if (!same) return null
  const { source, measure, tolerance, means } = published
  const rows = [...values].flatMap(([policy, own]) => {
    const mean = means[policy]
    if (mean === undefined) return []
    const found = interval(own, random)
    return [{ policy, published: mean, found, met: Math.abs(found.mean - mean) <= tolerance }]
  })
  const sameOrder = rows.every((one) =>
    rows.every((other) => other.published - one.published <= tolerance || other.found.mean > one.found.mean),
  )
  return rows.length === 0 ? null : { source, measure, tolerance, rows, sameOrder }
}
