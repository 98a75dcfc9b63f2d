/**
 * PodGroup: pods that are placed together or not at all. A custom resource of kubernetes-sigs/scheduler-plugins, which the
 * simulated API serves.
 *
 * Source: kubernetes-sigs/scheduler-plugins apis/scheduling/v1alpha1/types.go.
 */
import type { ApiObject } from './objects.ts'

export interface PodGroup extends ApiObject {
  readonly kind: 'PodGroup'
  readonly spec: {
    /** So many of its pods have to have a node before any goes to its own. */
    readonly minMember: number
    readonly scheduleTimeoutSeconds?: number
  }
}

/** By this label a pod names its group, in its own namespace. */
export const POD_GROUP_LABEL = 'scheduling.x-k8s.io/pod-group'
