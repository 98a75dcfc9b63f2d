/**
 * Quotas: what is used is counted anew when something goes, when a quota changes, and every five minutes.
 *
 * Source: kubernetes/kubernetes pkg/controller/resourcequota. What comes is charged at admission, before it is there; the
 * count may be of an older view than the quota it replaces, and then misses what was charged meanwhile.
 */
import type { ApiObject, Pod, ResourceList } from '../../model/state/objects.ts'
import type { ResourceQuota } from '../../model/state/policy.ts'
import { RESOURCES, type Resource } from '../../model/state/resources.ts'
import type { Controller, ControllerContext, Informer, WorkQueue } from '../client/api.ts'
import { nameOf } from '../client/informer.ts'
import { same } from '../equal.ts'
import { isTerminal, refOf } from '../objects.ts'
import { inScope, quantityOf, usageOf } from '../quota.ts'
import type { Task } from '../task.ts'

const WORKERS = 5
const RESYNC_MS = 300_000
const QUOTAS = 'resourcequotas'
const COUNTED = RESOURCES.filter(({ namespaced, resource }) => namespaced && resource !== 'leases')

export const resourceQuotaController: Controller = (context) => {
  const controller = new ResourceQuotas(context)
  return { name: 'resourcequota', start: () => controller.start() }
}

class ResourceQuotas {
  private readonly context: ControllerContext
  private readonly quotas: Informer<ResourceQuota>
  private readonly objects: readonly (readonly [Resource, Informer<ApiObject>])[]
  private readonly queue: WorkQueue

  constructor(context: ControllerContext) {
    this.context = context
    this.quotas = context.informer(QUOTAS)
    this.objects = COUNTED.map((resource) => [resource, context.informer(resource.resource)])
    this.queue = context.queue(WORKERS, (key) => this.sync(key))
  }

  start(): void {
    this.quotas.onChange((before, after) => {
      if (after !== null && (before === null || !same(before.spec, after.spec))) this.queue.add(nameOf(after))
    })
    for (const [, informer] of this.objects) {
      informer.onChange((before, after) => {
        if (before !== null && (after === null || hasEnded(before, after))) this.replenished(before.metadata.namespace)
      })
    }
    const resync = (): void => {
      for (const quota of this.quotas.list()) this.queue.add(nameOf(quota))
      this.context.after(RESYNC_MS, resync)
    }
    this.context.after(RESYNC_MS, resync)
  }

  private replenished(namespace: string | undefined): void {
    for (const quota of this.quotas.list()) if (quota.metadata.namespace === namespace) this.queue.add(nameOf(quota))
  }

  private *sync(key: string): Task<'done' | 'retry'> {
    const quota = this.quotas.get(key)
    if (quota === undefined) return 'done'
    const hard = quota.spec.hard ?? {}
    const used: ResourceList = Object.fromEntries(Object.keys(hard).map((name) => [name, quantityOf(name, this.usage(quota, name))]))
    if (same({ hard, used }, { hard: quota.status.hard ?? null, used: quota.status.used ?? null })) return 'done'
    this.context.client.decide(this.context.view(QUOTAS, ...this.objects.map(([{ resource }]) => resource)), {
      kind: 'CountQuota',
      quota: refOf(QUOTAS, quota),
    })
    const reply = yield* this.context.client.updateStatus<ResourceQuota>(QUOTAS, { ...quota, status: { hard, used } })
    return reply.ok || reply.status.code === 404 ? 'done' : 'retry'
  }

  private usage(quota: ResourceQuota, name: string): number {
    let sum = 0
    for (const [resource, informer] of this.objects) {
      for (const object of informer.list()) {
        if (object.metadata.namespace !== quota.metadata.namespace || !inScope(quota, object)) continue
        sum += usageOf(resource, object).get(name) ?? 0
      }
    }
    return sum
  }
}

/** A pod that is over no longer counts. */
const hasEnded = (before: ApiObject, after: ApiObject): boolean =>
  before.kind === 'Pod' && !isTerminal(before as Pod) && isTerminal(after as Pod)
