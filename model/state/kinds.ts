/** Every kind the simulated API serves, as one type. */
import type { PodGroup } from './pod-group.ts'
import type { HorizontalPodAutoscaler } from './autoscaling.ts'
import type { CronJob, Job } from './batch.ts'
import type {
  ConfigMap,
  Deployment,
  EndpointSlice,
  Lease,
  Namespace,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  PriorityClass,
  ReplicaSet,
  Service,
  StorageClass,
} from './objects.ts'
import type { ReplicationController } from './replication.ts'
import type { ControllerRevision, DaemonSet, StatefulSet } from './stateful.ts'
import type { CustomResourceDefinition } from './custom.ts'
import type { Endpoints } from './endpoints.ts'
import type { Secret, ServiceAccount } from './service-account.ts'
import type { VolumeAttachment } from './storage.ts'
import type { LimitRange, PodDisruptionBudget, ResourceQuota } from './policy.ts'

export type KubernetesObject =
  | Pod
  | Node
  | Lease
  | ReplicaSet
  | ReplicationController
  | Deployment
  | HorizontalPodAutoscaler
  | Job
  | CronJob
  | StatefulSet
  | DaemonSet
  | ControllerRevision
  | Service
  | EndpointSlice
  | Endpoints
  | Namespace
  | PersistentVolume
  | PersistentVolumeClaim
  | CustomResourceDefinition
  | PriorityClass
  | StorageClass
  | VolumeAttachment
  | ConfigMap
  | Secret
  | ServiceAccount
  | PodDisruptionBudget
  | ResourceQuota
  | LimitRange
  | PodGroup
