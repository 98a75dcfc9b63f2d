/**
 * HorizontalPodAutoscalers: every 15 s as many replicas as the load asks for, within bounds, no faster than allowed.
 *
 * What pods use comes from the metrics API, which is the world's own truth here. Left out: metrics of anything but the CPU
 * of pods, which count as missing.
 * Source: kubernetes/kubernetes pkg/controller/podautoscaler/horizontal.go.
 */
import type { HorizontalPodAutoscaler, Usage } from '../../model/state/autoscaling.ts'
import type { ApiObject, Condition, LabelSelector, Pod } from '../../model/state/objects.ts'
import { selectorOf, type Replicating } from '../../model/state/replication.ts'
import { resourceOfKind } from '../../model/state/resources.ts'
import type { Controller, ControllerContext, Informer, WorkQueue } from '../client/api.ts'
import { nameOf } from '../client/informer.ts'
import { same } from '../equal.ts'
import { isDeleting, refOf, withCondition } from '../objects.ts'
import { selects } from '../selector.ts'
import type { Task } from '../task.ts'
import { rfc3339 } from '../time.ts'
import { Memory } from './hpa-behavior.ts'
import { combined, recommend } from './hpa-replicas.ts'

const WORKERS = 5
const PERIOD_MS = 15_000
const SCALABLE: ReadonlySet<string> = new Set(['Deployment', 'ReplicaSet', 'StatefulSet', 'ReplicationController'])

/** What a pod uses now, in thousandths of a core; null: there is no sample of it. */
export type PodUsage = (uid: string) => number | null

interface Target extends ApiObject {
  readonly spec: { readonly replicas: number; readonly selector: LabelSelector }
}
type Autoscaler = HorizontalPodAutoscaler

export const horizontalPodAutoscaler =
  (usage: PodUsage): Controller =>
  (context) => {
    const controller = new Autoscalers(context, usage)
    return { name: 'horizontal-pod-autoscaler', start: () => controller.start() }
  }

/** What came of one look: the number that is to be, and what is said of it. */
interface Outcome {
  readonly desired: number
  readonly conditions: readonly Condition[]
  readonly utilization?: number | undefined
}

class Autoscalers {
  private readonly context: ControllerContext
  private readonly usageOf: PodUsage
  private readonly autoscalers: Informer<Autoscaler>
  private readonly pods: Informer<Pod>
  private readonly memories = new Map<string, Memory>()
  private readonly queue: WorkQueue

  constructor(context: ControllerContext, usageOf: PodUsage) {
    this.context = context
    this.usageOf = usageOf
    this.queue = context.queue(WORKERS, (key) => this.sync(key))
    this.autoscalers = context.informer('horizontalpodautoscalers')
    this.pods = context.informer('pods')
  }

  start(): void {
    this.autoscalers.onChange((before, after) => {
      const autoscaler = after ?? before
      if (autoscaler === null) return
      if (after === null) this.memories.delete(nameOf(autoscaler))
      // Its own word on it is no reason to look again.
      else if (before === null || before.metadata.generation !== after.metadata.generation) this.queue.add(nameOf(after))
    })
  }

  /** A round that fails is made again in the next. */
  private *sync(key: string): Task<'done' | 'retry'> {
    const autoscaler = this.autoscalers.get(key)
    if (autoscaler === undefined || isDeleting(autoscaler)) return 'done'
    this.queue.addAfter(key, PERIOD_MS)
    const { kind, name } = autoscaler.spec.scaleTargetRef
    const resource = SCALABLE.has(kind) ? resourceOfKind(kind)?.resource : undefined
    const { namespace } = autoscaler.metadata
    const read = resource === undefined ? null : yield* this.context.client.get<Target>({ resource, namespace, name })
    if (read === null || !read.ok) {
      if (read !== null && read.status.code !== 404) return 'done'
      return yield* this.tell(autoscaler, { conditions: [told('AbleToScale', false, 'FailedGetScale')] })
    }
    const target = read.value
    const outcome = this.judge(autoscaler, target, resource ?? '')
    const current = target.spec.replicas
    if (outcome.desired === current) return yield* this.tell(autoscaler, { ...outcome, current })
    if (!(yield* this.scale(autoscaler, target, resource ?? '', outcome.desired))) return 'done'
    return yield* this.tell(autoscaler, { ...outcome, current, scaled: true })
  }

  // Judging

  private memoryOf(key: string): Memory {
    const memory = this.memories.get(key) ?? new Memory()
    this.memories.set(key, memory)
    return memory
  }

  private judge(autoscaler: Autoscaler, target: Target, resource: string): Outcome {
    const { minReplicas, maxReplicas } = autoscaler.spec
    const current = target.spec.replicas
    const able = told('AbleToScale', true, 'ReadyForNewScale')
    if (current === 0) return { desired: 0, conditions: [able, told('ScalingActive', false, 'ScalingDisabled')] }
    if (current > maxReplicas) return { desired: maxReplicas, conditions: [able, told('ScalingLimited', true, 'TooManyReplicas')] }
    if (current < minReplicas) return { desired: minReplicas, conditions: [able, told('ScalingLimited', true, 'TooFewReplicas')] }
    const { replicas, utilization } = this.recommended(autoscaler, target, resource)
    if (replicas === null) {
      return { desired: current, utilization, conditions: [able, told('ScalingActive', false, 'FailedGetResourceMetric')] }
    }
    const memory = this.memoryOf(nameOf(autoscaler))
    const nowMs = this.context.elapsed()
    const { behavior } = autoscaler.spec
    const stable = memory.stabilized(replicas, current, behavior, nowMs)
    memory.recommended(replicas, nowMs)
    const limited = memory.limited(stable, current, behavior, nowMs)
    const desired = Math.min(maxReplicas, Math.max(minReplicas, limited))
    const conditions = [
      told('AbleToScale', true, stable === replicas ? 'ReadyForNewScale' : 'ScaleDownStabilized'),
      told('ScalingActive', true, 'ValidMetricFound'),
      told('ScalingLimited', desired !== stable, limitOf(stable, desired, autoscaler)),
    ]
    return { desired, utilization, conditions }
  }

  private recommended(autoscaler: Autoscaler, target: Target, resource: string) {
    const current = target.spec.replicas
    const selector = selectorOf(target as unknown as Replicating)
    const own = ({ metadata }: Pod): boolean => metadata.namespace === target.metadata.namespace && selects(selector, metadata.labels)
    const pods = this.pods.list().filter(own)
    const usage: Record<string, number> = {}
    for (const { metadata } of pods) {
      const used = this.usageOf(metadata.uid)
      if (used !== null) usage[metadata.uid] = used
    }
    const nowMs = this.context.now()
    const answer = combined(
      autoscaler.spec.metrics.map((metric) => recommend(metric, current, pods, usage, nowMs)),
      current,
    )
    this.context.client.decide(this.viewOf(target, resource), {
      kind: 'Recommend',
      owner: refOf('horizontalpodautoscalers', autoscaler),
      target: refOf(resource, target),
      current,
      replicas: answer.replicas,
      usage: usage satisfies Usage,
      nowMs,
    })
    return answer
  }

  /** Its own caches, and the version of the target that it has read. */
  private viewOf(target: Target, resource: string) {
    return { ...this.context.view('horizontalpodautoscalers', 'pods'), [resource]: Number(target.metadata.resourceVersion) }
  }

  // Acting and telling

  private *scale(autoscaler: Autoscaler, target: Target, resource: string, replicas: number): Task<boolean> {
    const { client } = this.context
    const { namespace, name, resourceVersion } = target.metadata
    const from = target.spec.replicas
    const owner = refOf('horizontalpodautoscalers', autoscaler)
    client.decide(this.viewOf(target, resource), { kind: 'Autoscale', owner, target: refOf(resource, target), from, to: replicas })
    const patch = { metadata: { resourceVersion }, spec: { replicas } }
    const reply = yield* client.patch({ resource, namespace, name }, patch, { subresource: 'scale', patchType: 'merge' })
    // Without an answer it may have happened: it counts as if it had.
    if (reply.ok || !reply.definite) this.memoryOf(nameOf(autoscaler)).changed(replicas - from, this.context.elapsed())
    return reply.ok
  }

  private *tell(
    autoscaler: Autoscaler,
    news: Partial<Outcome> & { readonly conditions: readonly Condition[]; readonly current?: number; readonly scaled?: true },
  ): Task<'done' | 'retry'> {
    const now = rfc3339(this.context.now())
    const { current, desired, utilization, scaled } = news
    const { currentUtilization: _before, ...rest } = autoscaler.status
    const status: Autoscaler['status'] = {
      ...rest,
      ...(current === undefined ? {} : { currentReplicas: current }),
      ...(desired === undefined ? {} : { desiredReplicas: desired }),
      ...(utilization === undefined ? {} : { currentUtilization: utilization }),
      ...(scaled === true ? { lastScaleTime: now } : {}),
      observedGeneration: autoscaler.metadata.generation ?? 0,
      conditions: news.conditions.reduce(
        (held, condition) => withCondition(held, { ...condition, lastTransitionTime: now }),
        autoscaler.status.conditions ?? [],
      ),
    }
    if (same(withoutTimes(autoscaler.status), withoutTimes(status))) return 'done'
    yield* this.context.client.updateStatus<Autoscaler>('horizontalpodautoscalers', { ...autoscaler, status })
    return 'done'
  }
}

const told = (type: string, holds: boolean, reason: string): Condition => ({ type, status: holds ? 'True' : 'False', reason })

const limitOf = (wanted: number, desired: number, { spec }: Autoscaler): string => {
  if (wanted === desired) return 'DesiredWithinRange'
  if (desired === spec.maxReplicas && wanted > desired) return 'TooManyReplicas'
  if (desired === spec.minReplicas && wanted < desired) return 'TooFewReplicas'
  return wanted > desired ? 'ScaleUpLimit' : 'ScaleDownLimit'
}

const withoutTimes = ({ conditions = [], ...status }: Autoscaler['status']): unknown => ({
  ...status,
  conditions: conditions.map(({ lastTransitionTime: _time, ...rest }) => rest),
})
