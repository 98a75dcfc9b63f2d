/**
 * One pod's way through a profile: filter, score, choose; or who would have to go.
 *
 * Source: kubernetes/kubernetes pkg/scheduler/schedule_one.go.
 */
import type { Random } from '../../sim/random.ts'
import type { Profile } from './config.ts'
import type { Cycle, Snapshot, Status } from './framework.ts'
import type { NodeInfo, PodInfo } from './node-info.ts'
import { candidates, cheapest, mayPreempt, type Candidate } from './plugins/preemption.ts'

const NODES_LEAST = 100
const SHARE_LEAST = 5

/** All of few nodes; of many a share that falls with their number, and a hundred at least. share: 0 for the formula. */
export const enoughNodes = (count: number, share: number): number => {
  if (count < NODES_LEAST || share >= 100) return count
  const percent = share > 0 ? share : Math.max(SHARE_LEAST, 50 - Math.floor(count / 125))
  return Math.max(NODES_LEAST, Math.floor((count * percent) / 100))
}

export interface Search {
  readonly cycle: Cycle
  readonly feasible: readonly NodeInfo[]
  /** Node → why not. */
  readonly statuses: ReadonlyMap<string, Status>
  /** How many nodes were looked at: where the next search goes on. */
  readonly examined: number
}

/** Why nodes would not do: as a map only when somebody looks, which is seldom where a node was found. */
class Statuses {
  private readonly nodes: string[] = []
  private readonly reasons: Status[] = []
  private map: Map<string, Status> | null = null

  set(node: string, status: Status): void {
    this.nodes.push(node)
    this.reasons.push(status)
  }

  get all(): ReadonlyMap<string, Status> {
    this.map ??= new Map(this.nodes.map((node, index) => [node, this.reasons[index] as Status]))
    return this.map
  }
}

const found = (cycle: Cycle, feasible: readonly NodeInfo[], statuses: Statuses, examined: number): Search => ({
  cycle,
  feasible,
  examined,
  get statuses() {
    return statuses.all
  },
})

/** start: the place in the snapshot's nodes to begin at. */
export const search = (profile: Profile, snapshot: Snapshot, pod: PodInfo, start: number, random: Random): Search => {
  const { framework } = profile
  const cycle = framework.cycle(snapshot, random)
  const statuses = new Statuses()
  const result = framework.preFilter(cycle, pod)
  if ('code' in result) {
    for (const node of snapshot.nodes) statuses.set(node.name, result)
    return found(cycle, [], statuses, 0)
  }
  const { nodeNames } = result
  const nodes = nodeNames === null ? snapshot.nodes : snapshot.nodes.filter((node) => nodeNames.has(node.name))
  if (nodeNames !== null) {
    const elsewhere: Status = {
      code: 'UnschedulableAndUnresolvable',
      reasons: ["node(s) didn't satisfy plugin(s) [NodeAffinity]"],
      plugin: 'NodeAffinity',
    }
    for (const node of snapshot.nodes) if (!nodeNames.has(node.name)) statuses.set(node.name, elsewhere)
  }
  const nominated = pod.pod.status?.nominatedNodeName ?? ''
  const promised = nominated === '' ? undefined : nodes.find((node) => node.name === nominated)
  if (promised !== undefined && framework.filterWithNominated(cycle, pod, promised) === null) return found(cycle, [promised], statuses, 0)
  const enough = enoughNodes(nodes.length, profile.percentageOfNodesToScore)
  const feasible: NodeInfo[] = []
  let examined = 0
  while (examined < nodes.length && feasible.length < enough) {
    const node = nodes[(start + examined) % nodes.length] as NodeInfo
    examined++
    const status = framework.filterWithNominated(cycle, pod, node)
    if (status === null) feasible.push(node)
    else statuses.set(node.name, status)
  }
  return found(cycle, feasible, statuses, examined)
}

/** Negative: the first node comes first. */
export type NodeOrder = (one: NodeInfo, other: NodeInfo) => number

/** The best node; among equals any, or the first in an order. */
export const choose = (profile: Profile, { cycle, feasible }: Search, pod: PodInfo, ties: 'random' | NodeOrder): NodeInfo => {
  if (feasible.length === 1) return feasible[0] as NodeInfo
  const { totals } = profile.framework.score(cycle, pod, feasible)
  let best = -Infinity
  for (const total of totals) if (total > best) best = total
  const equals = feasible.filter((_, index) => totals[index] === best)
  return ties === 'random' ? cycle.random.pick(equals) : equals.reduce((first, other) => (ties(other, first) < 0 ? other : first))
}

/** Null: it would not help. Undefined: it is not to be, or not now. */
export const preempt = (profile: Profile, { cycle, statuses }: Search, pod: PodInfo): Candidate | null | undefined => {
  if (profile.preemption === null || !mayPreempt(pod.pod, cycle.snapshot, statuses)) return undefined
  return cheapest(candidates(profile.framework, cycle, pod, statuses, profile.preemption))
}

/** '0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable.' */
export const unschedulableMessage = (nodes: number, statuses: ReadonlyMap<string, Status>): string => {
  if (nodes === 0) return 'no nodes available to schedule pods'
  const counts = new Map<string, number>()
  for (const { reasons } of statuses.values()) for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1)
  const parts = [...counts].map(([reason, count]) => `${count} ${reason}`).toSorted()
  return `0/${nodes} nodes are available: ${parts.join(', ')}.`
}
