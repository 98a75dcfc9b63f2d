/**
 * etcd: one sequential store. Clients' requests take effect one at a time, watches deliver what changed, leases expire.
 *
 * Left out: members, terms and who leads. That the many behave as this one is what the history checkers judge; here is
 * what "as one" means. Time is left out too: a lease that is not revoked may expire at any moment.
 * Source: https://etcd.io/docs/v3.6/learning/api/, https://etcd.io/docs/v3.6/learning/api_guarantees/
 */
import type {
  Compare,
  EtcdError,
  Key,
  KeyRange,
  KvRequest,
  KvResponse,
  LeaseId,
  PutRequest,
  RangeRequest,
  Revision,
  Stored,
  WatchCreateRequest,
  WatchEvent,
} from '../state/keyspace.ts'
import type { Component, Keyspace } from '../state/system.ts'

export const EMPTY: Keyspace = { revision: 1, compacted: 0, kvs: new Map(), leases: new Map(), changes: [] }

const HEADER = { raftTerm: 0, member: 'etcd' }
const OPERATIONS_MOST = 128
const refused = (message: string): EtcdError => ({ kind: 'Error', message: `etcdserver: ${message}`, definite: true })

const covers = ({ key: from, rangeEnd }: KeyRange, key: Key): boolean => {
  if (rangeEnd === undefined || rangeEnd === '') return key === from
  return key >= from && (rangeEnd === '\0' || key < rangeEnd)
}
const matching = (kvs: Keyspace['kvs'], range: KeyRange): readonly (readonly [Key, Stored])[] =>
  [...kvs].filter(([key]) => covers(range, key)).toSorted(([one], [other]) => (one < other ? -1 : 1))

/** What one request changes, gathered before it takes effect as one revision. */
interface Draft {
  readonly before: Keyspace
  readonly revision: Revision
  readonly kvs: Map<Key, Stored>
  readonly events: WatchEvent[]
}

export type Applied = { readonly keyspace: Keyspace; readonly response: KvResponse | EtcdError }

/** One KV request. A request that is refused changes nothing; one that changes nothing makes no revision. */
export const applyRequest = (keyspace: Keyspace, request: KvRequest): Applied => {
  const wrong = problemOf(keyspace, request)
  if (wrong !== null) return { keyspace, response: wrong }
  const draft: Draft = { before: keyspace, revision: keyspace.revision + 1, kvs: new Map(keyspace.kvs), events: [] }
  const response = perform(draft, request)
  if (draft.events.length === 0) return { keyspace, response }
  return { keyspace: { ...keyspace, revision: draft.revision, kvs: draft.kvs, changes: [...keyspace.changes, draft.events] }, response }
}

const perform = (draft: Draft, request: KvRequest): KvResponse => {
  // Of a request that changes something, every part answers with the revision it makes.
  const header = (): typeof HEADER & { readonly revision: Revision } => ({
    ...HEADER,
    revision: draft.events.length > 0 ? draft.revision : draft.before.revision,
  })
  switch (request.kind) {
    case 'Range':
      return range(draft, request, header())
    case 'Put': {
      const before = draft.kvs.get(request.key)
      put(draft, request)
      const prev = request.prevKv === true && before !== undefined ? { prevKv: { key: request.key, ...before } } : {}
      return { kind: 'Put', header: header(), ...prev }
    }
    case 'DeleteRange': {
      const gone = matching(draft.kvs, request)
      for (const [key, stored] of gone) {
        draft.kvs.delete(key)
        const kv = { key, value: undefined, createRevision: 0, modRevision: draft.revision, version: 0, lease: 0 }
        draft.events.push({ type: 'DELETE', kv, prevKv: { key, ...stored } })
      }
      const prevKvs = gone.map(([key, stored]) => ({ key, ...stored }))
      return { kind: 'DeleteRange', header: header(), deleted: gone.length, ...(request.prevKv === true ? { prevKvs } : {}) }
    }
    case 'Txn': {
      const succeeded = request.compare.every((compare) => holds(draft.before, compare))
      const responses = (succeeded ? request.success : request.failure).map((part) => perform(draft, part))
      return { kind: 'Txn', header: header(), succeeded, responses }
    }
  }
}

const put = ({ kvs, events, revision }: Draft, { key, value, lease = 0 }: PutRequest): void => {
  const before = kvs.get(key)
  const stored: Stored = {
    value,
    createRevision: before?.createRevision ?? revision,
    modRevision: revision,
    version: (before?.version ?? 0) + 1,
    lease,
  }
  kvs.set(key, stored)
  events.push({ type: 'PUT', kv: { key, ...stored }, ...(before === undefined ? {} : { prevKv: { key, ...before } }) })
}

const range = (draft: Draft, request: RangeRequest, header: KvResponse['header']): KvResponse => {
  const kvs = request.revision === undefined || request.revision === 0 ? draft.kvs : stateAt(draft.before, request.revision)
  const found = matching(kvs, request)
  const limit = request.limit ?? 0
  const shown = request.countOnly === true ? [] : limit > 0 ? found.slice(0, limit) : found
  return {
    kind: 'Range',
    header,
    kvs: shown.map(([key, stored]) => ({ key, ...stored, ...(request.keysOnly === true ? { value: '' } : {}) })),
    count: found.length,
    more: request.countOnly !== true && shown.length < found.length,
  }
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

const ABSENT: Stored = { value: undefined, createRevision: 0, modRevision: 0, version: 0, lease: 0 }
const FIELD = { version: 'version', create: 'createRevision', mod: 'modRevision', value: 'value', lease: 'lease' } as const

/** It must hold for each key of the range; where there is none the numbers are 0, and a value compares to nothing. */
const holds = (keyspace: Keyspace, compare: Compare): boolean => {
  const found = matching(keyspace.kvs, compare).map(([, stored]) => stored)
  const asked = found.length === 0 ? [ABSENT] : found
  return asked.every((stored) => {
    if (compare.target === 'value' && stored === ABSENT) return false
    const held = stored[FIELD[compare.target]] as number | string
    switch (compare.result) {
      case '=':
        return held === compare.operand
      case '!=':
        return held !== compare.operand
      case '<':
        return held < compare.operand
      case '>':
        return held > compare.operand
    }
  })
}

const partsOf = (request: KvRequest): readonly KvRequest[] =>
  request.kind === 'Txn' ? [...request.success, ...request.failure].flatMap(partsOf) : [request]

/** Null: it may be applied. Source of the texts: etcd api/v3rpc/rpctypes/error.go. */
const problemOf = (keyspace: Keyspace, request: KvRequest): EtcdError | null => {
  if (request.kind === 'Txn') {
    for (const branch of [request.compare, request.success, request.failure])
      if (branch.length > OPERATIONS_MOST) return refused('too many operations in txn request')
    for (const branch of [request.success, request.failure]) {
      const written = branch.flatMap(partsOf).filter((part) => part.kind !== 'Range')
      if (collide(written)) return refused('duplicate key given in txn request')
    }
    const taken = request.compare.every((compare) => holds(keyspace, compare)) ? request.success : request.failure
    for (const part of taken) {
      const wrong = problemOf(keyspace, part)
      if (wrong !== null) return wrong
    }
    return null
  }
  if (request.key === '') return refused('key is not provided')
  if (request.kind === 'Put' && (request.lease ?? 0) !== 0 && !keyspace.leases.has(request.lease ?? 0))
    return refused('requested lease not found')
  if (request.kind === 'Range') return readable(keyspace, request.revision ?? 0)
  return null
}

const readable = ({ revision, compacted }: Keyspace, asked: Revision): EtcdError | null => {
  if (asked > revision) return refused('mvcc: required revision is a future revision')
  return asked > 0 && asked < compacted ? refused('mvcc: required revision has been compacted') : null
}

/** Two puts of one key, or a put of a key that a delete of the same branch covers. */
const collide = (written: readonly KvRequest[]): boolean => {
  const puts = written.flatMap((part) => (part.kind === 'Put' ? [part.key] : []))
  const deletes = written.filter((part) => part.kind === 'DeleteRange')
  return new Set(puts).size < puts.length || puts.some((key) => deletes.some((part) => covers(part, key)))
}

export const grantLease = (keyspace: Keyspace, id: LeaseId, ttlSeconds: number): Keyspace => ({
  ...keyspace,
  leases: new Map([...keyspace.leases, [id, { ttlSeconds }]]),
})

/** Revoked or expired: all keys attached to it go in one revision. */
export const endLease = (keyspace: Keyspace, id: LeaseId): Keyspace => {
  const leases = new Map(keyspace.leases)
  leases.delete(id)
  const keys = [...keyspace.kvs].filter(([, stored]) => stored.lease === id).map(([key]) => key)
  if (keys.length === 0) return { ...keyspace, leases }
  const success = keys.toSorted().map((key) => ({ kind: 'DeleteRange' as const, key }))
  return { ...applyRequest(keyspace, { kind: 'Txn', compare: [], success, failure: [] }).keyspace, leases }
}

export const compact = (keyspace: Keyspace, revision: Revision): Keyspace | EtcdError => {
  const wrong = readable(keyspace, revision)
  if (wrong !== null || revision <= keyspace.compacted) return wrong ?? refused('mvcc: required revision has been compacted')
  return { ...keyspace, compacted: revision }
}

// The machine: clients with requests to make, watches to serve, leases that may end

export interface Watching {
  readonly request: WatchCreateRequest
  /** The next revision it is owed. */
  readonly next: Revision
  readonly seen: readonly WatchEvent[]
}
export interface EtcdState {
  readonly keyspace: Keyspace
  /** Of each client, what it has not asked yet. */
  readonly clients: readonly (readonly KvRequest[])[]
  readonly answers: readonly (KvResponse | EtcdError)[]
  readonly watches: readonly Watching[]
}
export type EtcdAction =
  | { readonly kind: 'Serve'; readonly client: number }
  | { readonly kind: 'Deliver'; readonly watch: number }
  | { readonly kind: 'Expire'; readonly lease: LeaseId }

export const etcd: Component<EtcdState, EtcdAction> = {
  name: 'etcd',

  enabled: ({ keyspace, clients, watches }) => [
    ...clients.flatMap((requests, client) => (requests.length > 0 ? [{ kind: 'Serve' as const, client }] : [])),
    ...watches.flatMap(({ next }, watch) => (next <= keyspace.revision ? [{ kind: 'Deliver' as const, watch }] : [])),
    ...[...keyspace.leases.keys()].map((lease) => ({ kind: 'Expire' as const, lease })),
  ],

  next(state, action) {
    const { keyspace, clients, answers, watches } = state
    switch (action.kind) {
      case 'Serve': {
        const [request, ...rest] = clients[action.client] as readonly [KvRequest, ...KvRequest[]]
        const applied = applyRequest(keyspace, request)
        return { ...state, keyspace: applied.keyspace, clients: clients.with(action.client, rest), answers: [...answers, applied.response] }
      }
      case 'Deliver': {
        const watch = watches[action.watch] as Watching
        return { ...state, watches: watches.with(action.watch, delivered(keyspace, watch)) }
      }
      case 'Expire':
        return { ...state, keyspace: endLease(keyspace, action.lease) }
    }
  },
}

/** One revision at a time, whole: what of it the watch asked for. */
const delivered = ({ changes, revision }: Keyspace, watch: Watching): Watching => {
  const { request, next, seen } = watch
  const events = changes[changes.length - 1 - (revision - next)] ?? []
  const wanted = events.filter(({ type, kv }) => {
    const filtered = request.filters?.includes(type === 'PUT' ? 'NOPUT' : 'NODELETE') === true
    return covers(request, kv.key) && !filtered
  })
  return { ...watch, next: next + 1, seen: [...seen, ...wanted] }
}
