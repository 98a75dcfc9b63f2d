/**
 * The sequential store: one request after another, each a function of the state it finds.
 *
 * That many members behave as this one is what the checkers of histories judge; here is what "as one" means.
 * properties/differential compares it, answer by answer, with a real etcd.
 * Source: https://etcd.io/docs/v3.6/learning/api/, server/etcdserver/txn/txn.go, server/storage/mvcc/kvstore_txn.go.
 */
import type {
  CompactRequest,
  CompactResponse,
  EtcdError,
  Header,
  Key,
  KvRequest,
  KvResponse,
  LeaseId,
  LeaseLeasesResponse,
  LeaseResponse,
  PutRequest,
  Revision,
  Stored,
  WatchEvent,
} from '../state/keyspace.ts'
import type { Keyspace } from '../state/system.ts'
import { holds } from './etcd-compare.ts'
import { grantLease, keysOf, leaseProblem, type AnyLeaseRequest } from './etcd-lease.ts'
import { matching, show } from './etcd-range.ts'
import { NO_SPACE, problemOf, problemWithoutSpace, refused, unreadable } from './etcd-refusals.ts'

export const EMPTY: Keyspace = { revision: 1, compacted: 0, kvs: new Map(), leases: new Map(), changes: [] }

const headerAt = (revision: Revision): Header => ({ revision, raftTerm: 0, member: 'etcd' })

/** What one request changes, gathered before it takes effect as one revision. */
interface Draft {
  readonly before: Keyspace
  readonly revision: Revision
  readonly kvs: Map<Key, Stored>
  readonly events: WatchEvent[]
}
const draftOf = (before: Keyspace): Draft => ({ before, revision: before.revision + 1, kvs: new Map(before.kvs), events: [] })
/** A request that changes nothing makes no revision. */
const sealed = ({ before, revision, kvs, events }: Draft): Keyspace =>
  events.length === 0 ? before : { ...before, revision, kvs, changes: [...before.changes, events] }
const revisionOf = ({ before, revision, events }: Draft): Revision => (events.length > 0 ? revision : before.revision)

export type Applied = { readonly keyspace: Keyspace; readonly response: KvResponse | EtcdError }

/** One KV request. A request that is refused changes nothing. */
export const applyRequest = (keyspace: Keyspace, request: KvRequest): Applied => {
  const problem = problemOf(keyspace, request)
  if (problem !== null) return { keyspace, response: problem }
  const draft = draftOf(keyspace)
  const response = perform(draft, request)
  return { keyspace: sealed(draft), response }
}

/** A part of a transaction sees what parts before it wrote, and answers with the revision the store has by then. */
const perform = (draft: Draft, request: KvRequest): KvResponse => {
  switch (request.kind) {
    case 'Range': {
      const { revision = 0 } = request
      const shown = show(revision > 0 ? stateAt(draft.before, revision) : draft.kvs, request)
      return { kind: 'Range', header: headerAt(revisionOf(draft)), ...shown }
    }
    case 'Put': {
      const before = draft.kvs.get(request.key)
      put(draft, request)
      const prev = request.prevKv === true && before !== undefined ? { prevKv: { key: request.key, ...before } } : {}
      return { kind: 'Put', header: headerAt(revisionOf(draft)), ...prev }
    }
    case 'DeleteRange': {
      const gone = matching(draft.kvs, request)
      for (const { key } of gone) remove(draft, key)
      const prev = request.prevKv === true ? { prevKvs: gone } : {}
      return { kind: 'DeleteRange', header: headerAt(revisionOf(draft)), deleted: gone.length, ...prev }
    }
    case 'Txn': {
      const succeeded = request.compare.every((compare) => holds(draft.before.kvs, compare))
      const responses = (succeeded ? request.success : request.failure).map((part) => perform(draft, part))
      return { kind: 'Txn', header: headerAt(revisionOf(draft)), succeeded, responses }
    }
  }
}

/** A put without a lease detaches the key from the one it had. */
const put = ({ kvs, events, revision }: Draft, { key, value, lease = 0, ignoreValue, ignoreLease }: PutRequest): void => {
  const before = kvs.get(key)
  const stored: Stored = {
    value: ignoreValue === true ? before?.value : value,
    createRevision: before?.createRevision ?? revision,
    modRevision: revision,
    version: (before?.version ?? 0) + 1,
    lease: ignoreLease === true ? (before?.lease ?? 0) : lease,
  }
  kvs.set(key, stored)
  events.push({ type: 'PUT', kv: { key, ...stored }, ...(before === undefined ? {} : { prevKv: { key, ...before } }) })
}

const remove = ({ kvs, events, revision }: Draft, key: Key): void => {
  const before = kvs.get(key) as Stored
  kvs.delete(key)
  const kv = { key, value: undefined, createRevision: 0, modRevision: revision, version: 0, lease: 0 }
  events.push({ type: 'DELETE', kv, prevKv: { key, ...before } })
}

/** The state at a revision that is kept: today's, with what came later undone. */
export const stateAt = (keyspace: Keyspace, revision: Revision): ReadonlyMap<Key, Stored> => {
  const kvs = new Map(keyspace.kvs)
  const later = keyspace.changes.slice(keyspace.changes.length - (keyspace.revision - revision)).toReversed()
  for (const events of later) {
    for (const { kv, prevKv } of events.toReversed()) {
      if (prevKv === undefined) kvs.delete(kv.key)
      else {
        const { key, ...stored } = prevKv
        kvs.set(key, stored)
      }
    }
  }
  return kvs
}

/** Revisions below can be read no more. For watches that start at this one the last change it made of each key is kept. */
export const compact = (keyspace: Keyspace, revision: Revision): Keyspace | EtcdError => {
  const problem = unreadable(keyspace, revision)
  if (problem !== null) return problem
  if (revision <= keyspace.compacted) return refused('mvcc: required revision has been compacted')
  const [first = [], ...later] = keyspace.changes.slice(-(keyspace.revision - revision + 1))
  const last = first.filter(({ kv }, place) => first.findLastIndex((other) => other.kv.key === kv.key) === place)
  return { ...keyspace, compacted: revision, changes: [last, ...later] }
}

/** Revoked or expired: all keys attached to it go in one revision. */
export const endLease = (keyspace: Keyspace, id: LeaseId): Keyspace => {
  const draft = draftOf(keyspace)
  for (const key of keysOf(keyspace, id)) remove(draft, key)
  const leases = new Map(keyspace.leases)
  leases.delete(id)
  return { ...sealed(draft), leases }
}

export type StoreRequest = KvRequest | CompactRequest | AnyLeaseRequest
export type StoreResponse = KvResponse | CompactResponse | LeaseResponse | LeaseLeasesResponse
export interface Answered {
  readonly keyspace: Keyspace
  readonly response: StoreResponse | EtcdError
}

/**
 * Any request that is answered from the store alone. The time a lease has left is answered as if none had passed.
 * spaceLeft: no member has raised the alarm that its space is exhausted.
 */
export const answer = (keyspace: Keyspace, request: StoreRequest, spaceLeft = true): Answered => {
  switch (request.kind) {
    case 'Range':
    case 'Put':
    case 'DeleteRange':
    case 'Txn': {
      const problem = spaceLeft ? null : problemWithoutSpace(request)
      return problem === null ? applyRequest(keyspace, request) : { keyspace, response: problem }
    }
    case 'Compact': {
      const after = compact(keyspace, request.revision)
      return 'kind' in after
        ? { keyspace, response: after }
        : { keyspace: after, response: { kind: 'Compact', header: headerAt(after.revision) } }
    }
    default:
      return request.kind === 'LeaseGrant' && !spaceLeft ? { keyspace, response: NO_SPACE } : answerLease(keyspace, request)
  }
}

const answerLease = (keyspace: Keyspace, request: AnyLeaseRequest): Answered => {
  const problem = leaseProblem(keyspace, request)
  if (problem !== null) return { keyspace, response: problem }
  const header = headerAt(keyspace.revision)
  switch (request.kind) {
    case 'LeaseGrant': {
      const after = grantLease(keyspace, request.id, request.ttlSeconds)
      return { keyspace: after, response: { kind: 'LeaseGrant', header, id: request.id, ttlSeconds: ttlOf(after, request.id) } }
    }
    case 'LeaseRevoke': {
      const after = endLease(keyspace, request.id)
      return { keyspace: after, response: { kind: 'LeaseRevoke', header: headerAt(after.revision), id: request.id, ttlSeconds: -1 } }
    }
    case 'LeaseKeepAlive':
      return { keyspace, response: { kind: 'LeaseKeepAlive', header, id: request.id, ttlSeconds: ttlOf(keyspace, request.id) } }
    case 'LeaseTimeToLive': {
      const { id } = request
      if (!keyspace.leases.has(id))
        return { keyspace, response: { kind: 'LeaseTimeToLive', header, id, ttlSeconds: -1, grantedTtlSeconds: 0 } }
      const ttlSeconds = ttlOf(keyspace, id)
      const keys = request.keys === true ? { keys: keysOf(keyspace, id) } : {}
      return { keyspace, response: { kind: 'LeaseTimeToLive', header, id, ttlSeconds, grantedTtlSeconds: ttlSeconds, ...keys } }
    }
    case 'LeaseLeases':
      return { keyspace, response: { kind: 'LeaseLeases', header, leases: [...keyspace.leases.keys()] } }
  }
}

const ttlOf = ({ leases }: Keyspace, id: LeaseId): number => leases.get(id)?.ttlSeconds ?? 0
