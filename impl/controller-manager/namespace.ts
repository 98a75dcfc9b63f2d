/**
 * Namespaces that are being deleted: all that is in them goes first, then they are let go.
 *
 * Each pass asks for the end of everything and counts what is left. It begins 5 s after the deletion is seen, so that all
 * API servers have seen it too and let nothing more in. Source: kubernetes/kubernetes pkg/controller/namespace. Left out:
 * conditions about discovery, which cannot fail here.
 */
import { customResource, DEFINITIONS, isEstablished, type CustomResourceDefinition } from '../../model/state/custom.ts'
import type { ApiObject, Condition, Namespace, Pod } from '../../model/state/objects.ts'
import { RESOURCES } from '../../model/state/resources.ts'
import type { Controller, ControllerContext, Informer, WorkQueue } from '../client/api.ts'
import { nameOf } from '../client/informer.ts'
import { same } from '../equal.ts'
import { conditionOf, isDeleting, isTerminal, withCondition } from '../objects.ts'
import type { Task } from '../task.ts'
import { rfc3339 } from '../time.ts'

const WORKERS = 10
const GRACE_MS = 5_000
/** How long finalizers of other controllers may take. */
const FINALIZERS_MS = 15_000
const FINALIZER = 'kubernetes'
const NAMESPACES = 'namespaces'

/** What is left of one resource; estimateMs 0: it should be gone. Null: it could not be told. */
interface Left {
  readonly resource: string
  readonly objects: readonly ApiObject[]
  readonly estimateMs: number
}

export const namespaceController: Controller = (context) => {
  const controller = new Namespaces(context)
  return { name: 'namespace', start: () => controller.start() }
}

class Namespaces {
  private readonly context: ControllerContext
  private readonly namespaces: Informer<Namespace>
  private readonly definitions: Informer<CustomResourceDefinition>
  private readonly queue: WorkQueue

  constructor(context: ControllerContext) {
    this.context = context
    this.namespaces = context.informer(NAMESPACES)
    this.definitions = context.informer(DEFINITIONS)
    this.queue = context.queue(WORKERS, (key) => this.sync(key))
  }

  start(): void {
    this.namespaces.onChange((_before, after) => {
      if (after !== null && isDeleting(after)) this.queue.addAfter(nameOf(after), GRACE_MS)
    })
  }

  private *sync(name: string): Task<'done' | 'retry'> {
    const read = yield* this.context.client.get<Namespace>({ resource: NAMESPACES, name })
    if (!read.ok) return read.status.code === 404 ? 'done' : 'retry'
    const namespace = read.value
    if (!isDeleting(namespace) || !(namespace.spec?.finalizers ?? []).includes(FINALIZER)) return 'done'
    const left: Left[] = []
    let failed = false
    for (const resource of this.resources()) {
      const remaining = yield* this.clear(name, resource)
      if (remaining === null) failed = true
      else if (remaining.objects.length > 0) left.push(remaining)
    }
    const told = yield* this.tell(namespace, left, failed)
    if (told === null || failed) return 'retry'
    if (left.length === 0) return yield* this.finalize(told)
    const estimateMs = Math.max(...left.map((one) => one.estimateMs))
    if (estimateMs === 0) return 'retry'
    this.queue.addAfter(name, estimateMs / 2 + 1_000)
    return 'done'
  }

  private resources(): readonly string[] {
    const own = RESOURCES.filter(({ namespaced }) => namespaced).map(({ resource }) => resource)
    const custom = this.definitions.list().filter(isEstablished).map(customResource)
    return [...own, ...custom.filter(({ namespaced }) => namespaced).map(({ resource }) => resource)]
  }

  /** Everything of one resource is asked to go. Null: something failed. */
  private *clear(namespace: string, resource: string): Task<Left | null> {
    const { client } = this.context
    const listed = yield* client.list<ApiObject>(resource, { namespace })
    if (!listed.ok) return null
    if (listed.value.items.length === 0) return { resource, objects: [], estimateMs: 0 }
    let failed = false
    for (const { metadata } of listed.value.items) {
      const reply = yield* client.delete({ resource, namespace, name: metadata.name }, { propagationPolicy: 'Background' })
      failed ||= !reply.ok && reply.status.code !== 404
    }
    const after = yield* client.list<ApiObject>(resource, { namespace })
    if (failed || !after.ok) return null
    return { resource, objects: after.value.items, estimateMs: estimate(resource, after.value.items) }
  }

  /** What is left is said in conditions. Null: that failed. */
  private *tell(namespace: Namespace, left: readonly Left[], failed: boolean): Task<Namespace | null> {
    const now = rfc3339(this.context.now())
    const remaining = left.map(({ resource, objects }) => `${resource} has ${objects.length} resource instances`).join(', ')
    const finalizers = finalizersOf(left)
    const conditions: readonly Condition[] = [
      failed
        ? { type: 'NamespaceDeletionContentFailure', status: 'True', reason: 'ContentDeletionFailed' }
        : { type: 'NamespaceDeletionContentFailure', status: 'False', reason: 'ContentDeleted' },
      left.length > 0
        ? { type: 'NamespaceContentRemaining', status: 'True', reason: 'SomeResourcesRemain', message: remaining }
        : { type: 'NamespaceContentRemaining', status: 'False', reason: 'ContentRemoved' },
      finalizers === ''
        ? { type: 'NamespaceFinalizersRemaining', status: 'False', reason: 'ContentHasNoFinalizers' }
        : { type: 'NamespaceFinalizersRemaining', status: 'True', reason: 'SomeFinalizersRemain', message: finalizers },
    ]
    const told = conditions.reduce<readonly Condition[]>((all, next) => {
      const held = conditionOf(all, next.type)
      const unchanged = held !== undefined && held.status === next.status && held.message === next.message
      return unchanged ? all : withCondition(all, { ...next, lastTransitionTime: now })
    }, namespace.status.conditions ?? [])
    if (same(told, namespace.status.conditions ?? [])) return namespace
    const reply = yield* this.context.client.updateStatus<Namespace>(NAMESPACES, {
      ...namespace,
      status: { ...namespace.status, conditions: told },
    })
    return reply.ok ? reply.value : null
  }

  /** The last word: it is removed with it, unless others hold it back. */
  private *finalize({ metadata, spec }: Namespace): Task<'done' | 'retry'> {
    const { name, uid, resourceVersion } = metadata
    const finalizers = (spec?.finalizers ?? []).filter((held) => held !== FINALIZER)
    const patch = { metadata: { uid, resourceVersion }, spec: { finalizers } }
    const options = { subresource: 'finalize', patchType: 'merge' } as const
    const reply = yield* this.context.client.patch({ resource: NAMESPACES, name }, patch, options)
    return reply.ok || reply.status.code === 404 ? 'done' : 'retry'
  }
}

const finalizersOf = (left: readonly Left[]): string => {
  const counts = new Map<string, number>()
  for (const { objects } of left)
    for (const { metadata } of objects) for (const name of metadata.finalizers ?? []) counts.set(name, (counts.get(name) ?? 0) + 1)
  return [...counts].map(([name, count]) => `${name} in ${count} resource instances`).join(', ')
}

/** How long they may still take; 0: nothing says why they are there. */
const estimate = (resource: string, objects: readonly ApiObject[]): number => {
  const pods = resource === 'pods' ? (objects as readonly Pod[]).filter((pod) => !isTerminal(pod)) : []
  const graceMs = Math.max(0, ...pods.map(({ spec }) => spec.terminationGracePeriodSeconds * 1_000))
  const held = objects.some(({ metadata }) => (metadata.finalizers ?? []).length > 0)
  return graceMs > 0 || !held ? graceMs : FINALIZERS_MS
}
