/** Every kind the simulated API serves, as one type. */
import type { CronJob, Job } from './batch.ts'
import type { Deployment, EndpointSlice, Lease, Namespace, Node, PlainObject, Pod, ReplicaSet, Service } from './objects.ts'

export type KubernetesObject =
  | Pod
  | Node
  | Lease
  | ReplicaSet
  | Deployment
  | Service
  | EndpointSlice
  | Namespace
  | PlainObject
  | Job
  | CronJob
