/**
 * NodeResourcesFit and NodeResourcesBalancedAllocation: what pods ask for against what nodes have.
 *
 * Source: https://kubernetes.io/docs/concepts/scheduling-eviction/resource-bin-packing/
 */
import type { Node, Pod } from '../../state/objects.ts'
import { allocatable, isExtended, request, requests, USUAL } from './requests.ts'
import { notNow, podsOn, SCORE_MOST, type Constraint, type Scene, type Score } from './scene.ts'

interface Weight {
  readonly name: string
  readonly weight: number
}
interface Point {
  readonly utilization: number
  readonly score: number
}
export interface Strategy {
  readonly type: string
  readonly resources?: readonly Weight[]
  readonly requestedToCapacityRatio?: { readonly shape: readonly Point[] }
}

const BOTH: readonly Weight[] = [
  { name: 'cpu', weight: 1 },
  { name: 'memory', weight: 1 },
]

/** The first of these resources of which the pods together ask for more than there is. Null: there is room. */
const lacks = (node: Node, pods: readonly Pod[], resources: readonly string[]): string | null => {
  if (pods.length * 1000 > allocatable(node, 'pods')) return 'pods'
  const together = (name: string): number => pods.reduce((sum, one) => sum + (requests(one).get(name) ?? 0), 0)
  return resources.find((name) => together(name) > allocatable(node, name)) ?? null
}

const wanted = (pod: Pod): readonly string[] => [...requests(pod)].flatMap(([name, amount]) => (amount > 0 ? [name] : []))

/** What the node has too little of. */
export const shortOf = (scene: Scene, pod: Pod, node: Node): string | null => lacks(node, [pod, ...podsOn(scene, node)], wanted(pod))

export const fitsResources =
  (ignored: readonly string[] = [], ignoredGroups: readonly string[] = []): Constraint =>
  (scene, pod, node) => {
    const isIgnored = (name: string): boolean =>
      isExtended(name) && (ignored.includes(name) || ignoredGroups.includes(name.split('/')[0] ?? ''))
    const counted = wanted(pod).filter((name) => !isIgnored(name))
    if (counted.some((name) => request(pod, name) > allocatable(node, name))) return 'never'
    return notNow(lacks(node, [pod, ...podsOn(scene, node)], counted) === null)
  }

/** How much of what a node has would be taken. Null: the resource does not count there. */
const share = (scene: Scene, pod: Pod, node: Node, name: string): readonly [taken: number, capacity: number] | null => {
  const capacity = allocatable(node, name)
  if (capacity === 0 || (isExtended(name) && request(pod, name) === 0)) return null
  return [[pod, ...podsOn(scene, node)].reduce((sum, one) => sum + request(one, name, USUAL), 0), capacity]
}

const along = (shape: readonly Point[], utilization: number): number => {
  const next = shape.findIndex((point) => utilization <= point.utilization)
  const [before, after] = next < 0 ? [shape.at(-1), undefined] : [shape[next - 1], shape[next]]
  if (before === undefined || after === undefined) return 10 * ((before ?? after)?.score ?? 0)
  const rise = 10 * (after.score - before.score) * (utilization - before.utilization)
  return 10 * before.score + Math.trunc(rise / (after.utilization - before.utilization))
}

const STRATEGIES: Readonly<Record<string, (taken: number, capacity: number, shape: readonly Point[]) => number>> = {
  LeastAllocated: (taken, capacity) => (taken > capacity ? 0 : Math.trunc(((capacity - taken) * SCORE_MOST) / capacity)),
  MostAllocated: (taken, capacity) => Math.trunc((Math.min(taken, capacity) * SCORE_MOST) / capacity),
  RequestedToCapacityRatio: (taken, capacity, shape) => along(shape, taken > capacity ? 100 : Math.trunc((taken * 100) / capacity)),
}

/** The weighted mean over the resources that count. Those along a shape count when they score, and round to the nearest. */
export const resourceScore =
  ({ type, resources = BOTH, requestedToCapacityRatio }: Strategy): Score =>
  (scene, pod, nodes) =>
    nodes.map((node) => {
      const shaped = type === 'RequestedToCapacityRatio'
      const scores = resources.flatMap(({ name, weight }) => {
        const found = share(scene, pod, node, name)
        const score = found === null ? null : (STRATEGIES[type]?.(...found, requestedToCapacityRatio?.shape ?? []) ?? null)
        return score === null || (shaped && score <= 0) ? [] : [{ score, weight }]
      })
      const weights = scores.reduce((sum, { weight }) => sum + weight, 0)
      if (weights === 0) return 0
      const mean = scores.reduce((sum, { score, weight }) => sum + score * weight, 0) / weights
      return shaped ? Math.round(mean) : Math.trunc(mean)
    })

/** The less the shares that would be taken differ, the better: by their standard deviation. */
export const balanceScore =
  (resources: readonly Weight[] = BOTH): Score =>
  (scene, pod, nodes) => {
    // A pod that asks for none of them makes no node more even.
    if (resources.every(({ name }) => request(pod, name) === 0)) return nodes.map(() => 0)
    return nodes.map((node) => {
      const shares = resources.flatMap(({ name }) => {
        const capacity = allocatable(node, name)
        if (capacity === 0 || (isExtended(name) && request(pod, name) === 0)) return []
        return [Math.min(1, [pod, ...podsOn(scene, node)].reduce((sum, one) => sum + request(one, name), 0) / capacity)]
      })
      const mean = shares.reduce((sum, one) => sum + one, 0) / Math.max(1, shares.length)
      const variance = shares.reduce((sum, one) => sum + (one - mean) * (one - mean), 0) / Math.max(1, shares.length)
      return Math.trunc((1 - Math.sqrt(variance)) * SCORE_MOST)
    })
  }
