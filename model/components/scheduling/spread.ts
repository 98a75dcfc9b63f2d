/**
 * PodTopologySpread: pods of a kind are kept even over the domains of a topology.
 *
 * Source: https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/
 */
import type { Node, Pod, TopologySpreadConstraint } from '../../state/objects.ts'
import { matchesLabels, selectsNode } from '../../state/selector.ts'
import { toleratesNode } from './nodes.ts'
import { podsOn, SCORE_MOST, type Constraint, type Scene, type Score } from './scene.ts'

export interface Defaults {
  readonly defaultingType?: string
  readonly defaultConstraints?: readonly TopologySpreadConstraint[]
}

const HOSTNAME = 'kubernetes.io/hostname'
const SYSTEM: readonly TopologySpreadConstraint[] = [
  { topologyKey: HOSTNAME, whenUnsatisfiable: 'ScheduleAnyway', maxSkew: 3 },
  { topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'ScheduleAnyway', maxSkew: 5 },
]

/** Those of the pod; else the defaults, for a pod that a workload owns. */
const constraintsOf = ({ metadata, spec }: Pod, { defaultingType, defaultConstraints = [] }: Defaults) => {
  const own = spec.topologySpreadConstraints ?? []
  if (own.length > 0) return own
  if (metadata.labels === undefined || (metadata.ownerReferences ?? []).length === 0) return []
  const { labels } = metadata
  return (defaultingType === 'List' ? defaultConstraints : SYSTEM).map((one) => ({ ...one, labelSelector: { matchLabels: labels } }))
}

const counted = ({ labelSelector, matchLabelKeys = [] }: TopologySpreadConstraint, pod: Pod, other: Pod): boolean =>
  (labelSelector !== undefined || matchLabelKeys.some((key) => pod.metadata.labels?.[key] !== undefined)) &&
  matchesLabels(labelSelector ?? {}, other.metadata.labels) &&
  matchLabelKeys.every((key) => pod.metadata.labels?.[key] === undefined || other.metadata.labels?.[key] === pod.metadata.labels[key])

const countOn = (scene: Scene, constraint: TopologySpreadConstraint, pod: Pod, node: Node): number =>
  podsOn(scene, node).filter(
    (other) =>
      other.metadata.namespace === pod.metadata.namespace &&
      other.metadata.deletionTimestamp === undefined &&
      counted(constraint, pod, other),
  ).length

const domainOf = ({ topologyKey }: TopologySpreadConstraint, { metadata }: Node): string | undefined => metadata.labels?.[topologyKey]

/** Whether a node is one that the pods on it are counted on. */
const takesPart = ({ nodeAffinityPolicy, nodeTaintsPolicy }: TopologySpreadConstraint, pod: Pod, node: Node): boolean =>
  (nodeAffinityPolicy === 'Ignore' || selectsNode(pod, node)) && (nodeTaintsPolicy !== 'Honor' || toleratesNode(pod, node))

const sumOf = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0)

export const spread =
  (defaults: Defaults): Constraint =>
  (scene, pod, node) => {
    const hard = constraintsOf(pod, defaults).filter(({ whenUnsatisfiable }) => whenUnsatisfiable === 'DoNotSchedule')
    if (hard.some((one) => domainOf(one, node) === undefined)) return 'never'
    const even = hard.every((one) => {
      const nodes = scene.nodes.filter((other) => hard.every((key) => domainOf(key, other) !== undefined) && takesPart(one, pod, other))
      const within = (domain: string | undefined): number =>
        sumOf(nodes.filter((other) => domainOf(one, other) === domain).map((other) => countOn(scene, one, pod, other)))
      const domains = [...new Set(nodes.map((other) => domainOf(one, other)))]
      // Fewer domains than asked for: as if there were an empty one.
      const least = domains.length < (one.minDomains ?? 1) && domains.length > 0 ? 0 : Math.min(...domains.map(within))
      return within(domainOf(one, node)) + (counted(one, pod, pod) ? 1 : 0) - least <= one.maxSkew
    })
    return even ? 'fits' : 'not now'
  }

/** The natural logarithm of a whole number from 1: by the series of the inverse hyperbolic tangent. */
const logarithm = (value: number): number => {
  let halvings = 0
  let rest = value
  for (; rest > 1.5; rest /= 2) halvings++
  const series = (of: number): number => {
    const ratio = (of - 1) / (of + 1)
    let [sum, power] = [0, ratio]
    for (let odd = 1; odd < 80; odd += 2, power *= ratio * ratio) sum += power / odd
    return 2 * sum
  }
  return series(rest) + halvings * series(2)
}

/** Matching pods of each domain, weighed by how many domains there are; few are better. */
export const spreadScore =
  (defaults: Defaults): Score =>
  (scene, pod, nodes) => {
    const soft = constraintsOf(pod, defaults).filter(({ whenUnsatisfiable }) => whenUnsatisfiable === 'ScheduleAnyway')
    if (soft.length === 0) return nodes.map(() => 0)
    // The system's own defaults are no reason to leave a node without a zone out.
    const strict = (pod.spec.topologySpreadConstraints ?? []).length > 0 || defaults.defaultingType === 'List'
    const ranked = (node: Node): boolean => !strict || soft.every((one) => domainOf(one, node) !== undefined)
    const kept = nodes.filter(ranked)
    const costOf = (one: TopologySpreadConstraint, node: Node): number => {
      const domain = domainOf(one, node)
      if (domain === undefined) return 0
      const isHost = one.topologyKey === HOSTNAME
      const counts = isHost
        ? [countOn(scene, one, pod, node)]
        : scene.nodes
            .filter((other) => ranked(other) && domainOf(one, other) === domain && takesPart(one, pod, other))
            .map((other) => countOn(scene, one, pod, other))
      const domains = new Set(kept.map((other) => domainOf(one, other)).filter((other) => other !== undefined)).size
      return sumOf(counts) * logarithm((isHost ? kept.length : domains) + 2) + one.maxSkew - 1
    }
    const costs = nodes.map((node) => (ranked(node) ? Math.round(sumOf(soft.map((one) => costOf(one, node)))) : null))
    const found = costs.filter((cost) => cost !== null)
    const [least, most] = [Math.min(...found), Math.max(0, ...found)]
    return costs.map((cost) => {
      if (cost === null) return 0
      return most === 0 ? SCORE_MOST : Math.trunc((SCORE_MOST * (most + least - cost)) / most)
    })
  }
