/**
 * A program that talks to etcd as its users do, and says what it asked and was told.
 *
 * One request at a time. After an outcome that stays open it goes on under a new name, since the old request may still
 * take effect (as Jepsen's processes do).
 */
import type { EtcdError, EtcdRequest, EtcdResponse, KvRequest, LeaseId, Revision, WatchEvent } from '../../model/state/keyspace.ts'
import type { Delivered, Outcome } from '../../model/state/history.ts'
import type { EtcdClientAction } from '../../model/state/plan.ts'
import { spawn } from '../task.ts'
import { NOW, type ClusterHost, type ClusterProcess } from '../wire.ts'
import { EtcdClient } from './client.ts'

export interface WorkloadOptions {
  /** The member of its choice first. */
  readonly members: readonly string[]
}

/** What is asked for and answered. */
type Asking = Exclude<EtcdClientAction, { kind: 'Reconnect' | 'Watch' | 'CancelWatch' | 'AskProgress' | 'LogOut' }>

const TIMEOUT_MS = 8_000
const PROGRESS_MS = 2_000
const PAUSE_MS = 200

export const workload =
  (options: WorkloadOptions) =>
  (host: ClusterHost): Workload =>
    new Workload(host, options)

export class Workload implements ClusterProcess {
  private readonly host: ClusterHost
  private readonly client: EtcdClient
  private todo: EtcdClientAction[] = []
  private busy = false
  private calls = 0
  private renamed = 0
  private streams = 0
  private watches: number[] = []
  private readonly leases = new Map<number, LeaseId>()
  /** Highest revision it was ever told of. */
  private revision: Revision = 1

  constructor(host: ClusterHost, options: WorkloadOptions) {
    this.host = host
    this.client = new EtcdClient(host, options.members, TIMEOUT_MS)
  }

  start(): void {
    this.client.connect()
    const ask = (): void => {
      this.client.askProgress()
      this.host.after(PROGRESS_MS, ask)
    }
    this.host.after(PROGRESS_MS, ask)
  }

  receive(): void {}

  accept(): never {
    throw new Error('nobody connects to a client')
  }

  /** Does it once what was asked before is done; or only what is being done already. */
  act(action: EtcdClientAction, first = false): void {
    if (first) this.todo.unshift(action)
    else this.todo.push(action)
    this.next()
  }

  /** Who the members are, and who leads them, is left as it is from now on. */
  settle(): void {
    this.todo = this.todo.filter(({ kind }) => !kind.startsWith('Member') && kind !== 'Reconfigure' && kind !== 'MoveLeader')
  }

  private next(): void {
    if (this.busy) return
    const action = this.todo.shift()
    if (action === undefined) return
    if (this.doneAtOnce(action)) {
      this.next()
      return
    }
    const request = this.requestOf(action as Asking)
    if (request === null) this.next()
    else this.ask(request, action)
  }

  /** What has no answer to wait for. */
  private doneAtOnce(action: EtcdClientAction): boolean {
    switch (action.kind) {
      case 'Reconnect':
        this.client.reconnect()
        return true
      case 'Watch':
        this.watch(action)
        return true
      case 'CancelWatch':
        this.cancelWatch(action.nth)
        return true
      case 'AskProgress':
        this.client.askProgress()
        return true
      case 'LogOut':
        this.client.authenticate(undefined)
        return true
      default:
        return false
    }
  }

  /** Null: it speaks of a lease that was never granted. */
  private requestOf(action: Asking): EtcdRequest | null {
    switch (action.kind) {
      case 'Compact':
        return { kind: 'Compact', revision: Math.max(1, this.revision - action.back), physical: action.physical === true }
      case 'HashKv':
        return { kind: 'HashKv', revision: action.back === 0 ? 0 : Math.max(1, this.revision - action.back) }
      case 'LeaseGrant':
        return { kind: 'LeaseGrant', ttlSeconds: action.ttlSeconds, id: 0 }
      case 'LeaseTimeToLive': {
        const id = this.leases.get(action.slot)
        return id === undefined ? null : { kind: action.kind, id, keys: action.keys }
      }
      case 'LeaseRevoke':
      case 'LeaseKeepAlive': {
        const id = this.leases.get(action.slot)
        return id === undefined ? null : { kind: action.kind, id }
      }
      case 'PutWithLease': {
        const lease = this.leases.get(action.slot)
        return lease === undefined ? null : this.marked({ kind: 'Put', key: action.key, value: action.value, lease })
      }
      case 'Put':
      case 'Range':
      case 'DeleteRange':
      case 'Txn':
        return this.marked(action)
      default:
        return action
    }
  }

  /** Every value names the call that wrote it: two writes are never alike. */
  private marked(request: KvRequest): KvRequest {
    const mark = `${this.host.name}/${this.calls}`
    if (request.kind === 'Put') return request.ignoreValue === true ? request : { ...request, value: `${String(request.value)}@${mark}` }
    // So many back from what it knows.
    if (request.kind === 'Range' && (request.revision ?? 0) < 0)
      return { ...request, revision: Math.max(1, this.revision + (request.revision as number)) }
    if (request.kind !== 'Txn') return request
    const all = (requests: readonly KvRequest[]): readonly KvRequest[] => requests.map((one) => this.marked(one))
    return { ...request, success: all(request.success), failure: all(request.failure) }
  }

  private get process(): string {
    return this.renamed === 0 ? this.host.name : `${this.host.name}.${this.renamed}`
  }

  private ask(request: EtcdRequest, action: EtcdClientAction): void {
    const { host, process } = this
    const call = `${host.name}/${this.calls++}`
    this.busy = true
    host.observe({ atMs: NOW, kind: 'Invoke', process, call, request, to: this.client.endpoint })
    spawn(this.client.request(request, host.name), (response) => {
      const outcome = outcomeOf(response)
      host.observe({ atMs: NOW, kind: 'Reply', process, call, outcome })
      if (outcome.kind === 'unknown') this.renamed++
      if (response.kind !== 'Error') this.learn(response, action)
      // A server that refuses at once is not asked again at once.
      host.after(outcome.kind === 'done' ? 0 : PAUSE_MS, () => {
        this.busy = false
        this.next()
      })
    })
  }

  private learn(response: EtcdResponse, action: EtcdClientAction): void {
    this.revision = Math.max(this.revision, response.header.revision)
    if (response.kind === 'LeaseGrant' && action.kind === 'LeaseGrant') this.leases.set(action.slot, response.id)
    if (response.kind === 'Authenticate') this.client.authenticate(response.token)
  }

  private cancelWatch(nth: number): void {
    const watch = this.watches[nth % this.watches.length]
    if (watch !== undefined) this.client.cancel(watch)
  }

  private watch(action: EtcdClientAction & { kind: 'Watch' }): void {
    const { host } = this
    const startRevision = action.startBack === 0 ? 0 : Math.max(1, this.revision - action.startBack)
    const range = { key: action.key, ...(action.rangeEnd === undefined ? {} : { rangeEnd: action.rangeEnd }) }
    const { filters, progressNotify = false, fragment = false } = action
    const options = { ...(filters === undefined ? {} : { filters }), progressNotify, fragment }
    const stream = `${host.name}/watch-${this.streams++}`
    const from = this.client.endpoint
    let opened = false
    const watch = this.client.watch(
      { ...range, startRevision, prevKv: action.prevKv, ...options },
      {
        created: (revision) => {
          opened = true
          const start = startRevision === 0 ? revision + 1 : startRevision
          const filtered = filters === undefined ? {} : { filters }
          host.observe({ kind: 'WatchOpened', layer: 'etcd', stream, process: host.name, from, range, startRevision: start, ...filtered })
        },
        events: (revision, events) => {
          const delivered = events.map(deliveredOf)
          const progress = events.length === 0
          host.observe({ atMs: NOW, kind: 'WatchDelivered', layer: 'etcd', stream, revision, events: delivered, progress })
        },
        ended: (reason, compactRevision) => {
          this.watches = this.watches.filter((one) => one !== watch)
          if (!opened) return
          const compacted = compactRevision === null ? {} : { compactRevision }
          host.observe({ kind: 'WatchClosed', layer: 'etcd', stream, reason, ...compacted })
        },
      },
    )
    if (watch === null) this.host.after(TIMEOUT_MS, () => this.act(action))
    else this.watches.push(watch)
  }
}

/** An event by reference, for the history. */
export const deliveredOf = ({ type, kv, prevKv }: WatchEvent): Delivered => {
  const { key, modRevision: revision, createRevision, version } = kv
  // Of a few fixed shapes: there are many of them.
  if (type === 'DELETE') return prevKv === undefined ? { type, key, revision } : { type, key, revision, prevRevision: prevKv.modRevision }
  if (prevKv === undefined) return { type, key, revision, createRevision, version }
  return { type, key, revision, createRevision, version, prevRevision: prevKv.modRevision }
}

export const outcomeOf = (response: EtcdResponse | EtcdError): Outcome => {
  if (response.kind === 'Snapshot') {
    // It is the server's own matter what it holds.
    const { blob: _blob, ...said } = response
    return { kind: 'done', revision: response.header.revision, response: said }
  }
  if (response.kind !== 'Error') return { kind: 'done', revision: response.header.revision, response }
  return response.definite ? { kind: 'refused', reason: response.message, error: response } : { kind: 'unknown', reason: response.message }
}
