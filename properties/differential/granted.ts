/**
 * Where a real server may differ from the specification: defects of released versions that are known, and what two
 * outcomes of a race look like. Each rule is as narrow as it can be said; nothing else is granted.
 */
import { isRepeating } from '../../model/components/etcd-refusals.ts'
import type { StoreRequest } from '../../model/components/etcd-store.ts'
import type { KvRequest, Revision, TxnRequest, WatchEvent } from '../../model/state/keyspace.ts'

/**
 * A delete up to the end of all keys escapes etcd's look for keys that a transaction writes twice, and what it then stores
 * its own compaction loses (https://github.com/etcd-io/etcd/issues/22445, 22376): not asked of a real server at all.
 */
const isLetPass = (request: TxnRequest): boolean => isRepeating(request) && !isRepeating(withoutOpenDeletes(request))

/** When its space is exhausted etcd does not look for puts in transactions inside transactions (server/storage/quota.go). */
const putsOnlyInside = ({ success, failure }: TxnRequest): boolean => {
  const parts = [...success, ...failure]
  return parts.some(({ kind }) => kind === 'Txn') && !parts.some(({ kind }) => kind === 'Put')
}

export const isNotAsked = (request: StoreRequest, spaceLeft: boolean): boolean =>
  request.kind === 'Txn' && (isLetPass(request) || (!spaceLeft && putsOnlyInside(request)))

const withoutOpenDeletes = (request: KvRequest): KvRequest => {
  if (request.kind !== 'Txn') return request
  const kept = (parts: readonly KvRequest[]): readonly KvRequest[] =>
    parts.filter((part) => part.kind !== 'DeleteRange' || part.rangeEnd !== '\0').map(withoutOpenDeletes)
  return { ...request, success: kept(request.success), failure: kept(request.failure) }
}

/**
 * What was before an event is read when it is sent, which a compaction may come before: then it is left out.
 * Source: server/etcdserver/api/v3rpc/watch.go (sendLoop).
 */
export const withoutLostPrevious = (expected: WatchEvent, seen: WatchEvent | undefined, compacted: Revision): WatchEvent => {
  if (seen === undefined || seen.prevKv !== undefined || expected.kv.modRevision > compacted) return expected
  const { type, kv } = expected
  return { type, kv }
}

/**
 * Compacting exactly at a deletion loses it, though a watch may start there (https://github.com/etcd-io/etcd/issues/18089,
 * mended by https://github.com/etcd-io/etcd/pull/18274).
 */
export const isLostTombstone = ({ type, kv }: WatchEvent, compacted: Revision): boolean => type === 'DELETE' && kv.modRevision === compacted
