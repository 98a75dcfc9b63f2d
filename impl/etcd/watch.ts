/**
 * Watches of one member: each gets every matching event from its start revision on, in order, once, a revision at a time.
 *
 * Source: https://etcd.io/docs/v3.6/learning/api_guarantees/#watch-apis
 */
import type { Connection } from '../../sim/host.ts'
import type { Revision, WatchCreateRequest, WatchEvent } from '../../model/state/keyspace.ts'
import type { Message } from '../wire.ts'
import { inRange, type Change, type Mvcc } from './mvcc.ts'

interface Watcher {
  readonly connection: Connection<Message>
  readonly watch: number
  readonly create: WatchCreateRequest
  /** Nothing below it is sent. */
  readonly startRevision: Revision
}

export class WatchHub {
  private readonly mvcc: Mvcc
  private readonly watchers = new Set<Watcher>()

  constructor(mvcc: Mvcc) {
    this.mvcc = mvcc
  }

  create(connection: Connection<Message>, watch: number, create: WatchCreateRequest): void {
    const { mvcc } = this
    const asked = create.startRevision ?? 0
    connection.send({ kind: 'WatchCreated', watch, revision: mvcc.revision })
    if (asked > 0 && asked <= mvcc.compacted) {
      const reason = 'etcdserver: mvcc: required revision has been compacted'
      connection.send({ kind: 'WatchCanceled', watch, reason, compactRevision: mvcc.compacted })
      return
    }
    const startRevision = asked > 0 ? asked : mvcc.revision + 1
    const watcher: Watcher = { connection, watch, create, startRevision }
    this.watchers.add(watcher)
    if (startRevision <= mvcc.revision) this.send(watcher, mvcc.changesFrom(startRevision))
  }

  cancel(connection: Connection<Message>, watch: number): void {
    for (const watcher of this.watchers) {
      if (watcher.connection !== connection || watcher.watch !== watch) continue
      this.watchers.delete(watcher)
      connection.send({ kind: 'WatchCanceled', watch, reason: 'watch is cancelled by the client' })
    }
  }

  drop(connection: Connection<Message>): void {
    for (const watcher of this.watchers) if (watcher.connection === connection) this.watchers.delete(watcher)
  }

  /** The changes of one new revision. */
  notify(changes: readonly Change[]): void {
    for (const watcher of this.watchers) this.send(watcher, changes)
  }

  /** Everything up to the current revision has been sent: says so. */
  progress(connection: Connection<Message>): void {
    const { revision } = this.mvcc
    for (const watcher of this.watchers) {
      if (watcher.connection !== connection || watcher.startRevision > revision) continue
      connection.send({ kind: 'WatchEvents', watch: watcher.watch, revision, events: [] })
    }
  }

  private send(watcher: Watcher, changes: readonly Change[]): void {
    const events: WatchEvent[] = []
    for (const change of changes) {
      if (change.revision < watcher.startRevision || !inRange(change.key, watcher.create)) continue
      const filter = change.after === null ? 'NODELETE' : 'NOPUT'
      if (watcher.create.filters?.includes(filter) === true) continue
      events.push(eventOf(change, watcher.create.prevKv === true))
    }
    if (events.length === 0) return
    watcher.connection.send({ kind: 'WatchEvents', watch: watcher.watch, revision: this.mvcc.revision, events })
  }
}

const eventOf = (change: Change, withPrevious: boolean): WatchEvent => {
  const { key, before, after, revision } = change
  const gone = { key, value: undefined, createRevision: 0, modRevision: revision, version: 0, lease: 0 }
  return {
    type: after === null ? 'DELETE' : 'PUT',
    kv: after === null ? gone : { key, ...after },
    ...(withPrevious && before !== null ? { prevKv: { key, ...before } } : {}),
  }
}
