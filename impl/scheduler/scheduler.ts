/**
 * kube-scheduler: takes a pod from the queue, finds the best node that passes every filter, and binds it.
 *
 * Binding goes on in the background; until it is seen the pod is assumed to be there.
 * Source: kubernetes/kubernetes pkg/scheduler/{scheduler.go,schedule_one.go,eventhandlers.go}.
 */
import type { Node, Pod } from '../../model/state/objects.ts'
import type { Timings } from '../../model/state/plan.ts'
import type { Controller, ControllerContext, Informer } from '../client/api.ts'
import { runControllers, type ControllersProcess } from '../client/controller.ts'
import { conditionOf, isDeleting, isTerminal, refOf, withCondition } from '../objects.ts'
import { same } from '../equal.ts'
import { spawn, wait, type Task } from '../task.ts'
import { rfc3339 } from '../time.ts'
import type { ClusterHost } from '../wire.ts'
import { SchedulerCache } from './cache.ts'
import type { NodeInfo, PodInfo, Profile, Queued } from './framework.ts'
import { FILTERS } from './plugins/filters.ts'
import { SCORES } from './plugins/scores.ts'
import { SchedulingQueue } from './queue.ts'
import { requestOf } from './request.ts'

export interface SchedulerOptions {
  readonly endpoints: readonly string[]
  readonly timings: Timings
}

const NAME = 'default-scheduler'
const FLUSH_LEAST_MS = 100
const ASK_AGAIN_MS = 1_000
const NODES_LEAST = 100
const SHARE_LEAST = 5

export const DEFAULT_PROFILE: Profile = {
  preEnqueue: (pod) => ((pod.spec.schedulingGates ?? []).length > 0 ? 'Scheduling is blocked due to non-empty scheduling gates' : null),
  queueSort: (one, other) => (other.pod.spec.priority ?? 0) - (one.pod.spec.priority ?? 0) || one.sinceMs - other.sinceMs,
  filters: FILTERS,
  scores: SCORES,
}

export const scheduler =
  ({ endpoints, timings }: SchedulerOptions) =>
  (host: ClusterHost): ControllersProcess =>
    runControllers(host, { endpoints, timings, lease: 'kube-scheduler', controllers: [schedulerLoop(DEFAULT_PROFILE)] })

const schedulerLoop =
  (profile: Profile): Controller =>
  (context) => {
    const loop = new Scheduler(context, profile)
    return { name: 'scheduler', start: () => loop.start() }
  }

class Scheduler {
  private readonly context: ControllerContext
  private readonly profile: Profile
  private readonly pods: Informer<Pod>
  private readonly nodes: Informer<Node>
  private readonly cache = new SchedulerCache()
  private readonly queue: SchedulingQueue
  private nextStart = 0
  private awake = false
  private flushDueMs = Infinity

  constructor(context: ControllerContext, profile: Profile) {
    this.context = context
    this.profile = profile
    this.pods = context.informer('pods')
    this.nodes = context.informer('nodes')
    this.queue = new SchedulingQueue(profile)
  }

  start(): void {
    this.nodes.onChange((before, after) => this.nodeChanged(before, after))
    this.pods.onChange((before, after) => this.podChanged(before, after))
  }

  // Events

  private nodeChanged(before: Node | null, after: Node | null): void {
    if (after === null) {
      if (before !== null) this.cache.removeNode(before.metadata.name)
      return
    }
    this.cache.setNode(after)
    // Heartbeats help nobody.
    if (before === null || mayHelp(before, after)) this.moved()
  }

  private podChanged(before: Pod | null, after: Pod | null): void {
    const pod = after ?? before
    if (pod === null) return
    const { uid } = pod.metadata
    if (after === null || isTerminal(after)) {
      this.queue.remove(uid)
      this.cache.dropPod(uid)
      if ((pod.spec.nodeName ?? '') !== '') this.moved()
      return
    }
    if ((after.spec.nodeName ?? '') !== '') {
      this.queue.remove(uid)
      this.cache.setPod(after)
      return
    }
    if (after.spec.schedulerName !== NAME || this.cache.isAssumed(uid)) return
    if (isDeleting(after)) this.queue.remove(uid)
    else if (before === null || !this.queue.has(uid) || !same(before.spec, after.spec)) this.queue.add(after, this.context.elapsed())
    else this.queue.refresh(after)
    this.wake()
  }

  private moved(): void {
    this.queue.moveAll(this.context.elapsed())
    this.wake()
  }

  /** The loop runs when there is something to do, and when a back-off ends. */
  private wake(): void {
    if (!this.awake) {
      this.awake = true
      this.context.after(0, () => {
        this.awake = false
        this.work()
      })
    }
  }

  private work(): void {
    const now = this.context.elapsed()
    this.queue.flush(now)
    const queued = this.queue.pop()
    if (queued !== undefined) this.scheduleOne(queued)
    if (this.queue.waiting) this.wake()
    const next = this.queue.nextMs()
    if (next === null || (next >= this.flushDueMs && this.flushDueMs > now)) return
    this.flushDueMs = next
    this.context.after(Math.max(FLUSH_LEAST_MS, next - now), () => this.wake())
  }

  // One pod

  private scheduleOne(queued: Queued): void {
    const pod = this.pods.get(`${queued.pod.metadata.namespace}/${queued.pod.metadata.name}`)
    if (pod === undefined || pod.metadata.uid !== queued.pod.metadata.uid || isDeleting(pod) || (pod.spec.nodeName ?? '') !== '') return
    const info: PodInfo = { pod, request: requestOf(pod) }
    const moment = this.queue.moment
    const { feasible, reasons } = this.filter(info)
    if (feasible.length === 0) {
      this.queue.park(queued, moment, this.context.elapsed())
      spawn(this.sayUnschedulable(pod, message(this.cache.nodes().length, reasons)))
      return
    }
    const chosen = this.choose(info, feasible).node.metadata.name
    const assumed = this.cache.assumptions()
    this.cache.assume(pod, chosen)
    spawn(this.bind(queued, pod, chosen, assumed))
  }

  private filter(info: PodInfo): { feasible: readonly NodeInfo[]; reasons: ReadonlyMap<string, number> } {
    const nodes = this.cache.nodes()
    const enough = enoughNodes(nodes.length)
    const feasible: NodeInfo[] = []
    const reasons = new Map<string, number>()
    let examined = 0
    while (examined < nodes.length && feasible.length < enough) {
      const node = nodes[(this.nextStart + examined) % nodes.length] as NodeInfo
      examined++
      const reason = this.firstReason(info, node)
      if (reason === null) feasible.push(node)
      else for (const part of reason.split(', ')) reasons.set(part, (reasons.get(part) ?? 0) + 1)
    }
    this.nextStart = nodes.length === 0 ? 0 : (this.nextStart + examined) % nodes.length
    return { feasible, reasons }
  }

  private firstReason(info: PodInfo, node: NodeInfo): string | null {
    for (const plugin of this.profile.filters) {
      const reason = plugin.filter(info, node)
      if (reason !== null) return reason
    }
    return null
  }

  private choose(info: PodInfo, nodes: readonly NodeInfo[]): NodeInfo {
    const totals = nodes.map(() => 0)
    for (const plugin of this.profile.scores) {
      const raw = nodes.map((node) => plugin.score(info, node))
      const scores = plugin.normalize?.(raw) ?? raw
      for (const [index, score] of scores.entries()) totals[index] = (totals[index] ?? 0) + score * plugin.weight
    }
    const best = Math.max(...totals)
    return this.context.random('ties').pick(nodes.filter((_, index) => totals[index] === best))
  }

  private *bind(queued: Queued, pod: Pod, node: string, assumed: readonly { uid: string; node: string }[]): Task<void> {
    const { client } = this.context
    client.decide(this.context.view('pods', 'nodes'), { kind: 'Bind', pod: refOf('pods', pod), node, assumed })
    const { namespace, name, uid } = pod.metadata
    const reply = yield* client.bind({ resource: 'pods', namespace, name, uid }, node)
    if (reply.ok) return
    // As long as nobody knows whether it went through, the pod counts on the node.
    if (!reply.definite && (yield* this.isBound(namespace, name, uid))) return
    if (this.cache.isAssumed(uid)) this.cache.dropPod(uid)
    const now = this.pods.get(`${namespace}/${name}`)
    if (now === undefined || now.metadata.uid !== uid || (now.spec.nodeName ?? '') !== '' || isDeleting(now)) return
    this.queue.backOff(queued, this.context.elapsed())
    this.moved()
  }

  private *isBound(namespace: string | undefined, name: string, uid: string): Task<boolean> {
    for (;;) {
      const read = yield* this.context.client.get<Pod>({ resource: 'pods', namespace, name })
      if (read.ok) return read.value.metadata.uid === uid && (read.value.spec.nodeName ?? '') !== ''
      if (read.status.code === 404) return false
      yield* wait<void>((resume) => this.context.after(ASK_AGAIN_MS, () => resume()))
    }
  }

  private *sayUnschedulable(pod: Pod, reason: string): Task<void> {
    const { client } = this.context
    client.decide(this.context.view('pods', 'nodes'), { kind: 'Unschedulable', pod: refOf('pods', pod), reason })
    const before = conditionOf(pod.status.conditions, 'PodScheduled')
    if (before?.status === 'False' && before.message === reason) return
    const next = {
      type: 'PodScheduled',
      status: 'False' as const,
      reason: 'Unschedulable',
      message: reason,
      lastTransitionTime: rfc3339(this.context.now()),
    }
    const { namespace, name } = pod.metadata
    const patch = { metadata: { uid: pod.metadata.uid }, status: { conditions: withCondition(pod.status.conditions, next) } }
    yield* client.patch<Pod>({ resource: 'pods', namespace, name }, patch, { subresource: 'status', patchType: 'strategic' })
  }
}

/** Whether a change of a node could make room or lift what kept pods off it. */
const mayHelp = (before: Node, after: Node): boolean =>
  !same(before.spec, after.spec) ||
  !same(before.status.allocatable, after.status.allocatable) ||
  !same(before.metadata.labels, after.metadata.labels)

/** All of few nodes; of many a share that falls with their number, and a hundred at least. */
const enoughNodes = (count: number): number => {
  if (count < NODES_LEAST) return count
  const share = Math.max(SHARE_LEAST, 50 - Math.floor(count / 125))
  return Math.max(NODES_LEAST, Math.floor((count * share) / 100))
}

/** '0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable.' */
const message = (nodes: number, reasons: ReadonlyMap<string, number>): string => {
  if (nodes === 0) return 'no nodes available to schedule pods'
  const parts = [...reasons].map(([reason, count]) => `${count} ${reason}`).toSorted()
  return `0/${nodes} nodes are available: ${parts.join(', ')}.`
}
