/**
 * The custom resources that an API server serves: it picks them up from its own copy of the definitions, so two servers may
 * differ for a while. It also accepts the names of new definitions, establishes them, and ends what is left of deleted ones.
 *
 * Source: k8s.io/apiextensions-apiserver/pkg/apiserver/customresource_handler.go (a resource is established 5 s after its
 * names were accepted where there are several servers), pkg/controller/{status,establish,finalizer}.
 */
import { customResource, definitionKey, isEstablished, type CustomResourceDefinition, DEFINITIONS } from '../../model/state/custom.ts'
import type { ApiObject, Condition } from '../../model/state/objects.ts'
import { prefixOf, type Resource } from '../../model/state/resources.ts'
import { conditionOf, isDeleting, withCondition } from '../objects.ts'
import { sleep, spawn, type Task } from '../task.ts'
import { rfc3339 } from '../time.ts'
import type { ClusterHost } from '../wire.ts'
import { Refusal } from './status.ts'
import type { Change, Storage } from './storage.ts'
import type { WatchCache } from './watch-cache.ts'

const ESTABLISH_MS = 5_000
const RETRY_MS = 1_000
const READY_MS = 60_000
export const CLEANUP = 'customresourcecleanup.apiextensions.k8s.io'

interface Served {
  readonly resource: Resource
  readonly cache: WatchCache
}

export interface CustomResourcesOptions {
  readonly host: ClusterHost
  readonly storage: Storage
  readonly definitions: WatchCache
  newCache(resource: Resource): WatchCache
  /** Deletes an object as a request of this server's own. */
  remove(resource: Resource, object: ApiObject): Task<unknown>
}

export class CustomResources {
  private readonly options: CustomResourcesOptions
  private readonly served = new Map<string, Served>()
  /** Definitions that a task of this server is busy with. */
  private readonly busy = new Set<string>()

  constructor(options: CustomResourcesOptions) {
    this.options = options
  }

  start(): void {
    this.follow()
  }

  named(resource: string): Resource | undefined {
    return this.served.get(resource)?.resource
  }

  cacheOf(resource: string): WatchCache | undefined {
    return this.served.get(resource)?.cache
  }

  get caches(): readonly WatchCache[] {
    return [...this.served.values()].map(({ cache }) => cache)
  }

  private follow(): void {
    const { definitions } = this.options
    definitions.whenFresh(0, READY_MS, (ready) => {
      if (!ready) {
        this.follow()
        return
      }
      const send = (type: string, object: ApiObject): void => this.changed(type, object as CustomResourceDefinition)
      const watcher = { prefix: prefixOf(DEFINITIONS), matches: null, bookmarks: false, after: 0, send, end: () => this.follow() }
      definitions.watch(watcher, null)
    })
  }

  private changed(type: string, definition: CustomResourceDefinition): void {
    const { name } = definition.metadata
    const served = this.served.get(name)
    if (type === 'DELETED' || (served !== undefined && served.resource.definition?.metadata.uid !== definition.metadata.uid)) {
      served?.cache.stop()
      this.served.delete(name)
      if (type === 'DELETED') return
    }
    if (isEstablished(definition)) this.serve(definition)
    if (this.busy.has(name) || (isEstablished(definition) && !isDeleting(definition))) return
    this.busy.add(name)
    spawn(this.attend(name), () => this.busy.delete(name))
  }

  private serve(definition: CustomResourceDefinition): void {
    const resource = customResource(definition)
    let cache = this.cacheOf(resource.resource)
    if (cache === undefined) {
      cache = this.options.newCache(resource)
      cache.start()
    }
    this.served.set(resource.resource, { resource, cache })
  }

  // What becomes of a definition. Each server does it; of two writes of the same the second changes nothing.

  private *attend(name: string): Task<void> {
    const { host, definitions } = this.options
    for (;;) {
      const definition = definitions.get(definitionKey(name)) as CustomResourceDefinition | undefined
      if (definition === undefined) return
      if (isDeleting(definition)) {
        if (!(yield* this.cleanUp(definition))) return
      } else if (isEstablished(definition)) return
      else yield* this.establish(definition)
      yield* sleep(host, RETRY_MS)
    }
  }

  private *establish({ metadata: { name, uid } }: CustomResourceDefinition): Task<void> {
    const { host } = this.options
    const accepted = yield* this.update(name, (held) => (held.metadata.uid === uid ? this.withNames(held) : held))
    if (accepted === undefined || conditionOf(accepted.status.conditions, 'NamesAccepted')?.status !== 'True') return
    yield* sleep(host, ESTABLISH_MS)
    yield* this.update(name, (held) => {
      if (held.metadata.uid !== uid || isDeleting(held)) return held
      return this.withConditions(held, [{ type: 'Established', status: 'True', reason: 'InitialNamesAccepted' }])
    })
  }

  private withNames(held: CustomResourceDefinition): CustomResourceDefinition {
    const { group, names, versions } = held.spec
    const others = this.options.definitions.list(prefixOf(DEFINITIONS)).map(([, other]) => other as CustomResourceDefinition)
    const taken = others.find(
      (other) => other.metadata.uid !== held.metadata.uid && other.spec.group === group && other.status.acceptedNames?.kind === names.kind,
    )
    if (taken !== undefined) {
      const message = `"${names.kind}" is already in use by ${taken.metadata.name}`
      return this.withConditions(held, [{ type: 'NamesAccepted', status: 'False', reason: 'KindConflict', message }])
    }
    const accepted = this.withConditions(held, [{ type: 'NamesAccepted', status: 'True', reason: 'NoConflicts' }])
    const storedVersions = versions.flatMap(({ name, storage }) => (storage ? [name] : []))
    return { ...accepted, status: { ...accepted.status, acceptedNames: names, storedVersions } }
  }

  private withConditions(held: CustomResourceDefinition, next: readonly Condition[]): CustomResourceDefinition {
    const lastTransitionTime = rfc3339(this.options.host.now())
    const conditions = next.reduce<readonly Condition[]>(
      (all, condition) => withCondition(all, { ...condition, lastTransitionTime }),
      held.status.conditions ?? [],
    )
    return { ...held, status: { ...held.status, conditions } }
  }

  /** Its objects go first, then the definition itself. False: there is nothing left to do. */
  private *cleanUp(definition: CustomResourceDefinition): Task<boolean> {
    const { host, storage } = this.options
    const { name, uid, finalizers } = definition.metadata
    if (finalizers?.includes(CLEANUP) !== true) return false
    const resource = customResource(definition)
    try {
      const { kvs } = yield* storage.list(prefixOf(name), host.name)
      for (const { value } of kvs) if (!isDeleting(value as ApiObject)) yield* this.options.remove(resource, value as ApiObject)
      if (kvs.length > 0) return true
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      return true
    }
    yield* this.update(name, (held) => {
      if (held.metadata.uid !== uid) return held
      const rest = (held.metadata.finalizers ?? []).filter((one) => one !== CLEANUP)
      return rest.length === 0 ? 'remove' : { ...held, metadata: { ...held.metadata, finalizers: rest } }
    })
    return true
  }

  /** Undefined: it is gone, or could not be written now. */
  private *update(
    name: string,
    change: (held: CustomResourceDefinition) => CustomResourceDefinition | 'remove',
  ): Task<CustomResourceDefinition | undefined> {
    const { host, storage, definitions } = this.options
    const key = definitionKey(name)
    try {
      const written = yield* storage.update(key, definitions.get(key), host.name, change as Change)
      return written as CustomResourceDefinition | undefined
    } catch (error) {
      if (error instanceof Refusal) return undefined
      throw error
    }
  }
}
