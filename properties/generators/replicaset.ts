/** ReplicaSets without a Deployment above them: scaled, and deleted with or without their pods. */
import fc from 'fast-check'
import type { UserAction } from '../../model/state/plan.ts'
import { template, type WorkloadGenerator } from './workload.ts'

export const replicaSets: WorkloadGenerator = (name) =>
  fc
    .record({
      replicas: fc.integer({ min: 1, max: 4 }),
      minReadySeconds: fc.constantFrom(0, 0, 5),
      graceSeconds: fc.constantFrom(5, 1, 30),
    })
    .map(({ replicas, minReadySeconds, graceSeconds }) => ({
      manifests: [
        {
          apiVersion: 'apps/v1',
          kind: 'ReplicaSet',
          metadata: { name, namespace: 'default', labels: { app: name } },
          spec: { replicas, minReadySeconds, selector: { matchLabels: { app: name } }, template: template(name, { graceSeconds }) },
        },
      ],
      users: users(`default/${name}`),
    }))

const users = (name: string): fc.Arbitrary<UserAction> =>
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant('Scale'),
        resource: fc.constant('replicasets'),
        name: fc.constant(name),
        replicas: fc.integer({ min: 0, max: 6 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('Delete'),
        resource: fc.constant('replicasets'),
        name: fc.constant(name),
        propagation: fc.constantFrom('Background', 'Foreground', 'Orphan'),
      }),
    },
  )
