/**
 * kube-scheduler: takes a pod from the queue, finds the best node that passes every filter, and binds it.
 *
 * Binding goes on in the background; until it is seen the pod is assumed to be there.
 * Source: kubernetes/kubernetes pkg/scheduler/{scheduler.go,schedule_one.go,eventhandlers.go}.
 */
import type { Choice, Counted } from '../../model/state/history.ts'
import type { ApiObject, Node, Pod } from '../../model/state/objects.ts'
import type { Timings } from '../../model/state/plan.ts'
import { resourceNamed } from '../../model/state/resources.ts'
import type { Controller, ControllerContext, Informer, Result } from '../client/api.ts'
import { runControllers, type ControllersProcess } from '../client/controller.ts'
import { conditionOf, isDeleting, isTerminal, refOf, withCondition } from '../objects.ts'
import { same } from '../equal.ts'
import { spawn, wait, type Task } from '../task.ts'
import { rfc3339 } from '../time.ts'
import type { ClusterHost } from '../wire.ts'
import { POD_GROUP_LABEL, type PodGroup } from '../../model/state/pod-group.ts'
import { SchedulerCache } from './cache.ts'
import { profilesOf, type Profile, type SchedulerConfiguration } from './config.ts'
import { choose, preempt, search, unschedulableMessage } from './cycle.ts'
import type { ClusterEvent, Cycle, Queued, Status } from './framework.ts'
import { listersOf } from './listers.ts'
import { podInfoOf, type PodInfo } from './node-info.ts'
import { Nominator } from './nominator.ts'
import type { Candidate } from './plugins/preemption.ts'
import { SchedulingQueue, type QueueRules } from './queue.ts'
import { STORAGE, VolumeBinder } from './volume-binder.ts'

export interface SchedulerOptions {
  readonly endpoints: readonly string[]
  readonly timings: Timings
  readonly configuration: SchedulerConfiguration
}

/** What it looks at, as far as it is served. */
const DECIDED_BY = ['pods', 'nodes', 'namespaces', 'poddisruptionbudgets'].filter((resource) => resourceNamed(resource) !== undefined)
const FLUSH_LEAST_MS = 100
const ASK_AGAIN_MS = 1_000

export const scheduler =
  ({ endpoints, timings, configuration }: SchedulerOptions) =>
  (host: ClusterHost): ControllersProcess => {
    const controllers = [schedulerLoop(profilesOf(configuration, {}))]
    return runControllers(host, { endpoints, timings, lease: 'kube-scheduler', controllers })
  }

const schedulerLoop =
  (profiles: readonly Profile[]): Controller =>
  (context) => {
    const loop = new Scheduler(context, profiles)
    return { name: 'scheduler', start: () => loop.start() }
  }

/** A pod that has been given a node, on its way there. */
interface Placed {
  readonly queued: Queued
  readonly profile: Profile
  readonly cycle: Cycle
  readonly info: PodInfo
  readonly node: string
  /** Of the queue, when it was taken from it. */
  readonly moment: number
}

class Scheduler {
  private readonly context: ControllerContext
  /** By the scheduler name that pods ask for. */
  private readonly profiles: ReadonlyMap<string, Profile>
  private readonly pods: Informer<Pod>
  private readonly nodes: Informer<Node>
  /** Null: no profile asks for them. */
  private readonly groups: Informer<PodGroup> | null
  private readonly watched: readonly string[]
  private readonly volumes: VolumeBinder
  private readonly cache: SchedulerCache
  private readonly queue: SchedulingQueue
  private readonly nominator = new Nominator()
  /** Pods for whose sake others are being told to go: in no queue meanwhile. */
  private readonly making = new Set<string>()
  private nextStart = 0
  private awake = false
  private flushDueMs = Infinity

  constructor(context: ControllerContext, profiles: readonly Profile[]) {
    this.context = context
    this.profiles = new Map(profiles.map((profile) => [profile.schedulerName, profile]))
    this.pods = context.informer('pods')
    this.nodes = context.informer('nodes')
    const coscheduled = profiles.some(({ framework }) => framework.plugins.some(({ plugin }) => plugin.name === 'Coscheduling'))
    this.groups = coscheduled ? context.informer('podgroups') : null
    this.watched = [...DECIDED_BY, ...STORAGE, ...(coscheduled ? ['podgroups'] : [])]
    const watched = Object.fromEntries(this.watched.map((resource) => [resource, context.informer<ApiObject>(resource)]))
    const listers = listersOf(
      (resource, key) => watched[resource]?.get(key),
      (resource) => watched[resource]?.list() ?? [],
    )
    this.volumes = new VolumeBinder(context)
    this.cache = new SchedulerCache(this.volumes.over(listers))
    this.queue = new SchedulingQueue(this.rules(profiles))
    for (const { framework } of profiles) framework.nominations = this.nominator
  }

  start(): void {
    this.nodes.onChange((before, after) => this.nodeChanged(before, after))
    this.volumes.onChange((event) => this.happened(event))
    this.pods.onChange((before, after) => this.podChanged(before, after))
    this.groups?.onChange((before, after) => {
      if (after !== null) this.happened({ resource: 'PodGroup', action: before === null ? 'Add' : 'Update', before, after })
    })
  }

  private rules(profiles: readonly Profile[]): QueueRules {
    const [first] = profiles
    return {
      preEnqueue: (pod) => this.profiles.get(pod.spec.schedulerName)?.framework.preEnqueue(pod) ?? null,
      queueSort: (one, other) => first?.framework.queueSort(one, other) ?? 0,
      // When there was no node at all nobody turned it away.
      mayHelp: (pod, rejectedBy, event) =>
        rejectedBy.size === 0 ||
        (this.profiles.get(pod.spec.schedulerName)?.framework.plugins ?? []).some(
          ({ plugin }) => rejectedBy.has(plugin.name) && (plugin.mayHelp?.(pod, event) ?? true),
        ),
    }
  }

  // Events

  private nodeChanged(before: Node | null, after: Node | null): void {
    if (after === null) {
      if (before !== null) this.cache.removeNode(before.metadata.name)
      // Where pods are to be even there is one domain less.
      this.happened({ resource: 'Node', action: 'Delete', before, after })
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
      // Room that was only kept for it, or taken by a binding on its way, comes free as well.
      const promised = this.nominator.forget(uid)
      const assumed = this.cache.isAssumed(uid)
      this.cache.dropPod(uid)
      this.profiles.get(pod.spec.schedulerName)?.framework.waiting.get(uid)?.reject('', 'removed')
      if (promised || assumed || (pod.spec.nodeName ?? '') !== '')
        this.happened({ resource: 'AssignedPod', action: 'Delete', before, after })
      return
    }
    if ((after.spec.nodeName ?? '') !== '') {
      this.queue.remove(uid)
      this.nominator.forget(uid)
      const fresh = (before?.spec.nodeName ?? '') === ''
      this.cache.setPod(after)
      // It may be one that others want to be with; and who is on the way out does not count where pods are to be even.
      if (fresh || (before !== null && isDeleting(before) !== isDeleting(after)) || !same(before?.metadata.labels, after.metadata.labels))
        this.happened({ resource: 'AssignedPod', action: fresh ? 'Add' : 'Update', before, after })
      return
    }
    if (!this.profiles.has(after.spec.schedulerName) || this.cache.isAssumed(uid)) return
    // The room that was kept for it is anybody's again.
    if (this.nominator.follow(before, after)) this.happened({ resource: 'AssignedPod', action: 'Delete', before, after: null })
    if (isDeleting(after)) this.queue.remove(uid)
    else if (this.making.has(uid)) return
    else if (before === null || !this.queue.has(uid) || !same(before.spec, after.spec)) this.queue.add(after, this.context.elapsed())
    else this.queue.refresh(after)
    if (before === null && after.metadata.labels?.[POD_GROUP_LABEL] !== undefined)
      this.happened({ resource: 'Pod', action: 'Add', before, after })
    this.wake()
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
    const counted = this.counted()
    if (found.feasible.length === 0) {
      const reason = unschedulableMessage(nodes.length, found.statuses)
      this.decide({ kind: 'Unschedulable', pod: refOf('pods', pod), reason, ...counted })
      const candidate = preempt(profile, found, info)
      if (candidate) this.promiseRoom(info, candidate, counted)
      profile.framework.postFilter(found.cycle, info)
      spawn(this.turnAway({ queued, pod, reason, rejectedBy: pluginsOf(found.statuses), moment }, candidate))
      return
    }
    const chosen = choose(profile, found, info, 'random').name
    const refused = this.reserve(profile, found.cycle, info, chosen)
    if (refused !== null) {
      const reason = refused.reasons.join(', ')
      spawn(this.turnAway({ queued, pod, reason, rejectedBy: new Set([refused.plugin ?? '']), moment }, undefined))
      return
    }
    this.decide({ kind: 'Bind', pod: refOf('pods', pod), node: chosen, ...counted })
    this.volumes.assume(found.cycle, info, chosen)
    this.cache.assume(info, chosen)
    this.nominator.forget(pod.metadata.uid)
    const placed: Placed = { queued, profile, cycle: found.cycle, info, node: chosen, moment }
    const leave = profile.framework.permit(found.cycle, info, chosen)
    for (const uid of found.cycle.state.toActivate) this.queue.activateNow(uid)
    if (leave !== null && 'code' in leave) this.takeBack(placed, leave)
    else spawn(this.bind(placed, leave))
  }

  private counted(): Counted {
    const { taken } = this.volumes
    return { assumed: this.cache.assumptions(), promised: this.nominator.all(), ...(taken.length === 0 ? {} : { taken }) }
  }

  private decide(choice: Choice): void {
    this.context.client.decide(this.context.view(...this.watched), choice)
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

  /** waitsFor: plugins whose leave it needs, and how long it waits for each; null: it may go. */
  private *bind(placed: Placed, waitsFor: ReadonlyMap<string, number> | null): Task<void> {
    const { profile, cycle, info, node } = placed
    if (waitsFor !== null) {
      const refused = yield* this.leaveOf(placed, waitsFor)
      if (refused !== null) return this.takeBack(placed, refused)
    }
    const { client } = this.context
    const { pod } = info
    const { namespace, name, uid } = pod.metadata
    if (profile.framework.permits) {
      const together = this.cache.assumptions().map((one) => one.uid)
      client.decide(this.context.view('pods', 'podgroups'), { kind: 'Permit', pod: refOf('pods', pod), node, together })
    }
    if (!(yield* this.volumes.bind(cycle, info, node))) return this.takeBack(placed, null)
    for (const { plugin } of profile.framework.plugins) {
      if (plugin.preBind === undefined) continue
      if ((yield* plugin.preBind(cycle, info, node)) !== null) return this.takeBack(placed, null)
    }
    const reply = yield* client.bind({ resource: 'pods', namespace, name, uid }, node)
    // As long as nobody knows whether it went through, the pod counts on the node.
    if (reply.ok || (!reply.definite && (yield* this.isBound(namespace, name, uid)))) {
      for (const { plugin } of profile.framework.plugins) plugin.postBind?.(cycle, info, node)
      return
    }
    this.takeBack(placed, null)
  }

  /** Null once every plugin has allowed it; otherwise what it was rejected for. */
  private leaveOf({ profile, info, node }: Placed, waitsFor: ReadonlyMap<string, number>): Task<Status | null> {
    const later = (ms: number, run: () => void): void => this.context.after(ms, run)
    return wait<Status | null>((resume) => profile.framework.waiting.add(info, node, waitsFor, later, resume))
  }

  /** refused: by whom it was not let go; null: binding it failed. */
  private takeBack({ queued, profile, cycle, info, node, moment }: Placed, refused: Status | null): void {
    const { namespace, name, uid } = info.pod.metadata
    unreserve(profile, cycle, info, node)
    this.volumes.forget(cycle, node)
    const assumed = this.cache.isAssumed(uid)
    if (assumed) this.cache.dropPod(uid)
    const now = this.pods.get(`${namespace}/${name}`)
    if (now?.metadata.uid === uid && (now.spec.nodeName ?? '') === '' && !isDeleting(now)) {
      this.nominator.follow(null, now)
      if (refused === null) this.queue.backOff(queued, this.context.elapsed())
      else {
        const rejectedBy = new Set([refused.plugin ?? ''])
        spawn(this.turnAway({ queued, pod: now, reason: refused.reasons.join(', '), rejectedBy, moment }, undefined))
      }
    }
    // Others may have found no room for its sake.
    if (assumed) this.happened({ resource: 'AssignedPod', action: 'Delete', before: info.pod, after: null })
  }

  private *isBound(namespace: string | undefined, name: string, uid: string): Task<boolean> {
    for (;;) {
      const read = yield* this.context.client.get<Pod>({ resource: 'pods', namespace, name })
      if (read.ok) return read.value.metadata.uid === uid && (read.value.spec.nodeName ?? '') !== ''
      if (read.status.code === 404) return false
      yield* wait<void>((resume) => this.context.after(ASK_AGAIN_MS, () => resume()))
    }
  }

  // Making room

  /** From now on the room that comes free is kept for it, though nobody else knows yet. */
  private promiseRoom(info: PodInfo, { node, victims }: Candidate, counted: Counted): void {
    const { pod } = info
    this.decide({ kind: 'Preempt', pod: refOf('pods', pod), node, victims: victims.map((victim) => refOf('pods', victim)), ...counted })
    this.nominator.promise(info, node)
  }

  /** candidate null: what was promised to it is of no use any more. Undefined: that stays as it is. */
  private *turnAway(turned: TurnedAway, candidate: Candidate | null | undefined): Task<void> {
    const { queued, pod, rejectedBy, moment } = turned
    const { namespace, name, uid } = pod.metadata
    if (candidate) {
      this.making.add(uid)
      yield* this.evict(candidate, pod)
      this.making.delete(uid)
    }
    const now = this.pods.get(`${namespace}/${name}`)
    if (now?.metadata.uid !== uid || isDeleting(now) || (now.spec.nodeName ?? '') !== '') return
    this.queue.park({ ...queued, pod: now }, rejectedBy, moment, this.context.elapsed())
    this.wake()
    if (candidate === null && this.nominator.forget(uid))
      this.happened({ resource: 'AssignedPod', action: 'Delete', before: now, after: null })
    yield* this.say(now, turned.reason, candidate === undefined ? now.status.nominatedNodeName : candidate?.node)
  }

  /** Writes why no node was found, and which one it is to have, where either is new. */
  private *say(pod: Pod, reason: string, nominatedNodeName: string | undefined): Task<void> {
    const before = conditionOf(pod.status.conditions, 'PodScheduled')
    const promised = nominatedNodeName === pod.status.nominatedNodeName
    if (before?.status === 'False' && before.message === reason && promised) return
    const next = {
      type: 'PodScheduled',
      status: 'False' as const,
      reason: 'Unschedulable',
      message: reason,
      lastTransitionTime: rfc3339(this.context.now()),
    }
    const conditions = withCondition(pod.status.conditions, next)
    const status = promised ? { conditions } : { conditions, nominatedNodeName: nominatedNodeName ?? null }
    yield* this.patchStatus(pod, status)
  }

  private *patchStatus({ metadata: { namespace, name, uid } }: Pod, status: unknown): Task<Result<Pod>> {
    const place = { resource: 'pods', namespace, name }
    return yield* this.context.client.patch<Pod>(place, { metadata: { uid }, status }, { subresource: 'status', patchType: 'strategic' })
  }

  private *evict({ node, victims }: Candidate, preemptor: Pod): Task<void> {
    for (const victim of victims) {
      if (isDeleting(victim)) continue
      const { namespace, name, uid } = victim.metadata
      // Said first: who counts failures can tell this one apart.
      const message = `${preemptor.spec.schedulerName ?? 'default-scheduler'}: preempting to accommodate a higher priority pod`
      const said = { ...PREEMPTED, message, lastTransitionTime: rfc3339(this.context.now()) }
      const told = yield* this.patchStatus(victim, { conditions: [said] })
      if (!told.ok && told.status.code !== 404) continue
      yield* this.context.client.delete({ resource: 'pods', namespace, name }, { preconditions: { uid } })
    }
    // Those of lower rank that were promised this node have to look again.
    for (const other of this.nominator.below(preemptor, node)) yield* this.patchStatus(other, { nominatedNodeName: null })
  }
}

const PREEMPTED = { type: 'DisruptionTarget', status: 'True', reason: 'PreemptionByScheduler' } as const

interface TurnedAway {
  readonly queued: Queued
  readonly pod: Pod
  readonly reason: string
  readonly rejectedBy: ReadonlySet<string>
  /** Of the queue, when the pod was taken from it. */
  readonly moment: number
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
