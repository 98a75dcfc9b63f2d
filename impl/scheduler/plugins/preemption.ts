/**
 * DefaultPreemption: who would have to go so that a pod fits, and on which node that costs least.
 *
 * Source: kubernetes/kubernetes pkg/scheduler/framework/preemption/preemption.go, plugins/defaultpreemption.
 */
import type { Pod } from '../../../model/state/objects.ts'
import type { PodDisruptionBudget } from '../../../model/state/policy.ts'
import { selects } from '../../selector.ts'
import type { Cycle, Snapshot, Status } from '../framework.ts'
import { priorityOf, type NodeInfo, type NodeState, type PodInfo } from '../node-info.ts'
import type { Framework } from '../runtime.ts'

export interface PreemptionArgs {
  /** Share of the nodes that is tried, in percent, and how many at least. */
  readonly minCandidateNodesPercentage?: number
  readonly minCandidateNodesAbsolute?: number
}

export interface Candidate {
  readonly node: string
  /** The most important first. */
  readonly victims: readonly Pod[]
  readonly disruptionViolations: number
}

const PERCENT = 10
const LEAST = 100

/** More important: of higher priority, or started earlier. Negative: `one` comes first. */
const byImportance = (one: Pod, other: Pod): number => {
  const difference = priorityOf(other) - priorityOf(one)
  if (difference !== 0) return difference
  const [first, second] = [startOf(one), startOf(other)]
  return first < second ? -1 : first > second ? 1 : 0
}
/** A pod that has not started counts as started now. */
const startOf = (pod: Pod): string => pod.status?.startTime ?? '9999'

/** Not if it never does, nor while those who go for its sake are still on their way out. */
export const mayPreempt = (pod: Pod, snapshot: Snapshot, statuses: ReadonlyMap<string, Status>): boolean => {
  if (pod.spec.preemptionPolicy === 'Never') return false
  const nominated = pod.status?.nominatedNodeName ?? ''
  if (nominated === '') return true
  // What keeps it off is there to stay: another node may do.
  if (statuses.get(nominated)?.code === 'UnschedulableAndUnresolvable') return true
  const node = snapshot.node(nominated)
  if (node === undefined) return true
  return ![...node.pods.values()].some(
    ({ pod: other }) => other.metadata.deletionTimestamp !== undefined && priorityOf(other) < priorityOf(pod),
  )
}

/** Who violates a budget by going, in order; the budgets are used up as they go. */
const splitByBudgets = (
  pods: readonly Pod[],
  budgets: readonly PodDisruptionBudget[],
): { readonly violating: readonly Pod[]; readonly others: readonly Pod[] } => {
  const left = budgets.map(({ status }) => status?.disruptionsAllowed ?? 0)
  const violating: Pod[] = []
  const others: Pod[] = []
  for (const pod of pods) {
    let violates = false
    for (const [index, { metadata, spec, status }] of budgets.entries()) {
      const { selector } = spec
      if (metadata.namespace !== pod.metadata.namespace || pod.metadata.labels === undefined || selector === undefined) continue
      const empty = Object.keys(selector.matchLabels ?? {}).length + (selector.matchExpressions ?? []).length === 0
      if (empty || !selects(selector, pod.metadata.labels)) continue
      // Somebody was told already that it goes.
      if (status?.disruptedPods?.[pod.metadata.name] !== undefined) continue
      left[index] = (left[index] as number) - 1
      if (left[index] < 0) violates = true
    }
    ;(violates ? violating : others).push(pod)
  }
  return { violating, others }
}

/** The fewest and least important that have to leave a node. Null: it does not help. */
const victimsOn = (framework: Framework, cycle: Cycle, pod: PodInfo, node: NodeInfo): Candidate | null => {
  const trial: Cycle = { ...cycle, state: cycle.state.copy() }
  const room = (node as NodeState).copy()
  const lower = [...node.pods.values()].filter((other) => priorityOf(other.pod) < priorityOf(pod.pod))
  if (lower.length === 0) return null
  const take = (other: PodInfo): void => {
    room.remove(other.pod)
    framework.removePod(trial, pod, other, room)
  }
  const giveBack = (other: PodInfo): void => {
    room.add(other)
    framework.addPod(trial, pod, other, room)
  }
  for (const other of lower) take(other)
  if (framework.filterWithNominated(trial, pod, room) !== null) return null
  const infos = new Map(lower.map((other) => [other.pod, other]))
  const { violating, others } = splitByBudgets(
    lower.map((other) => other.pod).toSorted(byImportance),
    cycle.snapshot.objects.disruptionBudgets(),
  )
  const victims: Pod[] = []
  const goes = (victim: Pod): boolean => {
    const info = infos.get(victim) as PodInfo
    giveBack(info)
    if (framework.filterWithNominated(trial, pod, room) === null) return false
    take(info)
    victims.push(victim)
    return true
  }
  const disruptionViolations = violating.filter(goes).length
  for (const other of others) goes(other)
  return { node: node.name, victims: victims.toSorted(byImportance), disruptionViolations }
}

/** Each node where preemption would help, of as many as are tried. */
export const candidates = (
  framework: Framework,
  cycle: Cycle,
  pod: PodInfo,
  statuses: ReadonlyMap<string, Status>,
  { minCandidateNodesPercentage = PERCENT, minCandidateNodesAbsolute = LEAST }: PreemptionArgs,
): readonly Candidate[] => {
  const hopeful = cycle.snapshot.nodes.filter((node) => statuses.get(node.name)?.code !== 'UnschedulableAndUnresolvable')
  const count = Math.min(
    hopeful.length,
    Math.max(minCandidateNodesAbsolute, Math.floor((cycle.snapshot.nodes.length * minCandidateNodesPercentage) / 100)),
  )
  const offset = hopeful.length === 0 ? 0 : cycle.random.below(hopeful.length)
  const found: Candidate[] = []
  let clean = 0
  for (let step = 0; step < hopeful.length; step++) {
    const candidate = victimsOn(framework, cycle, pod, hopeful[(offset + step) % hopeful.length] as NodeInfo)
    if (candidate === null) continue
    found.push(candidate)
    if (candidate.disruptionViolations === 0) clean++
    // Enough, and one among them that violates nothing.
    if (clean > 0 && found.length >= count) break
  }
  return found
}

/** What is compared, each the smaller the better, until one node is left. */
const COSTS: readonly ((candidate: Candidate) => number)[] = [
  ({ disruptionViolations }) => disruptionViolations,
  ({ victims: [first] }) => (first === undefined ? -Infinity : priorityOf(first)),
  // Lifted so that more victims of negative priority never cost less than fewer.
  ({ victims }) => victims.reduce((sum, victim) => sum + priorityOf(victim) + 2 ** 31, 0),
  ({ victims }) => victims.length,
]

/** Upstream's pickOneNodeForPreemption. */
export const cheapest = (all: readonly Candidate[]): Candidate | null => {
  let left = all
  for (const cost of COSTS) {
    if (left.length <= 1) break
    const least = Math.min(...left.map(cost))
    left = left.filter((candidate) => cost(candidate) === least)
  }
  // The one whose most important victims have run the least.
  let best: Candidate | null = null
  for (const candidate of left) if (best === null || earliest(candidate) > earliest(best)) best = candidate
  return best
}

/** When the first of its most important victims started. */
const earliest = ({ victims }: Candidate): string => {
  const [first] = victims
  if (first === undefined) return ''
  return victims
    .filter((victim) => priorityOf(victim) === priorityOf(first))
    .map(startOf)
    .reduce((least, start) => (start < least ? start : least))
}
