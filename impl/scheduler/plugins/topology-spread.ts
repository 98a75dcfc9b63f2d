/**
 * PodTopologySpread: pods of a kind are kept even over zones, hosts or any other topology.
 *
 * Source: kubernetes/kubernetes pkg/scheduler/framework/plugins/podtopologyspread, KEP-895, KEP-3022, KEP-3094.
 */
import type { LabelSelector, Pod, Taint, TopologySpreadConstraint } from '../../../model/state/objects.ts'
import { naturalLog } from '../../logarithm.ts'
import { selects } from '../../selector.ts'
import { tolerates } from '../../taints.ts'
import {
  SCORE_MOST,
  SKIP,
  unresolvable,
  unschedulable,
  type Change,
  type Cycle,
  type Plugin,
  type Snapshot,
  type Status,
} from '../framework.ts'
import { Kept } from '../kept.ts'
import { likenessOf } from '../likeness.ts'
import type { NodeInfo, PodInfo } from '../node-info.ts'
import { nodeMatches } from './node-affinity.ts'

export interface TopologySpreadArgs {
  readonly defaultingType?: 'System' | 'List'
  readonly defaultConstraints?: readonly TopologySpreadConstraint[]
}

const NAME = 'PodTopologySpread'
const HOSTNAME = 'kubernetes.io/hostname'
const SYSTEM_DEFAULTS: readonly TopologySpreadConstraint[] = [
  { topologyKey: HOSTNAME, whenUnsatisfiable: 'ScheduleAnyway', maxSkew: 3 },
  { topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'ScheduleAnyway', maxSkew: 5 },
]

const NO_TOPOLOGY: Status = {
  ...unresolvable("node(s) didn't match pod topology spread constraints (missing required label)"),
  plugin: NAME,
}
const TOO_MANY: Status = { ...unschedulable("node(s) didn't match pod topology spread constraints"), plugin: NAME }

interface Constraint {
  readonly maxSkew: number
  readonly topologyKey: string
  readonly selector: LabelSelector
  readonly minDomains: number
  readonly honorAffinity: boolean
  readonly honorTaints: boolean
}

const constraintOf = (pod: Pod, given: TopologySpreadConstraint): Constraint => {
  const labels = pod.metadata.labels ?? {}
  const same = (given.matchLabelKeys ?? []).flatMap((key) =>
    labels[key] === undefined ? [] : [{ key, operator: 'In' as const, values: [labels[key]] }],
  )
  const selector: LabelSelector | undefined =
    same.length === 0
      ? given.labelSelector
      : { ...given.labelSelector, matchExpressions: [...(given.labelSelector?.matchExpressions ?? []), ...same] }
  return {
    maxSkew: given.maxSkew,
    topologyKey: given.topologyKey,
    // An absent selector is of nobody.
    selector: selector ?? { matchExpressions: [{ key: '', operator: 'Exists' }] },
    minDomains: given.minDomains ?? 1,
    honorAffinity: (given.nodeAffinityPolicy ?? 'Honor') === 'Honor',
    honorTaints: (given.nodeTaintsPolicy ?? 'Ignore') === 'Honor',
  }
}

/** Those of the pod; where it has none, the defaults, over the pods that its own labels tell apart. */
const constraintsOf = (
  pod: Pod,
  when: TopologySpreadConstraint['whenUnsatisfiable'],
  defaults: readonly TopologySpreadConstraint[],
): readonly Constraint[] => {
  const own = pod.spec.topologySpreadConstraints ?? []
  if (own.length > 0) return own.filter((one) => one.whenUnsatisfiable === when).map((one) => constraintOf(pod, one))
  const { labels } = pod.metadata
  // Upstream asks which services and workloads select the pod; a pod that nothing owns is not spread by default.
  if (labels === undefined || (pod.metadata.ownerReferences ?? []).length === 0) return []
  return defaults
    .filter((one) => one.whenUnsatisfiable === when)
    .map((one) => constraintOf(pod, { ...one, labelSelector: { matchLabels: labels } }))
}

const matching = (node: NodeInfo, selector: LabelSelector, namespace: string | undefined): number => {
  let count = 0
  for (const { pod } of node.pods.values()) {
    if (pod.metadata.namespace === namespace && pod.metadata.deletionTimestamp === undefined && selects(selector, pod.metadata.labels))
      count++
  }
  return count
}

const hardTaint = ({ effect }: Taint): boolean => effect === 'NoSchedule' || effect === 'NoExecute'

/** Whether a node counts for a constraint. */
const counts = ({ honorAffinity, honorTaints }: Constraint, pod: Pod, { node }: NodeInfo): boolean => {
  if (honorAffinity && !nodeMatches(pod, node)) return false
  if (!honorTaints) return true
  const tolerations = pod.spec.tolerations ?? []
  return (node.spec?.taints ?? []).every((taint) => !hardTaint(taint) || tolerations.some((toleration) => tolerates(toleration, taint)))
}

const hasAll = (constraints: readonly Constraint[], { node }: NodeInfo): boolean =>
  constraints.every(({ topologyKey }) => node.metadata.labels?.[topologyKey] !== undefined)

/** How many matching pods each domain has, for each constraint. */
class Spread {
  readonly constraints: readonly Constraint[]
  readonly domains: readonly Map<string, number>[]
  /** The fewest in any domain, for each constraint, as far as somebody asked since it changed. */
  private readonly fewest: (number | undefined)[] = []
  /** Of each constraint: whether one pod more would be too many for a domain, as far as somebody asked since it changed. */
  private readonly full: Map<string, boolean>[]
  /** Of each constraint: the domain of each node, by the node's place. */
  private readonly byPlace: readonly (string | undefined)[][]

  constructor(constraints: readonly Constraint[], domains: readonly Map<string, number>[], byPlace: readonly (string | undefined)[][]) {
    this.constraints = constraints
    this.domains = domains
    this.byPlace = byPlace
    this.full = constraints.map(() => new Map<string, boolean>())
  }

  domainOf(index: number, { place, node }: NodeInfo): string | undefined {
    if (place >= 0) return this.byPlace[index]?.[place]
    return node.metadata.labels?.[(this.constraints[index] as Constraint).topologyKey]
  }

  add(index: number, domain: string, by: number): void {
    const own = this.domains[index] as Map<string, number>
    own.set(domain, (own.get(domain) ?? 0) + by)
    this.fewest[index] = undefined
    this.full[index]?.clear()
  }

  /** pod: any of those that are alike. */
  isFull(index: number, domain: string, pod: Pod): boolean {
    const known = this.full[index]?.get(domain)
    if (known !== undefined) return known
    const { maxSkew, selector } = this.constraints[index] as Constraint
    const self = Number(selects(selector, pod.metadata.labels))
    const full = (this.domains[index]?.get(domain) ?? 0) + self - this.least(index) > maxSkew
    this.full[index]?.set(domain, full)
    return full
  }

  /** The fewest in any domain; 0 where there are too few domains. */
  least(index: number): number {
    const known = this.fewest[index]
    if (known !== undefined) return known
    const { minDomains } = this.constraints[index] as Constraint
    const domains = this.domains[index] as Map<string, number>
    let least = Infinity
    for (const count of domains.values()) if (count < least) least = count
    if (domains.size < minDomains) least = 0
    this.fewest[index] = least
    return least
  }

  copy(): Spread {
    return new Spread(
      this.constraints,
      this.domains.map((domains) => new Map(domains)),
      this.byPlace,
    )
  }
}

const isCounted = ({ selector }: Constraint, { metadata: { namespace } }: Pod, { metadata }: Pod): boolean =>
  metadata.namespace === namespace && metadata.deletionTimestamp === undefined && selects(selector, metadata.labels)

const placesOf = (nodes: readonly NodeInfo[], topologyKey: string): (string | undefined)[] => {
  const domains: (string | undefined)[] = []
  for (const { place, node } of nodes) {
    while (domains.length <= place) domains.push(undefined)
    domains[place] = node.metadata.labels?.[topologyKey]
  }
  return domains
}

/** Each domain of the nodes that count, and how many pods it has. requireAll: a node counts only with every topology. */
const countSpread = (pod: Pod, constraints: readonly Constraint[], nodes: readonly NodeInfo[], requireAll: boolean): Spread => {
  const spread = new Spread(
    constraints,
    constraints.map(() => new Map<string, number>()),
    constraints.map(({ topologyKey }) => placesOf(nodes, topologyKey)),
  )
  for (const node of nodes) {
    if (requireAll && !hasAll(constraints, node)) continue
    for (const [index, constraint] of constraints.entries()) {
      const value = node.node.metadata.labels?.[constraint.topologyKey]
      if (value !== undefined && counts(constraint, pod, node))
        spread.add(index, value, matching(node, constraint.selector, pod.metadata.namespace))
    }
  }
  return spread
}

/** A pod came to a node or left it. */
const follow = (spread: Spread, pod: Pod, { info, node, by }: Change, requireAll: boolean): void => {
  const { constraints } = spread
  if (requireAll && !hasAll(constraints, node)) return
  for (const [index, constraint] of constraints.entries()) {
    const value = node.node.metadata.labels?.[constraint.topologyKey]
    if (value !== undefined && isCounted(constraint, pod, info.pod) && counts(constraint, pod, node)) spread.add(index, value, by)
  }
}

/** The same for all pods that are alike: counted once, and followed. */
const kept = (by: Kept<Spread>, snapshot: Snapshot, info: PodInfo, constraints: readonly Constraint[], requireAll: boolean): Spread =>
  by.get(
    snapshot,
    String(likenessOf(info).pod),
    () => countSpread(info.pod, constraints, snapshot.nodes, requireAll),
    (spread, change) => {
      if (snapshot.node(change.node.name) !== undefined) follow(spread, info.pod, change, requireAll)
      return true
    },
  )

const updated = ({ state }: Cycle, { pod }: PodInfo, other: PodInfo, node: NodeInfo, by: 1 | -1): void => {
  const spread = state.read<Spread>(NAME)
  const { constraints } = spread
  if (other.pod.metadata.namespace !== pod.metadata.namespace || !hasAll(constraints, node)) return
  for (const [index, constraint] of constraints.entries()) {
    if (!counts(constraint, pod, node) || !selects(constraint.selector, other.pod.metadata.labels)) continue
    spread.add(index, node.node.metadata.labels?.[constraint.topologyKey] as string, by)
  }
}

interface ScoreNotes {
  readonly constraints: readonly Constraint[]
  /** Of each constraint: domain → pods. */
  readonly domains: readonly ReadonlyMap<string, number>[]
  /** Of each constraint: how much a pod weighs, the more the more domains there are. */
  readonly weights: readonly number[]
  readonly ignored: ReadonlySet<string>
}

export const podTopologySpread = ({ defaultingType = 'System', defaultConstraints = [] }: TopologySpreadArgs): Plugin => {
  const defaults = defaultingType === 'System' ? SYSTEM_DEFAULTS : defaultConstraints
  const hard = new Kept<Spread>()
  const soft = new Kept<Spread>()
  return {
    name: NAME,
    preFilter: ({ snapshot, state }, info) => {
      const constraints = constraintsOf(info.pod, 'DoNotSchedule', defaults)
      if (constraints.length === 0) return SKIP
      state.write(NAME, kept(hard, snapshot, info, constraints, true))
      return null
    },
    addPod: (cycle, pod, other, node) => updated(cycle, pod, other, node, 1),
    removePod: (cycle, pod, other, node) => updated(cycle, pod, other, node, -1),
    filter: ({ state }, { pod }, node) => {
      const spread = state.read<Spread>(NAME)
      for (let index = 0; index < spread.constraints.length; index++) {
        const value = spread.domainOf(index, node)
        if (value === undefined) return NO_TOPOLOGY
        if (spread.isFull(index, value, pod)) return TOO_MANY
      }
      return null
    },
    preScore: ({ snapshot, state }, info, nodes) => {
      const { pod } = info
      const constraints = constraintsOf(pod, 'ScheduleAnyway', defaults)
      if (constraints.length === 0) return SKIP
      // The system's own defaults are no reason to leave a node without a zone out.
      const all = (pod.spec.topologySpreadConstraints ?? []).length > 0 || defaultingType === 'List'
      const spread = kept(soft, snapshot, info, constraints, all)
      state.write(`${NAME} score`, scoreNotes(spread, nodes, all))
      return null
    },
    score: ({ state }, { pod }, node) => {
      const { constraints, domains, weights, ignored } = state.read<ScoreNotes>(`${NAME} score`)
      if (ignored.has(node.name)) return 0
      let score = 0
      for (const [index, { topologyKey, selector, maxSkew }] of constraints.entries()) {
        const value = node.node.metadata.labels?.[topologyKey]
        if (value === undefined) continue
        // Hosts are counted as they are, whether they count for others or not.
        const count = topologyKey === HOSTNAME ? matching(node, selector, pod.metadata.namespace) : (domains[index]?.get(value) ?? 0)
        score += count * (weights[index] as number) + (maxSkew - 1)
      }
      return Math.round(score)
    },
    normalize: ({ state }, _pod, scores, nodes) => {
      const { ignored } = state.read<ScoreNotes>(`${NAME} score`)
      let least = Infinity
      let most = 0
      for (const [index, score] of scores.entries()) {
        if (ignored.has((nodes[index] as NodeInfo).name)) continue
        least = Math.min(least, score)
        most = Math.max(most, score)
      }
      for (const [index, score] of scores.entries()) {
        if (ignored.has((nodes[index] as NodeInfo).name)) scores[index] = 0
        else scores[index] = most === 0 ? SCORE_MOST : Math.trunc((SCORE_MOST * (most + least - score)) / most)
      }
    },
    mayHelp: (_pod, { resource }) => resource === 'Node' || resource === 'AssignedPod',
  }
}

const scoreNotes = ({ constraints, domains }: Spread, feasible: readonly NodeInfo[], requireAll: boolean): ScoreNotes => {
  const ignored = new Set<string>()
  const among = constraints.map(() => new Set<string>())
  for (const node of feasible) {
    if (requireAll && !hasAll(constraints, node)) {
      ignored.add(node.name)
      continue
    }
    for (const [index, { topologyKey }] of constraints.entries()) {
      const value = node.node.metadata.labels?.[topologyKey]
      if (value !== undefined && topologyKey !== HOSTNAME) among[index]?.add(value)
    }
  }
  const weights = constraints.map(({ topologyKey }, index) =>
    naturalLog((topologyKey === HOSTNAME ? feasible.length - ignored.size : (among[index]?.size ?? 0)) + 2),
  )
  return { constraints, domains, weights, ignored }
}
