/** DaemonSets: on some nodes or all, updated with and without a surge. */
import fc from 'fast-check'
import type { Manifest, UserAction } from '../../model/state/plan.ts'
import type { DaemonSet } from '../../model/state/stateful.ts'
import { template, type WorkloadGenerator } from './workload.ts'

interface Knobs {
  readonly minReadySeconds: number
  readonly graceSeconds: number
  readonly tag: number
  readonly updateStrategy: DaemonSet['spec']['updateStrategy']
  readonly nodeSelector: Readonly<Record<string, string>> | null
}

const rolling = (maxUnavailable: number | string, maxSurge: number | string): Knobs['updateStrategy'] => ({
  type: 'RollingUpdate',
  rollingUpdate: { maxUnavailable, maxSurge },
})

const knobs: fc.Arbitrary<Knobs> = fc.record({
  minReadySeconds: fc.constantFrom(0, 0, 5),
  graceSeconds: fc.constantFrom(5, 1, 30),
  tag: fc.integer({ min: 1, max: 3 }),
  updateStrategy: fc.constantFrom<Knobs['updateStrategy']>(rolling(1, 0), rolling('50%', 0), rolling(0, 1), rolling(0, '60%'), {
    type: 'OnDelete',
  }),
  nodeSelector: fc.constantFrom(null, null, { 'topology.kubernetes.io/zone': 'zone-1' }),
})

const manifest = (name: string, drawn: Knobs): Manifest => ({
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  metadata: { name, namespace: 'default', labels: { app: name } },
  spec: {
    minReadySeconds: drawn.minReadySeconds,
    updateStrategy: drawn.updateStrategy,
    selector: { matchLabels: { app: name } },
    template: template(name, { graceSeconds: drawn.graceSeconds, tag: drawn.tag, nodeSelector: drawn.nodeSelector ?? {} }),
  },
})

const users = (name: string): fc.Arbitrary<UserAction> =>
  fc.oneof(
    { weight: 8, arbitrary: fc.record({ kind: fc.constant('Apply'), object: knobs.map((drawn) => manifest(name, drawn)) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('Delete'),
        resource: fc.constant('daemonsets'),
        name: fc.constant(`default/${name}`),
        propagation: fc.constantFrom('Background', 'Foreground', 'Orphan'),
      }),
    },
  )

export const daemonSets: WorkloadGenerator = (name) => knobs.map((drawn) => ({ manifests: [manifest(name, drawn)], users: users(name) }))
