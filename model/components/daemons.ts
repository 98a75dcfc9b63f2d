/**
 * Which nodes a DaemonSet wants a pod on, and what an update may do to those that are there.
 *
 * Source: https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/
 */
import type { IntOrPercent, Node, NodeSelectorTerm, Pod, PodSpec, Toleration } from '../state/objects.ts'
import { selectsNode, toleratesTaint } from '../state/selector.ts'
import type { DaemonSet } from '../state/stateful.ts'

const TOLERATED: readonly (readonly [string, 'NoExecute' | 'NoSchedule'])[] = [
  ['not-ready', 'NoExecute'],
  ['unreachable', 'NoExecute'],
  ['disk-pressure', 'NoSchedule'],
  ['memory-pressure', 'NoSchedule'],
  ['pid-pressure', 'NoSchedule'],
  ['unschedulable', 'NoSchedule'],
]

const toleration = ([key, effect]: readonly [string, 'NoExecute' | 'NoSchedule']): Toleration => ({
  key: `node.kubernetes.io/${key}`,
  operator: 'Exists',
  effect,
})

/** The spec of a pod for one node, which may go nowhere else. */
export const specFor = ({ spec: { template } }: DaemonSet, node: string): PodSpec => {
  const { spec } = template
  const { nodeAffinity } = spec.affinity ?? {}
  const terms = nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [{}]
  const nodeSelectorTerms = terms.map((term): NodeSelectorTerm => ({
    ...term,
    matchFields: [{ key: 'metadata.name', operator: 'In', values: [node] }],
  }))
  const network = spec['hostNetwork'] === true ? [toleration(['network-unavailable', 'NoSchedule'])] : []
  return {
    ...spec,
    affinity: {
      ...spec.affinity,
      nodeAffinity: { ...nodeAffinity, requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } },
    },
    tolerations: [...(spec.tolerations ?? []), ...TOLERATED.map(toleration), ...network],
  }
}

const selects = (set: DaemonSet, node: Node, spec: PodSpec): boolean =>
  ((spec.nodeName ?? '') === '' || spec.nodeName === node.metadata.name) && selectsNode({ ...PLAIN, spec }, node)
const PLAIN: Omit<Pod, 'spec'> = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: '', uid: '', creationTimestamp: '' },
  status: { phase: 'Pending' },
}

const tolerates = (node: Node, spec: PodSpec, effects: readonly string[]): boolean =>
  (node.spec.taints ?? []).every((taint) => !effects.includes(taint.effect) || toleratesTaint(spec.tolerations, taint))

/** It is to have a pod, whether or not there is room for one. */
export const wanted = (set: DaemonSet, node: Node): boolean => {
  const spec = specFor(set, node.metadata.name)
  return selects(set, node, spec) && tolerates(node, spec, ['NoExecute', 'NoSchedule'])
}
/** A pod that is there may stay. */
export const mayStay = (set: DaemonSet, node: Node): boolean => {
  const spec = specFor(set, node.metadata.name)
  return selects(set, node, spec) && tolerates(node, spec, ['NoExecute'])
}

/** Where a pod is, or has to go. */
export const placeOf = ({ spec }: Pod): string => {
  if ((spec.nodeName ?? '') !== '') return spec.nodeName as string
  const terms = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? []
  return terms.flatMap(({ matchFields = [] }) => matchFields).find(({ key }) => key === 'metadata.name')?.values?.[0] ?? ''
}

const share = (value: IntOrPercent, total: number): number =>
  typeof value === 'number' ? value : Math.ceil((Number.parseFloat(value) * total) / 100)
/** How many nodes may be without an available pod, or have two, of so many that are to have one. Both round up. */
export const limits = ({ spec }: DaemonSet, total: number): { readonly surge: number; readonly unavailable: number } => {
  const { maxSurge = 0, maxUnavailable = 1 } = spec.updateStrategy.rollingUpdate ?? {}
  const surge = share(maxSurge, total)
  const unavailable = share(maxUnavailable, total)
  return { surge, unavailable: surge + unavailable === 0 ? 1 : unavailable }
}
