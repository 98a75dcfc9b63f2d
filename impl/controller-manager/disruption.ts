/**
 * Disruption budgets: how many more pods may be evicted, counted anew whenever pods or the scale of their owners change.
 *
 * Pods whose eviction was granted count as gone for two minutes, or until their end is seen. Source: kubernetes/kubernetes
 * pkg/controller/disruption/disruption.go. Unlike there, a change of scale alone also has budgets counted anew: upstream
 * leaves that to the next change of a pod, or to the resync.
 */
import type { ApiObject, Condition, Pod } from '../../model/state/objects.ts'
import type { PodDisruptionBudget } from '../../model/state/policy.ts'
import { resourceOfKind } from '../../model/state/resources.ts'
import type { Controller, ControllerContext, Informer, WorkQueue } from '../client/api.ts'
import { nameOf } from '../client/informer.ts'
import { same } from '../equal.ts'
import { conditionOf, controllerOf, isDeleting, isReady, refOf, withCondition } from '../objects.ts'
import { selects } from '../selector.ts'
import type { Task } from '../task.ts'
import { epochMs, rfc3339 } from '../time.ts'

const WORKERS = 1
const DELETION_TIMEOUT_MS = 120_000
/** Owners whose scale says how many pods are expected; which of them there are depends on what is served. */
const SCALED = ['ReplicaSet', 'Deployment', 'StatefulSet', 'ReplicationController'].filter((kind) => resourceOfKind(kind) !== undefined)
const BUDGETS = 'poddisruptionbudgets'

interface Scaled extends ApiObject {
  readonly spec: { readonly replicas?: number }
}
type Counted = Required<Pick<PodDisruptionBudget['status'], 'expectedPods' | 'desiredHealthy'>>

export const disruptionController: Controller = (context) => {
  const controller = new Disruption(context)
  return { name: 'disruption', start: () => controller.start() }
}

class Disruption {
  private readonly context: ControllerContext
  private readonly budgets: Informer<PodDisruptionBudget>
  private readonly pods: Informer<Pod>
  private readonly owners: ReadonlyMap<string, Informer<Scaled>>
  private readonly queue: WorkQueue
  /** Pods that were told they would be evicted, and were not. */
  private readonly spared: WorkQueue

  constructor(context: ControllerContext) {
    this.context = context
    this.budgets = context.informer(BUDGETS)
    this.pods = context.informer('pods')
    this.owners = new Map(SCALED.map((kind) => [kind, context.informer<Scaled>(resourceOfKind(kind)?.resource ?? kind)]))
    this.queue = context.queue(WORKERS, (key) => this.sync(key))
    this.spared = context.queue(WORKERS, (key) => this.spare(key))
  }

  start(): void {
    this.budgets.onChange((_before, after) => {
      if (after !== null) this.queue.add(nameOf(after))
    })
    this.pods.onChange((before, after) => {
      for (const pod of [before, after]) if (pod !== null) this.podChanged(pod)
      if (after !== null && this.isSpared(after)) this.spared.addAfter(nameOf(after), this.sparedInMs(after))
    })
    for (const informer of this.owners.values()) {
      informer.onChange((before, after) => {
        if (before?.spec.replicas === after?.spec.replicas) return
        const { namespace } = (after ?? before)?.metadata ?? {}
        for (const budget of this.budgets.list()) if (budget.metadata.namespace === namespace) this.queue.add(nameOf(budget))
      })
    }
  }

  private podChanged(pod: Pod): void {
    for (const budget of this.budgets.list()) if (this.covers(budget, pod)) this.queue.add(nameOf(budget))
  }

  private covers({ metadata, spec }: PodDisruptionBudget, pod: Pod): boolean {
    return metadata.namespace === pod.metadata.namespace && selects(spec.selector, pod.metadata.labels)
  }

  // Counting

  private *sync(key: string): Task<'done' | 'retry'> {
    const budget = this.budgets.get(key)
    if (budget === undefined) return 'done'
    const pods = this.pods.list().filter((pod) => this.covers(budget, pod))
    const counted = this.expected(budget, pods)
    if (typeof counted === 'string') return yield* this.failSafe(budget, counted)
    const { disruptedPods, recheckMs } = this.disrupted(budget, pods)
    if (recheckMs !== null) this.queue.addAfter(key, recheckMs)
    const currentHealthy = pods.filter((pod) => !isDeleting(pod) && disruptedPods[pod.metadata.name] === undefined && isReady(pod)).length
    const { expectedPods, desiredHealthy } = counted
    // What covers no pods yet allows nothing: its first pods may come before it is counted anew.
    const disruptionsAllowed = expectedPods <= 0 ? 0 : Math.max(0, currentHealthy - desiredHealthy)
    const status = { disruptionsAllowed, currentHealthy, desiredHealthy, expectedPods, disruptedPods }
    this.context.client.decide(this.context.view(BUDGETS, 'pods', ...[...this.owners.values()].map(({ resource }) => resource)), {
      kind: 'CountBudget',
      budget: refOf(BUDGETS, budget),
      disrupted: Object.keys(disruptedPods),
      at: rfc3339(this.context.now()),
      expectedPods,
      desiredHealthy,
      currentHealthy,
      disruptionsAllowed,
    })
    const enough = disruptionsAllowed > 0
    return yield* this.write(budget, status, {
      type: 'DisruptionAllowed',
      status: enough ? 'True' : 'False',
      reason: enough ? 'SufficientPods' : 'InsufficientPods',
    })
  }

  private *write(budget: PodDisruptionBudget, told: PodDisruptionBudget['status'], condition: Condition): Task<'done' | 'retry'> {
    const { metadata } = budget
    const held = conditionOf(budget.status.conditions, condition.type)
    const unchanged = held !== undefined && held.status === condition.status && held.reason === condition.reason
    const now = rfc3339(this.context.now())
    const conditions = unchanged
      ? budget.status.conditions
      : withCondition(budget.status.conditions, { ...condition, lastTransitionTime: now })
    const status = {
      ...told,
      ...(metadata.generation === undefined ? {} : { observedGeneration: metadata.generation }),
      ...(conditions === undefined ? {} : { conditions }),
    }
    if (same(status, { ...budget.status, disruptedPods: budget.status.disruptedPods ?? {} })) return 'done'
    // Of this very version: a unit that was taken meanwhile is not given back.
    const reply = yield* this.context.client.updateStatus(BUDGETS, { ...budget, status })
    return reply.ok || reply.status.code === 404 ? 'done' : 'retry'
  }

  /** How many pods are expected cannot be told: nothing is allowed. */
  private *failSafe(budget: PodDisruptionBudget, message: string): Task<'done' | 'retry'> {
    const condition: Condition = { type: 'DisruptionAllowed', status: 'False', reason: 'SyncFailed', message }
    return yield* this.write(budget, { ...budget.status, disruptionsAllowed: 0 }, condition)
  }

  private expected({ spec }: PodDisruptionBudget, pods: readonly Pod[]): Counted | string {
    const { minAvailable, maxUnavailable } = spec
    if (typeof minAvailable === 'number') return { expectedPods: pods.length, desiredHealthy: minAvailable }
    if (minAvailable === undefined && maxUnavailable === undefined) return { expectedPods: 0, desiredHealthy: 0 }
    const expectedPods = this.scaleOf(pods)
    if (typeof expectedPods === 'string') return expectedPods
    const share = (value: number | string): number =>
      typeof value === 'number' ? value : Math.ceil((expectedPods * Number.parseInt(value, 10)) / 100)
    return maxUnavailable === undefined
      ? { expectedPods, desiredHealthy: share(minAvailable ?? 0) }
      : { expectedPods, desiredHealthy: Math.max(0, expectedPods - share(maxUnavailable)) }
  }

  /** The scale of all that control these pods together; a text: why it cannot be told. */
  private scaleOf(pods: readonly Pod[]): number | string {
    const scales = new Map<string, number>()
    for (const pod of pods) {
      const owner = this.scaledOwner(pod)
      if (owner === 'nobody') continue
      if (owner === undefined) return `found no controllers for pod "${pod.metadata.name}"`
      scales.set(owner.metadata.uid, owner.spec.replicas ?? 1)
    }
    return [...scales.values()].reduce((sum, replicas) => sum + replicas, 0)
  }

  private scaledOwner(pod: Pod): Scaled | undefined | 'nobody' {
    const owner = this.ownerOf(pod)
    if (owner === undefined || owner === 'nobody') return owner
    const above = this.ownerOf(owner)
    return above === 'nobody' ? owner : above
  }

  private ownerOf(object: ApiObject): Scaled | undefined | 'nobody' {
    const reference = controllerOf(object)
    if (reference === undefined) return 'nobody'
    const owner = this.owners.get(reference.kind)?.get(`${object.metadata.namespace}/${reference.name}`)
    return owner?.metadata.uid === reference.uid ? owner : undefined
  }

  /** Evictions that were granted and whose pods still seem to be there, and in how long the first of them is given up. */
  private disrupted(budget: PodDisruptionBudget, pods: readonly Pod[]) {
    const disruptedPods: Record<string, string> = {}
    let recheckMs: number | null = null
    for (const pod of pods) {
      const since = budget.status.disruptedPods?.[pod.metadata.name]
      if (since === undefined || isDeleting(pod)) continue
      const leftMs = epochMs(since) + DELETION_TIMEOUT_MS - this.context.now()
      if (leftMs < 0) continue
      disruptedPods[pod.metadata.name] = since
      recheckMs = Math.min(recheckMs ?? Infinity, leftMs + 1)
    }
    return { disruptedPods, recheckMs }
  }

  // Pods that were to be evicted

  private isSpared(pod: Pod): boolean {
    return !isDeleting(pod) && conditionOf(pod.status.conditions, 'DisruptionTarget')?.status === 'True'
  }

  private sparedInMs(pod: Pod): number {
    const since = conditionOf(pod.status.conditions, 'DisruptionTarget')?.lastTransitionTime
    return since === undefined ? 0 : epochMs(since) + DELETION_TIMEOUT_MS - this.context.now()
  }

  /** What a pod was told two minutes ago and did not come about is taken back. */
  private *spare(key: string): Task<'done' | 'retry'> {
    const pod = this.pods.get(key)
    if (pod === undefined || !this.isSpared(pod)) return 'done'
    const leftMs = this.sparedInMs(pod)
    if (leftMs > 0) {
      this.spared.addAfter(key, leftMs)
      return 'done'
    }
    const told: Condition = { type: 'DisruptionTarget', status: 'False', lastTransitionTime: rfc3339(this.context.now()) }
    const status = { ...pod.status, conditions: withCondition(pod.status.conditions, told) }
    const reply = yield* this.context.client.updateStatus<Pod>('pods', { ...pod, status })
    return reply.ok || reply.status.code === 404 ? 'done' : 'retry'
  }
}
