/**
 * Ranges of keys, and what a read of one shows.
 *
 * Keys and values compare as text, which for ASCII is the order of their bytes. Keys that a sort holds for equal stay in
 * the order of keys: etcd promises none, and keeps that one for the dozen or fewer that specifications ask about.
 * Source: server/etcdserver/txn/txn.go (executeRange), client/v3/op.go for the ends of ranges.
 */
import type { Key, KeyRange, KeyValue, RangeRequest, Stored, Value } from '../state/keyspace.ts'

/** No end: one key. '\0': all keys from the first on. An end that is not above the first: none. */
export const covers = ({ key: from, rangeEnd }: KeyRange, key: Key): boolean => {
  if (rangeEnd === undefined || rangeEnd === '') return key === from
  return key >= from && (rangeEnd === '\0' || key < rangeEnd)
}

export const matching = (kvs: ReadonlyMap<Key, Stored>, range: KeyRange): readonly KeyValue[] =>
  [...kvs]
    .filter(([key]) => covers(range, key))
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([key, stored]) => ({ key, ...stored }))

export const textOf = (value: Value): string => (typeof value === 'string' ? value : JSON.stringify(value))

const SORTED_BY = {
  KEY: ({ key }) => key,
  VERSION: ({ version }) => version,
  CREATE: ({ createRevision }) => createRevision,
  MOD: ({ modRevision }) => modRevision,
  VALUE: ({ value }) => textOf(value),
} satisfies Readonly<Record<string, (kv: KeyValue) => number | string>>

const sorted = (kvs: readonly KeyValue[], { sortOrder = 'NONE', sortTarget = 'KEY' }: RangeRequest): readonly KeyValue[] => {
  const by = SORTED_BY[sortTarget]
  const ascending = (one: KeyValue, other: KeyValue): number => (by(one) < by(other) ? -1 : by(one) > by(other) ? 1 : 0)
  return kvs.toSorted(sortOrder === 'DESCEND' ? (one, other) => ascending(other, one) : ascending)
}

const BOUNDS = ['minModRevision', 'maxModRevision', 'minCreateRevision', 'maxCreateRevision'] as const
const isBounded = (request: RangeRequest): boolean => BOUNDS.some((bound) => (request[bound] ?? 0) !== 0)
const within = (request: RangeRequest, { modRevision, createRevision }: KeyValue): boolean => {
  const { minModRevision = 0, maxModRevision = 0, minCreateRevision = 0, maxCreateRevision = 0 } = request
  return (
    (minModRevision === 0 || modRevision >= minModRevision) &&
    (maxModRevision === 0 || modRevision <= maxModRevision) &&
    (minCreateRevision === 0 || createRevision >= minCreateRevision) &&
    (maxCreateRevision === 0 || createRevision <= maxCreateRevision)
  )
}

export interface Shown {
  readonly kvs: readonly KeyValue[]
  /** Of all keys in the range, whatever bounds and limit leave of them. */
  readonly count: number
  readonly more: boolean
}

export const show = (kvs: ReadonlyMap<Key, Stored>, request: RangeRequest): Shown => {
  const found = matching(kvs, request)
  const count = found.length
  if (request.countOnly === true) return { kvs: [], count, more: false }
  const limit = request.limit ?? 0
  // Without an order or bounds no key is read that is not needed to tell whether there are more: a target of the sort
  // alone sorts just those, though it asks for ascending order.
  const early = limit > 0 && (request.sortOrder ?? 'NONE') === 'NONE' && !isBounded(request)
  const read = early ? found.slice(0, limit + 1) : found
  const all = sorted(
    read.filter((kv) => within(request, kv)),
    request,
  )
  const some = limit > 0 ? all.slice(0, limit) : all
  return { kvs: request.keysOnly === true ? some.map((kv) => ({ ...kv, value: '' })) : some, count, more: some.length < all.length }
}
