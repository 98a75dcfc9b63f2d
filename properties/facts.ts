/**
 * What a committed write changed, as facts a person reads: 'node=- → node-1', 'phase=Pending → Running'.
 *
 * A kind shows what its readers look for first; everything else is told apart by its revision alone.
 */
import { addressesIn } from '../model/components/mirrored.ts'
import type { HorizontalPodAutoscaler } from '../model/state/autoscaling.ts'
import type { CronJob, Job } from '../model/state/batch.ts'
import type { Replicating } from '../model/state/replication.ts'
import type { Stored } from '../model/state/keyspace.ts'
import type { KubernetesObject } from '../model/state/kinds.ts'
import type { DaemonSet, StatefulSet } from '../model/state/stateful.ts'
import { groupOf, resourceOfKind } from '../model/state/resources.ts'
import type { ApiObject, Deployment, EndpointSlice, Node, Pod, Service } from '../model/state/objects.ts'
import type { PodDisruptionBudget, ResourceQuota } from '../model/state/policy.ts'

type Facts = Readonly<Record<string, string>>

const condition = (conditions: readonly { type: string; status: string }[] | undefined, type: string): string =>
  conditions?.find((entry) => entry.type === type)?.status ?? '-'

const podFacts = (pod: Pod): Facts => ({
  phase: pod.status.phase,
  node: pod.spec.nodeName ?? '-',
  ready: condition(pod.status.conditions, 'Ready'),
  ...(pod.status.reason === undefined ? {} : { reason: pod.status.reason }),
  ...(condition(pod.status.conditions, 'PodScheduled') === 'False'
    ? { scheduled: pod.status.conditions?.find((entry) => entry.type === 'PodScheduled')?.message ?? 'False' }
    : {}),
})
const nodeFacts = (node: Node): Facts => ({
  ready: condition(node.status.conditions, 'Ready'),
  unschedulable: String(node.spec.unschedulable ?? false),
  taints: (node.spec.taints ?? []).map((taint) => `${taint.key}:${taint.effect}`).join(',') || '-',
  attached: (node.status.volumesAttached ?? []).map(({ name }) => name).join(',') || '-',
  inUse: node.status.volumesInUse?.join(',') ?? '-',
})
const replicaSetFacts = (set: Replicating): Facts => ({
  replicas: String(set.spec.replicas),
  has: String(set.status.replicas),
  ready: String(set.status.readyReplicas ?? 0),
})
const deploymentFacts = (deployment: Deployment): Facts => ({
  replicas: String(deployment.spec.replicas),
  image: deployment.spec.template.spec.containers[0]?.image ?? '-',
  paused: String(deployment.spec.paused ?? false),
  updated: String(deployment.status.updatedReplicas ?? 0),
  available: String(deployment.status.availableReplicas ?? 0),
})
const jobFacts = ({ spec, status }: Job): Facts => {
  const { succeeded = [], failed = [] } = status.uncountedTerminatedPods ?? {}
  return {
    wants: `${spec.completions ?? 'any'} by ${spec.parallelism}${spec.suspend ? ', suspended' : ''}`,
    active: String(status.active ?? 0),
    succeeded: status.completedIndexes || String(status.succeeded ?? 0),
    failed: String(status.failed ?? 0),
    uncounted: [...succeeded, ...failed].join(',') || '-',
    is: (status.conditions ?? []).flatMap(({ type, status: held }) => (held === 'True' ? [type] : [])).join(',') || '-',
  }
}
const autoscalerFacts = ({ spec, status }: HorizontalPodAutoscaler): Facts => ({
  bounds: `${spec.minReplicas}–${spec.maxReplicas}`,
  replicas: String(status.currentReplicas ?? '-'),
  wants: String(status.desiredReplicas ?? '-'),
  used: status.currentUtilization === undefined ? '-' : `${status.currentUtilization} %`,
})
const cronJobFacts = ({ spec, status }: CronJob): Facts => ({
  schedule: `${spec.schedule}${spec.suspend ? ', suspended' : ''}`,
  active: String((status.active ?? []).length),
  last: status.lastScheduleTime ?? '-',
})
const statefulSetFacts = ({ spec, status }: StatefulSet): Facts => ({
  replicas: String(spec.replicas),
  image: spec.template.spec.containers[0]?.image ?? '-',
  partition: String(spec.updateStrategy.rollingUpdate?.partition ?? '-'),
  ready: String(status.readyReplicas ?? 0),
  updated: String(status.updatedReplicas ?? 0),
  current: status.currentRevision ?? '-',
})
const daemonSetFacts = ({ spec, status }: DaemonSet): Facts => ({
  image: spec.template.spec.containers[0]?.image ?? '-',
  desired: String(status.desiredNumberScheduled),
  available: String(status.numberAvailable ?? 0),
  updated: String(status.updatedNumberScheduled ?? 0),
})
const ownersOf = ({ metadata }: ApiObject): string =>
  (metadata.ownerReferences ?? []).map(({ kind, name }) => `${kind} ${name}`).join(',') || '-'
const serviceFacts = (service: Service): Facts => ({ clusterIP: service.spec.clusterIP ?? '-' })
const sliceFacts = (slice: EndpointSlice): Facts => ({
  ready:
    slice.endpoints
      .filter((end) => end.conditions.ready)
      .flatMap((end) => end.addresses)
      .join(',') || '-',
})

const quotaFacts = ({ status }: ResourceQuota): Facts =>
  Object.fromEntries(Object.entries(status.hard ?? {}).map(([name, hard]) => [name, `${status.used?.[name] ?? 0} of ${hard}`]))
const budgetFacts = ({ status }: PodDisruptionBudget): Facts => ({
  allowed: String(status.disruptionsAllowed),
  healthy: `${status.currentHealthy ?? 0} of ${status.desiredHealthy ?? 0}`,
  disrupted: Object.keys(status.disruptedPods ?? {}).join(',') || '-',
})

const factsOf = (object: KubernetesObject): Facts => {
  switch (object.kind) {
    case 'Pod':
      return podFacts(object)
    case 'Node':
      return nodeFacts(object)
    case 'ReplicaSet':
    case 'ReplicationController':
      return replicaSetFacts(object)
    case 'Deployment':
      return deploymentFacts(object)
    case 'StatefulSet':
      return statefulSetFacts(object)
    case 'DaemonSet':
      return daemonSetFacts(object)
    case 'ControllerRevision':
      return { revision: String(object.revision) }
    case 'PersistentVolume':
      return { phase: object.status?.phase ?? '-', claim: object.spec.claimRef?.name ?? '-' }
    case 'StorageClass':
      return { binding: object.volumeBindingMode ?? '-' }
    case 'PersistentVolumeClaim':
      return { phase: object.status?.phase ?? '-', volume: object.spec.volumeName ?? '-', owners: ownersOf(object) }
    case 'VolumeAttachment':
      return { volume: object.spec.source.persistentVolumeName, node: object.spec.nodeName, attached: String(object.status.attached) }
    case 'Service':
      return serviceFacts(object)
    case 'EndpointSlice':
      return sliceFacts(object)
    case 'Endpoints':
      return { addresses: addressesIn(object).join(',') || '-' }
    case 'Job':
      return jobFacts(object)
    case 'HorizontalPodAutoscaler':
      return autoscalerFacts(object)
    case 'CronJob':
      return cronJobFacts(object)
    case 'ResourceQuota':
      return quotaFacts(object)
    case 'LimitRange':
      return {}
    case 'PodDisruptionBudget':
      return budgetFacts(object)
    case 'Lease':
      return { holder: object.spec.holderIdentity ?? '-' }
    case 'PodGroup':
      return { minMember: String(object.spec.minMember) }
    case 'Namespace':
      return { phase: object.status.phase }
    case 'CustomResourceDefinition':
      return { established: condition(object.status.conditions, 'Established') }
    case 'PriorityClass':
      return { value: String(object.value), policy: object.preemptionPolicy ?? '-' }
    case 'ConfigMap':
    case 'Secret':
    case 'ServiceAccount':
      return {}
  }
}

/** Of a kind nobody here knows: what its spec and status say in one word. */
const customFacts = (object: ApiObject & { readonly spec?: unknown; readonly status?: unknown }): Facts =>
  Object.fromEntries(
    [object.spec, object.status]
      .flatMap((part) => Object.entries((part ?? {}) as Readonly<Record<string, unknown>>))
      .flatMap(([name, value]) =>
        typeof value === 'object' || name === 'observedGeneration' ? [] : [[name, `${value as string | number | boolean}`]],
      ),
  )

const isCustomObject = ({ apiVersion, kind }: ApiObject): boolean => resourceOfKind(kind)?.group !== groupOf(apiVersion)

const isObject = (value: unknown): value is KubernetesObject =>
  typeof value === 'object' && value !== null && 'kind' in value && 'metadata' in value

const allFacts = (stored: Stored | null): Facts => {
  if (stored === null) return {}
  if (!isObject(stored.value)) return { value: typeof stored.value === 'string' ? stored.value : JSON.stringify(stored.value) }
  const { metadata } = stored.value
  return {
    ...(isCustomObject(stored.value) ? customFacts(stored.value) : factsOf(stored.value)),
    ...(metadata.deletionTimestamp === undefined ? {} : { deleting: `grace ${metadata.deletionGracePeriodSeconds ?? 0} s` }),
    ...(metadata.finalizers === undefined || metadata.finalizers.length === 0 ? {} : { finalizers: metadata.finalizers.join(',') }),
  }
}

/** Empty when nothing a reader looks for has changed: a heartbeat, say. */
export const changedFacts = (before: Stored | null, after: Stored | null): readonly string[] => {
  if (after === null) return ['gone']
  const was = allFacts(before)
  const is = allFacts(after)
  if (before === null) {
    const told = Object.entries(is).map(([name, value]) => `${name}=${value}`)
    return ['new', ...told]
  }
  const names = [...new Set([...Object.keys(was), ...Object.keys(is)])]
  return names.filter((name) => was[name] !== is[name]).map((name) => `${name}=${was[name] ?? '-'} → ${is[name] ?? '-'}`)
}
