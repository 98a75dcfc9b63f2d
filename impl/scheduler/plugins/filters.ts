/** The filters of the default profile that the slice needs, with the upstream plugins' names and reasons. */
import type { Node, NodeSelectorRequirement, NodeSelectorTerm, Taint } from '../../../model/state/objects.ts'
import { tolerates } from '../../taints.ts'
import type { FilterPlugin } from '../framework.ts'
import { requestOf } from '../request.ts'

const UNSCHEDULABLE: Taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }

const nodeUnschedulable: FilterPlugin = {
  name: 'NodeUnschedulable',
  filter: ({ pod }, { node }) => {
    if (node.spec.unschedulable !== true) return null
    const tolerated = (pod.spec.tolerations ?? []).some((toleration) => tolerates(toleration, UNSCHEDULABLE))
    return tolerated ? null : 'node(s) were unschedulable'
  },
}

const nodeName: FilterPlugin = {
  name: 'NodeName',
  filter: ({ pod }, { node }) =>
    (pod.spec.nodeName ?? '') === '' || pod.spec.nodeName === node.metadata.name ? null : "node(s) didn't match the requested node name",
}

const taintToleration: FilterPlugin = {
  name: 'TaintToleration',
  filter: ({ pod }, { node }) => {
    const taint = (node.spec.taints ?? []).find(
      (one) => one.effect !== 'PreferNoSchedule' && !(pod.spec.tolerations ?? []).some((toleration) => tolerates(toleration, one)),
    )
    return taint === undefined ? null : `node(s) had untolerated taint {${taint.key}: ${taint.value ?? ''}}`
  },
}

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
      return held !== undefined && Number(held) > Number(values[0])
    case 'Lt':
      return held !== undefined && Number(held) < Number(values[0])
    default:
      throw new Error(`unknown operator for ${key}`)
  }
}

/** A term without requirements matches nothing. */
const termHolds = (term: NodeSelectorTerm, node: Node): boolean => {
  const expressions = term.matchExpressions ?? []
  const fields = term.matchFields ?? []
  if (expressions.length + fields.length === 0) return false
  return (
    expressions.every((requirement) => requirementHolds(requirement, node.metadata.labels?.[requirement.key])) &&
    fields.every((requirement) => requirementHolds(requirement, requirement.key === 'metadata.name' ? node.metadata.name : undefined))
  )
}

const nodeAffinity: FilterPlugin = {
  name: 'NodeAffinity',
  filter: ({ pod }, { node }) => {
    const labels = node.metadata.labels ?? {}
    const selected = Object.entries(pod.spec.nodeSelector ?? {}).every(([key, value]) => labels[key] === value)
    const terms = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms
    const affine = terms === undefined || terms.some((term) => termHolds(term, node))
    return selected && affine ? null : "node(s) didn't match Pod's node affinity/selector"
  },
}

const nodePorts: FilterPlugin = {
  name: 'NodePorts',
  filter: ({ request }, { pods }) => {
    if (request.hostPorts.length === 0) return null
    for (const other of pods.values()) {
      if (requestOf(other).hostPorts.some((port) => request.hostPorts.includes(port))) {
        return "node(s) didn't have free ports for the requested pod ports"
      }
    }
    return null
  },
}

const nodeResourcesFit: FilterPlugin = {
  name: 'NodeResourcesFit',
  filter: ({ request }, { pods, podsMost, requested, allocatable }) => {
    const short: string[] = []
    if (pods.size + 1 > podsMost) short.push('Too many pods')
    for (const [name, asked] of request.resources) {
      if (asked > 0 && asked > (allocatable.get(name) ?? 0) - (requested.get(name) ?? 0)) short.push(`Insufficient ${name}`)
    }
    return short.length === 0 ? null : short.join(', ')
  },
}

export const FILTERS: readonly FilterPlugin[] = [nodeUnschedulable, nodeName, taintToleration, nodeAffinity, nodePorts, nodeResourcesFit]
