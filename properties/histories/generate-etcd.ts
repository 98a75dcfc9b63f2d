/**
 * A history of a correct etcd as its clients see it, observation by observation, never all at once: puts, deletions,
 * transactions and reads, some left open, and watches over all keys that deliver in batches. From a seed, always alike.
 */
import { Streams, type Random } from '../../sim/random.ts'
import type { Delivered, Observation, Outcome } from '../../model/state/history.ts'
import type { KeyValue, KvRequest, KvResponse, Revision, Stored } from '../../model/state/keyspace.ts'

export interface EtcdShape {
  readonly seed: string
  readonly operations: number
  readonly clients: number
  readonly keys: number
  readonly watches: number
  /** Of 1000 calls so many time out. */
  readonly openPerMille: number
}

interface Busy {
  readonly call: string
  readonly process: string
  readonly request: KvRequest
  outcome: Outcome | null
}

const LATE_STEPS = 2_000
const BATCH = 20

export function* etcdHistory(shape: EtcdShape): Generator<Observation> {
  const random = new Streams(shape.seed).stream('etcd history')
  const store = new Store()
  const busy: (Busy | null)[] = Array.from({ length: shape.clients }, () => null)
  const lives = Array.from({ length: shape.clients }, () => 0)
  const late = new Map<number, KvRequest[]>()
  let atMs = 0
  for (let watch = 0; watch < shape.watches; watch++)
    yield {
      kind: 'WatchOpened',
      atMs,
      layer: 'etcd',
      stream: `w${watch}`,
      process: `watcher-${watch}`,
      from: 'm0',
      range: { key: 'k', rangeEnd: 'l' },
      startRevision: 2,
    }
  let calls = 0
  while (calls < shape.operations) {
    atMs++
    for (const request of late.get(atMs) ?? []) store.apply(request)
    late.delete(atMs)
    const client = random.below(shape.clients)
    const own = busy[client] ?? null
    if (own === null) {
      const process = `c${client}.${lives[client]}`
      const call = `${calls}`
      const request = requestOf(random, shape, calls++)
      yield { kind: 'Invoke', atMs, process, call, request, to: 'm0' }
      if (!random.chance(shape.openPerMille)) busy[client] = { call, process, request, outcome: null }
      else {
        if (random.below(2) === 0) late.set(atMs + random.between(1, LATE_STEPS), [request])
        lives[client] = (lives[client] ?? 0) + 1
        yield { kind: 'Reply', atMs, process, call, outcome: { kind: 'unknown', reason: 'timed out' } }
      }
    } else if (own.outcome === null) own.outcome = outcomeOf(store.apply(own.request))
    else {
      busy[client] = null
      yield { kind: 'Reply', atMs, process: own.process, call: own.call, outcome: own.outcome }
    }
    if (store.fresh.length >= BATCH) yield* deliveries(store, shape.watches, atMs)
  }
  yield* deliveries(store, shape.watches, atMs)
}

function* deliveries(store: Store, watches: number, atMs: number): Generator<Observation> {
  const events = store.fresh
  if (events.length === 0) return
  store.fresh = []
  const revision = store.revision
  for (let watch = 0; watch < watches; watch++)
    yield { kind: 'WatchDelivered', atMs, layer: 'etcd', stream: `w${watch}`, revision, events, progress: false }
}

const outcomeOf = (response: KvResponse): Outcome => ({ kind: 'done', revision: response.header.revision, response })

const requestOf = (random: Random, { keys }: EtcdShape, call: number): KvRequest => {
  const key = `k${random.below(keys)}`
  const kind = random.below(20)
  if (kind < 9) return { kind: 'Put', key, value: `v${call}` }
  if (kind < 16) return { kind: 'Range', key }
  if (kind < 17) return { kind: 'Range', key, rangeEnd: `${key}~`, limit: 5 }
  if (kind < 18) return { kind: 'DeleteRange', key }
  const compare = [{ key, target: 'version', result: random.below(2) === 0 ? '=' : '>', operand: 0 }] as const
  return {
    kind: 'Txn',
    compare,
    success: [
      { kind: 'Put', key, value: `v${call}` },
      { kind: 'Range', key },
    ],
    failure: [{ kind: 'Range', key }],
  }
}

/** Keys in no order but for short ranges; just what the generator needs. */
class Store {
  revision: Revision = 1
  fresh: Delivered[] = []
  private readonly kvs = new Map<string, Stored>()

  apply(request: KvRequest): KvResponse {
    const before = this.revision
    const response = this.part(request, before + 1)
    return response
  }

  private part(request: KvRequest, revision: Revision): KvResponse {
    switch (request.kind) {
      case 'Range': {
        const kvs = this.range(request)
        return { kind: 'Range', header: this.header(), kvs: kvs.slice(0, request.limit ?? Infinity), count: kvs.length, more: false }
      }
      case 'Put': {
        const was = this.kvs.get(request.key)
        const stored = {
          value: request.value,
          createRevision: was?.createRevision ?? revision,
          modRevision: revision,
          version: (was?.version ?? 0) + 1,
          lease: 0,
        }
        this.kvs.set(request.key, stored)
        this.revision = revision
        this.fresh.push({
          type: 'PUT',
          key: request.key,
          revision,
          createRevision: stored.createRevision,
          version: stored.version,
          value: request.value,
          lease: 0,
          ...(was === undefined ? {} : { prevRevision: was.modRevision }),
        })
        return { kind: 'Put', header: this.header() }
      }
      case 'DeleteRange': {
        const was = this.kvs.get(request.key)
        if (was === undefined) return { kind: 'DeleteRange', header: this.header(), deleted: 0 }
        this.kvs.delete(request.key)
        this.revision = revision
        this.fresh.push({ type: 'DELETE', key: request.key, revision, prevRevision: was.modRevision })
        return { kind: 'DeleteRange', header: this.header(), deleted: 1 }
      }
      case 'Txn': {
        const succeeded = request.compare.every(({ key, result }) => (result === '>') === this.kvs.has(key))
        const responses = (succeeded ? request.success : request.failure).map((part) => this.part(part, revision))
        return { kind: 'Txn', header: this.header(), succeeded, responses }
      }
    }
  }

  private header() {
    return { revision: this.revision, raftTerm: 1, member: 'm0' }
  }

  private range({ key, rangeEnd }: { readonly key: string; readonly rangeEnd?: string }): readonly KeyValue[] {
    if (rangeEnd === undefined) {
      const stored = this.kvs.get(key)
      return stored === undefined ? [] : [{ key, ...stored }]
    }
    // k12~ ends behind k12, k120 … k129, k1200 … : few enough to be looked up.
    const names = [key]
    for (let place = 0; place < names.length && names.length < RANGE_MOST; place++)
      for (let digit = 0; digit < 10; digit++) names.push(`${names[place]}${digit}`)
    return names.toSorted().flatMap((name) => {
      const stored = this.kvs.get(name)
      return stored === undefined ? [] : [{ key: name, ...stored }]
    })
  }
}

const RANGE_MOST = 1_000
