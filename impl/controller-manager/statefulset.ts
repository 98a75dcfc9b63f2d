/**
 * StatefulSets: pods with names that last, made in order, ended in the opposite order, each with claims of its own.
 *
 * A pod is made again only once its object is gone, which its kubelet lets happen only when nothing of it runs any more:
 * of each name there is one at most. Source: kubernetes/kubernetes pkg/controller/statefulset/stateful_set_control.go,
 * stateful_pod_control.go.
 */
import type { View } from '../../model/state/history.ts'
import type { PersistentVolumeClaim, Pod } from '../../model/state/objects.ts'
import type { ControllerRevision, StatefulSet } from '../../model/state/stateful.ts'
import type { Controller, ControllerContext, Informer, WorkQueue } from '../client/api.ts'
import { nameOf } from '../client/informer.ts'
import { same } from '../equal.ts'
import { controllerOf, isDeleting, isTerminal, refOf } from '../objects.ts'
import { selects } from '../selector.ts'
import type { Task } from '../task.ts'
import { claimPods } from './claim.ts'
import { Revisions } from './revisions.ts'
import * as stateful from './stateful-pod.ts'

const WORKERS = 5

export const statefulSetController: Controller = (context) => {
  const controller = new StatefulSets(context)
  return { name: 'statefulset', start: () => controller.start() }
}

/** What one sync works on. */
interface Round {
  readonly set: StatefulSet
  readonly view: View
  /** By place, the first at ordinals.start; undefined: to be made. */
  readonly replicas: readonly (Pod | undefined)[]
  /** Out of range, the highest ordinal first. */
  readonly condemned: readonly Pod[]
  readonly current: ControllerRevision
  readonly update: ControllerRevision
  readonly nowMs: number
}

/** 'on': nothing of this pod is in the way; 'wait': for it; 'failed': a write failed. */
type Step = 'on' | 'wait' | 'failed'

class StatefulSets {
  private readonly context: ControllerContext
  private readonly sets: Informer<StatefulSet>
  private readonly pods: Informer<Pod>
  private readonly claims: Informer<PersistentVolumeClaim>
  private readonly revisions: Revisions
  private readonly queue: WorkQueue

  constructor(context: ControllerContext) {
    this.context = context
    this.queue = context.queue(WORKERS, (key) => this.sync(key))
    this.sets = context.informer('statefulsets')
    this.pods = context.informer('pods')
    this.claims = context.informer('persistentvolumeclaims')
    this.revisions = new Revisions(context, 'statefulsets')
  }

  start(): void {
    this.sets.onChange((before, after) => {
      const set = after ?? before
      if (set !== null) this.queue.add(nameOf(set))
    })
    this.pods.onChange((before, after) => {
      for (const pod of [before, after]) {
        if (pod === null) continue
        const owner = controllerOf(pod)
        if (owner?.kind === 'StatefulSet') this.queue.add(`${pod.metadata.namespace}/${owner.name}`)
        else if (owner === undefined) for (const set of this.sets.list()) if (this.wants(set, pod)) this.queue.add(nameOf(set))
      }
    })
  }

  private wants(set: StatefulSet, pod: Pod): boolean {
    const { namespace, labels } = pod.metadata
    return set.metadata.namespace === namespace && selects(set.spec.selector, labels) && stateful.ordinalOf(set, pod) !== null
  }

  private *sync(key: string): Task<'done' | 'retry'> {
    const set = this.sets.get(key)
    // What is left of one that is being deleted is for the garbage collector.
    if (set === undefined || isDeleting(set)) return 'done'
    const view = this.context.view('statefulsets', 'pods', 'persistentvolumeclaims')
    const claim = { resource: 'statefulsets', owner: set, matches: (pod: Pod) => this.wants(set, pod), view }
    const pods = yield* claimPods(this.context, claim, this.pods)
    if (pods === null) return 'retry'
    // What was adopted just now is seen as its own by the next sync.
    if (pods.some((pod) => controllerOf(pod) === undefined)) return 'done'
    const revisions = yield* this.revisions.claimed(set)
    const latest = revisions === null ? null : yield* this.revisions.current(set, revisions)
    if (revisions === null || latest === null) return 'retry'
    const held = yield* this.revisions.named(set, revisions, set.status.currentRevision)
    if (held === null) return 'retry'
    const current = held ?? latest.revision
    const round = roundOf(set, view, pods, current, latest.revision, this.context.now())
    const step = yield* this.bring(round)
    const told = yield* this.updateStatus(round, pods, latest.collisionCount)
    const live = new Set([current.metadata.name, latest.revision.metadata.name, ...pods.map(stateful.revisionOf)])
    const kept = yield* this.revisions.truncate(set, revisions, live)
    return step === 'failed' || !told || !kept ? 'retry' : 'done'
  }

  // Pods

  /** Replicas first, then those out of range, then updates; each waits for what comes before it. */
  private *bring(round: Round): Task<Step> {
    const ordered = round.set.spec.podManagementPolicy === 'OrderedReady'
    for (const place of round.replicas.keys()) {
      const step = yield* this.bringReplica(round, place, ordered)
      if (step === 'failed' || (step === 'wait' && ordered)) return step
    }
    for (const pod of round.condemned) if (!(yield* this.retain(round.set, pod))) return 'failed'
    for (const pod of round.condemned) {
      const step = yield* this.bringCondemned(round, pod, ordered)
      if (step === 'failed' || (step === 'wait' && ordered)) return step
    }
    const { type, rollingUpdate } = round.set.spec.updateStrategy
    if (type === 'OnDelete') return 'on'
    return rollingUpdate?.maxUnavailable === undefined ? yield* this.updateNext(round) : yield* this.updateSome(round)
  }

  private *bringReplica(round: Round, place: number, ordered: boolean): Task<Step> {
    const { set, nowMs } = round
    const pod = round.replicas[place]
    if (pod === undefined) return yield* this.create(round, stateful.startOf(set) + place)
    if (isTerminal(pod)) return isDeleting(pod) || (yield* this.delete(round, pod)) ? 'wait' : 'failed'
    if (pod.status.phase === 'Pending' && !(yield* this.claimStorage(set, pod.metadata.name))) return 'failed'
    if (ordered && stateful.isUnavailable(set, pod, nowMs)) return 'wait'
    if (!(yield* this.identify(set, pod)) || !(yield* this.retain(set, pod))) return 'failed'
    return 'on'
  }

  private *create(round: Round, ordinal: number): Task<Step> {
    const { set, view, nowMs } = round
    const name = stateful.podName(set, ordinal)
    const claims = stateful.makeClaims(set, name).map((claim) => this.claims.get(`${set.metadata.namespace}/${claim.metadata.name}`))
    // Nothing else would bring the set back once the claim has gone.
    if (claims.some((claim) => claim !== undefined && stateful.isStale(claim, undefined, name))) return 'failed'
    if (!(yield* this.claimStorage(set, name))) return 'failed'
    const revision = stateful.isOfCurrent(set, ordinal) ? round.current : round.update
    this.context.client.decide(view, { kind: 'CreatePod', owner: refOf('statefulsets', set), name, nowMs })
    const reply = yield* this.context.client.create<Pod>('pods', stateful.makePod(set, ordinal, revision))
    return reply.ok ? 'wait' : 'failed'
  }

  private *delete({ set, view, nowMs }: Round, pod: Pod): Task<boolean> {
    const { namespace, name, uid } = pod.metadata
    const choice = { kind: 'DeletePod', owner: refOf('statefulsets', set), pod: refOf('pods', pod), nowMs } as const
    this.context.client.decide(view, choice)
    const reply = yield* this.context.client.delete({ resource: 'pods', namespace, name }, { preconditions: { uid } })
    return reply.ok || reply.status.code === 404
  }

  private *bringCondemned(round: Round, pod: Pod, ordered: boolean): Task<Step> {
    const { set, condemned, nowMs } = round
    if (isDeleting(pod)) return 'wait'
    // The replicas are all well by now: the first that is not is the lowest of these.
    const firstUnavailable = condemned.findLast((other) => stateful.isUnavailable(set, other, nowMs))
    if (ordered && !stateful.isAvailable(set, pod, nowMs) && pod !== firstUnavailable) return 'wait'
    return (yield* this.delete(round, pod)) ? 'wait' : 'failed'
  }

  /** From the highest ordinal down to the partition, one at a time, each once the one before is available again. */
  private *updateNext(round: Round): Task<Step> {
    const { set, replicas, update, nowMs } = round
    const least = set.spec.updateStrategy.rollingUpdate?.partition ?? 0
    for (let place = replicas.length - 1; place >= least; place--) {
      const pod = replicas[place]
      if (pod !== undefined && stateful.revisionOf(pod) !== update.metadata.name && !isDeleting(pod))
        return (yield* this.delete(round, pod)) ? 'wait' : 'failed'
      if (stateful.isUnavailable(set, pod, nowMs)) return 'wait'
    }
    return 'on'
  }

  /** As many at once as may be unavailable, whatever made them so. */
  private *updateSome(round: Round): Task<Step> {
    const { set, replicas, update, nowMs } = round
    const least = set.spec.updateStrategy.rollingUpdate?.partition ?? 0
    let left = mostUnavailable(set) - replicas.filter((pod) => stateful.isUnavailable(set, pod, nowMs)).length
    for (let place = replicas.length - 1; place >= least && left > 0; place--) {
      const pod = replicas[place]
      if (pod === undefined || stateful.revisionOf(pod) === update.metadata.name || isDeleting(pod)) continue
      if (!(yield* this.delete(round, pod))) return 'failed'
      left--
    }
    return 'on'
  }

  // Identity and storage

  /** Labels that somebody took off are put back. */
  private *identify(set: StatefulSet, pod: Pod): Task<boolean> {
    const { namespace, name, uid, labels } = pod.metadata
    const wanted = { [stateful.POD_NAME_LABEL]: name, [stateful.POD_INDEX_LABEL]: String(stateful.ordinalOf(set, pod)) }
    if (Object.entries(wanted).every(([label, value]) => labels?.[label] === value)) return true
    const patch = { metadata: { uid, labels: wanted } }
    const reply = yield* this.context.client.patch<Pod>({ resource: 'pods', namespace, name }, patch, { patchType: 'merge' })
    return reply.ok || reply.status.code === 404
  }

  /** Claims of a pod that are not there yet are made. False: one could not be, or is on its way out. */
  private *claimStorage(set: StatefulSet, pod: string): Task<boolean> {
    for (const claim of stateful.makeClaims(set, pod)) {
      const held = this.claims.get(`${set.metadata.namespace}/${claim.metadata.name}`)
      if (held !== undefined && isDeleting(held)) return false
      if (held !== undefined) continue
      const reply = yield* this.context.client.create<PersistentVolumeClaim>('persistentvolumeclaims', claim)
      if (!reply.ok && reply.status.reason !== 'AlreadyExists') return false
    }
    return true
  }

  /** Who the claims of a pod go with is what the retention policy says. */
  private *retain(set: StatefulSet, pod: Pod): Task<boolean> {
    for (const { metadata } of stateful.makeClaims(set, pod.metadata.name)) {
      const claim = this.claims.get(`${set.metadata.namespace}/${metadata.name}`)
      if (claim === undefined || isDeleting(claim)) continue
      const ownerReferences = stateful.ownersOfClaim(set, pod, claim)
      if (same(ownerReferences, claim.metadata.ownerReferences ?? [])) continue
      const changed = { ...claim, metadata: { ...claim.metadata, ownerReferences } }
      const reply = yield* this.context.client.update<PersistentVolumeClaim>('persistentvolumeclaims', changed)
      if (!reply.ok && reply.status.code !== 404) return false
    }
    return true
  }

  // Status

  private *updateStatus(round: Round, pods: readonly Pod[], collisionCount: number): Task<boolean> {
    const { set } = round
    const status = statusOf(round, pods, collisionCount)
    // Nothing is written when a pod has been ready for long enough: time alone has to bring the set back.
    if (status.readyReplicas !== status.availableReplicas) this.queue.addAfter(nameOf(set), (set.spec.minReadySeconds ?? 0) * 1000 + 1000)
    if (same(set.status, status)) return true
    const reply = yield* this.context.client.updateStatus<StatefulSet>('statefulsets', { ...set, status })
    return reply.ok || reply.status.code === 404
  }
}

const roundOf = (
  set: StatefulSet,
  view: View,
  pods: readonly Pod[],
  current: ControllerRevision,
  update: ControllerRevision,
  nowMs: number,
): Round => {
  const ordinal = (pod: Pod): number => stateful.ordinalOf(set, pod) ?? -1
  const replicas: (Pod | undefined)[] = Array.from({ length: set.spec.replicas }, () => undefined)
  for (const pod of pods) if (stateful.isInRange(set, ordinal(pod))) replicas[ordinal(pod) - stateful.startOf(set)] = pod
  const condemned = pods.filter((pod) => !stateful.isInRange(set, ordinal(pod))).toSorted((one, other) => ordinal(other) - ordinal(one))
  return { set, view, replicas, condemned, current, update, nowMs }
}

/** A share is rounded down, and is one at least. */
const mostUnavailable = ({ spec }: StatefulSet): number => {
  const given = spec.updateStrategy.rollingUpdate?.maxUnavailable ?? 1
  return Math.max(1, typeof given === 'number' ? given : Math.floor((Number(given.slice(0, -1)) * spec.replicas) / 100))
}

const statusOf = ({ set, current, update, nowMs }: Round, pods: readonly Pod[], collisionCount: number): StatefulSet['status'] => {
  const ready = pods.filter(stateful.isRunningAndReady)
  const of = ({ metadata }: ControllerRevision): number =>
    pods.filter((pod) => !isDeleting(pod) && stateful.revisionOf(pod) === metadata.name).length
  const counted = { replicas: pods.length, readyReplicas: ready.length, currentReplicas: of(current), updatedReplicas: of(update) }
  const complete =
    set.spec.updateStrategy.type === 'RollingUpdate' &&
    [counted.updatedReplicas, counted.readyReplicas, counted.replicas].every((count) => count === set.spec.replicas)
  return {
    ...counted,
    availableReplicas: ready.filter((pod) => stateful.isAvailable(set, pod, nowMs)).length,
    ...(complete ? { currentReplicas: counted.updatedReplicas } : {}),
    currentRevision: (complete ? update : current).metadata.name,
    updateRevision: update.metadata.name,
    observedGeneration: set.metadata.generation ?? 0,
    collisionCount,
  }
}
