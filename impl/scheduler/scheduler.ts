/**
 * kube-scheduler: takes a pod from the queue, finds the best node that passes every filter, and binds it.
 *
 * Binding goes on in the background; until it is seen the pod is assumed to be there.
 * Source: kubernetes/kubernetes pkg/scheduler/{scheduler.go,schedule_one.go,eventhandlers.go}.
 */
import type { ApiObject, Node, Pod } from '../../model/state/objects.ts'
import type { Timings } from '../../model/state/plan.ts'
import type { Controller, ControllerContext, Informer } from '../client/api.ts'
import { runControllers, type ControllersProcess } from '../client/controller.ts'
import { conditionOf, isDeleting, isTerminal, refOf, withCondition } from '../objects.ts'
import { same } from '../equal.ts'
import { spawn, wait, type Task } from '../task.ts'
import { rfc3339 } from '../time.ts'
import type { ClusterHost } from '../wire.ts'
import { SchedulerCache } from './cache.ts'
import { profilesOf, type Profile } from './config.ts'
import { choose, preempt, search, unschedulableMessage } from './cycle.ts'
import type { ClusterEvent, Cycle, Queued, Status } from './framework.ts'
import { listersOf } from './listers.ts'
import { podInfoOf, priorityOf, type PodInfo } from './node-info.ts'
import type { Candidate } from './plugins/preemption.ts'
import { SchedulingQueue, type QueueRules } from './queue.ts'

export interface SchedulerOptions {
  readonly endpoints: readonly string[]
  readonly timings: Timings
}

const FLUSH_LEAST_MS = 100
const ASK_AGAIN_MS = 1_000
/** No storage is served yet: pods that name claims start without them, so nothing here may wait for one. */
const WITHOUT = ['VolumeRestrictions', 'NodeVolumeLimits', 'VolumeBinding', 'VolumeZone']

export const scheduler =
  ({ endpoints, timings }: SchedulerOptions) =>
  (host: ClusterHost): ControllersProcess =>
    runControllers(host, { endpoints, timings, lease: 'kube-scheduler', controllers: [schedulerLoop(profilesOf({}, {}, WITHOUT))] })

const schedulerLoop =
  (profiles: readonly Profile[]): Controller =>
  (context) => {
    const loop = new Scheduler(context, profiles)
    return { name: 'scheduler', start: () => loop.start() }
  }

class Scheduler {
  private readonly context: ControllerContext
  /** By the scheduler name that pods ask for. */
  private readonly profiles: ReadonlyMap<string, Profile>
  private readonly pods: Informer<Pod>
  private readonly nodes: Informer<Node>
  private readonly cache: SchedulerCache
  private readonly queue: SchedulingQueue
  /** Pod uid → pod that a node was promised to. */
  private readonly nominated = new Map<string, PodInfo>()
  private nextStart = 0
  private awake = false
  private flushDueMs = Infinity

  constructor(context: ControllerContext, profiles: readonly Profile[]) {
    this.context = context
    this.profiles = new Map(profiles.map((profile) => [profile.schedulerName, profile]))
    this.pods = context.informer('pods')
    this.nodes = context.informer('nodes')
    const watched: Readonly<Record<string, Informer<ApiObject>>> = { namespaces: context.informer('namespaces') }
    this.cache = new SchedulerCache(
      listersOf(
        (resource, key) => watched[resource]?.get(key),
        (resource) => watched[resource]?.list() ?? [],
      ),
    )
    this.queue = new SchedulingQueue(this.rules(profiles))
    const { nominated } = this
    const nominations = {
      get size() {
        return nominated.size
      },
      on: (node: string) => [...nominated.values()].filter(({ pod }) => pod.status.nominatedNodeName === node),
    }
    for (const { framework } of profiles) framework.nominations = nominations
  }

  start(): void {
    this.nodes.onChange((before, after) => this.nodeChanged(before, after))
    this.pods.onChange((before, after) => this.podChanged(before, after))
  }

  private rules(profiles: readonly Profile[]): QueueRules {
    const [first] = profiles
    return {
      preEnqueue: (pod) => this.profiles.get(pod.spec.schedulerName)?.framework.preEnqueue(pod) ?? null,
      queueSort: (one, other) => first?.framework.queueSort(one, other) ?? 0,
      mayHelp: (pod, rejectedBy, event) =>
        (this.profiles.get(pod.spec.schedulerName)?.framework.plugins ?? []).some(
          ({ plugin }) => rejectedBy.has(plugin.name) && (plugin.mayHelp?.(pod, event) ?? true),
        ),
    }
  }

  // Events

  private nodeChanged(before: Node | null, after: Node | null): void {
    if (after === null) {
      if (before !== null) this.cache.removeNode(before.metadata.name)
      return
    }
    this.cache.setNode(after)
    // Heartbeats help nobody.
    if (before === null || mayHelp(before, after))
      this.happened({ resource: 'Node', action: before === null ? 'Add' : 'Update', before, after })
  }

  private podChanged(before: Pod | null, after: Pod | null): void {
    const pod = after ?? before
    if (pod === null) return
    const { uid } = pod.metadata
    if (after === null || isTerminal(after)) {
      this.queue.remove(uid)
      this.nominated.delete(uid)
      this.cache.dropPod(uid)
      if ((pod.spec.nodeName ?? '') !== '') this.happened({ resource: 'AssignedPod', action: 'Delete', before, after })
      return
    }
    if ((after.spec.nodeName ?? '') !== '') {
      this.queue.remove(uid)
      this.nominated.delete(uid)
      const fresh = (before?.spec.nodeName ?? '') === ''
      this.cache.setPod(after)
      // It may be one that others want to be with.
      if (fresh || !same(before?.metadata.labels, after.metadata.labels))
        this.happened({ resource: 'AssignedPod', action: fresh ? 'Add' : 'Update', before, after })
      return
    }
    if (!this.profiles.has(after.spec.schedulerName) || this.cache.isAssumed(uid)) return
    this.nominate(after)
    if (isDeleting(after)) this.queue.remove(uid)
    else if (before === null || !this.queue.has(uid) || !same(before.spec, after.spec)) this.queue.add(after, this.context.elapsed())
    else this.queue.refresh(after)
    this.wake()
  }

  private nominate(pod: Pod): void {
    if ((pod.status.nominatedNodeName ?? '') === '' || isDeleting(pod)) this.nominated.delete(pod.metadata.uid)
    else this.nominated.set(pod.metadata.uid, podInfoOf(pod))
  }

  private happened(event: ClusterEvent): void {
    this.queue.happened(event, this.context.elapsed())
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
    const profile = this.profiles.get(pod.spec.schedulerName)
    if (profile === undefined) return
    const info = podInfoOf(pod)
    const moment = this.queue.moment
    const { nodes } = this.cache
    const found = search(profile, this.cache, info, this.nextStart, this.context.random('ties'))
    this.nextStart = nodes.length === 0 ? 0 : (this.nextStart + found.examined) % nodes.length
    if (found.feasible.length === 0) {
      const candidate = preempt(profile, found, info)
      this.queue.park(queued, pluginsOf(found.statuses), moment, this.context.elapsed())
      spawn(this.sayUnschedulable(pod, unschedulableMessage(nodes.length, found.statuses), candidate))
      return
    }
    const chosen = choose(profile, found, info, 'random').name
    const refused = this.reserve(profile, found.cycle, info, chosen)
    if (refused !== null) {
      this.queue.park(queued, new Set([refused.plugin ?? '']), moment, this.context.elapsed())
      spawn(this.sayUnschedulable(pod, refused.reasons.join(', '), null))
      return
    }
    const assumed = this.cache.assumptions()
    this.cache.assume(info, chosen)
    this.nominated.delete(pod.metadata.uid)
    spawn(this.bind(queued, profile, found.cycle, info, chosen, assumed))
  }

  /** Who reserved something gives it back when a later plugin refuses. */
  private reserve(profile: Profile, cycle: Cycle, info: PodInfo, node: string): Status | null {
    for (const { plugin } of profile.framework.plugins) {
      const status = plugin.reserve?.(cycle, info, node) ?? null
      if (status === null) continue
      unreserve(profile, cycle, info, node)
      return { ...status, plugin: plugin.name }
    }
    return null
  }

  private *bind(
    queued: Queued,
    profile: Profile,
    cycle: Cycle,
    info: PodInfo,
    node: string,
    assumed: readonly { uid: string; node: string }[],
  ): Task<void> {
    const { client } = this.context
    const { pod } = info
    const { namespace, name, uid } = pod.metadata
    for (const { plugin } of profile.framework.plugins) {
      if (plugin.preBind === undefined) continue
      if ((yield* plugin.preBind(cycle, info, node)) !== null) return this.takeBack(queued, profile, cycle, info, node)
    }
    client.decide(this.context.view('pods', 'nodes', 'namespaces'), { kind: 'Bind', pod: refOf('pods', pod), node, assumed })
    const reply = yield* client.bind({ resource: 'pods', namespace, name, uid }, node)
    // As long as nobody knows whether it went through, the pod counts on the node.
    if (reply.ok || (!reply.definite && (yield* this.isBound(namespace, name, uid)))) {
      for (const { plugin } of profile.framework.plugins) plugin.postBind?.(cycle, info, node)
      return
    }
    this.takeBack(queued, profile, cycle, info, node)
  }

  private takeBack(queued: Queued, profile: Profile, cycle: Cycle, info: PodInfo, node: string): void {
    const { namespace, name, uid } = info.pod.metadata
    unreserve(profile, cycle, info, node)
    if (this.cache.isAssumed(uid)) this.cache.dropPod(uid)
    const now = this.pods.get(`${namespace}/${name}`)
    if (now === undefined || now.metadata.uid !== uid || (now.spec.nodeName ?? '') !== '' || isDeleting(now)) return
    this.queue.backOff(queued, this.context.elapsed())
    // Others may have found no room for its sake.
    this.happened({ resource: 'AssignedPod', action: 'Delete', before: info.pod, after: null })
  }

  private *isBound(namespace: string | undefined, name: string, uid: string): Task<boolean> {
    for (;;) {
      const read = yield* this.context.client.get<Pod>({ resource: 'pods', namespace, name })
      if (read.ok) return read.value.metadata.uid === uid && (read.value.spec.nodeName ?? '') !== ''
      if (read.status.code === 404) return false
      yield* wait<void>((resume) => this.context.after(ASK_AGAIN_MS, () => resume()))
    }
  }

  /** Says why no node was found, after those have been asked to go that are in the way. */
  private *sayUnschedulable(pod: Pod, reason: string, candidate: Candidate | null): Task<void> {
    const { client } = this.context
    client.decide(this.context.view('pods', 'nodes'), { kind: 'Unschedulable', pod: refOf('pods', pod), reason })
    if (candidate !== null) yield* this.evict(candidate, pod)
    const before = conditionOf(pod.status.conditions, 'PodScheduled')
    const nominatedNodeName = candidate?.node ?? pod.status.nominatedNodeName
    if (before?.status === 'False' && before.message === reason && nominatedNodeName === pod.status.nominatedNodeName) return
    const next = {
      type: 'PodScheduled',
      status: 'False' as const,
      reason: 'Unschedulable',
      message: reason,
      lastTransitionTime: rfc3339(this.context.now()),
    }
    const { namespace, name } = pod.metadata
    const conditions = withCondition(pod.status.conditions, next)
    const status = nominatedNodeName === undefined ? { conditions } : { conditions, nominatedNodeName }
    const patch = { metadata: { uid: pod.metadata.uid }, status }
    yield* client.patch<Pod>({ resource: 'pods', namespace, name }, patch, { subresource: 'status', patchType: 'strategic' })
  }

  private *evict({ node, victims }: Candidate, preemptor: Pod): Task<void> {
    const { client } = this.context
    for (const victim of victims) {
      if (isDeleting(victim)) continue
      const choice = { kind: 'Preempt', pod: refOf('pods', preemptor), node, victim: refOf('pods', victim) } as const
      client.decide(this.context.view('pods', 'nodes'), choice)
      const { namespace, name, uid } = victim.metadata
      yield* client.delete({ resource: 'pods', namespace, name }, { preconditions: { uid } })
    }
    // Those of lower rank that were promised this node have to look again.
    for (const [uid, { pod }] of this.nominated) {
      if (pod.status.nominatedNodeName === node && priorityOf(pod) < priorityOf(preemptor)) this.nominated.delete(uid)
    }
  }
}

const unreserve = (profile: Profile, cycle: Cycle, info: PodInfo, node: string): void => {
  for (const { plugin } of profile.framework.plugins.toReversed()) plugin.unreserve?.(cycle, info, node)
}

const pluginsOf = (statuses: ReadonlyMap<string, Status>): ReadonlySet<string> =>
  new Set([...statuses.values()].flatMap(({ plugin }) => plugin ?? []))

/** Whether a change of a node could make room or lift what kept pods off it. */
const mayHelp = (before: Node, after: Node): boolean =>
  !same(before.spec, after.spec) ||
  !same(before.status.allocatable, after.status.allocatable) ||
  !same(before.metadata.labels, after.metadata.labels)
