/** ReplicaSets without a Deployment above them, and ReplicationControllers: scaled, deleted with or without their pods, and made to adopt pods. */
import fc from 'fast-check'
import type { Manifest, UserAction } from '../../model/state/plan.ts'
import { template, type WorkloadGenerator } from './workload.ts'

export const replicaSets: WorkloadGenerator = (name) =>
  fc
    .record({
      old: fc.constantFrom(false, false, true),
      replicas: fc.integer({ min: 1, max: 4 }),
      minReadySeconds: fc.constantFrom(0, 0, 5),
      graceSeconds: fc.constantFrom(5, 1, 30),
    })
    .map(({ old, replicas, minReadySeconds, graceSeconds }) => {
      const pods = template(name, { graceSeconds })
      const set: Manifest = {
        apiVersion: old ? 'v1' : 'apps/v1',
        kind: old ? 'ReplicationController' : 'ReplicaSet',
        metadata: { name, namespace: 'default', labels: { app: name } },
        spec: { replicas, minReadySeconds, selector: old ? { app: name } : { matchLabels: { app: name } }, template: pods },
      }
      const stray: Manifest = {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: `${name}-stray`, namespace: 'default', ...pods.metadata },
        spec: pods.spec,
      }
      const adopted = fc.constantFrom<UserAction>({ kind: 'Apply', object: set }, { kind: 'Apply', object: stray })
      return { manifests: [set], users: users(old ? 'replicationcontrollers' : 'replicasets', `default/${name}`, adopted) }
    })

/** adopted: makes it anew over the pods that it left behind, or makes a pod that it selects. */
const users = (
  resource: 'replicasets' | 'replicationcontrollers',
  name: string,
  adopted: fc.Arbitrary<UserAction>,
): fc.Arbitrary<UserAction> =>
  fc.oneof(
    { weight: 2, arbitrary: adopted },
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant('Scale'),
        resource: fc.constant(resource),
        name: fc.constant(name),
        replicas: fc.integer({ min: 0, max: 6 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('Delete'),
        resource: fc.constant(resource),
        name: fc.constant(name),
        propagation: fc.constantFrom('Background', 'Foreground', 'Orphan'),
      }),
    },
  )
