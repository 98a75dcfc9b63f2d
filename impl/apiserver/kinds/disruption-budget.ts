/** Disruption budgets. Source: kubernetes/kubernetes pkg/apis/policy/validation, pkg/registry/policy/poddisruptionbudget. */
import type { IntOrPercent } from '../../../model/state/objects.ts'
import type { PodDisruptionBudget } from '../../../model/state/policy.ts'
import type { Kind, Refuse } from './kind.ts'

const PERCENT = /^[0-9]+%$/

const validateCount = (value: IntOrPercent | undefined, field: string, refuse: Refuse): void => {
  if (typeof value === 'number' && value < 0) refuse(field, 'must be greater than or equal to 0')
  if (typeof value !== 'string') return
  if (!PERCENT.test(value)) refuse(field, 'a valid percent string must be a numeric string followed by an ending \'%\' (e.g. "1%")')
  if (Number.parseInt(value, 10) > 100) refuse(field, 'must not be greater than 100%')
}

export const disruptionBudget: Kind = {
  defaults: (spec) => spec,
  // A budget allows nothing before its controller has looked at it.
  initialStatus: () => ({ disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 }),
  validate: (object, refuse) => {
    const { minAvailable, maxUnavailable, unhealthyPodEvictionPolicy: policy } = (object as PodDisruptionBudget).spec
    if (minAvailable !== undefined && maxUnavailable !== undefined) {
      refuse('spec', 'minAvailable and maxUnavailable cannot be both set')
    }
    validateCount(minAvailable, 'spec.minAvailable', refuse)
    validateCount(maxUnavailable, 'spec.maxUnavailable', refuse)
    if (policy !== undefined && policy !== 'IfHealthyBudget' && policy !== 'AlwaysAllow') {
      refuse('spec.unhealthyPodEvictionPolicy', 'supported values: "AlwaysAllow", "IfHealthyBudget"')
    }
  },
}
