/**
 * What a range request is answered with: which keys, in which order, how much of them.
 *
 * Source: server/etcdserver/txn/txn.go.
 */
import type { Header, Key, KeyValue, RangeRequest, RangeResponse, Revision, Stored } from '../../model/state/keyspace.ts'
import type { Mvcc } from './mvcc.ts'

/** now: the current revision, as the request sees it. The revision it asks for can be read. */
export const answerRange = (store: Mvcc, request: RangeRequest, now: Revision, header: Header): RangeResponse => {
  const asked = request.revision ?? 0
  const revision = asked > 0 ? asked : now
  const limit = request.limit ?? 0
  const sorted = sorts(request)
  const bounded = isBounded(request)
  const countOnly = request.countOnly === true
  // One more than is asked for tells whether there are more. Unless an order is named, only those are sorted.
  const enough = limit > 0 && (request.sortOrder ?? 'NONE') === 'NONE' && !bounded ? limit + 1 : Infinity
  let kvs: KeyValue[] = []
  let count = 0
  let more = false
  store.each(request, revision, (key, stored) => {
    count++
    if (countOnly || (bounded && !within(stored, request))) return
    if (kvs.length < enough) kvs.push(keyValue(key, stored))
  })
  if (sorted) kvs = inOrder(kvs, request)
  if (limit > 0 && kvs.length > limit) {
    kvs.length = limit
    more = true
  }
  if (request.keysOnly === true) kvs = kvs.map((kv) => ({ ...kv, value: '' }))
  return { kind: 'Range', header, kvs, count, more }
}

export const keyValue = (key: Key, { value, createRevision, modRevision, version, lease }: Stored): KeyValue => ({
  key,
  value,
  createRevision,
  modRevision,
  version,
  lease,
})

const isBounded = (request: RangeRequest): boolean =>
  (request.minModRevision ?? 0) !== 0 ||
  (request.maxModRevision ?? 0) !== 0 ||
  (request.minCreateRevision ?? 0) !== 0 ||
  (request.maxCreateRevision ?? 0) !== 0

const within = ({ modRevision, createRevision }: Stored, request: RangeRequest): boolean => {
  const { minModRevision = 0, maxModRevision = 0, minCreateRevision = 0, maxCreateRevision = 0 } = request
  if (maxModRevision !== 0 && modRevision > maxModRevision) return false
  if (minModRevision !== 0 && modRevision < minModRevision) return false
  if (maxCreateRevision !== 0 && createRevision > maxCreateRevision) return false
  return minCreateRevision === 0 || createRevision >= minCreateRevision
}

/** Keys come in ascending order anyway. A target other than the key is sorted by, ascending, though no order is named. */
const sorts = ({ sortOrder = 'NONE', sortTarget = 'KEY' }: RangeRequest): boolean => (sortTarget === 'KEY' ? sortOrder === 'DESCEND' : true)

const inOrder = (kvs: readonly KeyValue[], { sortOrder, sortTarget = 'KEY' }: RangeRequest): KeyValue[] => {
  const sign = sortOrder === 'DESCEND' ? -1 : 1
  const by = SORT[sortTarget]
  return kvs.toSorted((one, other) => {
    const [left, right] = [by(one), by(other)]
    return left === right ? 0 : left < right ? -sign : sign
  })
}
const SORT = {
  KEY: ({ key }: KeyValue) => key,
  VERSION: ({ version }: KeyValue) => version,
  CREATE: ({ createRevision }: KeyValue) => createRevision,
  MOD: ({ modRevision }: KeyValue) => modRevision,
  VALUE: ({ value }: KeyValue) => String(value),
} as const
