/** A change of a key as a watch is told of it. Source: server/etcdserver/api/v3rpc/watch.go. */
import type { Stored, WatchCreateRequest, WatchEvent } from '../../model/state/keyspace.ts'
import type { Change } from './mvcc.ts'
import { keyValue } from './range.ts'
import { sizeOf } from './request.ts'

export const isAsked = ({ after }: Change, { filters }: WatchCreateRequest): boolean =>
  filters === undefined || !filters.includes(after === null ? 'NODELETE' : 'NOPUT')

/** previous: what to say was before; null: nothing. */
export const eventOf = ({ key, after, revision }: Change, previous: Stored | null): WatchEvent => {
  const type = after === null ? 'DELETE' : 'PUT'
  const kv =
    after === null ? { key, value: undefined, createRevision: 0, modRevision: revision, version: 0, lease: 0 } : keyValue(key, after)
  return previous === null ? { type, kv } : { type, kv, prevKv: keyValue(key, previous) }
}

/** What the key was at the revision before: a transaction may have put what it deletes. changes: with all of the revision. */
export const previousOf = (change: Change, changes: readonly Change[]): Stored | null => {
  const { key, before, revision } = change
  if (before?.modRevision !== revision) return before
  return changes.find((one) => one.revision === revision && one.key === key)?.before ?? null
}

const EVENT_BYTES = 48
const bytesOf = ({ kv, prevKv }: WatchEvent): number => {
  const previous = prevKv === undefined ? 0 : prevKv.key.length + sizeOf(prevKv.value)
  return EVENT_BYTES + kv.key.length + sizeOf(kv.value) + previous
}

/** In parts of at most so many bytes, or of one event. */
export const split = (events: readonly WatchEvent[], bytesMost: number): readonly (readonly WatchEvent[])[] => {
  const parts: WatchEvent[][] = []
  let bytes = 0
  for (const event of events) {
    const part = parts.at(-1)
    bytes += bytesOf(event)
    if (part !== undefined && bytes <= bytesMost) part.push(event)
    else {
      parts.push([event])
      bytes = bytesOf(event)
    }
  }
  return parts
}
