/**
 * The pods that a workload's controller would still make: as many as are asked for, without those that are there.
 *
 * Source: https://kubernetes.io/docs/concepts/workloads/controllers/, and for DaemonSets kubernetes/kubernetes
 * pkg/controller/daemon/util/daemonset_util.go.
 */
import { nodeMatches } from '../../impl/scheduler/plugins/node-affinity.ts'
import { selects } from '../../impl/selector.ts'
import { tolerates } from '../../impl/taints.ts'
import type { ApiObject, LabelSelector, Node, Pod, PodTemplateSpec, Toleration } from '../../model/state/objects.ts'
import { isTerminal } from '../../impl/objects.ts'

export interface Workload extends ApiObject {
  readonly spec: {
    readonly replicas?: number
    readonly parallelism?: number
    readonly completions?: number
    readonly selector?: LabelSelector
    readonly template: PodTemplateSpec
  }
}

interface Around {
  readonly nodes: readonly Node[]
  readonly pods: readonly Pod[]
  readonly all: readonly ApiObject[]
}

const KINDS: readonly string[] = ['Deployment', 'ReplicaSet', 'StatefulSet', 'ReplicationController', 'Job', 'DaemonSet']
export const isWorkload = (kind: string): boolean => KINDS.includes(kind)

export const podsOfWorkload = (workload: Workload, around: Around): readonly Pod[] => {
  const owner = workload.metadata.ownerReferences?.find(({ controller }) => controller === true)
  // Its owner stands for it.
  if (owner !== undefined && around.all.some(({ kind, metadata }) => kind === owner.kind && metadata.name === owner.name)) return []
  const there = around.pods.filter((pod) => !isTerminal(pod) && isOf(workload, pod))
  if (workload.kind === 'DaemonSet') return daemonPods(workload, around.nodes, there)
  const missing = Math.max(0, wanted(workload) - there.length)
  return Array.from({ length: missing }, (_, index) => podOf(workload, String(there.length + index)))
}

const wanted = ({ kind, spec }: Workload): number => {
  if (kind !== 'Job') return spec.replicas ?? 1
  const atOnce = spec.parallelism ?? 1
  return spec.completions === undefined ? atOnce : Math.min(atOnce, spec.completions)
}

/** ReplicationControllers select by plain labels; a Job may leave its selector to the API server. */
const isOf = ({ kind, metadata, spec }: Workload, pod: Pod): boolean => {
  if (pod.metadata.namespace !== (metadata.namespace ?? 'default')) return false
  const selector = kind === 'ReplicationController' ? { matchLabels: (spec.selector ?? {}) as Record<string, string> } : spec.selector
  if (selector !== undefined) return selects(selector, pod.metadata.labels)
  return (pod.metadata.ownerReferences ?? []).some((owner) => owner.kind === kind && owner.name === metadata.name)
}

const podOf = ({ apiVersion, kind, metadata, spec }: Workload, suffix: string): Pod => {
  const namespace = metadata.namespace ?? 'default'
  const name = `${metadata.name}-${suffix}`
  const { labels, annotations } = spec.template.metadata ?? {}
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace,
      uid: `Pod/${namespace}/${name}`,
      ...(metadata.creationTimestamp === undefined ? {} : { creationTimestamp: metadata.creationTimestamp }),
      ...(labels === undefined ? {} : { labels }),
      ...(annotations === undefined ? {} : { annotations }),
      ownerReferences: [{ apiVersion, kind, name: metadata.name, uid: metadata.uid, controller: true }],
    },
    spec: spec.template.spec,
    status: { phase: 'Pending' },
  } as Pod
}

/** A daemon's pods stay where others would have to leave. */
const DAEMON_TOLERATIONS: readonly Toleration[] = [
  ...['not-ready', 'unreachable'].map((name): Toleration => ({
    key: `node.kubernetes.io/${name}`,
    operator: 'Exists',
    effect: 'NoExecute',
  })),
  ...['disk-pressure', 'memory-pressure', 'pid-pressure', 'unschedulable'].map((name): Toleration => ({
    key: `node.kubernetes.io/${name}`,
    operator: 'Exists',
    effect: 'NoSchedule',
  })),
]

/** One for each node that it is meant for, and that has none yet. */
const daemonPods = (workload: Workload, nodes: readonly Node[], there: readonly Pod[]): readonly Pod[] =>
  nodes.flatMap((node) => {
    const pod = podOf(workload, node.metadata.name)
    const tolerations = [...(pod.spec.tolerations ?? []), ...DAEMON_TOLERATIONS]
    const tainted = (node.spec.taints ?? []).some(
      (taint) => taint.effect !== 'PreferNoSchedule' && !tolerations.some((toleration) => tolerates(toleration, taint)),
    )
    if (tainted || !nodeMatches(pod, node) || there.some(({ spec }) => spec.nodeName === node.metadata.name)) return []
    const only = { matchFields: [{ key: 'metadata.name', operator: 'In' as const, values: [node.metadata.name] }] }
    const required = { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [only] } }
    const affinity = { ...pod.spec.affinity, nodeAffinity: { ...pod.spec.affinity?.nodeAffinity, ...required } }
    return [{ ...pod, spec: { ...pod.spec, tolerations, affinity } }]
  })
