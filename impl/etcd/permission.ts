/** Whether granted ranges of keys, put together, hold all of an asked one. Source: server/auth/range_perm_cache.go. */
import type { Key, KeyRange } from '../../model/state/keyspace.ts'

interface Interval {
  readonly from: Key
  /** The first key after it; null: it has no end. */
  readonly to: Key | null
}

const intervalOf = ({ key, rangeEnd }: KeyRange): Interval => {
  if (rangeEnd === undefined || rangeEnd === '') return { from: key, to: `${key}\0` }
  return { from: key, to: rangeEnd === '\0' ? null : rangeEnd }
}

export const covers = (granted: readonly KeyRange[], asked: KeyRange): boolean => {
  const { from, to } = intervalOf(asked)
  let reached = from
  for (const interval of granted.map(intervalOf).toSorted((one, other) => (one.from < other.from ? -1 : 1))) {
    if (interval.from > reached) return false
    if (interval.to === null) return true
    if (interval.to > reached) reached = interval.to
    if (to !== null && reached >= to) return true
  }
  return false
}
