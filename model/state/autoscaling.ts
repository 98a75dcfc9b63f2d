/**
 * HorizontalPodAutoscalers (autoscaling/v2) in the stored form: defaulted and validated.
 *
 * Source: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/horizontal-pod-autoscaler-v2/
 */
import type { ApiObject, Condition, Quantity, Time } from './objects.ts'

export interface ScalingPolicy {
  readonly type: 'Pods' | 'Percent'
  readonly value: number
  readonly periodSeconds: number
}
export interface ScalingRules {
  readonly stabilizationWindowSeconds: number
  readonly selectPolicy: 'Max' | 'Min' | 'Disabled'
  readonly policies: readonly ScalingPolicy[]
}
export interface MetricTarget {
  readonly type: 'Utilization' | 'AverageValue' | 'Value'
  readonly averageUtilization?: number
  readonly averageValue?: Quantity
  readonly [other: string]: unknown
}
export interface MetricSpec {
  readonly type: 'Resource' | 'ContainerResource' | 'Pods' | 'Object' | 'External'
  readonly resource?: { readonly name: string; readonly target: MetricTarget }
  readonly [other: string]: unknown
}
export interface HorizontalPodAutoscaler extends ApiObject {
  readonly kind: 'HorizontalPodAutoscaler'
  readonly spec: {
    readonly scaleTargetRef: { readonly apiVersion?: string; readonly kind: string; readonly name: string }
    readonly minReplicas: number
    readonly maxReplicas: number
    readonly metrics: readonly MetricSpec[]
    readonly behavior: { readonly scaleUp: ScalingRules; readonly scaleDown: ScalingRules }
  }
  readonly status: {
    readonly currentReplicas?: number
    readonly desiredReplicas?: number
    readonly lastScaleTime?: Time
    readonly observedGeneration?: number
    /** Of the CPU, in hundredths of what the pods ask for. */
    readonly currentUtilization?: number
    readonly conditions?: readonly Condition[]
  }
}

/** The pods' use of CPU that an autoscaler read, in thousandths of a core by uid. Who is not in it has no sample. */
export type Usage = Readonly<Record<string, number>>
