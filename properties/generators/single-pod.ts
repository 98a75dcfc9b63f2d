/**
 * A disk for one pod at a time that several pods want: those of a set, and rivals that wait, push each other out, or name their
 * node themselves.
 *
 * Only those are pushed out that nobody makes anew. The scheduler keeps a node for who pushes, not the claim: whoever comes back
 * may have that on another node meanwhile, and be pushed out again, for ever.
 */
import fc from 'fast-check'
import type { Manifest, UserAction } from '../../model/state/plan.ts'
import { priorityClass } from './manifests.ts'
import { template, type WorkloadGenerator } from './workload.ts'

const RIVALS = 2

/** Past the scheduler, where it is given. */
const node = fc.constantFrom(undefined, undefined, 'node-0', 'node-1', 'node-2')

const urgent = (name: string): string => `${name}-urgent`

const storage = (name: string, volumeBindingMode: 'Immediate' | 'WaitForFirstConsumer'): readonly Manifest[] => [
  {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name: `${name}-storage` },
    provisioner: 'provisioner.example/disk',
    volumeBindingMode,
  },
  {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: `${name}-disk`, namespace: 'default' },
    spec: { accessModes: ['ReadWriteOncePod'], storageClassName: `${name}-storage`, resources: { requests: { storage: '1Gi' } } },
  },
]

const podOf = (name: string, graceSeconds: number, more: object): ReturnType<typeof template> =>
  template(name, { graceSeconds, volumes: [{ name: 'disk', persistentVolumeClaim: { claimName: `${name}-disk` } }], ...more })

const users = (name: string, graceSeconds: number): fc.Arbitrary<UserAction> => {
  const rival = fc.integer({ min: 0, max: RIVALS - 1 }).map((nth) => `${name}-rival-${nth}`)
  return fc.oneof(
    {
      weight: 4,
      arbitrary: fc
        .record({ metadata: fc.record({ name: rival, namespace: fc.constant('default') }), nodeName: node, isUrgent: fc.boolean() })
        .map(({ metadata, nodeName, isUrgent }): UserAction => {
          const more = {
            ...(nodeName === undefined ? {} : { nodeName }),
            ...(isUrgent ? { priorityClassName: urgent(name) } : {}),
          }
          return { kind: 'Apply', object: { apiVersion: 'v1', kind: 'Pod', metadata, spec: podOf(name, graceSeconds, more).spec } }
        }),
    },
    {
      weight: 3,
      arbitrary: rival.map((pod): UserAction => ({ kind: 'Delete', resource: 'pods', name: `default/${pod}`, propagation: 'Background' })),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('Scale'),
        resource: fc.constant('replicasets'),
        name: fc.constant(`default/${name}`),
        replicas: fc.integer({ min: 0, max: 3 }),
      }),
    },
  )
}

export const singlePodClaims: WorkloadGenerator = (name) =>
  fc
    .record({
      replicas: fc.constantFrom(1, 1, 2),
      binding: fc.constantFrom('Immediate' as const, 'WaitForFirstConsumer' as const),
      graceSeconds: fc.constantFrom(5, 1, 30),
    })
    .map(({ replicas, binding, graceSeconds }) => {
      const set: Manifest = {
        apiVersion: 'apps/v1',
        kind: 'ReplicaSet',
        metadata: { name, namespace: 'default', labels: { app: name } },
        spec: {
          replicas,
          selector: { matchLabels: { app: name } },
          template: podOf(name, graceSeconds, { priorityClassName: urgent(name) }),
        },
      }
      const more = priorityClass(urgent(name), 1_000, 'PreemptLowerPriority')
      return { manifests: [more, ...storage(name, binding), set], users: users(name, graceSeconds) }
    })
