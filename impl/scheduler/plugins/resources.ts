/**
 * NodeResourcesFit and NodeResourcesBalancedAllocation: what pods ask for against what nodes have. Whole numbers as
 * upstream computes them.
 *
 * Source: kubernetes/kubernetes pkg/scheduler/framework/plugins/noderesources.
 */
import type { Node } from '../../../model/state/objects.ts'
import { same } from '../../equal.ts'
import { SCORE_MOST, SKIP, unresolvable, unschedulable, type Plugin } from '../framework.ts'
import type { NodeInfo, PodInfo } from '../node-info.ts'

export interface ResourceWeight {
  readonly name: string
  readonly weight: number
}
export interface ShapePoint {
  /** Percent of capacity, 0 to 100. */
  readonly utilization: number
  /** 0 to 10. */
  readonly score: number
}
export interface ScoringStrategy {
  readonly type: 'LeastAllocated' | 'MostAllocated' | 'RequestedToCapacityRatio'
  readonly resources?: readonly ResourceWeight[]
  readonly requestedToCapacityRatio?: { readonly shape: readonly ShapePoint[] }
}
export interface FitArgs {
  readonly ignoredResources?: readonly string[]
  readonly ignoredResourceGroups?: readonly string[]
  readonly scoringStrategy?: ScoringStrategy
}
export interface BalancedArgs {
  readonly resources?: readonly ResourceWeight[]
}

const CPU_AND_MEMORY: readonly ResourceWeight[] = [
  { name: 'cpu', weight: 1 },
  { name: 'memory', weight: 1 },
]
const NATIVE = /^(cpu|memory|ephemeral-storage|pods|storage)$|^hugepages-|^([^/]*\.)?kubernetes\.io\//
/** Extended resources have a domain of their own. */
const isExtended = (name: string): boolean => !NATIVE.test(name)

const isIgnored = (name: string, { ignoredResources = [], ignoredResourceGroups = [] }: FitArgs): boolean =>
  isExtended(name) && (ignoredResources.includes(name) || ignoredResourceGroups.includes(name.split('/')[0] as string))

export const nodeResourcesFit = (args: FitArgs): Plugin => {
  const strategy = args.scoringStrategy ?? { type: 'LeastAllocated' }
  const resources = strategy.resources ?? CPU_AND_MEMORY
  const scorer = SCORERS[strategy.type](strategy)
  const filter = (pod: PodInfo, node: NodeInfo): ReturnType<NonNullable<Plugin['filter']>> => {
    let short: string[] | null = null
    let hopeless = false
    if (node.pods.size + 1 > node.podsMost) short = ['Too many pods']
    for (const [name, asked] of pod.requests) {
      if (asked === 0) continue
      const capacity = node.allocatable.get(name) ?? 0
      if (asked <= capacity - (node.requested.get(name) ?? 0) || isIgnored(name, args)) continue
      short ??= []
      short.push(`Insufficient ${name}`)
      if (asked > capacity) hopeless = true
    }
    if (short === null) return null
    return hopeless ? unresolvable(...short) : unschedulable(...short)
  }
  return {
    name: 'NodeResourcesFit',
    local: true,
    filter: (_cycle, pod, node) => filter(pod, node),
    score: (_cycle, pod, node) => scorer(pod, node, resources),
    mayHelp: (_pod, { resource, action, before, after }) => {
      if (resource === 'AssignedPod') return action === 'Delete'
      if (resource !== 'Node' || action === 'Delete') return false
      return action === 'Add' || !same((before as Node).status.allocatable, (after as Node).status.allocatable)
    },
  }
}

type Scorer = (pod: PodInfo, node: NodeInfo, resources: readonly ResourceWeight[]) => number

/** How much of a resource would be taken, counting what is not asked for at its usual size. Null: it does not count here. */
const usage = (pod: PodInfo, node: NodeInfo, name: string): { readonly asked: number; readonly capacity: number } | null => {
  const capacity = node.allocatable.get(name) ?? 0
  if (capacity === 0) return null
  if (name === 'cpu' || name === 'memory') return { asked: node.usualRequested[name] + (pod.usualRequests.get(name) ?? 0), capacity }
  const own = pod.requests.get(name) ?? 0
  if (own === 0 && isExtended(name)) return null
  return { asked: (node.requested.get(name) ?? 0) + own, capacity }
}

const leastAllocated = (): Scorer =>
  weighted(({ asked, capacity }) => (asked > capacity ? 0 : Math.trunc(((capacity - asked) * SCORE_MOST) / capacity)))
const mostAllocated = (): Scorer => weighted(({ asked, capacity }) => Math.trunc((Math.min(asked, capacity) * SCORE_MOST) / capacity))

const weighted =
  (scoreOf: (of: { readonly asked: number; readonly capacity: number }) => number): Scorer =>
  (pod, node, resources) => {
    let sum = 0
    let weights = 0
    for (const { name, weight } of resources) {
      const used = usage(pod, node, name)
      if (used === null) continue
      sum += scoreOf(used) * weight
      weights += weight
    }
    return weights === 0 ? 0 : Math.trunc(sum / weights)
  }

/** Scores of a shape go to 10. */
const SHAPE_FACTOR = 10

const requestedToCapacityRatio = ({ requestedToCapacityRatio: ratio }: ScoringStrategy): Scorer => {
  const shape = (ratio?.shape ?? []).map(({ utilization, score }) => ({ utilization, score: score * SHAPE_FACTOR }))
  const along = (utilization: number): number => {
    for (const [index, point] of shape.entries()) {
      if (utilization > point.utilization) continue
      const before = shape[index - 1]
      if (before === undefined) return point.score
      return (
        before.score +
        Math.trunc(((point.score - before.score) * (utilization - before.utilization)) / (point.utilization - before.utilization))
      )
    }
    return shape.at(-1)?.score ?? 0
  }
  return (pod, node, resources) => {
    let sum = 0
    let weights = 0
    for (const { name, weight } of resources) {
      const used = usage(pod, node, name)
      if (used === null) continue
      const score = along(used.asked > used.capacity ? 100 : Math.trunc((used.asked * 100) / used.capacity))
      // What scores nothing does not count as weight either.
      if (score <= 0) continue
      sum += score * weight
      weights += weight
    }
    return weights === 0 ? 0 : Math.round(sum / weights)
  }
}

const SCORERS: Readonly<Record<ScoringStrategy['type'], (strategy: ScoringStrategy) => Scorer>> = {
  LeastAllocated: leastAllocated,
  MostAllocated: mostAllocated,
  RequestedToCapacityRatio: requestedToCapacityRatio,
}

export const nodeResourcesBalancedAllocation = ({ resources = CPU_AND_MEMORY }: BalancedArgs): Plugin => ({
  name: 'NodeResourcesBalancedAllocation',
  local: true,
  preScore: (_cycle, pod) => (resources.every(({ name }) => (pod.requests.get(name) ?? 0) === 0) ? SKIP : null),
  score: (_cycle, pod, node) => {
    const shares: number[] = []
    for (const { name } of resources) {
      const capacity = node.allocatable.get(name) ?? 0
      const own = pod.requests.get(name) ?? 0
      if (capacity === 0 || (own === 0 && isExtended(name))) continue
      shares.push(Math.min(1, ((node.requested.get(name) ?? 0) + own) / capacity))
    }
    return Math.trunc((1 - deviation(shares)) * SCORE_MOST)
  },
})

const deviation = (shares: readonly number[]): number => {
  if (shares.length < 2) return 0
  // The standard deviation of two numbers is half their difference.
  if (shares.length === 2) return Math.abs(((shares[0] as number) - (shares[1] as number)) / 2)
  const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length
  return Math.sqrt(shares.reduce((sum, share) => sum + (share - mean) * (share - mean), 0) / shares.length)
}
