/** Budgets and quotas for generated runs, and what users do that they limit. */
import fc from 'fast-check'
import type { Manifest, UserAction } from '../../model/state/plan.ts'

/** A budget for the pods of one application. */
export const disruptionBudget = (app: string): fc.Arbitrary<Manifest> =>
  fc
    .record({
      limit: fc.constantFrom(
        { maxUnavailable: 1 },
        { minAvailable: 1 },
        { minAvailable: 2 },
        { maxUnavailable: '50%' },
        { minAvailable: '50%' },
        { maxUnavailable: '30%' },
      ),
      policy: fc.constantFrom(undefined, undefined, 'AlwaysAllow' as const),
    })
    .map(({ limit, policy }) => ({
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { name: app, namespace: 'default' },
      spec: {
        selector: { matchLabels: { app } },
        ...limit,
        ...(policy === undefined ? {} : { unhealthyPodEvictionPolicy: policy }),
      },
    }))

export const drain = (nodeNames: readonly string[]): fc.Arbitrary<UserAction> =>
  fc.record({ kind: fc.constant('Drain'), node: fc.constantFrom(...nodeNames) })
