/**
 * Places the pending pods of a cluster, one after another, as kube-scheduler would: its queue, its cache, its cycle.
 *
 * Two things are settled that a real cluster leaves open: who is preempted has gone when the preemptor looks again, and equal
 * nodes are taken by name, where Kubernetes draws.
 */
import { SchedulerCache } from '../../impl/scheduler/cache.ts'
import type { Profile } from '../../impl/scheduler/config.ts'
import { choose, preempt, search, unschedulableMessage } from '../../impl/scheduler/cycle.ts'
import type { ClusterEvent, Cycle, Queued, Status } from '../../impl/scheduler/framework.ts'
import { podInfoOf, type PodInfo } from '../../impl/scheduler/node-info.ts'
import { SchedulingQueue } from '../../impl/scheduler/queue.ts'
import type { Pod } from '../../model/state/objects.ts'
import { Streams } from '../../sim/random.ts'
import type { GivenCluster } from './read.ts'
import type { PluginRecord, Recorder } from './record.ts'

export interface Attempt {
  /** Null: no node would do. */
  readonly node: string | null
  /** Why not: '0/3 nodes are available: …'. */
  readonly message: string | null
  /** Who has to go from which node so that it fits; null: nobody would help. */
  readonly preemption: { readonly node: string; readonly victims: readonly Pod[] } | null
  readonly examined: number
  readonly record: PluginRecord
}

export interface Placement {
  readonly pod: Pod
  readonly node: string | null
  /** Its profile; null: another scheduler is meant to place it. */
  readonly profile: Profile | null
  /** The first first. None: it waits for its gates, and `waiting` says so. */
  readonly attempts: readonly Attempt[]
  readonly waiting: string | null
}

export const placePending = (cluster: GivenCluster, profiles: readonly Profile[], recorder: Recorder): readonly Placement[] =>
  new Placing(cluster, profiles, recorder).run()

/** A pod that has been given a node, and may have to wait for leave to go there. */
interface Placed {
  readonly queued: Queued
  readonly profile: Profile
  readonly cycle: Cycle
  readonly info: PodInfo
  readonly node: string
  readonly attempt: Omit<Attempt, 'node' | 'message'>
}

/** Once more than once, since what others gave back meanwhile may be what it needs. */
const TRIES_MOST = 2

class Placing {
  private readonly profiles: ReadonlyMap<string, Profile>
  private readonly recorder: Recorder
  private readonly pending: readonly Pod[]
  private readonly cache: SchedulerCache
  private readonly queue: SchedulingQueue
  private readonly random = new Streams('schedule').stream('offset')
  private readonly attempts = new Map<string, Attempt[]>()
  private readonly nominated = new Map<string, PodInfo>()
  /** How often each pod was tried since one was last placed: trying it on and on changes nothing. */
  private readonly tries = new Map<string, number>()
  /** Pods that wait for leave to go, and when they have waited for too long. */
  private readonly timers: { readonly atMs: number; readonly run: () => void }[] = []
  private nextStart = 0
  private now = 0

  constructor(cluster: GivenCluster, profiles: readonly Profile[], recorder: Recorder) {
    this.profiles = new Map(profiles.map((profile) => [profile.schedulerName, profile]))
    this.recorder = recorder
    this.pending = cluster.pending
    this.cache = new SchedulerCache(cluster.objects)
    for (const node of cluster.nodes) this.cache.setNode(node)
    for (const pod of cluster.running) this.cache.setPod(pod)
    const { nominated } = this
    const nominations = {
      get size() {
        return nominated.size
      },
      on: (node: string) => [...nominated.values()].filter(({ pod }) => pod.status.nominatedNodeName === node),
    }
    for (const { framework } of profiles) framework.nominations = nominations
    this.queue = new SchedulingQueue({
      preEnqueue: (pod) => this.profileOf(pod)?.framework.preEnqueue(pod) ?? null,
      queueSort: (one, other) => profiles[0]?.framework.queueSort(one, other) ?? 0,
      mayHelp: (pod, rejectedBy, event) =>
        (this.profileOf(pod)?.framework.plugins ?? []).some(
          ({ plugin }) => rejectedBy.has(plugin.name) && (plugin.mayHelp?.(pod, event) ?? true),
        ),
    })
  }

  private profileOf(pod: Pod): Profile | undefined {
    return this.profiles.get(pod.spec.schedulerName)
  }

  run(): readonly Placement[] {
    for (const pod of this.pending.toSorted(byAge)) {
      if (this.profileOf(pod) !== undefined) this.queue.add(pod, this.now++)
    }
    for (;;) {
      const queued = this.queue.pop()
      if (queued !== undefined) this.attempt(queued)
      else if (!this.wait()) break
    }
    return this.pending.map((pod) => this.placementOf(pod))
  }

  /** False: nobody waits for anything that is going to come. */
  private wait(): boolean {
    const times = [this.queue.nextBackOffMs() ?? Infinity, ...this.timers.map(({ atMs }) => atMs)]
    const next = Math.min(...times)
    if (next === Infinity) return false
    this.now = Math.max(this.now, next)
    this.queue.flush(this.now)
    for (const timer of this.timers.filter(({ atMs }) => atMs <= this.now)) {
      this.timers.splice(this.timers.indexOf(timer), 1)
      timer.run()
    }
    return true
  }

  private attempt(queued: Queued): void {
    const { pod } = queued
    const { uid } = pod.metadata
    const profile = this.profileOf(pod)
    if (profile === undefined) return
    const tries = (this.tries.get(uid) ?? 0) + 1
    this.tries.set(uid, tries)
    if (tries > TRIES_MOST) {
      this.queue.park(queued, queued.rejectedBy ?? new Set(), this.queue.moment, this.now)
      return
    }
    this.recorder.begin()
    const info = podInfoOf(pod)
    const { moment } = this.queue
    const found = search(profile, this.cache, info, this.nextStart, this.random)
    const { nodes } = this.cache
    this.nextStart = (this.nextStart + found.examined) % Math.max(1, nodes.length)
    const said = { examined: found.examined, preemption: null }
    if (found.feasible.length === 0) {
      const message = unschedulableMessage(nodes.length, found.statuses)
      const candidate = this.recorder.aside(() => preempt(profile, found, info)) ?? null
      profile.framework.postFilter(found.cycle, info)
      this.note(uid, { ...said, node: null, message, preemption: candidate, record: this.recorder.end() })
      if (candidate !== null) this.makeRoom(queued, candidate)
      else this.queue.park(queued, new Set([...found.statuses.values()].flatMap(({ plugin }) => plugin ?? [])), moment, this.now)
      return
    }
    const { name } = choose(profile, found, info, (one, other) => (one.name < other.name ? -1 : 1))
    for (const { plugin } of profile.framework.plugins) {
      const refused = plugin.reserve?.(found.cycle, info, name) ?? null
      if (refused === null) continue
      this.note(uid, { ...said, node: null, message: refused.reasons.join(', '), record: this.recorder.end() })
      this.queue.park(queued, new Set([plugin.name]), moment, this.now)
      return
    }
    this.cache.assume(info, name)
    this.nominated.delete(uid)
    const leave = profile.framework.permit(found.cycle, info, name)
    for (const sibling of found.cycle.state.toActivate) this.queue.activateNow(sibling)
    const placed: Placed = { queued, profile, cycle: found.cycle, info, node: name, attempt: { ...said, record: this.recorder.end() } }
    if (leave instanceof Map) {
      const later = (ms: number, run: () => void): void => void this.timers.push({ atMs: this.now + ms, run })
      profile.framework.waiting.add(info, name, leave, later, (refused) => this.settle(placed, refused))
    } else this.settle(placed, leave as Status | null)
  }

  /** refused: it is not let go to its node, and gives it back. */
  private settle({ queued, profile, cycle, info, node, attempt }: Placed, refused: Status | null): void {
    const { pod } = info
    this.note(pod.metadata.uid, { ...attempt, node: refused === null ? node : null, message: refused?.reasons.join(', ') ?? null })
    if (refused === null) {
      this.tries.clear()
      this.happened({ resource: 'AssignedPod', action: 'Add', before: null, after: { ...pod, spec: { ...pod.spec, nodeName: node } } })
      return
    }
    for (const { plugin } of profile.framework.plugins.toReversed()) plugin.unreserve?.(cycle, info, node)
    this.cache.dropPod(pod.metadata.uid)
    this.queue.park(queued, new Set([refused.plugin ?? '']), this.queue.moment, this.now)
    this.happened({ resource: 'AssignedPod', action: 'Delete', before: pod, after: null })
  }

  private note(uid: string, attempt: Attempt): void {
    const held = this.attempts.get(uid)
    if (held === undefined) this.attempts.set(uid, [attempt])
    else held.push(attempt)
  }

  /** The victims go, and the pod looks again with the node promised to it. */
  private makeRoom({ pod }: Queued, { node, victims }: { readonly node: string; readonly victims: readonly Pod[] }): void {
    const promised: Pod = { ...pod, status: { ...pod.status, nominatedNodeName: node } }
    this.nominated.set(pod.metadata.uid, podInfoOf(promised))
    this.tries.clear()
    for (const victim of victims) {
      this.cache.dropPod(victim.metadata.uid)
      this.happened({ resource: 'AssignedPod', action: 'Delete', before: victim, after: null })
    }
    this.queue.add(promised, this.now)
  }

  private happened(event: ClusterEvent): void {
    this.queue.happened(event, this.now)
  }

  private placementOf(pod: Pod): Placement {
    const profile = this.profileOf(pod) ?? null
    const attempts = this.attempts.get(pod.metadata.uid) ?? []
    const waiting = profile?.framework.preEnqueue(pod)?.reasons.join(', ') ?? null
    return { pod, node: attempts.at(-1)?.node ?? null, profile, attempts, waiting }
  }
}

/** As they were created; those of whom nobody says when, in the order of the files, after them. */
const byAge = (one: Pod, other: Pod): number => {
  const [first, second] = [one, other].map(({ metadata }) => (metadata as Partial<Pod['metadata']>).creationTimestamp ?? '9999') as [
    string,
    string,
  ]
  return first < second ? -1 : first > second ? 1 : 0
}
