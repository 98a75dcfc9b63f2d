/**
 * Objects whose owners are gone go too; owners that wait for their dependents, or leave them behind, are let go.
 *
 * An owner counts as absent only after a live read. Source: kubernetes/kubernetes pkg/controller/garbagecollector.
 */
import type { View } from '../../model/state/history.ts'
import type { ApiObject, OwnerReference } from '../../model/state/objects.ts'
import type { ObjectRef } from '../../model/state/cluster.ts'
import { customResource, DEFINITIONS, isEstablished, type CustomResourceDefinition } from '../../model/state/custom.ts'
import { groupOf, RESOURCES, resourceOfKind, type Resource } from '../../model/state/resources.ts'
import type { Controller, ControllerContext, Informer, WorkQueue } from '../client/api.ts'
import { nameOf } from '../client/informer.ts'
import { same } from '../equal.ts'
import type { Task } from '../task.ts'
import { isDeleting, refOf } from '../objects.ts'

const WORKERS = 20
const ORPHAN = 'orphan'
const FOREGROUND = 'foregroundDeletion'
/** Kinds that own or are owned. */
const WATCHED = RESOURCES.map((entry) => entry.resource)

export const garbageCollector: Controller = (context) => {
  const controller = new GarbageCollector(context)
  return { name: 'garbage-collector', start: () => controller.start() }
}

type Standing = 'solid' | 'absent' | 'waiting' | 'unknown'

class GarbageCollector {
  private readonly context: ControllerContext
  private readonly informers = new Map<string, Informer<ApiObject>>()
  /** Owner uid → keys of its dependents, 'resource|namespace/name'. */
  private readonly dependents = new Map<string, Set<string>>()
  private readonly definitions: Informer<CustomResourceDefinition>
  private readonly queue: WorkQueue
  /** Owners that a live read did not find, where their dependents look for them: a uid never comes back. */
  private readonly absent = new Set<string>()

  constructor(context: ControllerContext) {
    this.context = context
    this.definitions = context.informer(DEFINITIONS)
    for (const resource of WATCHED) this.informers.set(resource, context.informer(resource))
    this.queue = context.queue(WORKERS, (key) => this.process(key))
  }

  start(): void {
    for (const [resource, informer] of this.informers) {
      informer.onChange((before, after) => this.changed(resource, before, after))
    }
    this.definitions.onChange((_before, after) => {
      const resource = after?.metadata.name
      if (after === null || resource === undefined || !isEstablished(after) || this.informers.has(resource)) return
      const informer = this.context.informer(resource)
      this.informers.set(resource, informer)
      informer.onChange((was, is) => this.changed(resource, was, is))
    })
  }

  /** The resource of an owner: one of Kubernetes' own, or a custom one that is defined. */
  private owning({ apiVersion, kind }: OwnerReference): Resource | undefined {
    const own = resourceOfKind(kind)
    const group = groupOf(apiVersion)
    if (own?.group === group) return own
    const found = this.definitions.list().find(({ spec }) => spec.group === group && spec.names.kind === kind)
    return found === undefined ? undefined : customResource(found)
  }

  /** Its key in the informer of its resource. */
  private ownerName(object: ApiObject, owner: OwnerReference): string {
    return this.owning(owner)?.namespaced === true ? `${object.metadata.namespace}/${owner.name}` : owner.name
  }

  private changed(resource: string, before: ApiObject | null, after: ApiObject | null): void {
    const object = after ?? before
    if (object === null) return
    if (before !== null && after !== null && !isDeleting(after) && same(before.metadata.ownerReferences, after.metadata.ownerReferences))
      return
    const key = `${resource}|${nameOf(object)}`
    for (const owner of before?.metadata.ownerReferences ?? []) this.dependents.get(owner.uid)?.delete(key)
    for (const owner of after?.metadata.ownerReferences ?? []) {
      const keys = this.dependents.get(owner.uid) ?? new Set()
      this.dependents.set(owner.uid, keys.add(key))
    }
    if (after !== null && ((after.metadata.ownerReferences ?? []).length > 0 || isDeleting(after))) this.queue.add(key)
    if (after !== null && !isDeleting(after)) return
    for (const dependent of this.dependents.get(object.metadata.uid) ?? []) this.queue.add(dependent)
    // Owners that wait for their dependents may have waited for this one.
    for (const owner of object.metadata.ownerReferences ?? []) {
      const owning = this.owning(owner)?.resource
      if (owning !== undefined) this.queue.add(`${owning}|${this.ownerName(object, owner)}`)
    }
  }

  private *process(key: string): Task<'done' | 'retry'> {
    const [resource = ''] = key.split('|')
    const cached = this.cached(key)
    if (cached === undefined) return 'done'
    if (isDeleting(cached)) return yield* this.deleting(resource, cached)
    if ((cached.metadata.ownerReferences ?? []).length === 0) return 'done'
    if (!(yield* this.mayHaveToGo(cached))) return 'done'
    // Its owners may have let it go meanwhile: what is decided is decided of this very version.
    const { namespace, uid } = cached.metadata
    const latest = yield* this.context.client.get<ApiObject>({ resource, namespace, name: cached.metadata.name })
    if (!latest.ok) return latest.status.code === 404 ? 'done' : 'retry'
    const object = latest.value
    const owners = object.metadata.ownerReferences ?? []
    if (object.metadata.uid !== uid || isDeleting(object) || owners.length === 0) return 'done'
    const standings: Standing[] = []
    for (const owner of owners) standings.push(yield* this.standing(object, owner))
    if (standings.includes('unknown')) return 'retry'
    if (standings.every((standing) => standing !== 'solid')) return yield* this.collect(resource, object, standings)
    if (standings.every((standing) => standing === 'solid')) return 'done'
    const ownerReferences = owners.filter((_, index) => standings[index] === 'solid')
    return yield* this.patchOwners(resource, object, ownerReferences)
  }

  /** False: the cache shows that all its owners are there and will stay. */
  private *mayHaveToGo(object: ApiObject): Task<boolean> {
    for (const owner of object.metadata.ownerReferences ?? []) if ((yield* this.standing(object, owner)) !== 'solid') return true
    return false
  }

  /** Whether an owner is there, by a live read unless the cache shows it is and will stay. */
  private *standing(object: ApiObject, owner: OwnerReference): Task<Standing> {
    const resource = this.owning(owner)
    // Nobody knows of what kind it is, or would tell when it goes: it is looked at again.
    if (resource === undefined) return 'unknown'
    if (resource.definition !== undefined && this.informers.get(resource.resource)?.synced !== true) return 'unknown'
    const { namespace: place } = object.metadata
    // No namespace to look in: such a reference is not valid, and what bears it is never collected.
    if (resource.namespaced && place === undefined) return 'solid'
    const namespace = resource.namespaced ? place : undefined
    const absentee = `${resource.resource}|${namespace ?? ''}|${owner.name}|${owner.uid}`
    if (this.absent.has(absentee)) return 'absent'
    const cached = this.informers.get(resource.resource)?.get(this.ownerName(object, owner))
    if (cached !== undefined && cached.metadata.uid === owner.uid && !isDeleting(cached)) return 'solid'
    const read = yield* this.context.client.get<ApiObject>({ resource: resource.resource, namespace, name: owner.name })
    if (!read.ok && read.status.code !== 404) return 'unknown'
    if (!read.ok || read.value.metadata.uid !== owner.uid) {
      this.absent.add(absentee)
      return 'absent'
    }
    return isDeleting(read.value) && awaits(read.value) ? 'waiting' : 'solid'
  }

  private *collect(resource: string, object: ApiObject, standings: readonly Standing[]): Task<'done' | 'retry'> {
    const { namespace, name, uid, resourceVersion } = object.metadata
    const owners = (object.metadata.ownerReferences ?? []).map((owner): ObjectRef => ({
      resource: this.owning(owner)?.resource ?? owner.kind,
      ...(namespace === undefined ? {} : { namespace }),
      name: owner.name,
      uid: owner.uid,
    }))
    this.context.client.decide(this.context.view(resource), { kind: 'CollectGarbage', object: refOf(resource, object), owners })
    const propagationPolicy = yield* this.policy(resource, object, standings)
    const reply = yield* this.context.client.delete(
      { resource, namespace, name },
      { preconditions: { uid, ...(resourceVersion === undefined ? {} : { resourceVersion }) }, propagationPolicy },
    )
    return reply.ok || reply.status.code === 404 ? 'done' : 'retry'
  }

  /** As its own finalizers ask; where an owner waits for it and it has dependents, those go before it. */
  private *policy(resource: string, object: ApiObject, standings: readonly Standing[]): Task<'Background' | 'Foreground' | 'Orphan'> {
    const { finalizers = [], ownerReferences = [], uid } = object.metadata
    const dependents = [...(this.dependents.get(uid) ?? [])].map((key) => this.cached(key))
    if (standings.includes('waiting') && dependents.length > 0) {
      // Owners in a circle would wait for each other for ever: this one is not waited for.
      const circle = dependents.some((dependent) => dependent !== undefined && isDeleting(dependent) && awaits(dependent))
      if (circle)
        yield* this.patchOwners(
          resource,
          object,
          ownerReferences.map((owner) => ({ ...owner, blockOwnerDeletion: false })),
        )
      return 'Foreground'
    }
    if (finalizers.includes(ORPHAN)) return 'Orphan'
    return finalizers.includes(FOREGROUND) ? 'Foreground' : 'Background'
  }

  private cached(key: string): ApiObject | undefined {
    const [resource = '', name = ''] = key.split('|')
    return this.informers.get(resource)?.get(name)
  }

  /** Of this very version: who gave it another owner meanwhile is not undone. */
  private *patchOwners(resource: string, object: ApiObject, ownerReferences: readonly OwnerReference[]): Task<'done' | 'retry'> {
    const { namespace, name, uid, resourceVersion } = object.metadata
    const patch = { metadata: { uid, resourceVersion, ownerReferences } }
    const reply = yield* this.context.client.patch({ resource, namespace, name }, patch, { patchType: 'merge' })
    return reply.ok || reply.status.code === 404 ? 'done' : 'retry'
  }

  // Owners on their way out

  private *deleting(resource: string, object: ApiObject): Task<'done' | 'retry'> {
    const finalizers = object.metadata.finalizers ?? []
    // Dependents that come while others are let go are not looked for: whoever makes them is late.
    const view = this.context.view(...this.informers.keys())
    const keys = [...(this.dependents.get(object.metadata.uid) ?? [])]
    if (finalizers.includes(ORPHAN)) {
      for (const key of keys) {
        const [kind = ''] = key.split('|')
        const dependent = this.cached(key)
        if (dependent === undefined) continue
        const rest = (dependent.metadata.ownerReferences ?? []).filter((owner) => owner.uid !== object.metadata.uid)
        if ((yield* this.patchOwners(kind, dependent, rest)) === 'retry') return 'retry'
      }
      return yield* this.dropFinalizer(resource, object, ORPHAN, view)
    }
    if (!finalizers.includes(FOREGROUND)) return 'done'
    const blocking = keys.filter((key) => this.blocks(key, object.metadata.uid))
    // Those that wait for their own dependents, perhaps in a circle, are looked at when something of theirs changes.
    for (const key of keys) if (!this.waitsItself(key)) this.queue.add(key)
    return blocking.length > 0 ? 'done' : yield* this.dropFinalizer(resource, object, FOREGROUND, view)
  }

  private waitsItself(key: string): boolean {
    const dependent = this.cached(key)
    return dependent !== undefined && isDeleting(dependent) && dependent.metadata.finalizers?.includes(FOREGROUND) === true
  }

  private blocks(key: string, owner: string): boolean {
    const dependent = this.cached(key)
    return dependent?.metadata.ownerReferences?.some((ref) => ref.uid === owner && ref.blockOwnerDeletion === true) === true
  }

  private *dropFinalizer(resource: string, object: ApiObject, finalizer: string, view: View): Task<'done' | 'retry'> {
    const { namespace, name, uid, resourceVersion } = object.metadata
    this.context.client.decide(view, { kind: 'ReleaseOwner', object: refOf(resource, object), finalizer })
    const finalizers = (object.metadata.finalizers ?? []).filter((held) => held !== finalizer)
    const patch = { metadata: { uid, resourceVersion, finalizers } }
    const reply = yield* this.context.client.patch({ resource, namespace, name }, patch, { patchType: 'merge' })
    return reply.ok || reply.status.code === 404 ? 'done' : 'retry'
  }
}

/** It is to go only after those that hold it up. */
const awaits = (object: ApiObject): boolean => object.metadata.finalizers?.includes(FOREGROUND) === true
