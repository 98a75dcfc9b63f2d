/** The kinds that are more than stored data, by name. */
import type { Resource } from '../../../model/state/resources.ts'
import { daemonSet } from './daemonset.ts'
import { customKind } from './custom.ts'
import { customResourceDefinition } from './custom-resource-definition.ts'
import { disruptionBudget } from './disruption-budget.ts'
import { horizontalPodAutoscaler } from './autoscaling.ts'
import { cronJob, job } from './batch.ts'
import type { Kind } from './kind.ts'
import { limitRange, resourceQuota } from './limits.ts'
import { namespace } from './namespace.ts'
import { node } from './node.ts'
import { pod } from './pod.ts'
import { priorityClass } from './priority-class.ts'
import { endpoints, service } from './service.ts'
import { secret } from './secret.ts'
import { statefulSet } from './statefulset.ts'
import { persistentVolume, persistentVolumeClaim, storageClass, volumeAttachment } from './volumes.ts'
import { deployment, replicaSet, replicationController } from './workloads.ts'

const asItIs: Kind = { defaults: (spec) => spec }

const KINDS: Readonly<Record<string, Kind>> = {
  CustomResourceDefinition: customResourceDefinition,
  CronJob: cronJob,
  DaemonSet: daemonSet,
  Deployment: deployment,
  Endpoints: endpoints,
  HorizontalPodAutoscaler: horizontalPodAutoscaler,
  Job: job,
  Lease: asItIs,
  LimitRange: limitRange,
  Namespace: namespace,
  Node: node,
  Pod: pod,
  PersistentVolume: persistentVolume,
  PersistentVolumeClaim: persistentVolumeClaim,
  PriorityClass: priorityClass,
  PodDisruptionBudget: disruptionBudget,
  ReplicaSet: replicaSet,
  ReplicationController: replicationController,
  ResourceQuota: resourceQuota,
  Secret: secret,
  Service: service,
  StatefulSet: statefulSet,
  StorageClass: storageClass,
  VolumeAttachment: volumeAttachment,
}

const plain: Kind = {}

export const kindOf = ({ kind, definition }: Resource): Kind => (definition === undefined ? (KINDS[kind] ?? plain) : customKind(definition))
