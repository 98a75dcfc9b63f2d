/**
 * Requests of etcd's clients, followed from the moment they were asked to their answers, and what the sequential store
 * would have answered at the revision they were told.
 */
import { applyRequest } from '../../components/etcd-store.ts'
import type { Invariant, Judgement } from '../../invariant.ts'
import type { StoreHistory } from '../../state/cluster.ts'
import type { Seen } from '../../state/history.ts'
import type { EtcdError, EtcdResponse, Key, KeyValue, KvRequest, KvResponse, Stored } from '../../state/keyspace.ts'
import type { Keyspace } from '../../state/system.ts'
import { jsonOf } from '../../components/objects.ts'
import { watching, type Fields } from '../define.ts'

export const GUARANTEES = 'https://etcd.io/docs/v3.6/learning/api_guarantees/'
export const DATA_MODEL = 'https://etcd.io/docs/v3.6/learning/data_model/'

/** What was known when a request was asked. */
export interface Open {
  readonly seen: Seen<'Invoke'>
  /** The highest revision anybody had been told of. */
  readonly floor: number
  /** The highest compaction anybody had been told of. */
  readonly compacted: number
  /** Member → the highest revision that a serializable read of its present incarnation was answered at. */
  readonly floors: ReadonlyMap<string, number>
  /** How often the member it was sent to had been started. */
  readonly starts: number
}
export type Done = Seen<'Reply'> & { readonly outcome: { readonly kind: 'done' } }
export type Refused = Seen<'Reply'> & { readonly outcome: { readonly kind: 'refused' } }

export const writes = (request: KvRequest): boolean =>
  request.kind === 'Put' ||
  request.kind === 'DeleteRange' ||
  (request.kind === 'Txn' && [...request.success, ...request.failure].some(writes))
export const isKv = (request: { readonly kind: string }): request is KvRequest =>
  ['Range', 'Put', 'DeleteRange', 'Txn'].includes(request.kind)
const isSerializable = (request: { readonly kind: string }): boolean =>
  request.kind === 'Range' && (request as KvRequest & { kind: 'Range' }).serializable === true

/** Calls of the keyspace and compactions, with what was known when they were asked; `judge` sees each that was answered. */
export const answering = (fields: Fields, judge: (open: Open, reply: Done | Refused, history: StoreHistory) => Judgement): Invariant =>
  watching(fields, ['Invoke', 'Reply', 'ProcessStarted'], () => {
    const open = new Map<string, Open>()
    let floors: ReadonlyMap<string, number> = new Map()
    const starts = new Map<string, number>()
    let floor = 0
    let compacted = 0
    return {
      observe(next, { history }) {
        if (next.kind === 'ProcessStarted') {
          floors = new Map([...floors].filter(([member]) => member !== next.process))
          starts.set(next.process, (starts.get(next.process) ?? 0) + 1)
          return 'vacuous'
        }
        if (next.kind === 'Invoke') {
          if (isKv(next.request) || next.request.kind === 'Compact')
            open.set(next.call, { seen: next, floor, compacted, floors, starts: starts.get(next.to) ?? 0 })
          return 'vacuous'
        }
        if (next.kind !== 'Reply') return 'vacuous'
        const asked = open.get(next.call)
        open.delete(next.call)
        if (asked === undefined || next.outcome.kind === 'unknown') return 'vacuous'
        const verdict = judge(asked, next as Done | Refused, history)
        if (next.outcome.kind !== 'done') return verdict
        const { request } = asked.seen
        const { response, revision } = next.outcome
        if (request.kind === 'Compact') compacted = Math.max(compacted, request.revision)
        // A serializable read may be old: of others it binds only those that ask the same member.
        else if (isSerializable(request)) {
          // What a member said before it crashed may be heard after it has come back.
          if (asked.starts !== starts.get(asked.seen.to)) return verdict
          const member = response?.header.member ?? ''
          floors = new Map([...floors, [member, Math.max(revision, floors.get(member) ?? 0)]])
        } else floor = Math.max(floor, revision)
        return verdict
      },
    }
  })

/** As `answering`, for KV requests that were done. */
export const doing = (fields: Fields, judge: (open: Open, reply: Done, history: StoreHistory) => Judgement): Invariant =>
  answering(fields, (open, reply, history) =>
    reply.outcome.kind === 'done' && isKv(open.seen.request) ? judge(open, reply as Done, history) : 'vacuous',
  )

/** All keys at a revision, by the committed history alone. */
const contentsAt = (history: StoreHistory, revision: number): Map<Key, Stored> => {
  const kvs = new Map<Key, Stored>()
  for (const key of history.keys('')) {
    const stored = history.at(key, revision)
    if (stored !== undefined) kvs.set(key, stored)
  }
  return kvs
}

const leasesIn = (request: KvRequest): readonly number[] => {
  if (request.kind === 'Put') return [request.lease ?? 0]
  return request.kind === 'Txn' ? [...request.success, ...request.failure].flatMap(leasesIn) : []
}
const readsBack = (request: KvRequest): boolean =>
  (request.kind === 'Range' && (request.revision ?? 0) > 0) ||
  (request.kind === 'Txn' && [...request.success, ...request.failure].some(readsBack))

const changeOf = (key: Key, revision: number, history: StoreHistory): Keyspace['changes'][number][number] => {
  const after = history.at(key, revision)
  const before = history.at(key, revision - 1)
  const gone = { key, value: undefined, createRevision: 0, modRevision: revision, version: 0, lease: 0 }
  return {
    type: after === undefined ? 'DELETE' : 'PUT',
    kv: after === undefined ? gone : { key, ...after },
    ...(before === undefined ? {} : { prevKv: { key, ...before } }),
  }
}

/** The sequential store as the history says it was; leases are taken to be there, the past only where it is asked for. */
const keyspaceAt = (history: StoreHistory, revision: number, request: KvRequest): Keyspace => {
  const changes: Keyspace['changes'][number][number][][] = []
  if (readsBack(request)) {
    for (let at = 2; at <= revision; at++) changes.push([])
    for (const key of history.keys('')) {
      for (const version of history.versions(key)) {
        if (version.revision >= 2 && version.revision <= revision)
          changes[version.revision - 2]?.push(changeOf(key, version.revision, history))
      }
    }
  }
  const leases = new Map(leasesIn(request).map((lease) => [lease, { ttlSeconds: 0 }]))
  return { revision, compacted: 0, kvs: contentsAt(history, revision), leases, changes }
}

const plainKv = ({ key, value, createRevision, modRevision, version, lease }: KeyValue): readonly unknown[] => [
  key,
  value === undefined ? '' : value,
  createRevision,
  modRevision,
  version,
  lease,
]
/** What of an answer must be as the sequential store says: all but who gave it. */
export const plain = (response: KvResponse | EtcdError | EtcdResponse | undefined): unknown => {
  switch (response?.kind) {
    case 'Range':
      return { kvs: response.kvs.map(plainKv), count: response.count, more: response.more }
    case 'Put':
      return { prevKv: response.prevKv === undefined ? null : plainKv(response.prevKv) }
    case 'DeleteRange':
      return { deleted: response.deleted, prevKvs: (response.prevKvs ?? []).map(plainKv) }
    case 'Txn':
      return { succeeded: response.succeeded, responses: response.responses.map(plain) }
    case 'Error':
      return { error: response.message }
    default:
      return null
  }
}

export interface Explained {
  /** It changed something, at the revision it was told; otherwise it left that revision as it was. */
  readonly wrote: boolean
  /** What the sequential store answers there. */
  readonly expected: KvResponse | EtcdError
  /** Null: it was told just that. */
  readonly difference: string | null
}

const explained = new WeakMap<object, Explained>()

/** Where a KV request that is done took effect by what its revision changed, and whether it was told what was true there. */
export const explain = (request: KvRequest, reply: Done, history: StoreHistory): Explained => {
  let found = explained.get(reply)
  if (found === undefined) {
    found = find(request, reply, history)
    explained.set(reply, found)
  }
  return found
}

const find = (request: KvRequest, { outcome: { revision, response } }: Done, history: StoreHistory): Explained => {
  const told = jsonOf(plain(response))
  const compare = (wrote: boolean, expected: KvResponse | EtcdError): Explained => {
    const truth = jsonOf(plain(expected))
    return { wrote, expected, difference: truth === told ? null : `was answered ${told}, the store's answer is ${truth}` }
  }
  const before = applyRequest(keyspaceAt(history, revision - 1, request), request)
  const changes = before.keyspace.changes.at(-1) ?? []
  const may = writes(request) && before.keyspace.revision === revision && changes.every(({ kv }) => isThere(history, kv, revision))
  const writing = may ? compare(true, before.response) : null
  if (writing?.difference === null) return writing
  // It may be another one's change, as when a lease took away what a deletion then did not find.
  const after = applyRequest(keyspaceAt(history, revision, request), request)
  if (after.keyspace.revision === revision) {
    const reading = compare(false, after.response)
    return reading.difference === null ? reading : (writing ?? reading)
  }
  if (writing !== null) return writing
  const [change] = after.keyspace.changes.at(-1) ?? []
  const difference = `would have changed ${change?.kv.key}, and revision ${revision} does not show it`
  return { wrote: false, expected: after.response, difference }
}

const isThere = (history: StoreHistory, kv: KeyValue, revision: number): boolean => {
  const stored = history.at(kv.key, revision)
  if (kv.version === 0) return stored === undefined
  return stored !== undefined && stored.modRevision === revision && jsonOf(stored.value) === jsonOf(kv.value)
}
