/**
 * DaemonSets: a pod on every node that wants one, updated node by node.
 *
 * First each node gets the pods it is to have and loses those it is not; when nothing of that is under way an update goes on.
 * Source: kubernetes/kubernetes pkg/controller/daemon/{daemon_controller.go,update.go}.
 */
import type { View } from '../../model/state/history.ts'
import type { Node, Pod } from '../../model/state/objects.ts'
import type { ControllerRevision, DaemonSet } from '../../model/state/stateful.ts'
import type { Controller, ControllerContext, Informer, WorkQueue } from '../client/api.ts'
import { nameOf } from '../client/informer.ts'
import { same } from '../equal.ts'
import { controllerOf, isDeleting, isReady, isTerminal, refOf } from '../objects.ts'
import { selects } from '../selector.ts'
import type { Task } from '../task.ts'
import { claimPods } from './claim.ts'
import * as daemon from './daemon-pod.ts'
import { Expectations } from './expectations.ts'
import { Revisions, REVISION_LABEL } from './revisions.ts'

const WORKERS = 2
const BURST = 250
const BACK_OFF_LEAST_MS = 1_000
const BACK_OFF_MOST_MS = 900_000

export const daemonSetController: Controller = (context) => {
  const controller = new DaemonSets(context)
  return { name: 'daemonset', start: () => controller.start() }
}

/** What one sync works on. */
interface Round {
  readonly key: string
  readonly set: DaemonSet
  readonly view: View
  readonly nodes: readonly Node[]
  /** Node → pods there, or meant for it, the oldest first; without those that are over and on their way out. */
  readonly pods: ReadonlyMap<string, readonly Pod[]>
  readonly current: ControllerRevision
  readonly nowMs: number
}

/** What is to change. */
interface Changes {
  /** Nodes. */
  readonly create: string[]
  readonly remove: Pod[]
}

class DaemonSets {
  private readonly context: ControllerContext
  private readonly sets: Informer<DaemonSet>
  private readonly pods: Informer<Pod>
  private readonly nodes: Informer<Node>
  private readonly revisions: Revisions
  private readonly expectations = new Expectations()
  /** 'set node' → how long to wait after the last pod failed there, and until when. */
  private readonly failures = new Map<string, { readonly ms: number; readonly untilMs: number }>()
  private readonly queue: WorkQueue

  constructor(context: ControllerContext) {
    this.context = context
    this.queue = context.queue(WORKERS, (key) => this.sync(key))
    this.sets = context.informer('daemonsets')
    this.pods = context.informer('pods')
    this.nodes = context.informer('nodes')
    this.revisions = new Revisions(context, 'daemonsets')
  }

  start(): void {
    this.sets.onChange((before, after) => {
      const set = after ?? before
      if (set === null) return
      if (after === null) this.expectations.forget(nameOf(set))
      this.queue.add(nameOf(set))
    })
    this.nodes.onChange((before, after) => {
      for (const set of this.sets.list()) if (this.concerns(set, before, after)) this.queue.add(nameOf(set))
    })
    this.pods.onChange((before, after) => this.podChanged(before, after))
  }

  private concerns(set: DaemonSet, before: Node | null, after: Node | null): boolean {
    if (before === null || after === null) return true
    return !same(daemon.wants(set, before), daemon.wants(set, after))
  }

  private podChanged(before: Pod | null, after: Pod | null): void {
    for (const pod of [before, after]) {
      if (pod === null) continue
      const owner = controllerOf(pod)
      if (owner?.kind === 'DaemonSet') this.queue.add(`${pod.metadata.namespace}/${owner.name}`)
      else if (owner === undefined) for (const set of this.sets.list()) if (this.wants(set, pod)) this.queue.add(nameOf(set))
    }
    const pod = after ?? before
    const owner = pod === null ? undefined : controllerOf(pod)
    if (pod === null || owner?.kind !== 'DaemonSet') return
    const key = `${pod.metadata.namespace}/${owner.name}`
    if (before === null) this.expectations.creationSeen(key)
    if (after === null || isDeleting(after)) this.expectations.deletionSeen(key, pod.metadata.uid)
  }

  private wants(set: DaemonSet, pod: Pod): boolean {
    return set.metadata.namespace === pod.metadata.namespace && selects(set.spec.selector, pod.metadata.labels)
  }

  private *sync(key: string): Task<'done' | 'retry'> {
    const set = this.sets.get(key)
    // What is left of one that is being deleted is for the garbage collector.
    if (set === undefined || isDeleting(set)) return 'done'
    const view = this.context.view('daemonsets', 'pods', 'nodes')
    const nodes = this.nodes.list()
    const waitMs = this.expectations.waitMs(key, this.context.elapsed())
    if (waitMs > 0) this.queue.addAfter(key, waitMs)
    const claim = { resource: 'daemonsets', owner: set, matches: (pod: Pod) => this.wants(set, pod), view }
    const pods = yield* claimPods(this.context, claim, this.pods)
    if (pods === null) return 'retry'
    // What was adopted just now is seen as its own by the next sync.
    if (pods.some((pod) => controllerOf(pod) === undefined)) return 'done'
    const revisions = yield* this.revisions.claimed(set)
    const latest = revisions === null ? null : yield* this.revisions.current(set, revisions)
    if (revisions === null || latest === null) return 'retry'
    const round: Round = { key, set, view, nodes, pods: byNode(pods), current: latest.revision, nowMs: this.context.now() }
    let failed = waitMs === 0 && !(yield* this.carryOut(round, this.place(round)))
    if (waitMs === 0 && !failed && this.expectations.waitMs(key, this.context.elapsed()) === 0)
      failed = !(yield* this.carryOut(round, this.update(round)))
    const told = yield* this.updateStatus(round, latest.collisionCount)
    const live = new Set(pods.map((pod) => pod.metadata.labels?.[REVISION_LABEL]))
    const kept = revisions.filter((revision) => revision === latest.revision || live.has(daemon.hashOf(revision)))
    const names = new Set([latest.revision, ...kept].map(({ metadata }) => metadata.name))
    return !failed && told && (yield* this.revisions.truncate(set, revisions, names)) ? 'done' : 'retry'
  }

  // Placing

  /** Which nodes miss a pod, and which pods are not to be where they are. */
  private place(round: Round): Changes {
    const changes: Changes = { create: [], remove: [] }
    for (const node of round.nodes) {
      const { run, stay } = daemon.wants(round.set, node)
      const pods = round.pods.get(node.metadata.name) ?? []
      if (run && pods.length === 0) changes.create.push(node.metadata.name)
      else if (stay) changes.remove.push(...this.superfluous(round, node.metadata.name, pods))
      else changes.remove.push(...pods.filter((pod) => !isDeleting(pod)))
    }
    const known = new Set(round.nodes.map(({ metadata }) => metadata.name))
    // They wait for a node that is gone.
    for (const [node, pods] of round.pods)
      if (!known.has(node)) changes.remove.push(...pods.filter((pod) => (pod.spec.nodeName ?? '') === '' && !isDeleting(pod)))
    return changes
  }

  /** Those that have failed, and those beyond one a node; with a surge beyond an old one and a new one that is not available yet. */
  private superfluous({ key, set, current, nowMs }: Round, node: string, pods: readonly Pod[]): readonly Pod[] {
    const lasting = pods.filter((pod) => !isDeleting(pod))
    const ended = lasting.filter(isTerminal)
    const failed = ended.filter((pod) => pod.status.phase !== 'Failed' || this.mayReplace(key, node))
    const running = lasting.filter((pod) => !ended.includes(pod))
    if (daemon.limits(set, 1).surge === 0) return [...failed, ...running.slice(1)]
    const fresh = running.filter((pod) => daemon.isOf(pod, current))
    const old = running.filter((pod) => !daemon.isOf(pod, current))
    const [keptFresh, keptOld] = [fresh[0], old[0]]
    const replaced = keptFresh !== undefined && keptOld !== undefined && (!isReady(keptOld) || daemon.isAvailable(set, keptFresh, nowMs))
    return [...failed, ...fresh.slice(1), ...old.slice(replaced ? 0 : 1)]
  }

  /** A node that turns its pod away again and again gets the next one later and later. */
  private mayReplace(key: string, node: string): boolean {
    const place = `${key} ${node}`
    const now = this.context.elapsed()
    const held = this.failures.get(place)
    if (held !== undefined && now < held.untilMs) {
      this.queue.addAfter(key, held.untilMs - now)
      return false
    }
    // Forgotten after twice the longest wait without another failure.
    const again = held !== undefined && now - held.untilMs < 2 * BACK_OFF_MOST_MS
    const ms = again ? Math.min(held.ms * 2, BACK_OFF_MOST_MS) : BACK_OFF_LEAST_MS
    this.failures.set(place, { ms, untilMs: now + ms })
    return true
  }

  // Updating

  private update(round: Round): Changes {
    const { set, nodes } = round
    if (set.spec.updateStrategy.type === 'OnDelete') return { create: [], remove: [] }
    const wanted = nodes.filter((node) => daemon.wants(set, node).run).map(({ metadata }) => metadata.name)
    const { surge, unavailable } = daemon.limits(set, wanted.length)
    // Upstream surges on nodes of any pods there are, also on those that are gone: what it makes for these it takes away at once.
    if (surge > 0) return this.surge(round, wanted, surge)
    return this.replace(round, [...new Set([...round.pods.keys(), ...wanted])].toSorted(), unavailable)
  }

  /** Old pods that are not available go at once; of the others as many as may be unavailable besides. */
  private replace({ set, pods, current, nowMs }: Round, places: readonly string[], most: number): Changes {
    const replaced: Pod[] = []
    const candidates: Pod[] = []
    let unavailable = 0
    for (const node of places) {
      const pair = daemon.pairOf(pods.get(node) ?? [], current)
      const [fresh, old] = [pair?.fresh, pair?.old]
      if (pair === null || (fresh === undefined) === (old === undefined)) unavailable++
      else if (fresh !== undefined) unavailable += daemon.isAvailable(set, fresh, nowMs) ? 0 : 1
      else if (old !== undefined && daemon.isAvailable(set, old, nowMs)) candidates.push(old)
      else if (old !== undefined) {
        replaced.push(old)
        unavailable++
      }
    }
    return { create: [], remove: [...replaced, ...candidates.slice(0, Math.max(0, most - unavailable))] }
  }

  /** New pods beside the old ones, on as many nodes as the surge allows, and where the old one is not available anyway. */
  private surge({ set, pods, current, nowMs }: Round, places: readonly string[], most: number): Changes {
    const create: string[] = []
    const candidates: string[] = []
    const remove: Pod[] = []
    let surging = 0
    for (const node of places) {
      const pair = daemon.pairOf(pods.get(node) ?? [], current)
      if (pair === null) surging++
      else if (pair.old !== undefined && pair.fresh === undefined)
        (daemon.isAvailable(set, pair.old, nowMs) ? candidates : create).push(node)
      else if (pair.old !== undefined && pair.fresh !== undefined) {
        if (daemon.isAvailable(set, pair.fresh, nowMs)) remove.push(pair.old)
        else surging++
      }
    }
    return { create: [...create, ...candidates.slice(0, Math.max(0, most - surging))], remove }
  }

  // Carrying out

  /** False: a write failed. */
  private *carryOut(round: Round, { create, remove }: Changes): Task<boolean> {
    if (create.length + remove.length === 0) return true
    const nodes = create.slice(0, BURST)
    const victims = remove.slice(0, BURST)
    this.expectations.expect(
      round.key,
      nodes.length,
      victims.map((pod) => pod.metadata.uid),
      this.context.elapsed(),
    )
    const created = yield* this.createPods(round, nodes)
    const removed = yield* this.removePods(round, victims)
    return created && removed
  }

  private *createPods({ key, set, view, current, nowMs }: Round, nodes: readonly string[]): Task<boolean> {
    const owner = refOf('daemonsets', set)
    for (const [index, node] of nodes.entries()) {
      this.context.client.decide(view, { kind: 'CreatePod', owner, name: `${set.metadata.name}-`, nowMs, node })
      const reply = yield* this.context.client.create<Pod>('pods', daemon.makePod(set, node, current))
      if (reply.ok) continue
      // What was not tried, and what certainly failed, will not be seen.
      for (let left = nodes.length - index - (reply.definite ? 0 : 1); left > 0; left--) this.expectations.creationSeen(key)
      return false
    }
    return true
  }

  private *removePods({ key, set, view, nowMs }: Round, victims: readonly Pod[]): Task<boolean> {
    let complete = true
    for (const pod of victims) {
      const { namespace, name, uid } = pod.metadata
      this.context.client.decide(view, { kind: 'DeletePod', owner: refOf('daemonsets', set), pod: refOf('pods', pod), nowMs })
      const reply = yield* this.context.client.delete({ resource: 'pods', namespace, name }, { preconditions: { uid } })
      if (reply.ok) continue
      if (reply.definite) this.expectations.deletionSeen(key, uid)
      if (reply.status.code !== 404) complete = false
    }
    return complete
  }

  // Status

  private *updateStatus(round: Round, collisionCount: number): Task<boolean> {
    const { set, pods, nowMs } = round
    const status = statusOf(round, collisionCount)
    // Nothing is written when a pod has been ready for long enough: time alone has to bring the set back.
    const waits = (pod: Pod): boolean => isReady(pod) && !daemon.isAvailable(set, pod, nowMs)
    if ([...pods.values()].some((here) => here.some(waits))) this.queue.addAfter(round.key, (set.spec.minReadySeconds ?? 0) * 1000 + 1000)
    if (same(set.status, status)) return true
    const reply = yield* this.context.client.updateStatus<DaemonSet>('daemonsets', { ...set, status })
    return reply.ok || reply.status.code === 404
  }
}

const byNode = (pods: readonly Pod[]): ReadonlyMap<string, readonly Pod[]> => {
  const found = new Map<string, Pod[]>()
  for (const pod of pods.toSorted(byAge)) {
    if (isTerminal(pod) && isDeleting(pod)) continue
    const node = daemon.nodeOf(pod)
    found.set(node, [...(found.get(node) ?? []), pod])
  }
  return found
}

/** Those on their node first, then the oldest. */
const byAge = (one: Pod, other: Pod): number => {
  const waits = ({ spec }: Pod): number => ((spec.nodeName ?? '') === '' ? 1 : 0)
  if (waits(one) !== waits(other)) return waits(one) - waits(other)
  const { creationTimestamp: before, name } = one.metadata
  const { creationTimestamp: after, name: otherName } = other.metadata
  if (before !== after) return before < after ? -1 : 1
  return name < otherName ? -1 : 1
}

const statusOf = ({ set, nodes, pods, current, nowMs }: Round, collisionCount: number): DaemonSet['status'] => {
  const counts = {
    currentNumberScheduled: 0,
    desiredNumberScheduled: 0,
    numberMisscheduled: 0,
    numberReady: 0,
    numberAvailable: 0,
    updatedNumberScheduled: 0,
  }
  for (const node of nodes) {
    const [first] = pods.get(node.metadata.name) ?? []
    if (!daemon.wants(set, node).run) {
      if (first !== undefined) counts.numberMisscheduled++
      continue
    }
    counts.desiredNumberScheduled++
    if (first === undefined) continue
    counts.currentNumberScheduled++
    if (isReady(first)) counts.numberReady++
    if (daemon.isAvailable(set, first, nowMs)) counts.numberAvailable++
    if (daemon.isOf(first, current)) counts.updatedNumberScheduled++
  }
  const numberUnavailable = counts.desiredNumberScheduled - counts.numberAvailable
  return { ...counts, numberUnavailable, observedGeneration: set.metadata.generation ?? 0, collisionCount }
}
