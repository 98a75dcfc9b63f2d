/** Histories of etcd's clients written by hand, a line a step: for tests of what judges them. Each call is alone in time. */
import type { Delivered, Observation, Outcome } from '../../../model/state/history.ts'
import type { EtcdRequest, KeyValue, KvResponse, LeaseId, RangeResponse, Revision, TxnRequest } from '../../../model/state/keyspace.ts'

/** Key, value, modification and creation revision, version. */
type Shown = readonly [string, string, Revision, Revision, number]
/** Key, value (null: deleted), revision. */
type Told = readonly [string, string | null, Revision]

export class Script {
  readonly history: Observation[] = []
  private atMs = 0
  private calls = 0

  private call(request: EtcdRequest, outcome: Outcome): this {
    const call = `c${this.calls++}`
    this.history.push({ kind: 'Invoke', atMs: this.atMs++, process: 'client', call, request, to: 'm1' })
    this.history.push({ kind: 'Reply', atMs: this.atMs++, process: 'client', call, outcome })
    return this
  }

  put(key: string, value: string, revision: Revision, lease: LeaseId = 0): this {
    const request = { kind: 'Put', key, value, ...(lease === 0 ? {} : { lease }) } as const
    return this.call(request, { kind: 'done', revision, response: { kind: 'Put', header: header(revision) } })
  }

  open(key: string, value: string): this {
    return this.openRequest({ kind: 'Put', key, value })
  }

  openRequest(request: EtcdRequest): this {
    return this.call(request, { kind: 'unknown', reason: 'timed out' })
  }

  refused(key: string, value: string): this {
    return this.call({ kind: 'Put', key, value }, { kind: 'refused', reason: 'etcdserver: mvcc: database space exceeded' })
  }

  get(key: string, revision: Revision, shown: readonly Shown[], serializable = false): this {
    return this.call({ kind: 'Range', key, serializable }, range(revision, shown))
  }

  getAt(key: string, asked: Revision, revision: Revision, shown: readonly Shown[]): this {
    return this.call({ kind: 'Range', key, revision: asked }, range(revision, shown))
  }

  txn(request: TxnRequest, revision: Revision, succeeded: boolean, responses: readonly KvResponse[]): this {
    return this.call(request, { kind: 'done', revision, response: { kind: 'Txn', header: header(revision), succeeded, responses } })
  }

  compact(revision: Revision, now: Revision): this {
    return this.call({ kind: 'Compact', revision }, { kind: 'done', revision: now, response: { kind: 'Compact', header: header(now) } })
  }

  revoke(id: LeaseId, revision: Revision): this {
    const response = { kind: 'LeaseRevoke', header: header(revision), id, ttlSeconds: -1 } as const
    return this.call({ kind: 'LeaseRevoke', id }, { kind: 'done', revision, response })
  }

  grant(id: LeaseId, ttlSeconds: number): this {
    const response = { kind: 'LeaseGrant', header: header(1), id, ttlSeconds } as const
    return this.call({ kind: 'LeaseGrant', id, ttlSeconds }, { kind: 'done', revision: 1, response })
  }

  end(): this {
    this.history.push({ kind: 'PhaseBegan', atMs: this.atMs++, phase: 'end' })
    return this
  }

  wait(forMs: number): this {
    this.atMs += forMs
    return this
  }

  watch(stream: string, startRevision: Revision, events: readonly Told[]): this {
    const range = { key: 'a', rangeEnd: 'z' }
    this.history.push({
      kind: 'WatchOpened',
      atMs: this.atMs++,
      layer: 'etcd',
      stream,
      process: 'client',
      from: 'm1',
      range,
      startRevision,
    })
    for (const event of events) this.deliver(stream, [event])
    return this
  }

  deliver(stream: string, told: readonly Told[]): this {
    const events = told.map(([key, value, revision]): Delivered =>
      value === null ? { type: 'DELETE', key, revision } : { type: 'PUT', key, revision, value },
    )
    const revision = told.at(-1)?.[2] ?? 0
    this.history.push({ kind: 'WatchDelivered', atMs: this.atMs++, layer: 'etcd', stream, revision, events, progress: false })
    return this
  }

  /** One event with what it says of its key: created, how many puts. */
  tell(stream: string, [key, value, revision, createRevision, version]: Shown): this {
    const events: readonly Delivered[] = [{ type: 'PUT', key, revision, value, createRevision, version }]
    this.history.push({ kind: 'WatchDelivered', atMs: this.atMs++, layer: 'etcd', stream, revision, events, progress: false })
    return this
  }

  notice(stream: string, revision: Revision): this {
    this.history.push({ kind: 'WatchDelivered', atMs: this.atMs++, layer: 'etcd', stream, revision, events: [], progress: true })
    return this
  }

  hash(member: string, revision: Revision, hash: string): this {
    this.history.push({ kind: 'Hashed', atMs: this.atMs++, member, revision, compactRevision: 0, hash })
    return this.call({ kind: 'Status' }, { kind: 'refused', reason: 'not asked' })
  }
}

export const header = (revision: Revision) => ({ revision, raftTerm: 1, member: 'm1' })

const range = (revision: Revision, shown: readonly Shown[]): Outcome => ({ kind: 'done', revision, response: rangeReply(revision, shown) })

export const rangeReply = (revision: Revision, shown: readonly Shown[]): RangeResponse => {
  const kvs = shown.map(([key, value, modRevision, createRevision, version]): KeyValue => ({
    key,
    value,
    modRevision,
    createRevision,
    version,
    lease: 0,
  }))
  return { kind: 'Range', header: header(revision), kvs, count: kvs.length, more: false }
}
