/**
 * InterPodAffinity: pods that want to be with, or away from, other pods of a topology; and others that want so of them.
 *
 * Source: kubernetes/kubernetes pkg/scheduler/framework/plugins/interpodaffinity.
 */
import type { Pod, PodAffinityTerm } from '../../../model/state/objects.ts'
import { selects } from '../../selector.ts'
import { SCORE_MOST, SKIP, unresolvable, unschedulable, type Cycle, type Plugin, type Snapshot } from '../framework.ts'
import { Kept } from '../kept.ts'
import { likenessOf } from '../likeness.ts'
import type { NodeInfo, PodInfo, WeightedTerm } from '../node-info.ts'

export interface InterPodAffinityArgs {
  /** What an existing pod's required affinity to the new one counts for: 0 to 100. */
  readonly hardPodAffinityWeight?: number
  readonly ignorePreferredTermsOfExistingPods?: boolean
}

const NAME = 'InterPodAffinity'
const HARD_WEIGHT = 1

/** Whether `other` is one of those that a term of `owner` speaks of. */
const speaksOf = (term: PodAffinityTerm, owner: Pod, other: Pod, snapshot: Snapshot): boolean => {
  if (!selects(term.labelSelector, other.metadata.labels)) return false
  const { namespaces = [], namespaceSelector } = term
  const namespace = other.metadata.namespace as string
  if (namespaces.length === 0 && namespaceSelector === undefined) return namespace === owner.metadata.namespace
  if (namespaces.includes(namespace)) return true
  const labels = snapshot.objects.namespace(namespace)?.metadata.labels
  return namespaceSelector !== undefined && selects(namespaceSelector, labels)
}

/** Topology key → its value → how many pods, or how much they weigh. What falls to zero is dropped. */
class Counts {
  private readonly byKey: Map<string, Map<string, number>>
  /** How many values are counted. */
  size = 0

  constructor(counts: Counts | null = null) {
    this.byKey = new Map([...(counts?.byKey ?? [])].map(([key, values]) => [key, new Map(values)]))
    this.size = counts?.size ?? 0
  }

  add(key: string, value: string | undefined, by: number): void {
    if (value === undefined) return
    let values = this.byKey.get(key)
    if (values === undefined) {
      values = new Map()
      this.byKey.set(key, values)
    }
    const before = values.get(value) ?? 0
    if (before === 0) this.size++
    if (before + by !== 0) values.set(value, before + by)
    else {
      values.delete(value)
      this.size--
    }
  }

  get(key: string, value: string): number {
    return this.byKey.get(key)?.get(value) ?? 0
  }

  /** Over the labels of a node. */
  sum(labels: Readonly<Record<string, string>>): number {
    let sum = 0
    for (const [key, values] of this.byKey) sum += values.get(labels[key] as string) ?? 0
    return sum
  }

  /** Whether any label of a node is counted. */
  touches(labels: Readonly<Record<string, string>>): boolean {
    for (const [key, values] of this.byKey) if ((values.get(labels[key] as string) ?? 0) > 0) return true
    return false
  }

  copy(): Counts {
    return new Counts(this)
  }
}

class Notes {
  readonly existingAnti: Counts
  readonly affinity: Counts
  readonly anti: Counts

  constructor(existingAnti: Counts, affinity: Counts, anti: Counts) {
    this.existingAnti = existingAnti
    this.affinity = affinity
    this.anti = anti
  }

  copy(): Notes {
    return new Notes(this.existingAnti.copy(), this.affinity.copy(), this.anti.copy())
  }
}

const matchesAll = (terms: readonly PodAffinityTerm[], owner: Pod, other: Pod, snapshot: Snapshot): boolean =>
  terms.length > 0 && terms.every((term) => speaksOf(term, owner, other, snapshot))

/** Counts an existing pod in or out. */
const count = (notes: Notes, { snapshot }: Cycle, pod: PodInfo, other: PodInfo, { node }: NodeInfo, by: 1 | -1): void => {
  const labels = node.metadata.labels ?? {}
  for (const term of other.requiredAntiAffinity) {
    if (speaksOf(term, other.pod, pod.pod, snapshot)) notes.existingAnti.add(term.topologyKey, labels[term.topologyKey], by)
  }
  if (matchesAll(pod.requiredAffinity, pod.pod, other.pod, snapshot)) {
    for (const { topologyKey } of pod.requiredAffinity) notes.affinity.add(topologyKey, labels[topologyKey], by)
  }
  for (const term of pod.requiredAntiAffinity) {
    if (speaksOf(term, pod.pod, other.pod, snapshot)) notes.anti.add(term.topologyKey, labels[term.topologyKey], by)
  }
}

const affinityHolds = (notes: Notes, pod: PodInfo, { node }: NodeInfo, snapshot: Snapshot): boolean => {
  let found = true
  for (const { topologyKey } of pod.requiredAffinity) {
    const value = node.metadata.labels?.[topologyKey]
    // Every topology has to be there, even for the first pod of its kind.
    if (value === undefined) return false
    if (notes.affinity.get(topologyKey, value) <= 0) found = false
  }
  // The first of a group that wants to be with its like may go anywhere.
  return found || (notes.affinity.size === 0 && matchesAll(pod.requiredAffinity, pod.pod, pod.pod, snapshot))
}

const antiAffinityHolds = (notes: Notes, pod: PodInfo, { node }: NodeInfo): boolean =>
  pod.requiredAntiAffinity.every(({ topologyKey }) => {
    const value = node.metadata.labels?.[topologyKey]
    return value === undefined || notes.anti.get(topologyKey, value) <= 0
  })

/** What was counted may be kept: no term looks at labels of namespaces, which change without a pod coming or going. */
interface KeptNotes {
  readonly notes: Notes
  readonly lasting: boolean
}
interface KeptScores {
  readonly scores: Counts
  readonly lasting: boolean
}

const byNamespace = ({ namespaceSelector }: PodAffinityTerm): boolean => namespaceSelector !== undefined
const termsOf = (info: PodInfo): readonly PodAffinityTerm[] => [
  ...info.requiredAffinity,
  ...info.requiredAntiAffinity,
  ...info.preferredAffinity.map(({ term }) => term),
  ...info.preferredAntiAffinity.map(({ term }) => term),
]
const looksAtNamespaces = ({ withAffinity }: Snapshot, pod: PodInfo): boolean =>
  termsOf(pod).some(byNamespace) || withAffinity.some(({ pods }) => [...pods.values()].some((other) => termsOf(other).some(byNamespace)))

/** own: the pod itself asks for something, so that every other counts. */
const keptNotes = (kept: Kept<KeptNotes>, cycle: Cycle, pod: PodInfo, own: boolean): KeptNotes => {
  const { snapshot } = cycle
  return kept.get(
    snapshot,
    String(likenessOf(pod).pod),
    () => {
      const notes = new Notes(new Counts(), new Counts(), new Counts())
      for (const node of own ? snapshot.nodes : snapshot.withRequiredAntiAffinity)
        for (const other of node.pods.values()) count(notes, cycle, pod, other, node, 1)
      return { notes, lasting: !looksAtNamespaces(snapshot, pod) }
    },
    ({ notes, lasting }, { info, node, by }) => {
      if (!lasting || info.requiredAntiAffinity.some(byNamespace)) return false
      if (snapshot.node(node.name) !== undefined) count(notes, cycle, pod, info, node, by)
      return true
    },
  )
}

interface Rules {
  /** What an existing pod's required affinity counts for. */
  readonly hard: number
  /** Whether preferences of existing pods count. */
  readonly existing: boolean
}

const keptScores = (kept: Kept<KeptScores>, cycle: Cycle, pod: PodInfo, rules: Rules, own: boolean): KeptScores => {
  const { snapshot } = cycle
  return kept.get(
    snapshot,
    String(likenessOf(pod).pod),
    () => {
      const scores = new Counts()
      for (const node of own ? snapshot.nodes : snapshot.withAffinity)
        for (const other of node.pods.values()) weigh(scores, cycle, pod, other, node, rules, 1)
      return { scores, lasting: !looksAtNamespaces(snapshot, pod) }
    },
    ({ scores, lasting }, { info, node, by }) => {
      if (!lasting || termsOf(info).some(byNamespace)) return false
      if (snapshot.node(node.name) !== undefined) weigh(scores, cycle, pod, info, node, rules, by)
      return true
    },
  )
}

export const interPodAffinity = (args: InterPodAffinityArgs): Plugin => pluginOf(args, new Kept<KeptNotes>(), new Kept<KeptScores>())

const pluginOf = (
  { hardPodAffinityWeight = HARD_WEIGHT, ignorePreferredTermsOfExistingPods = false }: InterPodAffinityArgs,
  required: Kept<KeptNotes>,
  preferred: Kept<KeptScores>,
): Plugin => ({
  name: NAME,
  preFilter: (cycle, pod) => {
    const { snapshot, state } = cycle
    const own = pod.requiredAffinity.length + pod.requiredAntiAffinity.length > 0
    if (!own && snapshot.antiAffinityPods === 0) return SKIP
    const counted = keptNotes(required, cycle, pod, own)
    if (!own && counted.notes.existingAnti.size === 0) return SKIP
    state.write(NAME, counted.notes)
    return null
  },
  addPod: (cycle, pod, other, node) => count(cycle.state.read<Notes>(NAME), cycle, pod, other, node, 1),
  removePod: (cycle, pod, other, node) => count(cycle.state.read<Notes>(NAME), cycle, pod, other, node, -1),
  filter: ({ state, snapshot }, pod, node) => {
    const notes = state.read<Notes>(NAME)
    if (!affinityHolds(notes, pod, node, snapshot)) return unresolvable("node(s) didn't match pod affinity rules")
    if (!antiAffinityHolds(notes, pod, node)) return unschedulable("node(s) didn't match pod anti-affinity rules")
    if (notes.existingAnti.touches(node.node.metadata.labels ?? {}))
      return unschedulable("node(s) didn't satisfy existing pods anti-affinity rules")
    return null
  },
  preScore: (cycle, pod) => {
    const { snapshot, state } = cycle
    const own = pod.preferredAffinity.length + pod.preferredAntiAffinity.length > 0
    if (!own && (ignorePreferredTermsOfExistingPods || snapshot.affinityPods === 0)) return SKIP
    const rules = { hard: hardPodAffinityWeight, existing: !ignorePreferredTermsOfExistingPods }
    const { scores } = keptScores(preferred, cycle, pod, rules, own)
    if (scores.size === 0) return SKIP
    state.write(`${NAME} score`, scores)
    return null
  },
  score: ({ state }, _pod, { node }) => state.read<Counts>(`${NAME} score`).sum(node.metadata.labels ?? {}),
  normalize: (_cycle, _pod, scores) => {
    let least = Infinity
    let most = -Infinity
    for (const score of scores) {
      least = Math.min(least, score)
      most = Math.max(most, score)
    }
    for (const [index, score] of scores.entries()) {
      scores[index] = most > least ? Math.trunc(SCORE_MOST * ((score - least) / (most - least))) : 0
    }
  },
  mayHelp: (_pod, { resource }) => resource === 'Node' || resource === 'AssignedPod' || resource === 'Namespace',
})

/** What one existing pod says for and against its topologies. */
const weigh = (
  scores: Counts,
  { snapshot }: Cycle,
  pod: PodInfo,
  other: PodInfo,
  { node }: NodeInfo,
  { hard, existing }: Rules,
  by: 1 | -1,
): void => {
  const labels = node.metadata.labels ?? {}
  const add = (terms: readonly WeightedTerm[], owner: Pod, target: Pod, sign: 1 | -1): void => {
    for (const { term, weight } of terms) {
      if (labels[term.topologyKey] !== undefined && speaksOf(term, owner, target, snapshot))
        scores.add(term.topologyKey, labels[term.topologyKey], by * sign * weight)
    }
  }
  add(pod.preferredAffinity, pod.pod, other.pod, 1)
  add(pod.preferredAntiAffinity, pod.pod, other.pod, -1)
  if (hard > 0)
    add(
      other.requiredAffinity.map((term) => ({ term, weight: hard })),
      other.pod,
      pod.pod,
      1,
    )
  if (!existing) return
  add(other.preferredAffinity, other.pod, pod.pod, 1)
  add(other.preferredAntiAffinity, other.pod, pod.pod, -1)
}
