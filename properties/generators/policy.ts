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

/** A node is emptied, worked on, and takes pods again. */
export const maintenance = (nodeNames: readonly string[]): fc.Arbitrary<UserAction> =>
  fc.record({ kind: fc.constant('Drain'), node: fc.constantFrom(...nodeNames), uncordon: fc.constant(true) })

export const drain = (nodeNames: readonly string[]): fc.Arbitrary<UserAction> =>
  fc.record({ kind: fc.constant('Drain'), node: fc.constantFrom(...nodeNames) })

const TENANT = 'shop'

/** Quotas that the tenant meets, the most in each of them about what he asks for. */
const QUOTAS = [
  { pods: '3' },
  { pods: '5', 'requests.cpu': '400m' },
  { 'limits.memory': '512Mi', 'count/pods': '6' },
  { 'requests.memory': '192Mi' },
]
/** With defaults for those who do not say, and bounds for those who do. */
const RANGE = {
  type: 'Container',
  default: { cpu: '500m', memory: '128Mi' },
  defaultRequest: { cpu: '100m', memory: '64Mi' },
  max: { cpu: '500m', memory: '256Mi' },
  min: { memory: '32Mi' },
}

const inTenant = (object: Manifest): Manifest => ({ ...object, metadata: { ...object.metadata, namespace: TENANT } })
const application = (name: string, replicas: number, graceSeconds: number, cpu: string): Manifest =>
  deployment(name, {
    replicas,
    cpu,
    graceSeconds,
    minReadySeconds: 0,
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } },
    podReplacementPolicy: 'TerminationStarted',
  })
const bare = (name: string): Manifest => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name },
  spec: { terminationGracePeriodSeconds: 1, containers: [{ name: 'main', image: 'registry.example/till:1' }] },
})

/** Somebody with a namespace of his own, within limits, who may leave; none in half of the runs. */
export const tenant: fc.Arbitrary<readonly Manifest[]> = fc
  .record({
    there: fc.boolean(),
    replicas: fc.integer({ min: 1, max: 3 }),
    graceSeconds: fc.constantFrom(1, 5, 30),
    cpu: fc.constantFrom('100m', '100m', '600m'),
    hard: fc.option(fc.constantFrom(...QUOTAS), { freq: 3 }),
    isRanged: fc.constantFrom(true, true, false),
  })
  .map(({ there, replicas, graceSeconds, cpu, hard, isRanged }) => {
    if (!there) return []
    const limits = isRanged ? [{ apiVersion: 'v1', kind: 'LimitRange', metadata: { name: 'usual' }, spec: { limits: [RANGE] } }] : []
    const quotas = hard === null ? [] : [{ apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'share' }, spec: { hard } }]
    const here = [
      ...limits,
      ...quotas,
      application('cart', replicas, graceSeconds, '100m'),
      service('cart'),
      application('search', 2, 1, cpu),
    ]
    return [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: TENANT } }, ...[...here, bare('till')].map(inTenant)]
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
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('Apply'), object: fc.constantFrom(...manifests) }) },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('Scale'),
        resource: fc.constant('deployments'),
        name: fc.constantFrom(`${TENANT}/cart`, `${TENANT}/search`),
        replicas: fc.integer({ min: 0, max: 4 }),
      }),
    },
  )
