/**
 * Watches of one member: each gets every matching event from its start revision on, in order, once, a revision at a time.
 *
 * A watch is synced: told of changes as they happen; or unsynced: it catches up from the store's history, a batch at a
 * time; or a victim: its connection has no room, and what it was to be told is kept until it has.
 * Source: server/storage/mvcc/watchable_store.go, server/etcdserver/api/v3rpc/watch.go;
 * https://etcd.io/docs/v3.6/learning/api_guarantees/#watch-apis
 */
import type { Connection } from '../../sim/host.ts'
import type { Revision, WatchCreateRequest, WatchEvent } from '../../model/state/keyspace.ts'
import type { Timings } from '../../model/state/plan.ts'
import type { ClusterHost, Message } from '../wire.ts'
import { ALL_WATCHES } from './api.ts'
import { COMPACTED } from './errors.ts'
import { eventOf, isAsked, previousOf, split } from './event.ts'
import type { Change, Mvcc } from './mvcc.ts'
import { inRange, isOneKey } from './request.ts'

/** The watches of one connection. */
interface Stream {
  readonly connection: Connection<Message>
  readonly watchers: Map<number, Watcher>
  /** How many more responses may leave before the client has read some. */
  room: number
}
interface Watcher {
  readonly stream: Stream
  readonly id: number
  readonly create: WatchCreateRequest
  /** It has been told of everything below. */
  next: Revision
  /** What it could not be told yet, and as of which revision. */
  kept: { readonly events: readonly WatchEvent[]; readonly revision: Revision } | null
  /** Whether it was told of nothing since the last progress notice was due. */
  idle: boolean
}

const WINDOW = 128
const BATCH_REVISIONS = 1_000
const SYNC_MS = 100
const PROGRESS_MS = 600_000

export class WatchHub {
  private readonly host: ClusterHost
  private readonly mvcc: Mvcc
  private readonly window: number
  private readonly batchRevisions: number
  private readonly progressMs: number
  private readonly fragmentBytes: number
  private readonly streams = new Map<Connection<Message>, Stream>()
  private readonly synced = new Set<Watcher>()
  private readonly unsynced = new Set<Watcher>()
  private readonly victims = new Set<Watcher>()
  private syncArmed = false
  private progressArmed = false

  constructor(host: ClusterHost, mvcc: Mvcc, timings: Timings, fragmentBytes: number) {
    this.host = host
    this.mvcc = mvcc
    this.window = timings.etcdWatchWindow ?? WINDOW
    this.batchRevisions = timings.etcdWatchBatch ?? BATCH_REVISIONS
    this.progressMs = timings.etcdProgressNotifyMs ?? PROGRESS_MS
    this.fragmentBytes = fragmentBytes
  }

  // Clients

  create(connection: Connection<Message>, id: number, create: WatchCreateRequest): void {
    const { mvcc } = this
    const stream = this.streamOf(connection)
    const refuse = (reason: string): void => connection.send({ kind: 'WatchCanceled', watch: id, reason })
    if (stream.watchers.has(id)) {
      refuse('mvcc: duplicate watch ID provided on the WatchStream')
      return
    }
    if (!isOneKey(create) && create.rangeEnd !== '\0' && create.key >= (create.rangeEnd as string)) {
      refuse('mvcc: watcher range is empty')
      return
    }
    connection.send({ kind: 'WatchCreated', watch: id, revision: mvcc.revision, window: this.window })
    const asked = Math.max(0, create.startRevision ?? 0)
    const next = asked > 0 ? asked : mvcc.revision + 1
    const watcher: Watcher = { stream, id, create, next, kept: null, idle: true }
    stream.watchers.set(id, watcher)
    this.place(watcher)
    if (create.progressNotify === true) this.armProgress()
  }

  private streamOf(connection: Connection<Message>): Stream {
    const known = this.streams.get(connection)
    if (known !== undefined) return known
    const stream: Stream = { connection, watchers: new Map(), room: this.window }
    this.streams.set(connection, stream)
    return stream
  }

  cancel(connection: Connection<Message>, id: number): void {
    const watcher = this.streams.get(connection)?.watchers.get(id)
    if (watcher === undefined) return
    this.forget(watcher)
    connection.send({ kind: 'WatchCanceled', watch: id, reason: 'watch is cancelled by the client' })
  }

  drop(connection: Connection<Message>): void {
    for (const watcher of this.streams.get(connection)?.watchers.values() ?? []) this.forget(watcher)
    this.streams.delete(connection)
  }

  private forget(watcher: Watcher): void {
    watcher.stream.watchers.delete(watcher.id)
    this.synced.delete(watcher)
    this.unsynced.delete(watcher)
    this.victims.delete(watcher)
  }

  /** The client has read some responses. */
  received(connection: Connection<Message>, responses: number): void {
    const stream = this.streams.get(connection)
    if (stream === undefined) return
    stream.room = Math.min(this.window, stream.room + responses)
    for (const watcher of stream.watchers.values()) {
      const { kept } = watcher
      if (kept === null || !this.send(watcher, kept.events, kept.revision)) continue
      watcher.kept = null
      this.victims.delete(watcher)
      this.place(watcher)
    }
  }

  /** Everything up to the current revision has been sent: says so. Until that is true of all of them nothing is said. */
  progress(connection: Connection<Message>): void {
    const stream = this.streams.get(connection)
    if (stream === undefined) return
    const watchers = [...stream.watchers.values()]
    if (watchers.every((watcher) => this.synced.has(watcher))) this.notice(stream, ALL_WATCHES)
  }

  private notice(stream: Stream, watch: number): void {
    if (stream.watchers.size === 0 || stream.room === 0) return
    stream.room--
    stream.connection.send({ kind: 'WatchEvents', watch, revision: this.mvcc.revision, events: [] })
  }

  /** Watches that asked for it hear now and again that nothing happened. */
  private armProgress(): void {
    if (this.progressArmed) return
    this.progressArmed = true
    this.host.after(this.progressMs, () => {
      this.progressArmed = false
      for (const { watchers } of this.streams.values()) {
        for (const watcher of watchers.values()) {
          if (watcher.create.progressNotify !== true) continue
          if (watcher.idle && this.synced.has(watcher)) this.notice(watcher.stream, watcher.id)
          watcher.idle = true
          this.armProgress()
        }
      }
    })
  }

  // The store

  /** The changes of one new revision. */
  notify(changes: readonly Change[]): void {
    const { revision } = this.mvcc
    for (const watcher of this.synced) {
      const events = eventsOf(watcher, changes, this.mvcc.compacted)
      if (events.length === 0) continue
      watcher.next = revision + 1
      this.tell(watcher, events, revision)
    }
  }

  /** The store was replaced: what happened between is not known here, only in its history. */
  restored(): void {
    for (const watcher of this.synced) {
      this.synced.delete(watcher)
      this.unsynced.add(watcher)
    }
    this.armSync()
  }

  /** Where it belongs, when nothing is kept for it. */
  private place(watcher: Watcher): void {
    this.unsynced.delete(watcher)
    if (watcher.next > this.mvcc.revision) this.synced.add(watcher)
    else {
      this.unsynced.add(watcher)
      this.armSync()
    }
  }

  private armSync(): void {
    if (this.syncArmed || this.unsynced.size === 0) return
    this.syncArmed = true
    this.host.after(SYNC_MS, () => {
      this.syncArmed = false
      for (const watcher of [...this.unsynced]) this.sync(watcher)
      this.armSync()
    })
  }

  /** A batch of what it has missed. */
  private sync(watcher: Watcher): void {
    const { mvcc } = this
    if (watcher.next < mvcc.compacted) {
      this.compacted(watcher)
      return
    }
    const missed = eventsOf(watcher, mvcc.changesFrom(watcher.next), mvcc.compacted)
    const rest = restAfter(missed, this.batchRevisions)
    const caughtUp = mvcc.revision + 1
    watcher.next = Math.max(watcher.next, missed[rest]?.kv.modRevision ?? caughtUp)
    if (this.tell(watcher, missed.slice(0, rest), mvcc.revision)) this.place(watcher)
  }

  /** What it was to be told next can be read no more. Without room to say so, it is said later. */
  private compacted(watcher: Watcher): void {
    const { stream, id } = watcher
    if (stream.room === 0) return
    stream.room--
    this.forget(watcher)
    stream.connection.send({ kind: 'WatchCanceled', watch: id, reason: COMPACTED.message, compactRevision: this.mvcc.compacted })
  }

  /** False: there was no room, and it is kept. */
  private tell(watcher: Watcher, events: readonly WatchEvent[], revision: Revision): boolean {
    if (this.send(watcher, events, revision)) return true
    watcher.kept = { events, revision }
    this.synced.delete(watcher)
    this.unsynced.delete(watcher)
    this.victims.add(watcher)
    return false
  }

  private send(watcher: Watcher, events: readonly WatchEvent[], revision: Revision): boolean {
    if (events.length === 0) return true
    const { stream, id: watch, create } = watcher
    if (stream.room === 0) return false
    stream.room--
    watcher.idle = false
    const parts = create.fragment === true ? split(events, this.fragmentBytes) : NO_PARTS
    for (const part of parts.slice(0, -1)) stream.connection.send({ kind: 'WatchEvents', watch, revision, events: part, fragment: true })
    stream.connection.send({ kind: 'WatchEvents', watch, revision, events: parts.at(-1) ?? events })
    return true
  }
}

const eventsOf = ({ next, create }: Watcher, changes: readonly Change[], compacted: Revision): readonly WatchEvent[] => {
  let events: WatchEvent[] | undefined
  for (const change of changes) {
    if (change.revision < next || !inRange(change.key, create) || !isAsked(change, create)) continue
    const withPrevious = create.prevKv === true && change.revision > compacted
    const event = eventOf(change, withPrevious ? previousOf(change, changes) : null)
    if (events === undefined) events = [event]
    else events.push(event)
  }
  return events ?? NO_EVENTS
}
const NO_EVENTS: readonly WatchEvent[] = []
const NO_PARTS: readonly (readonly WatchEvent[])[] = []

/** Where the events of so many revisions end. */
const restAfter = (events: readonly WatchEvent[], revisionsMost: number): number => {
  let revisions = 0
  let last = 0
  for (const [place, { kv }] of events.entries()) {
    if (kv.modRevision !== last) revisions++
    if (revisions > revisionsMost) return place
    last = kv.modRevision
  }
  return events.length
}
