/**
 * ReplicaSets, and ReplicationControllers in the same way: as many active pods as asked for, adopted where they match, no more made than the view misses.
 *
 * Source: kubernetes/kubernetes pkg/controller/replicaset/{replica_set.go,replica_set_utils.go}, controller_ref_manager.go.
 */
import type { View } from '../../model/state/history.ts'
import type { Condition, Labels, Pod } from '../../model/state/objects.ts'
import { selectorOf, type Replicating } from '../../model/state/replication.ts'
import type { ResourceName } from '../../model/state/resources.ts'
import type { Controller, ControllerContext, Informer, WorkQueue } from '../client/api.ts'
import { nameOf } from '../client/informer.ts'
import { same } from '../equal.ts'
import { selects } from '../selector.ts'
import type { Task } from '../task.ts'
import { epochMs, rfc3339 } from '../time.ts'
import { claimPods } from './claim.ts'
import { Expectations } from './expectations.ts'
import { conditionOf, controllerOf, controllerRef, isDeleting, isReady, isTerminal, refOf } from '../objects.ts'
import { ranked } from './rank.ts'

const WORKERS = 5
const BURST = 500

const controlling =
  (resource: 'replicasets' | 'replicationcontrollers', kind: Replicating['kind'], name: string): Controller =>
  (context) => {
    const controller = new ReplicaSets(context, resource, kind)
    return { name, start: () => controller.start() }
  }

export const replicaSetController = controlling('replicasets', 'ReplicaSet', 'replicaset')
export const replicationController = controlling('replicationcontrollers', 'ReplicationController', 'replication-controller')

class ReplicaSets {
  private readonly context: ControllerContext
  private readonly resource: ResourceName
  private readonly kind: Replicating['kind']
  private readonly sets: Informer<Replicating>
  private readonly pods: Informer<Pod>
  private readonly expectations = new Expectations()
  private readonly queue: WorkQueue

  constructor(context: ControllerContext, resource: ResourceName, kind: Replicating['kind']) {
    this.context = context
    this.resource = resource
    this.kind = kind
    this.queue = context.queue(WORKERS, (key) => this.sync(key))
    this.sets = context.informer(resource)
    this.pods = context.informer('pods')
  }

  start(): void {
    const { queue } = this
    this.sets.onChange((before, after) => {
      const set = after ?? before
      if (set === null) return
      if (after === null) this.expectations.forget(nameOf(set))
      queue.add(nameOf(set))
    })
    this.pods.onChange((before, after) => {
      const pod = after ?? before
      if (pod === null) return
      const owner = this.ownerKey(pod)
      if (owner !== null) {
        if (before === null) this.expectations.creationSeen(owner)
        if (after === null || isDeleting(after)) this.expectations.deletionSeen(owner, pod.metadata.uid)
        queue.add(owner)
      } else if (controllerOf(pod) === undefined && after !== null) {
        for (const set of this.sets.list()) if (this.wants(set, pod)) queue.add(nameOf(set))
      }
      if (before !== null && this.ownerKey(before) !== owner) {
        const former = this.ownerKey(before)
        if (former !== null) queue.add(former)
      }
    })
  }

  /** Of another set of the same name it is no news. */
  private ownerKey(pod: Pod): string | null {
    const owner = controllerOf(pod)
    if (owner?.kind !== this.kind) return null
    const key = `${pod.metadata.namespace}/${owner.name}`
    return this.sets.get(key)?.metadata.uid === owner.uid ? key : null
  }

  private wants(set: Replicating, pod: Pod): boolean {
    return set.metadata.namespace === pod.metadata.namespace && selects(selectorOf(set), pod.metadata.labels)
  }

  private *sync(key: string): Task<'done' | 'retry'> {
    const set = this.sets.get(key)
    if (set === undefined) return 'done'
    const waitMs = this.expectations.waitMs(key, this.context.elapsed())
    // What was asked for without an answer may never be seen: then time alone has to bring the set back.
    if (waitMs > 0) this.queue.addAfter(key, waitMs)
    const view = this.context.view(this.resource, 'pods')
    const wanted = selectorOf(set)
    const { namespace } = set.metadata
    const matches = ({ metadata }: Pod): boolean => metadata.namespace === namespace && selects(wanted, metadata.labels)
    const claim = { resource: this.resource, owner: set, matches, view }
    const claimed = yield* claimPods(this.context, claim, this.pods)
    if (claimed === null) return 'retry'
    const active = claimed.filter((pod) => standingOf(pod).counts === 'active')
    const refusal = waitMs === 0 && !isDeleting(set) ? yield* this.manage(key, set, active, view) : null
    const written = yield* this.updateStatus(set, claimed, refusal)
    return refusal !== null || !written ? 'retry' : 'done'
  }

  // Creating and deleting: null, or why a pod could not be made or deleted

  private *manage(key: string, set: Replicating, active: readonly Pod[], view: View): Task<string | null> {
    const missing = set.spec.replicas - active.length
    if (missing > 0) return yield* this.createPods(key, set, Math.min(missing, BURST), view)
    if (missing < 0) return yield* this.deletePods(key, set, active, Math.min(-missing, BURST), view)
    return null
  }

  /** In batches of 1, 2, 4 and so on: a set whose pods are refused does not ask for all of them. */
  private *createPods(key: string, set: Replicating, count: number, view: View): Task<string | null> {
    this.expectations.expect(key, count, [], this.context.elapsed())
    let left = count
    for (let batch = 1; left > 0; batch *= 2) {
      for (let turn = Math.min(batch, left); turn > 0; turn--) {
        this.context.client.decide(view, { kind: 'CreatePod', owner: refOf(this.resource, set), name: `${set.metadata.name}-` })
        const reply = yield* this.context.client.create<Pod>('pods', podOf(set))
        if (!reply.ok) {
          // What was not tried, and what certainly failed, will not be seen.
          for (let skipped = left - (reply.definite ? 0 : 1); skipped > 0; skipped--) this.expectations.creationSeen(key)
          return reply.status.message
        }
        left--
      }
    }
    return null
  }

  private *deletePods(key: string, set: Replicating, active: readonly Pod[], count: number, view: View): Task<string | null> {
    const onNode = new Map<string, number>()
    for (const pod of active) onNode.set(pod.spec.nodeName ?? '', (onNode.get(pod.spec.nodeName ?? '') ?? 0) + 1)
    const victims = ranked(active, (node) => onNode.get(node) ?? 0, this.context.now()).slice(0, count)
    this.expectations.expect(
      key,
      0,
      victims.map((pod) => pod.metadata.uid),
      this.context.elapsed(),
    )
    let refusal: string | null = null
    for (const pod of victims) {
      this.context.client.decide(view, { kind: 'DeletePod', owner: refOf(this.resource, set), pod: refOf('pods', pod) })
      const preconditions = { uid: pod.metadata.uid }
      const reply = yield* this.context.client.delete({ resource: 'pods', ...place(pod) }, { preconditions })
      if (reply.ok) continue
      if (reply.definite) this.expectations.deletionSeen(key, pod.metadata.uid)
      if (reply.status.code !== 404) refusal ??= reply.status.message
    }
    return refusal
  }

  // Status

  private *updateStatus(set: Replicating, claimed: readonly Pod[], refusal: string | null): Task<boolean> {
    const status = statusOf(set, claimed, refusal, this.context.now())
    // Nothing is written when a pod has been ready for long enough: time alone has to bring the set back.
    const waitMs = (set.spec.minReadySeconds ?? 0) * 1000
    if (status.readyReplicas !== status.availableReplicas) this.queue.addAfter(nameOf(set), waitMs + 1000)
    if (same(set.status, status)) return true
    const reply = yield* this.context.client.updateStatus<Replicating>(this.resource, { ...set, status })
    return reply.ok || reply.status.code === 404
  }
}

const place = (object: Replicating | Pod): { namespace: string | undefined; name: string } => ({
  namespace: object.metadata.namespace,
  name: object.metadata.name,
})

const podOf = (set: Replicating) => ({
  apiVersion: 'v1',
  kind: 'Pod' as const,
  metadata: {
    generateName: `${set.metadata.name}-`,
    ...(set.metadata.namespace === undefined ? {} : { namespace: set.metadata.namespace }),
    ...set.spec.template.metadata,
    ownerReferences: [controllerRef(set)],
  },
  spec: set.spec.template.spec,
})

/** Ready for at least minReadySeconds. */
export const isAvailable = (pod: Pod, minReadySeconds: number, nowMs: number): boolean => {
  if (!isReady(pod)) return false
  if (minReadySeconds === 0) return true
  const since = conditionOf(pod.status.conditions, 'Ready')?.lastTransitionTime
  return since !== undefined && epochMs(since) + minReadySeconds * 1000 <= nowMs
}

/** Whether its pods cannot be made or deleted: told when that begins, and until a round in which nothing failed. */
const conditionsOf = ({ spec, status }: Replicating, active: number, refusal: string | null, nowMs: number): readonly Condition[] => {
  const held = status.conditions ?? []
  if (refusal === null) return held.filter(({ type }) => type !== 'ReplicaFailure')
  if (conditionOf(held, 'ReplicaFailure') !== undefined) return held
  const reason = active < spec.replicas ? 'FailedCreate' : 'FailedDelete'
  return [...held, { type: 'ReplicaFailure', status: 'True', reason, message: refusal, lastTransitionTime: rfc3339(nowMs) }]
}

/** What a pod is to its set; looked up once for each version of it, since a set looks at all its pods whenever one changes. */
interface Standing {
  readonly counts: 'active' | 'terminating' | 'not'
  readonly ready: boolean
}

const standings = new WeakMap<Pod, Standing>()

const standingOf = (pod: Pod): Standing => {
  let standing = standings.get(pod)
  if (standing === undefined) {
    standing = { counts: isTerminal(pod) ? 'not' : isDeleting(pod) ? 'terminating' : 'active', ready: isReady(pod) }
    standings.set(pod, standing)
  }
  return standing
}

const hasAll = (labels: Labels = NONE, wanted: Labels): boolean => {
  for (const key in wanted) if (labels[key] !== wanted[key]) return false
  return true
}

const NONE: Labels = {}

const statusOf = (set: Replicating, claimed: readonly Pod[], refusal: string | null, nowMs: number): Replicating['status'] => {
  const labels = set.spec.template.metadata.labels ?? NONE
  const minReady = set.spec.minReadySeconds ?? 0
  let [replicas, fullyLabeledReplicas, readyReplicas, availableReplicas, terminatingReplicas] = [0, 0, 0, 0, 0]
  for (const pod of claimed) {
    const { counts, ready } = standingOf(pod)
    if (counts === 'terminating') terminatingReplicas++
    if (counts !== 'active') continue
    replicas++
    if (hasAll(pod.metadata.labels, labels)) fullyLabeledReplicas++
    if (!ready) continue
    readyReplicas++
    if (minReady === 0 || isAvailable(pod, minReady, nowMs)) availableReplicas++
  }
  const observedGeneration = set.metadata.generation ?? 0
  const conditions = conditionsOf(set, replicas, refusal, nowMs)
  const counts = { replicas, fullyLabeledReplicas, readyReplicas, availableReplicas, terminatingReplicas, observedGeneration }
  return conditions.length === 0 ? counts : { ...counts, conditions }
}
