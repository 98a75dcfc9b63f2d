/** ReplicaSets without a Deployment above them, and ReplicationControllers: scaled, and deleted with or without their pods. */
import fc from 'fast-check'
import type { UserAction } from '../../model/state/plan.ts'
import { template, type WorkloadGenerator } from './workload.ts'

export const replicaSets: WorkloadGenerator = (name) =>
  fc
    .record({
      old: fc.constantFrom(false, false, true),
      replicas: fc.integer({ min: 1, max: 4 }),
      minReadySeconds: fc.constantFrom(0, 0, 5),
      graceSeconds: fc.constantFrom(5, 1, 30),
    })
    .map(({ old, replicas, minReadySeconds, graceSeconds }) => ({
      manifests: [
        {
          apiVersion: old ? 'v1' : 'apps/v1',
          kind: old ? 'ReplicationController' : 'ReplicaSet',
          metadata: { name, namespace: 'default', labels: { app: name } },
          spec: {
            replicas,
            minReadySeconds,
            selector: old ? { app: name } : { matchLabels: { app: name } },
            template: template(name, { graceSeconds }),
          },
        },
      ],
      users: users(old ? 'replicationcontrollers' : 'replicasets', `default/${name}`),
    }))

const users = (resource: 'replicasets' | 'replicationcontrollers', name: string): fc.Arbitrary<UserAction> =>
  fc.oneof(
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
