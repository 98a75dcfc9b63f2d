/**
 * A disk for one pod at a time that several pods want: those of a set, and rivals that wait, push each other out, or name their
 * node themselves. It is to grow, and to shrink, which it does not.
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

interface Disk {
  readonly binding: 'Immediate' | 'WaitForFirstConsumer'
  readonly mayGrow: boolean
}

const urgent = (name: string): string => `${name}-urgent`

const disk = (name: string, size: string): Manifest => ({
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name: `${name}-disk`, namespace: 'default' },
  spec: { accessModes: ['ReadWriteOncePod'], storageClassName: `${name}-storage`, resources: { requests: { storage: size } } },
})

const storage = (name: string, { binding, mayGrow }: Disk): readonly Manifest[] => [
  {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name: `${name}-storage` },
    provisioner: 'provisioner.example/disk',
    volumeBindingMode: binding,
    ...(mayGrow ? { allowVolumeExpansion: true } : {}),
  },
  disk(name, '1Gi'),
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
    {
      weight: 3,
      arbitrary: fc.constantFrom('2Gi', '3Gi', '1Gi').map((size): UserAction => ({ kind: 'Apply', object: disk(name, size) })),
    },
  )
}

export const singlePodClaims: WorkloadGenerator = (name) =>
  fc
    .record({
      replicas: fc.constantFrom(1, 1, 2),
      binding: fc.constantFrom('Immediate' as const, 'WaitForFirstConsumer' as const),
      graceSeconds: fc.constantFrom(5, 1, 30),
      mayGrow: fc.constantFrom(true, true, false),
    })
    .map(({ replicas, graceSeconds, ...kind }) => {
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
      return { manifests: [more, ...storage(name, kind), set], users: users(name, graceSeconds) }
    })
