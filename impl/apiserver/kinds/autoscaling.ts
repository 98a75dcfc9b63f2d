/** HorizontalPodAutoscalers. Source: kubernetes/kubernetes pkg/apis/autoscaling/{v2/defaults.go,validation,v1/conversion.go}. */
import type { HorizontalPodAutoscaler, ScalingRules } from '../../../model/state/autoscaling.ts'
import type { Kind, Loose, Refuse } from './kind.ts'

const UTILIZATION = 80
const DOWN_WINDOW_SECONDS = 300
const WINDOW_MOST_SECONDS = 3_600
const PERIOD_MOST_SECONDS = 1_800
const DOUBLE = { type: 'Percent', value: 100, periodSeconds: 15 } as const
const UP: ScalingRules = {
  stabilizationWindowSeconds: 0,
  selectPolicy: 'Max',
  policies: [{ type: 'Pods', value: 4, periodSeconds: 15 }, DOUBLE],
}
const DOWN: ScalingRules = { stabilizationWindowSeconds: DOWN_WINDOW_SECONDS, selectPolicy: 'Max', policies: [DOUBLE] }

const cpu = (averageUtilization: number): Loose => ({
  type: 'Resource',
  resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } },
})

const validateRules = (rules: ScalingRules, field: string, refuse: Refuse): void => {
  const { stabilizationWindowSeconds: window, policies } = rules
  if (window < 0 || window > WINDOW_MOST_SECONDS)
    refuse(`${field}.stabilizationWindowSeconds`, `must be between 0 and ${WINDOW_MOST_SECONDS}`)
  if (policies.length === 0) refuse(`${field}.policies`, 'must specify at least one Policy')
  for (const [index, { value, periodSeconds }] of policies.entries()) {
    if (value <= 0) refuse(`${field}.policies[${index}].value`, 'must be greater than zero')
    if (periodSeconds <= 0 || periodSeconds > PERIOD_MOST_SECONDS)
      refuse(`${field}.policies[${index}].periodSeconds`, `must be between 1 and ${PERIOD_MOST_SECONDS}`)
  }
}

export const horizontalPodAutoscaler: Kind = {
  defaults: ({ targetCPUUtilizationPercentage, ...spec }) => {
    const behavior = (spec['behavior'] ?? {}) as { readonly scaleUp?: Loose; readonly scaleDown?: Loose }
    return {
      ...spec,
      minReplicas: spec['minReplicas'] ?? 1,
      // What version 1 of the API has in a field of its own.
      metrics: spec['metrics'] ?? [cpu(typeof targetCPUUtilizationPercentage === 'number' ? targetCPUUtilizationPercentage : UTILIZATION)],
      behavior: { scaleUp: { ...UP, ...behavior.scaleUp }, scaleDown: { ...DOWN, ...behavior.scaleDown } },
    }
  },
  initialStatus: () => ({}),
  validate: (object, refuse) => {
    const { spec } = object as HorizontalPodAutoscaler
    if ((spec.scaleTargetRef as unknown) === undefined) refuse('spec.scaleTargetRef', 'required value')
    // Zero needs a metric of something else than the pods themselves.
    if (spec.minReplicas < 1) refuse('spec.minReplicas', 'must be greater than or equal to 1')
    if ((spec.maxReplicas as unknown) === undefined || spec.maxReplicas < spec.minReplicas) {
      refuse('spec.maxReplicas', 'must be greater than or equal to `minReplicas`')
    }
    validateRules(spec.behavior.scaleUp, 'spec.behavior.scaleUp', refuse)
    validateRules(spec.behavior.scaleDown, 'spec.behavior.scaleDown', refuse)
  },
}
