/** What limits what others may do: budgets of disruption, quotas, ranges. Source: https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/ */
import type { ApiObject, Condition, IntOrPercent, LabelSelector, ResourceList, Time } from './objects.ts'

export interface PodDisruptionBudget extends ApiObject {
  readonly kind: 'PodDisruptionBudget'
  /** At most one of minAvailable and maxUnavailable. */
  readonly spec: {
    readonly selector?: LabelSelector
    readonly minAvailable?: IntOrPercent
    readonly maxUnavailable?: IntOrPercent
    /** Which pods that are not ready may be evicted; absent: IfHealthyBudget. */
    readonly unhealthyPodEvictionPolicy?: 'IfHealthyBudget' | 'AlwaysAllow'
  }
  readonly status: {
    readonly disruptionsAllowed: number
    readonly currentHealthy?: number
    readonly desiredHealthy?: number
    readonly expectedPods?: number
    readonly observedGeneration?: number
    /** Pods whose eviction was granted and whose end the controller has not seen yet: by name, when. */
    readonly disruptedPods?: Readonly<Record<string, Time>>
    readonly conditions?: readonly Condition[]
  }
}

export type QuotaScope = 'Terminating' | 'NotTerminating' | 'BestEffort' | 'NotBestEffort' | 'PriorityClass' | 'CrossNamespacePodAffinity'
/** How much of what there may be in a namespace, all together. */
export interface ResourceQuota extends ApiObject {
  readonly kind: 'ResourceQuota'
  readonly spec: {
    readonly hard?: ResourceList
    readonly scopes?: readonly QuotaScope[]
    readonly scopeSelector?: {
      readonly matchExpressions?: readonly {
        readonly scopeName: QuotaScope
        readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist'
        readonly values?: readonly string[]
      }[]
    }
  }
  readonly status: { readonly hard?: ResourceList; readonly used?: ResourceList }
}

export interface LimitRangeItem {
  readonly type: 'Container' | 'Pod' | 'PersistentVolumeClaim'
  readonly min?: ResourceList
  readonly max?: ResourceList
  readonly default?: ResourceList
  readonly defaultRequest?: ResourceList
  readonly maxLimitRequestRatio?: ResourceList
}
/** How much each container, pod or claim of a namespace may ask for, and what it asks for if it does not say. */
export interface LimitRange extends ApiObject {
  readonly kind: 'LimitRange'
  readonly spec: { readonly limits: readonly LimitRangeItem[] }
}
