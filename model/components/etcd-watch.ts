/**
 * What a watch is owed: every change of its range from its start revision on, in order, once, one revision whole.
 *
 * Left out: when it is delivered, and how events are grouped into responses.
 * Source: https://etcd.io/docs/v3.6/learning/api_guarantees/#watch-apis, server/storage/mvcc/watchable_store.go.
 */
import type { Key, Revision, WatchCreateRequest, WatchEvent } from '../state/keyspace.ts'
import type { Keyspace } from '../state/system.ts'
import { covers } from './etcd-range.ts'

/** The first revision whose changes it is owed: the next one if it asks for none. A future one is waited for. */
export const startOf = ({ revision }: Keyspace, { startRevision = 0 }: WatchCreateRequest): Revision =>
  startRevision > 0 ? startRevision : revision + 1

/** Whether it starts so far back that changes it is owed are gone: then it is cancelled. At the compacted revision none is. */
export const startsTooEarly = (keyspace: Keyspace, request: WatchCreateRequest): boolean => startOf(keyspace, request) < keyspace.compacted

/** An end that is not above the first key leaves nothing to watch: it is cancelled too. */
export const watchesNothing = ({ key, rangeEnd = '' }: WatchCreateRequest): boolean =>
  rangeEnd !== '' && rangeEnd !== '\0' && key >= rangeEnd

/** What one revision, which must not be compacted, has for it. */
export const eventsAt = (keyspace: Keyspace, request: WatchCreateRequest, revision: Revision): readonly WatchEvent[] => {
  const { changes, compacted } = keyspace
  const events = changes[changes.length - 1 - (keyspace.revision - revision)] ?? []
  // What was before is read at the revision before: it may be compacted though the change is not, and it is the same for
  // all that one revision did to the key.
  const before = (key: Key): WatchEvent['prevKv'] => events.find(({ kv }) => kv.key === key)?.prevKv
  return events
    .filter(({ type, kv }) => covers(request, kv.key) && request.filters?.includes(type === 'PUT' ? 'NOPUT' : 'NODELETE') !== true)
    .map(({ type, kv }) => {
      const prevKv = request.prevKv === true && revision > compacted ? before(kv.key) : undefined
      return prevKv === undefined ? { type, kv } : { type, kv, prevKv }
    })
}
