/** What limits what others may do: budgets of disruption. Source: https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/ */
import type { ApiObject, Condition, IntOrPercent, LabelSelector, Time } from './objects.ts'

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
