/** Budgets and quotas for generated runs, and what users do that they limit. */
import fc from 'fast-check'
import type { Manifest, UserAction } from '../../model/state/plan.ts'
import { deployment, service } from './manifests.ts'

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

const TENANT = 'shop'

/** Somebody with a namespace of his own, who may leave; none in half of the runs. */
export const tenant: fc.Arbitrary<readonly Manifest[]> = fc
  .record({ there: fc.boolean(), replicas: fc.integer({ min: 1, max: 3 }), graceSeconds: fc.constantFrom(1, 5, 30) })
  .map(({ there, replicas, graceSeconds }) => {
    if (!there) return []
    const cart = deployment('cart', {
      replicas,
      cpu: '100m',
      graceSeconds,
      minReadySeconds: 0,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } },
      podReplacementPolicy: 'TerminationStarted',
    })
    const here = [cart, service('cart')].map((object) => ({ ...object, metadata: { ...object.metadata, namespace: TENANT } }))
    return [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: TENANT } }, ...here]
  })

/** The tenant leaves, comes back, grows. */
export const tenantAction = (manifests: readonly Manifest[]): fc.Arbitrary<UserAction> =>
  fc.oneof(
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('Delete'),
        resource: fc.constant('namespaces'),
        name: fc.constant(TENANT),
        propagation: fc.constant('Background'),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('Apply'), object: fc.constantFrom(...manifests) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('Scale'),
        resource: fc.constant('deployments'),
        name: fc.constant(`${TENANT}/cart`),
        replicas: fc.integer({ min: 0, max: 4 }),
      }),
    },
  )
