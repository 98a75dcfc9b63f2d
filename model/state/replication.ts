/** ReplicationControllers: ReplicaSets as they were before, selecting by plain labels. */
import type { ApiObject, Labels, LabelSelector, PodTemplateSpec, ReplicaSet } from './objects.ts'

export interface ReplicationController extends ApiObject {
  readonly kind: 'ReplicationController'
  readonly spec: {
    readonly replicas: number
    readonly minReadySeconds?: number
    readonly selector: Labels
    readonly template: PodTemplateSpec
  }
  readonly status: ReplicaSet['status']
}

/** What keeps a number of pods of one template, new or old. */
export type Replicating = ReplicaSet | ReplicationController

export const selectorOf = (set: Replicating): LabelSelector =>
  set.kind === 'ReplicationController' ? { matchLabels: set.spec.selector } : set.spec.selector
