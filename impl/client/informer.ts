/**
 * A cache of one resource, kept by list and watch, and handlers that hear of every change in order.
 *
 * The first list may be arbitrarily old; a broken watch is resumed where it was; one that is too old begins anew.
 * Source: client-go/tools/cache/reflector.go.
 */
import sortedIndex from 'lodash/sortedIndex.js'
import type { ApiObject } from '../../model/state/objects.ts'
import { prefixOf } from '../../model/state/resources.ts'
import type { Delivered } from '../../model/state/history.ts'
import { sleep, spawn, type Task } from '../task.ts'
import type { ClusterHost } from '../wire.ts'
import type { Informer } from './api.ts'
import { keyOfObject, type Client } from './client.ts'

const BACK_OFF_LEAST_MS = 800
/** Changes after which a list that nobody asks for is no longer kept in order. */
const UNREAD_MOST = 4
const BACK_OFF_MOST_MS = 30_000
const WATCH_LEAST_SECONDS = 300
const WATCH_MOST_SECONDS = 600

type Handler<T> = (before: T | null, after: T | null) => void

export const nameOf = (object: ApiObject): string => {
  const { namespace, name } = object.metadata
  return namespace === undefined ? name : `${namespace}/${name}`
}

export class ListWatch<T extends ApiObject> implements Informer<T> {
  readonly resource: string
  synced = false
  revision = 0
  private readonly host: ClusterHost
  private readonly client: Client
  private readonly fieldSelector: string | undefined
  private readonly objects = new Map<string, T>()
  /** Names and objects in order of the names; null: not asked for since the last list. */
  private sorted: { readonly names: readonly string[]; readonly objects: readonly T[] } | null = null
  /** Changes since somebody last asked for the list. */
  private unread = 0
  /** By the uid of the controlling owner, '' for those that have none. */
  private readonly owned = new Map<string, Map<string, T>>()
  private readonly handlers: Handler<T>[] = []
  private readonly onSynced: () => void
  private streams = 0
  private backOffMs = BACK_OFF_LEAST_MS

  constructor(host: ClusterHost, client: Client, resource: string, fieldSelector: string | undefined, onSynced: () => void) {
    this.host = host
    this.client = client
    this.resource = resource
    this.fieldSelector = fieldSelector
    this.onSynced = onSynced
  }

  start(): void {
    spawn(this.run())
  }

  private *run(): Task<void> {
    let version = '0'
    for (;;) {
      const selector = this.fieldSelector === undefined ? {} : { fieldSelector: this.fieldSelector }
      const listed = yield* this.client.list<T>(this.resource, { resourceVersion: version, ...selector })
      if (!listed.ok) {
        yield* this.backOff()
        continue
      }
      this.replace(listed.value.items, Number(listed.value.resourceVersion))
      yield* this.watchUntilTooOld()
      // Too old for the cache it asked: the next list must be no older than what was seen.
      version = String(this.revision)
      yield* this.backOff()
    }
  }

  private *backOff(): Task<void> {
    const ms = this.backOffMs
    this.backOffMs = Math.min(ms * 2, BACK_OFF_MOST_MS)
    yield* sleep(this.host, ms)
  }

  private *watchUntilTooOld(): Task<void> {
    for (;;) {
      const status = yield this.watchOnce.bind(this) as (resume: (result: never) => void) => void
      const code = status as number
      // 404: a custom resource that is no longer served, or not yet by this server.
      if (code === 410 || code === 504 || code === 404) return
      if (code !== 0) yield* this.backOff()
      else yield* sleep(this.host, BACK_OFF_LEAST_MS)
    }
  }

  private watchOnce(resume: (code: number) => void): void {
    const { host } = this
    const stream = `${host.name}/${this.resource}-${this.streams++}`
    const timeoutSeconds = host.random('watch').between(WATCH_LEAST_SECONDS, WATCH_MOST_SECONDS)
    const startRevision = this.revision
    const observed = { layer: 'api' as const, stream }
    const selector = this.fieldSelector === undefined ? {} : { fieldSelector: this.fieldSelector }
    const handle = this.client.watch(
      { resource: this.resource, resourceVersion: String(startRevision), timeoutSeconds, ...selector },
      {
        event: (type, object) => {
          this.backOffMs = BACK_OFF_LEAST_MS
          const revision = Number(object.metadata.resourceVersion)
          const progress = type === 'BOOKMARK'
          const events: Delivered[] = progress ? [] : [{ type, key: keyOfObject(this.resource, object), revision }]
          host.observe({ kind: 'WatchDelivered', ...observed, revision, events, progress })
          if (progress) this.revision = revision
          else this.take(type, object as T)
        },
        ended: (status) => {
          host.observe({ kind: 'WatchClosed', ...observed, reason: status?.reason ?? 'ended' })
          host.after(0, () => resume(status?.code ?? 0))
        },
      },
    )
    if (handle === null) {
      host.after(BACK_OFF_LEAST_MS, () => resume(0))
      return
    }
    host.observe({
      kind: 'WatchOpened',
      ...observed,
      process: host.name,
      from: handle.endpoint,
      range: { key: prefixOf(this.resource), rangeEnd: `${prefixOf(this.resource).slice(0, -1)}0` },
      startRevision,
      ...selector,
    })
  }

  // The cache

  private replace(items: readonly T[], revision: number): void {
    const gone = new Set(this.objects.keys())
    this.revision = revision
    this.sorted = null
    const changes: [T | null, T | null][] = []
    for (const item of items) {
      const name = nameOf(item)
      gone.delete(name)
      const before = this.objects.get(name) ?? null
      if (before?.metadata.resourceVersion === item.metadata.resourceVersion) continue
      // Another object of the same name: the old one was deleted unseen.
      if (before !== null && before.metadata.uid !== item.metadata.uid) {
        this.set(name, null)
        changes.push([before, null])
      }
      changes.push([before?.metadata.uid === item.metadata.uid ? before : null, item])
      this.set(name, item)
    }
    for (const name of gone) {
      changes.push([this.objects.get(name) as T, null])
      this.set(name, null)
    }
    const first = !this.synced
    this.synced = true
    for (const [before, after] of changes) this.tell(before, after)
    if (first) this.onSynced()
  }

  private take(type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK', object: T): void {
    const name = nameOf(object)
    const before = this.objects.get(name) ?? null
    this.revision = Number(object.metadata.resourceVersion)
    const after = type === 'DELETED' ? null : object
    this.set(name, after)
    if (before !== null || after !== null) this.tell(before, after)
  }

  private set(name: string, object: T | null): void {
    const before = this.objects.get(name)
    if (before !== undefined) this.owned.get(ownerUid(before))?.delete(name)
    this.resort(name, object)
    if (object === null) {
      this.objects.delete(name)
      return
    }
    this.objects.set(name, object)
    const owner = ownerUid(object)
    let owned = this.owned.get(owner)
    if (owned === undefined) {
      owned = new Map()
      this.owned.set(owner, owned)
    }
    owned.set(name, object)
  }

  /** One change after another moves one place; lists that were handed out stay as they are. */
  private resort(name: string, object: T | null): void {
    if (this.sorted === null) return
    if (++this.unread > UNREAD_MOST) {
      this.sorted = null
      return
    }
    const { names, objects } = this.sorted
    const place = sortedIndex(names, name)
    const there = names[place] === name ? 1 : 0
    if (object === null) {
      if (there === 1) this.sorted = { names: names.toSpliced(place, 1), objects: objects.toSpliced(place, 1) }
    } else if (there === 1) this.sorted = { names, objects: objects.with(place, object) }
    else this.sorted = { names: names.toSpliced(place, 0, name), objects: objects.toSpliced(place, 0, object) }
  }

  private tell(before: T | null, after: T | null): void {
    for (const handler of this.handlers) handler(before, after)
  }

  get(key: string): T | undefined {
    return this.objects.get(key)
  }

  list(): readonly T[] {
    this.unread = 0
    if (this.sorted === null) {
      const entries = [...this.objects].toSorted(([one], [other]) => (one < other ? -1 : 1))
      this.sorted = { names: entries.map(([name]) => name), objects: entries.map(([, object]) => object) }
    }
    return this.sorted.objects
  }

  ownedBy(uid: string): readonly T[] {
    return [...(this.owned.get(uid)?.values() ?? [])]
  }

  orphans(): readonly T[] {
    return this.ownedBy('')
  }

  /** What is there already is told at once, as additions. */
  onChange(handler: Handler<T>): void {
    this.handlers.push(handler)
    for (const object of this.list()) handler(null, object)
  }
}

const ownerUid = (object: ApiObject): string => controllerOf(object) ?? ''

export const controllerOf = (object: ApiObject): string | undefined =>
  object.metadata.ownerReferences?.find((owner) => owner.controller === true)?.uid
