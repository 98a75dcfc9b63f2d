/**
 * The pods of a DaemonSet: which nodes are to have one, and what ties a pod to its node.
 *
 * Source: kubernetes/kubernetes pkg/controller/daemon/{daemon_controller.go,util/daemonset_util.go}.
 */
import type { IntOrPercent, Node, NodeSelectorTerm, Pod, PodSpec, Toleration } from '../../model/state/objects.ts'
import type { ControllerRevision, DaemonSet } from '../../model/state/stateful.ts'
import { conditionOf, controllerRef, isDeleting, isReady } from '../objects.ts'
import { nodeMatches } from '../scheduler/plugins/node-affinity.ts'
import { tolerates } from '../taints.ts'
import { epochMs } from '../time.ts'
import { HASH_LABEL, REVISION_LABEL } from './revisions.ts'

const always = (key: string, effect: 'NoExecute' | 'NoSchedule'): Toleration => ({
  key: `node.kubernetes.io/${key}`,
  operator: 'Exists',
  effect,
})
/** A daemon stays where others are told to go, and comes where others may not. */
const TOLERATIONS: readonly Toleration[] = [
  always('not-ready', 'NoExecute'),
  always('unreachable', 'NoExecute'),
  always('disk-pressure', 'NoSchedule'),
  always('memory-pressure', 'NoSchedule'),
  always('pid-pressure', 'NoSchedule'),
  always('unschedulable', 'NoSchedule'),
]

/** As it is made for a node: the scheduler can put it nowhere else. */
export const daemonSpec = (spec: PodSpec, node: string): PodSpec => {
  const network = spec['hostNetwork'] === true ? [always('network-unavailable', 'NoSchedule')] : []
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [{}]
  const pinned = required.map((term): NodeSelectorTerm => ({
    ...term,
    matchFields: [{ key: 'metadata.name', operator: 'In', values: [node] }],
  }))
  return {
    ...spec,
    affinity: {
      ...spec.affinity,
      nodeAffinity: {
        ...spec.affinity?.nodeAffinity,
        requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: pinned },
      },
    },
    tolerations: [...(spec.tolerations ?? []), ...TOLERATIONS, ...network],
  }
}

export const makePod = (set: DaemonSet, node: string, revision: ControllerRevision) => {
  const { template } = set.spec
  return {
    apiVersion: 'v1',
    kind: 'Pod' as const,
    metadata: {
      ...template.metadata,
      generateName: `${set.metadata.name}-`,
      ...(set.metadata.namespace === undefined ? {} : { namespace: set.metadata.namespace }),
      labels: { ...template.metadata.labels, [REVISION_LABEL]: hashOf(revision) },
      ownerReferences: [controllerRef(set)],
    },
    spec: daemonSpec(template.spec, node),
  }
}

export const hashOf = ({ metadata }: ControllerRevision): string => metadata.labels?.[HASH_LABEL] ?? ''
export const isOf = (pod: Pod, revision: ControllerRevision): boolean => pod.metadata.labels?.[REVISION_LABEL] === hashOf(revision)

/** The node a pod is on, or the only one it may go to. */
export const nodeOf = ({ spec }: Pod): string => {
  if ((spec.nodeName ?? '') !== '') return spec.nodeName as string
  for (const term of spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [])
    for (const { key, values } of term.matchFields ?? []) if (key === 'metadata.name' && values?.[0] !== undefined) return values[0]
  return ''
}

/** Whether a node is to have a pod, and whether one that is there may stay. Room is the scheduler's affair. */
export const wants = (set: DaemonSet, node: Node): { readonly run: boolean; readonly stay: boolean } => {
  const spec = daemonSpec(set.spec.template.spec, node.metadata.name)
  const named = (spec.nodeName ?? '') === '' || spec.nodeName === node.metadata.name
  if (!named || !nodeMatches({ spec } as Pod, node)) return { run: false, stay: false }
  const repelled = (node.spec.taints ?? []).filter((taint) => !(spec.tolerations ?? []).some((toleration) => tolerates(toleration, taint)))
  const expelled = repelled.some(({ effect }) => effect === 'NoExecute')
  return { run: repelled.every(({ effect }) => effect === 'PreferNoSchedule'), stay: !expelled }
}

export const isAvailable = (set: DaemonSet, pod: Pod, nowMs: number): boolean => {
  if (!isReady(pod)) return false
  const seconds = set.spec.minReadySeconds ?? 0
  const since = conditionOf(pod.status.conditions, 'Ready')?.lastTransitionTime
  return seconds === 0 || (since !== undefined && epochMs(since) + seconds * 1000 <= nowMs)
}

/** Pods of a node that are to stay: one of the current revision, one of an older; null: more than that, to be cleared up first. */
export const pairOf = (
  pods: readonly Pod[],
  current: ControllerRevision,
): { readonly fresh: Pod | undefined; readonly old: Pod | undefined } | null => {
  const lasting = pods.filter((pod) => !isDeleting(pod))
  const fresh = lasting.filter((pod) => isOf(pod, current))
  const old = lasting.filter((pod) => !isOf(pod, current))
  return fresh.length > 1 || old.length > 1 ? null : { fresh: fresh[0], old: old[0] }
}

/** Shares of the nodes that are to have a pod; both round up. */
export const limits = ({ spec }: DaemonSet, desired: number): { readonly surge: number; readonly unavailable: number } => {
  const { maxSurge = 0, maxUnavailable = 1 } = spec.updateStrategy.rollingUpdate ?? {}
  const share = (value: IntOrPercent): number =>
    typeof value === 'number' ? value : Math.ceil((Number(value.slice(0, -1)) * desired) / 100)
  const [surge, unavailable] = [share(maxSurge), share(maxUnavailable)]
  return { surge, unavailable: surge === 0 && unavailable === 0 ? 1 : unavailable }
}
