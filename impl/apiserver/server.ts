/**
 * The API server: the only process that talks to etcd for everybody else. Stateless but for its caches.
 *
 * Source: kubernetes/kubernetes staging/src/k8s.io/apiserver/pkg/registry/generic/registry/store.go.
 */
import type { Connection, ConnectionHandler } from '../../sim/host.ts'
import type { ApiObject, Deployment, Namespace, Pod, Service } from '../../model/state/objects.ts'
import type { Timings } from '../../model/state/plan.ts'
import { keyOf, prefixOf, RESOURCES, resourceNamed, type Resource } from '../../model/state/resources.ts'
import { DEFINITIONS } from '../../model/state/custom.ts'
import { EtcdClient } from '../etcd/client.ts'
import { isDeleting } from '../objects.ts'
import { matcher, type Matcher } from '../selector.ts'
import { sleep, spawn, wait, type Task } from '../task.ts'
import { rfc3339 } from '../time.ts'
import type { ClusterHost, ClusterProcess, Message } from '../wire.ts'
import { admitted, admittedAtLast, admittedChange } from './admission/chain.ts'
import { intoLiveNamespace } from './admission/namespace-lifecycle.ts'
import type { Asked, Neighbours } from './admission/plugin.ts'
import { CustomResources } from './custom-resources.ts'
import { deleted, finished } from './deletion.ts'
import type { ApiClientMessage, ApiReply, ApiRequest, DeleteOptions } from './api.ts'
import { FROM_THE_BEGINNING } from './bootstrap.ts'
import { Evictions } from './eviction.ts'
import { refinalized } from './kinds/namespace.ts'
import { bindPod } from './kinds/pod.ts'
import { jsonPatch, mergePatch, strategicMerge } from './patch.ts'
import { ServiceAddresses } from './service-ip.ts'
import { alreadyExists, badRequest, conflict, expired, MODIFIED, notFound, Refusal, timedOut, tooLargeResourceVersion } from './status.ts'
import { Storage } from './storage.ts'
import { mayDelete, prepareCreate, prepareUpdate, settled, validate } from './strategy.ts'
import { versioned, WatchCache, type CacheWatcher } from './watch-cache.ts'

export interface ApiserverOptions {
  /** The member of its own machine first. */
  readonly etcd: readonly string[]
  readonly timings: Timings
}

const ETCD_TIMEOUT_MS = 8_000
const FRESH_WAIT_MS = 3_000
const BOOKMARK_MS = 30_000
const LIVE_LOOKUP_MS = 30_000
const REPAIR_MS = 180_000
const TOLERATION_MS = 300_000
const SUFFIX_LETTERS = 'bcdfghjklmnpqrstvwxz2456789'
/** Not the name of a resource: all of them. */
const ALL = '*'

export class Apiserver implements ClusterProcess {
  private readonly host: ClusterHost
  private readonly options: ApiserverOptions
  private readonly etcd: EtcdClient
  private readonly storage: Storage
  private readonly addresses: ServiceAddresses
  private readonly caches = new Map<string, WatchCache>()
  private readonly custom: CustomResources
  /** Resources whose caches stand still. */
  private readonly frozen = new Set<string>()
  private readonly neighbours: Neighbours
  /** Namespaces whose deletion was asked of this server, and until when it does not trust its copy of them. */
  private readonly ending = new Map<string, number>()
  private readonly evictions: Evictions

  constructor(host: ClusterHost, options: ApiserverOptions) {
    this.host = host
    this.options = options
    this.etcd = new EtcdClient(host, options.etcd, ETCD_TIMEOUT_MS)
    this.storage = new Storage(this.etcd)
    this.addresses = new ServiceAddresses(host, this.etcd)
    for (const resource of RESOURCES) this.caches.set(resource.resource, new WatchCache(host, this.etcd, resource))
    const { storage } = this
    this.custom = new CustomResources({
      host,
      storage,
      definitions: this.cache(DEFINITIONS),
      newCache: (resource) => {
        const cache = new WatchCache(host, this.etcd, resource)
        cache.freeze(this.frozen.has(ALL) || this.frozen.has(resource.resource))
        return cache
      },
      remove: (resource, { metadata: { namespace, name } }) => {
        const place = { resource: resource.resource, name, ...(namespace === undefined ? {} : { namespace }) }
        return this.guard(this.perform({ verb: 'delete', ...place }, host.name))
      },
    })
    this.evictions = new Evictions(host, storage, (namespace, name, how, author) => {
      const pods = resourceNamed('pods') as Resource
      return this.delete(pods, keyOf('pods', namespace, name), name, how, author)
    })
    this.neighbours = {
      ready: (resource) => this.fresh(this.cache(resource), '0'),
      cached: (resource, key) => this.cache(resource).get(key),
      cachedList: (resource, namespace) =>
        this.cache(resource)
          .list(prefixOf(resource, namespace))
          .map(([, object]) => object),
      update: (key, cached, change) => storage.update(key, cached, host.name, change),
      pause: (ms) => sleep(host, ms),
      suffix: () => this.suffix('volume-names'),
      mayBeEnding: (namespace) => (this.ending.get(namespace) ?? 0) > this.host.elapsed(),
      *read(key, author) {
        return (yield* storage.read(key, author))?.value as ApiObject | undefined
      },
    }
  }

  start(): void {
    for (const cache of this.caches.values()) cache.start()
    this.custom.start()
    const progress = (): void => {
      this.etcd.askProgress()
      this.host.after(BOOKMARK_MS, progress)
    }
    this.host.after(BOOKMARK_MS, progress)
    spawn(this.bootstrap())
    spawn(this.repairLoop())
  }

  receive(): void {}

  /** The caches, or that of one resource, stop following the store while everything else goes on. */
  freezeCaches(frozen: boolean, only: string = ALL): void {
    if (frozen) this.frozen.add(only)
    else this.frozen.delete(only)
    for (const cache of [...this.caches.values(), ...this.custom.caches])
      cache.freeze(this.frozen.has(ALL) || this.frozen.has(cache.resource.resource))
  }

  private *bootstrap(): Task<void> {
    for (const { resource, body } of FROM_THE_BEGINNING) {
      for (;;) {
        const reply = yield* this.guard(this.perform({ verb: 'create', resource, body }, this.host.name))
        if (reply.code < 500) break
        yield* sleep(this.host, 1_000)
      }
    }
  }

  private *repairLoop(): Task<void> {
    for (;;) {
      yield* sleep(this.host, REPAIR_MS)
      const services = this.cache('services')
      if (!services.ready) continue
      const used = services.list(prefixOf('services')).flatMap(([, object]) => (object as Service).spec.clusterIP ?? [])
      try {
        yield* this.addresses.repair(new Set(used))
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
      }
    }
  }

  // Requests

  accept(connection: Connection<Message>): ConnectionHandler<Message> {
    const watches = new Map<number, { readonly cache: WatchCache; readonly watcher: CacheWatcher }>()
    return {
      message: (message) => {
        const asked = message as ApiClientMessage
        switch (asked.kind) {
          case 'ApiRequest':
            spawn(this.guard(this.perform(asked.request, asked.userAgent)), (reply) =>
              connection.send({ kind: 'ApiReply', id: asked.id, reply }),
            )
            return
          case 'ApiWatch':
            this.watch(connection, asked, watches)
            return
          case 'ApiWatchCancel': {
            const open = watches.get(asked.watch)
            watches.delete(asked.watch)
            open?.cache.unwatch(open.watcher)
          }
        }
      },
      closed: () => {
        for (const { cache, watcher } of watches.values()) cache.unwatch(watcher)
      },
    }
  }

  private *guard(work: Task<ApiReply>): Task<ApiReply> {
    try {
      return yield* work
    } catch (error) {
      if (error instanceof Refusal) return { code: error.status.code, status: error.status }
      throw error
    }
  }

  private cache(resource: string): WatchCache {
    const cache = this.caches.get(resource) ?? this.custom.cacheOf(resource)
    if (cache === undefined) throw new Refusal(notFound('resource', resource))
    return cache
  }

  private *perform(request: ApiRequest, author: string): Task<ApiReply> {
    const resource = resourceNamed(request.resource) ?? this.custom.named(request.resource)
    if (resource === undefined)
      throw new Refusal({ code: 404, reason: 'NotFound', message: 'the server could not find the requested resource' })
    const { verb } = request
    if (verb === 'list') return yield* this.list(resource, request, author)
    if (verb === 'create' && request.subresource === undefined) return yield* this.create(resource, request, author)
    const { name, subresource } = request
    // A custom resource has the subresources that its definition says.
    if (resource.definition !== undefined && subresource !== undefined && !(subresource === 'status' && resource.status))
      throw new Refusal(notFound(resource.resource, `${name}/${subresource}`))
    if (name === undefined) throw new Refusal(badRequest('the name of the object is missing'))
    const key = keyOf(resource.resource, resource.namespaced ? (request.namespace ?? 'default') : undefined, name)
    switch (verb) {
      case 'get':
        return yield* this.get(resource, key, name, request, author)
      case 'create':
        if (request.namespace !== undefined)
          yield* intoLiveNamespace(`${resource.resource} "${name}"`, request.namespace, author, this.neighbours)
        if (resource.kind === 'Pod' && request.subresource === 'eviction')
          return yield* this.evictions.evict(request.namespace ?? 'default', name, request.deleteOptions ?? {}, author)
        return yield* this.bind(resource, key, name, request, author)
      case 'update':
      case 'patch':
        return yield* this.update(resource, key, name, request, author)
      case 'delete':
        return yield* this.delete(resource, key, name, request.deleteOptions ?? {}, author)
    }
  }

  private *fresh(cache: WatchCache, asked: string): Task<void> {
    const revision = Number(asked)
    const ready = yield* wait<boolean>((resume) => cache.whenFresh(revision, FRESH_WAIT_MS, resume))
    if (!ready)
      throw new Refusal(revision === 0 ? timedOut('storage is (re)initializing') : tooLargeResourceVersion(revision, cache.revision))
  }

  private *get(resource: Resource, key: string, name: string, request: ApiRequest, author: string): Task<ApiReply> {
    let object: ApiObject | undefined
    if (request.resourceVersion === undefined) {
      const read = yield* this.storage.read(key, author)
      object = read === undefined ? undefined : versioned(read.value as ApiObject, read.modRevision)
    } else {
      const cache = this.cache(resource.resource)
      yield* this.fresh(cache, request.resourceVersion)
      object = cache.get(key)
    }
    if (object === undefined) throw new Refusal(notFound(resource.resource, name))
    return { code: 200, object }
  }

  private *list(resource: Resource, request: ApiRequest, author: string): Task<ApiReply> {
    const prefix = prefixOf(resource.resource, request.namespace)
    const matches = this.matcher(request.labelSelector, request.fieldSelector)
    let objects: readonly ApiObject[]
    let revision: number
    if (request.resourceVersion === undefined) {
      const read = yield* this.storage.list(prefix, author)
      objects = read.kvs.map((kv) => versioned(kv.value as ApiObject, kv.modRevision))
      revision = read.revision
    } else {
      const cache = this.cache(resource.resource)
      yield* this.fresh(cache, request.resourceVersion)
      objects = cache.list(prefix).map(([, object]) => object)
      revision = cache.revision
    }
    return { code: 200, items: matches === null ? objects : objects.filter(matches), resourceVersion: String(revision) }
  }

  private matcher(labelSelector: string | undefined, fieldSelector: string | undefined): Matcher | null {
    try {
      return matcher(labelSelector, fieldSelector)
    } catch (error) {
      throw new Refusal(badRequest((error as Error).message))
    }
  }

  private *create(resource: Resource, request: ApiRequest, author: string): Task<ApiReply> {
    const given = request.body as ApiObject
    if (resource.definition !== undefined && isDeleting(resource.definition))
      throw new Refusal({ code: 405, reason: 'MethodNotAllowed', message: `${resource.resource} is being deleted: nothing new is taken` })
    const namespace = resource.namespaced ? (request.namespace ?? given.metadata.namespace ?? 'default') : undefined
    const name = given.metadata.name || this.generatedName(given.metadata.generateName)
    const born = prepareCreate(resource, given, name, namespace, { uid: this.uuid(), now: rfc3339(this.host.now()) })
    let object = settled(resource, yield* admitted(this.asked(resource, born, author), this.neighbours))
    validate(resource, object)
    yield* admittedAtLast(this.asked(resource, object, author), this.neighbours)
    const address = resource.resource === 'services' ? yield* this.clusterIP(object as Service) : null
    if (address !== null) object = { ...object, spec: { ...(object as Service).spec, clusterIP: address } } as Service
    const key = keyOf(resource.resource, namespace, name)
    const created = yield* this.storage.create(key, object, author)
    if (created !== null) return { code: 201, object: created }
    if (address !== null) yield* this.addresses.release(address)
    throw new Refusal(alreadyExists(resource.resource, name))
  }

  private asked(resource: Resource, object: ApiObject, author: string): Asked {
    const tolerationSeconds = Math.ceil((this.options.timings.defaultTolerationMs ?? TOLERATION_MS) / 1000)
    return { resource, object, author, tolerationSeconds }
  }

  /** Null: this service has none, or brings 'None'. */
  private *clusterIP(service: Service): Task<string | null> {
    const { type, clusterIP } = service.spec
    if (type === 'ExternalName' || clusterIP === 'None') return null
    return yield* this.addresses.allocate(`${service.metadata.namespace}/${service.metadata.name}`, clusterIP || undefined)
  }

  private generatedName(base: string | undefined): string {
    if (base === undefined) throw new Refusal(badRequest('name or generateName is required'))
    return `${base.slice(0, 58)}${this.suffix('names')}`
  }

  private suffix(stream: string): string {
    const random = this.host.random(stream)
    return Array.from({ length: 5 }, () => SUFFIX_LETTERS[random.below(SUFFIX_LETTERS.length)]).join('')
  }

  private uuid(): string {
    const random = this.host.random('uid')
    const hex = (digits: number): string =>
      random
        .below(16 ** digits)
        .toString(16)
        .padStart(digits, '0')
    return `${hex(8)}-${hex(4)}-4${hex(3)}-${'89ab'[random.below(4)]}${hex(3)}-${hex(6)}${hex(6)}`
  }

  private *bind(resource: Resource, key: string, name: string, request: ApiRequest, author: string): Task<ApiReply> {
    if (resource.kind !== 'Pod' || request.subresource !== 'binding') throw new Refusal(badRequest('only pods can be bound'))
    const { target, uid } = request.body as { readonly target: { readonly name: string }; readonly uid?: string }
    const now = rfc3339(this.host.now())
    const bound = yield* this.storage.update(key, this.cache('pods').get(key), author, (held) =>
      bindPod(held as Pod, uid, target.name, now),
    )
    if (bound === undefined) throw new Refusal(notFound('pods', name))
    return { code: 201, object: bound }
  }

  private *update(resource: Resource, key: string, name: string, request: ApiRequest, author: string): Task<ApiReply> {
    const cached = this.cache(resource.resource).get(key)
    let isLast = false
    const object = yield* this.storage.update(key, cached, author, (held) => {
      const given = request.verb === 'patch' ? this.patched(resource, held, request) : (request.body as ApiObject)
      const asked = given.metadata.resourceVersion
      const guarded = asked !== undefined && asked !== '' && (request.verb === 'update' || asked !== held.metadata.resourceVersion)
      if (guarded && asked !== held.metadata.resourceVersion) throw new Refusal(conflict(resource.resource, name, MODIFIED))
      const after = changed(resource, held, given, request.subresource)
      if (request.subresource === undefined) admittedChange({ ...this.asked(resource, after, author), held }, this.neighbours)
      if (request.subresource === undefined || resource.definition !== undefined) validate(resource, after)
      isLast = finished(resource, after)
      return isLast ? 'remove' : after
    })
    if (object === undefined) throw new Refusal(notFound(resource.resource, name))
    if (isLast) yield* this.freeAddress(object)
    return { code: 200, object }
  }

  private patched(resource: Resource, held: ApiObject, request: ApiRequest): ApiObject {
    if (resource.definition !== undefined && (request.patchType ?? 'strategic') === 'strategic')
      throw new Refusal({ code: 415, reason: 'UnsupportedMediaType', message: 'custom resources take json and merge patches only' })
    const target = request.subresource === 'scale' ? { ...held, spec: { replicas: (held as Deployment).spec.replicas } } : held
    try {
      switch (request.patchType ?? 'strategic') {
        case 'json':
          return jsonPatch(target, request.body as Parameters<typeof jsonPatch>[1]) as ApiObject
        case 'merge':
          return mergePatch(target, request.body) as ApiObject
        case 'strategic':
          return strategicMerge(target, request.body) as ApiObject
      }
    } catch (error) {
      throw new Refusal({ code: 422, reason: 'Invalid', message: (error as Error).message })
    }
  }

  // Deleting

  private *delete(resource: Resource, key: string, name: string, options: DeleteOptions, author: string): Task<ApiReply> {
    mayDelete(resource, name)
    if (resource.kind === 'Namespace') this.ending.set(name, this.host.elapsed() + LIVE_LOOKUP_MS)
    const now = this.host.now()
    let isLast = false
    const object = yield* this.storage.update(key, this.cache(resource.resource).get(key), author, (held) => {
      const { uid, resourceVersion } = options.preconditions ?? {}
      if (uid !== undefined && uid !== held.metadata.uid) {
        throw new Refusal(
          conflict(resource.resource, name, `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${held.metadata.uid}`),
        )
      }
      if (resourceVersion !== undefined && resourceVersion !== held.metadata.resourceVersion) {
        throw new Refusal(conflict(resource.resource, name, MODIFIED))
      }
      const left = deleted(resource, held, options, now)
      isLast = left === 'remove'
      return left
    })
    if (object === undefined) throw new Refusal(notFound(resource.resource, name))
    if (isLast) yield* this.freeAddress(object)
    return { code: 200, object }
  }

  /** Of a service that is gone: by its deletion, or when its last finalizer went. */
  private *freeAddress(object: ApiObject): Task<void> {
    const address = object.kind === 'Service' ? (object as Service).spec.clusterIP : undefined
    if (address !== undefined && address !== 'None') yield* this.addresses.release(address)
  }

  // Watching

  private watch(
    connection: Connection<Message>,
    asked: ApiClientMessage & { kind: 'ApiWatch' },
    watches: Map<number, { readonly cache: WatchCache; readonly watcher: CacheWatcher }>,
  ): void {
    const { watch } = asked
    const cache = this.caches.get(asked.resource) ?? this.custom.cacheOf(asked.resource)
    const fail = (status: Refusal['status']): void => connection.send({ kind: 'ApiWatchEnded', watch, status })
    if (cache === undefined) {
      fail(notFound('resource', asked.resource))
      return
    }
    let matches: Matcher | null
    try {
      matches = this.matcher(asked.labelSelector, asked.fieldSelector)
    } catch (error) {
      fail((error as Refusal).status)
      return
    }
    const watcher: CacheWatcher = {
      prefix: prefixOf(asked.resource, asked.namespace),
      matches,
      bookmarks: asked.allowWatchBookmarks,
      after: 0,
      send: (type, object) => connection.send({ kind: 'ApiEvent', watch, type, object }),
      end: () => {
        watches.delete(watch)
        connection.send({ kind: 'ApiWatchEnded', watch })
      },
    }
    const from = asked.resourceVersion === undefined || asked.resourceVersion === '0' ? null : Number(asked.resourceVersion)
    cache.whenFresh(0, FRESH_WAIT_MS, (ready) => {
      if (!ready) fail(timedOut('storage is (re)initializing'))
      else if (!cache.watch(watcher, from)) fail(expired(`too old resource version: ${from} (${cache.revision})`))
      else watches.set(watch, { cache, watcher })
    })
    this.host.after(asked.timeoutSeconds * 1000, () => {
      if (watches.get(watch)?.watcher !== watcher) return
      cache.unwatch(watcher)
      watcher.end()
    })
  }
}

/** What a request makes of an object, by the part of it that it may change. */
const changed = (resource: Resource, held: ApiObject, given: ApiObject, subresource: ApiRequest['subresource']): ApiObject => {
  if (subresource === 'scale') return scaled(held, given)
  if (subresource === 'finalize' && resource.kind === 'Namespace') return refinalized(held as Namespace, given as Namespace)
  return prepareUpdate(resource, held, given, subresource === 'status')
}

const scaled = (held: ApiObject, given: ApiObject): ApiObject => {
  const { replicas } = (given as Deployment).spec
  const before = held as Deployment
  if (before.spec.replicas === replicas) return held
  const metadata = { ...before.metadata, generation: (before.metadata.generation ?? 0) + 1 }
  return { ...before, metadata, spec: { ...before.spec, replicas } } as Deployment
}
