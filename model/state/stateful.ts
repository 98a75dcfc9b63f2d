/** Workloads whose pods are told apart, and the templates they have had. Source: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/ */
import type { ApiObject, Condition, IntOrPercent, LabelSelector, PersistentVolumeClaim, PodTemplateSpec } from './objects.ts'

export interface StatefulSet extends ApiObject {
  readonly kind: 'StatefulSet'
  readonly spec: {
    readonly replicas: number
    readonly serviceName?: string
    readonly podManagementPolicy: 'OrderedReady' | 'Parallel'
    readonly updateStrategy: {
      readonly type: 'RollingUpdate' | 'OnDelete'
      /** maxUnavailable is honoured where it is given (KEP-961); absent, pods are updated one after another. */
      readonly rollingUpdate?: { readonly partition: number; readonly maxUnavailable?: IntOrPercent }
    }
    readonly revisionHistoryLimit: number
    readonly minReadySeconds?: number
    readonly ordinals?: { readonly start?: number }
    readonly persistentVolumeClaimRetentionPolicy: {
      readonly whenDeleted: 'Retain' | 'Delete'
      readonly whenScaled: 'Retain' | 'Delete'
    }
    readonly selector: LabelSelector
    readonly template: PodTemplateSpec
    readonly volumeClaimTemplates?: readonly ClaimTemplate[]
  }
  readonly status: {
    readonly replicas: number
    readonly readyReplicas?: number
    readonly availableReplicas?: number
    readonly currentReplicas?: number
    readonly updatedReplicas?: number
    readonly currentRevision?: string
    readonly updateRevision?: string
    readonly observedGeneration?: number
    readonly collisionCount?: number
    readonly conditions?: readonly Condition[]
  }
}
export interface ClaimTemplate {
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> }
  readonly spec: PersistentVolumeClaim['spec']
}

export interface DaemonSet extends ApiObject {
  readonly kind: 'DaemonSet'
  readonly spec: {
    readonly updateStrategy: {
      readonly type: 'RollingUpdate' | 'OnDelete'
      readonly rollingUpdate?: { readonly maxUnavailable: IntOrPercent; readonly maxSurge: IntOrPercent }
    }
    readonly revisionHistoryLimit: number
    readonly minReadySeconds?: number
    readonly selector: LabelSelector
    readonly template: PodTemplateSpec
  }
  readonly status: {
    readonly currentNumberScheduled: number
    readonly desiredNumberScheduled: number
    readonly numberMisscheduled: number
    readonly numberReady: number
    readonly numberAvailable?: number
    readonly numberUnavailable?: number
    readonly updatedNumberScheduled?: number
    readonly observedGeneration?: number
    readonly collisionCount?: number
    readonly conditions?: readonly Condition[]
  }
}

/** A template as it once was. Only its number changes, when it becomes the current one again. */
export interface ControllerRevision extends ApiObject {
  readonly kind: 'ControllerRevision'
  readonly data: { readonly spec: { readonly template: PodTemplateSpec } }
  readonly revision: number
}
