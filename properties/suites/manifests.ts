/** A user's own manifests on a simulated cluster: applied, then shaken. */
import fc from 'fast-check'
import type { ClusterShape, Manifest, UserAction } from '../../model/state/plan.ts'
import { atRest } from '../generators/at-rest.ts'
import { applied } from '../generators/manifests.ts'
import { maintenance } from '../generators/policy.ts'
import { planOf } from '../generators/plan.ts'
import { clusterTargets } from '../generators/shapes.ts'
import { ALL_FAULTS } from './convergence.ts'
import type { Suite } from './suite.ts'

export const manifestSuite = (manifests: readonly Manifest[], cluster: ClusterShape): Suite => ({
  name: 'manifests',
  sentence:
    'your manifests under rollouts, scaling, drains, node crashes, partitions and leader loss; then without a control plane, restarted, or deleted',
  weight: 1,
  concerns: ['CL-'],
  plans: planOf({
    suite: 'manifests',
    cluster: fc.constant(cluster),
    opening: applied(manifests),
    users: shaking(
      manifests,
      cluster.nodes.map((node) => node.name),
    ),
    usersMost: 10,
    faultKinds: ALL_FAULTS,
    targets: clusterTargets(cluster.nodes.length),
    stormMs: fc.integer({ min: 60_000, max: 180_000 }),
    calmMs: 900_000,
    quietMs: 40_000,
    atRest: atRest(
      cluster.nodes.map((node) => node.name),
      false,
    ),
  }),
})

const nameOf = (manifest: Manifest): string => `${manifest.metadata.namespace ?? 'default'}/${manifest.metadata.name}`

/** What users and the environment do to an application that is already there. It ends as its manifests say. */
const shaking = (manifests: readonly Manifest[], nodeNames: readonly string[]): fc.Arbitrary<UserAction> => {
  const deployments = manifests.filter((manifest) => manifest.kind === 'Deployment').map(nameOf)
  const node = fc.constantFrom(...nodeNames)
  const everywhere: readonly fc.Arbitrary<UserAction>[] = [
    fc.record({ kind: fc.constant('DeletePod'), nth: fc.integer({ min: 0, max: 50 }), force: fc.constant(false) }),
    fc.record({ kind: fc.constant('ExitContainer'), nth: fc.integer({ min: 0, max: 50 }), exitCode: fc.constantFrom(0, 1) }),
    fc.record({ kind: fc.constant('Connect'), node }),
    maintenance(nodeNames),
  ]
  if (deployments.length === 0) return fc.oneof(...everywhere)
  const name = fc.constantFrom(...deployments)
  return fc.oneof(
    ...everywhere,
    fc.record({
      kind: fc.constant('SetImage'),
      deployment: name,
      image: fc.integer({ min: 1, max: 3 }).map((tag) => `evenkeel.example/next:${tag}`),
    }),
    fc.record({ kind: fc.constant('Scale'), resource: fc.constant('deployments'), name, replicas: fc.integer({ min: 1, max: 6 }) }),
    fc.record({ kind: fc.constant('Rollback'), deployment: name, revision: fc.constant(0) }),
  )
}
