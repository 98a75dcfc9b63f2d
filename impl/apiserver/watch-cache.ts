/**
 * The API server's copy of one resource: fed by one watch of etcd, it answers lists that need not be fresh and all watches.
 *
 * Source: k8s.io/apiserver/pkg/storage/cacher. A cache that was frozen catches up when it is thawed.
 */
import type { Delivered } from '../../model/state/history.ts'
import type { Key, KeyValue, Revision, WatchEvent } from '../../model/state/keyspace.ts'
import type { ApiObject } from '../../model/state/objects.ts'
import { prefixOf, type Resource } from '../../model/state/resources.ts'
import type { EtcdClient } from '../etcd/client.ts'
import { deliveredOf } from '../etcd/workload.ts'
import type { Matcher } from '../selector.ts'
import { sleep, spawn, type Task } from '../task.ts'
import type { ClusterHost } from '../wire.ts'

export interface CacheEvent {
  readonly revision: Revision
  readonly key: Key
  readonly before: ApiObject | null
  readonly after: ApiObject | null
}

export interface CacheWatcher {
  readonly prefix: string
  readonly matches: Matcher | null
  readonly bookmarks: boolean
  /** Nothing up to here is sent: its client has seen it, perhaps from a cache that was ahead of this one. */
  after: Revision
  send(type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK', object: ApiObject): void
  /** The cache starts anew: the client has to list again. */
  end(): void
}

const RING_MOST = 2_048
const RETRY_MS = 1_000

export class WatchCache {
  readonly resource: Resource
  revision: Revision = 0
  ready = false
  private readonly host: ClusterHost
  private readonly etcd: EtcdClient
  private readonly objects = new Map<Key, ApiObject>()
  private sorted: readonly (readonly [Key, ApiObject])[] | null = null
  /** Recent events, in order; everything after `ringFrom` is in it. */
  private ring: CacheEvent[] = []
  private ringFrom: Revision = 0
  private readonly watchers = new Set<CacheWatcher>()
  private frozen = false
  private stopped = false
  /** The watch of etcd that feeds it. */
  private feed: number | null = null
  private readonly thawing: (() => void)[] = []
  private waiting: { readonly revision: Revision; readonly resume: () => void }[] = []
  private streams = 0

  constructor(host: ClusterHost, etcd: EtcdClient, resource: Resource) {
    this.host = host
    this.etcd = etcd
    this.resource = resource
  }

  start(): void {
    spawn(this.load())
  }

  // Following etcd

  private *load(): Task<void> {
    const prefix = prefixOf(this.resource.resource)
    const range = { key: prefix, rangeEnd: `${prefix.slice(0, -1)}0` }
    for (;;) {
      const response = yield* this.etcd.request({ kind: 'Range', ...range }, this.host.name)
      if (this.stopped) return
      if (response.kind === 'Range') {
        this.replace(response.kvs, response.header.revision)
        this.follow(range)
        return
      }
      yield* sleep(this.host, RETRY_MS)
    }
  }

  private replace(kvs: readonly KeyValue[], revision: Revision): void {
    this.objects.clear()
    for (const kv of kvs) this.objects.set(kv.key, versioned(kv.value as ApiObject, kv.modRevision))
    this.sorted = null
    this.ring = []
    this.ringFrom = revision
    this.revision = revision
    this.ready = true
    for (const watcher of [...this.watchers]) watcher.end()
    this.watchers.clear()
    this.reached()
  }

  private follow(range: { readonly key: string; readonly rangeEnd: string }): void {
    const { host } = this
    const stream = `${host.name}/${this.resource.resource}-${this.streams++}`
    const startRevision = this.revision + 1
    let opened = false
    const watch = this.etcd.watch(
      { ...range, startRevision, prevKv: false },
      {
        created: () => {
          opened = true
          const from = this.etcd.endpoint
          host.observe({ kind: 'WatchOpened', layer: 'etcd', stream, process: host.name, from, range, startRevision })
        },
        events: (revision, events) => {
          const delivered: Delivered[] = events.map(deliveredOf)
          host.observe({ kind: 'WatchDelivered', layer: 'etcd', stream, revision, events: delivered, progress: events.length === 0 })
          this.unlessFrozen(() => this.take(revision, events))
        },
        ended: (reason, compactRevision) => {
          if (opened)
            host.observe({ kind: 'WatchClosed', layer: 'etcd', stream, reason, ...(compactRevision === null ? {} : { compactRevision }) })
          this.unlessFrozen(() => this.again(range, compactRevision !== null))
        },
      },
    )
    this.feed = watch
    if (watch === null) this.host.after(RETRY_MS, () => this.again(range, false))
  }

  /** Its resource is no longer served: whoever watches has to find that out by asking again. */
  stop(): void {
    this.stopped = true
    if (this.feed !== null) this.etcd.cancel(this.feed)
    for (const watcher of [...this.watchers]) watcher.end()
    this.watchers.clear()
  }

  private again(range: { readonly key: string; readonly rangeEnd: string }, compacted: boolean): void {
    if (this.stopped) return
    if (compacted) this.start()
    else this.follow(range)
  }

  private unlessFrozen(run: () => void): void {
    if (this.frozen) this.thawing.push(run)
    else run()
  }

  freeze(frozen: boolean): void {
    this.frozen = frozen
    while (!this.frozen) {
      const run = this.thawing.shift()
      if (run === undefined) return
      run()
    }
  }

  private take(revision: Revision, events: readonly WatchEvent[]): void {
    if (this.stopped) return
    for (const event of events) {
      const { key, modRevision } = event.kv
      const before = this.objects.get(key) ?? null
      const after = event.type === 'PUT' ? versioned(event.kv.value as ApiObject, modRevision) : null
      if (after === null) this.objects.delete(key)
      else this.objects.set(key, after)
      this.sorted = null
      const change: CacheEvent = { revision: modRevision, key, before, after }
      this.ring.push(change)
      for (const watcher of this.watchers) sendTo(watcher, change)
    }
    if (this.ring.length > RING_MOST) {
      const dropped = this.ring.splice(0, this.ring.length - RING_MOST)
      this.ringFrom = dropped.at(-1)?.revision ?? this.ringFrom
    }
    const last = events.at(-1)
    this.revision = Math.max(this.revision, last === undefined ? revision : last.kv.modRevision)
    if (last === undefined) this.bookmark()
    this.reached()
  }

  /** Everything up to the cache's revision has been sent to every watcher. */
  private bookmark(): void {
    for (const watcher of this.watchers) {
      if (watcher.bookmarks && this.revision >= watcher.after) watcher.send('BOOKMARK', this.bookmarkObject())
    }
  }

  private bookmarkObject(): ApiObject {
    const metadata = { name: '', uid: '', creationTimestamp: '', resourceVersion: String(this.revision) }
    return { apiVersion: this.resource.version, kind: this.resource.kind, metadata }
  }

  private reached(): void {
    const { revision } = this
    const ready = this.waiting.filter((one) => one.revision <= revision)
    if (ready.length === 0) return
    this.waiting = this.waiting.filter((one) => one.revision > revision)
    for (const one of ready) one.resume()
  }

  /** Calls `resume` when the cache has seen the revision, or after `ms` at the latest. */
  whenFresh(revision: Revision, ms: number, resume: (fresh: boolean) => void): void {
    if (this.ready && this.revision >= revision) {
      this.host.after(0, () => resume(true))
      return
    }
    let open = true
    const finish = (fresh: boolean) => (): void => {
      if (!open) return
      open = false
      resume(fresh)
    }
    this.waiting.push({ revision: Math.max(1, revision), resume: finish(true) })
    this.host.after(ms, finish(false))
  }

  // Reading

  get(key: Key): ApiObject | undefined {
    return this.objects.get(key)
  }

  /** In key order. */
  list(prefix: string): readonly (readonly [Key, ApiObject])[] {
    this.sorted ??= [...this.objects].toSorted(([one], [other]) => (one < other ? -1 : 1))
    return this.sorted.filter(([key]) => key.startsWith(prefix))
  }

  /**
   * Everything after `from`, from now on. from null: first what there is now, as additions.
   * False: `from` is older than what the cache remembers.
   */
  watch(watcher: CacheWatcher, from: Revision | null): boolean {
    if (from === null) {
      for (const [, object] of this.list(watcher.prefix)) {
        if (watcher.matches === null || watcher.matches(object)) watcher.send('ADDED', object)
      }
      watcher.after = this.revision
    } else {
      watcher.after = from
      if (from < this.ringFrom) return false
      for (const change of this.ring) sendTo(watcher, change)
    }
    this.watchers.add(watcher)
    return true
  }

  unwatch(watcher: CacheWatcher): void {
    this.watchers.delete(watcher)
  }
}

/** The selector's view of a change: what leaves its set is deleted, with the old object and the new revision. */
const sendTo = (watcher: CacheWatcher, { key, before, after, revision }: CacheEvent): void => {
  if (revision <= watcher.after || !key.startsWith(watcher.prefix)) return
  const { matches } = watcher
  const was = before !== null && (matches === null || matches(before))
  const is = after !== null && (matches === null || matches(after))
  if (is) watcher.send(was ? 'MODIFIED' : 'ADDED', after)
  else if (was) watcher.send('DELETED', versioned(before, revision))
}

const known = new WeakMap<object, ApiObject>()

/** The object with its revision on it; made once for each. */
export const versioned = (object: ApiObject, revision: Revision): ApiObject => {
  const resourceVersion = String(revision)
  const found = known.get(object)
  if (found?.metadata.resourceVersion === resourceVersion) return found
  const made = { ...object, metadata: { ...object.metadata, resourceVersion } }
  known.set(object, made)
  return made
}

/** As it is stored: without a revision. */
export const unversioned = (object: ApiObject): ApiObject => {
  if (object.metadata.resourceVersion === undefined) return object
  const { resourceVersion: _version, ...metadata } = object.metadata
  return { ...object, metadata }
}
