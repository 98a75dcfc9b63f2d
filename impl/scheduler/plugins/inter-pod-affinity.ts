/**
 * InterPodAffinity: pods that want to be with, or away from, other pods of a topology; and others that want so of them.
 *
 * Source: kubernetes/kubernetes pkg/scheduler/framework/plugins/interpodaffinity.
 */
import type { Pod, PodAffinityTerm } from '../../../model/state/objects.ts'
import { selects } from '../../selector.ts'
import { SCORE_MOST, SKIP, unresolvable, unschedulable, type Cycle, type Plugin, type Snapshot } from '../framework.ts'
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

/** 'key=value' of a topology → how many pods. Keys that fall to zero are dropped. */
class Counts {
  private readonly counts: Map<string, number>

  constructor(counts: ReadonlyMap<string, number> = new Map()) {
    this.counts = new Map(counts)
  }

  get size(): number {
    return this.counts.size
  }

  add(key: string, value: string | undefined, by: number): void {
    if (value === undefined) return
    const pair = `${key}=${value}`
    const sum = (this.counts.get(pair) ?? 0) + by
    if (sum === 0) this.counts.delete(pair)
    else this.counts.set(pair, sum)
  }

  get(key: string, value: string): number {
    return this.counts.get(`${key}=${value}`) ?? 0
  }

  /** Whether any label of a node is counted. */
  touches(labels: Readonly<Record<string, string>>): boolean {
    if (this.counts.size === 0) return false
    for (const [key, value] of Object.entries(labels)) if (this.get(key, value) > 0) return true
    return false
  }

  copy(): Counts {
    return new Counts(this.counts)
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

export const interPodAffinity = ({
  hardPodAffinityWeight = HARD_WEIGHT,
  ignorePreferredTermsOfExistingPods = false,
}: InterPodAffinityArgs): Plugin => ({
  name: NAME,
  preFilter: (cycle, pod) => {
    const { snapshot, state } = cycle
    const own = pod.requiredAffinity.length + pod.requiredAntiAffinity.length > 0
    if (!own && snapshot.withRequiredAntiAffinity.length === 0) return SKIP
    const notes = new Notes(new Counts(), new Counts(), new Counts())
    for (const node of own ? snapshot.nodes : snapshot.withRequiredAntiAffinity) {
      for (const other of node.pods.values()) {
        if (own || other.requiredAntiAffinity.length > 0) count(notes, cycle, pod, other, node, 1)
      }
    }
    if (!own && notes.existingAnti.size === 0) return SKIP
    state.write(NAME, notes)
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
    if (!own && (ignorePreferredTermsOfExistingPods || snapshot.withAffinity.length === 0)) return SKIP
    const scores = new Counts()
    for (const node of own ? snapshot.nodes : snapshot.withAffinity) {
      for (const other of node.pods.values())
        weigh(scores, cycle, pod, other, node, { hard: hardPodAffinityWeight, existing: !ignorePreferredTermsOfExistingPods })
    }
    if (scores.size === 0) return SKIP
    state.write(`${NAME} score`, scores)
    return null
  },
  score: ({ state }, _pod, { node }) => {
    const scores = state.read<Counts>(`${NAME} score`)
    return Object.entries(node.metadata.labels ?? {}).reduce((sum, [key, value]) => sum + scores.get(key, value), 0)
  },
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
  { hard, existing }: { readonly hard: number; readonly existing: boolean },
): void => {
  const labels = node.metadata.labels ?? {}
  const add = (terms: readonly WeightedTerm[], owner: Pod, target: Pod, sign: 1 | -1): void => {
    for (const { term, weight } of terms) {
      if (labels[term.topologyKey] !== undefined && speaksOf(term, owner, target, snapshot))
        scores.add(term.topologyKey, labels[term.topologyKey], sign * weight)
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
