/**
 * NodeAffinity: node selectors and node affinity, required and preferred, of the pod and of the scheduler's own.
 *
 * Source: kubernetes/kubernetes pkg/scheduler/framework/plugins/nodeaffinity/node_affinity.go.
 */
import type { Node, NodeAffinity, NodeSelectorRequirement, NodeSelectorTerm, Pod } from '../../../model/state/objects.ts'
import { normalizeByMost, SKIP, unresolvable, type Plugin, type PreFilterResult, type Status } from '../framework.ts'

const WHOLE = /^[+-]?\d+$/
/** Both as whole numbers; NaN, which compares with nothing, where one is none. */
const difference = (held: string | undefined, bound: string | undefined): number =>
  held !== undefined && bound !== undefined && WHOLE.test(held) && WHOLE.test(bound) ? Number(held) - Number(bound) : NaN

const LABEL_VALUE = /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/
/** A requirement that no label could be written for is met by none, whatever it asks. */
const isValid = ({ values = [] }: NodeSelectorRequirement): boolean => values.every((value) => LABEL_VALUE.test(value))

const requirementHolds = ({ key, operator, values = [] }: NodeSelectorRequirement, held: string | undefined): boolean => {
  switch (operator) {
    case 'In':
      return held !== undefined && values.includes(held)
    case 'NotIn':
      return held === undefined || !values.includes(held)
    case 'Exists':
      return held !== undefined
    case 'DoesNotExist':
      return held === undefined
    case 'Gt':
      return difference(held, values[0]) > 0
    case 'Lt':
      return difference(held, values[0]) < 0
    default:
      throw new Error(`unknown operator for ${key}`)
  }
}

/** A term without requirements matches nothing. */
export const termHolds = ({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm, node: Node): boolean =>
  matchExpressions.length + matchFields.length > 0 &&
  matchExpressions.every((requirement) => isValid(requirement) && requirementHolds(requirement, node.metadata.labels?.[requirement.key])) &&
  matchFields.every((requirement) => requirementHolds(requirement, requirement.key === 'metadata.name' ? node.metadata.name : undefined))

const requiredHolds = (affinity: NodeAffinity | undefined, node: Node): boolean => {
  const required = affinity?.requiredDuringSchedulingIgnoredDuringExecution
  // One without terms is met by no node.
  return required === undefined || (required.nodeSelectorTerms ?? []).some((term) => termHolds(term, node))
}

/** nodeSelector and required node affinity together. */
export const nodeMatches = (pod: Pod, node: Node): boolean => {
  for (const [key, value] of Object.entries(pod.spec.nodeSelector ?? {})) if (node.metadata.labels?.[key] !== value) return false
  return requiredHolds(pod.spec.affinity?.nodeAffinity, node)
}

/** The nodes that the pod's terms name, when each names some; null: any. */
const namedNodes = (pod: Pod): ReadonlySet<string> | null => {
  const terms = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? []
  const names = new Set<string>()
  for (const { matchFields = [] } of terms) {
    let own: Set<string> | null = null
    for (const { key, operator, values = [] } of matchFields) {
      if (key !== 'metadata.name' || operator !== 'In') continue
      own = own === null ? new Set(values) : own.intersection(new Set(values))
    }
    // A term that names none allows any.
    if (own === null) return null
    for (const name of own) names.add(name)
  }
  return terms.length === 0 ? null : names
}

export interface NodeAffinityArgs {
  readonly addedAffinity?: NodeAffinity
}

export const nodeAffinity = ({ addedAffinity }: NodeAffinityArgs): Plugin => ({
  name: 'NodeAffinity',
  local: true,
  preFilter: (_cycle, { pod }): Status | PreFilterResult | null => {
    const required = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
    if (addedAffinity === undefined && required === undefined && pod.spec.nodeSelector === undefined) return SKIP
    const nodeNames = namedNodes(pod)
    if (nodeNames === null) return null
    return nodeNames.size === 0 ? unresolvable('pod affinity terms conflict') : { nodeNames }
  },
  filter: (_cycle, { pod }, { node }) => {
    if (!requiredHolds(addedAffinity, node)) return unresolvable("node(s) didn't match scheduler-enforced node affinity")
    return nodeMatches(pod, node) ? null : unresolvable("node(s) didn't match Pod's node affinity/selector")
  },
  preScore: ({ state }, { pod }) => {
    const terms = [addedAffinity, pod.spec.affinity?.nodeAffinity].flatMap(
      (affinity) => affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [],
    )
    state.write('NodeAffinity', terms)
    return terms.length === 0 ? SKIP : null
  },
  score: ({ state }, _pod, { node }) => {
    const terms = state.read<NonNullable<NodeAffinity['preferredDuringSchedulingIgnoredDuringExecution']>>('NodeAffinity')
    // A preference without requirements is for no node in particular: it counts for none.
    return terms.reduce((sum, { weight, preference }) => (termHolds(preference, node) ? sum + weight : sum), 0)
  },
  normalize: (_cycle, _pod, scores) => normalizeByMost(scores, false),
  mayHelp: (pod, { resource, action, before, after }) => {
    if (resource !== 'Node' || action === 'Delete') return false
    if (!nodeMatches(pod, after as Node)) return false
    return action === 'Add' || !nodeMatches(pod, before as Node)
  },
})
