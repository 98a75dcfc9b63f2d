/** StatefulSets: scaled, updated with every strategy, resized from both ends, deleted with or without their pods. */
import fc from 'fast-check'
import type { Manifest, UserAction } from '../../model/state/plan.ts'
import type { StatefulSet } from '../../model/state/stateful.ts'
import { template, type WorkloadGenerator } from './workload.ts'

/** What may not be changed later. */
interface Kind {
  readonly podManagementPolicy: StatefulSet['spec']['podManagementPolicy']
  readonly claims: number
  readonly storage: Storage
}
/** At once, when a pod has its node, or from volumes that are there: on some nodes, and perhaps too few. */
type Storage = 'immediate' | 'late' | 'local'
interface Knobs {
  readonly replicas: number
  readonly start: number
  readonly minReadySeconds: number
  readonly graceSeconds: number
  readonly tag: number
  readonly updateStrategy: StatefulSet['spec']['updateStrategy']
  readonly retention: StatefulSet['spec']['persistentVolumeClaimRetentionPolicy']
  readonly revisionHistoryLimit: number
}

const kind: fc.Arbitrary<Kind> = fc.record({
  podManagementPolicy: fc.constantFrom('OrderedReady', 'OrderedReady', 'Parallel'),
  claims: fc.constantFrom(0, 1, 1, 2),
  storage: fc.constantFrom('immediate', 'late', 'local'),
})

const strategy: fc.Arbitrary<Knobs['updateStrategy']> = fc.oneof(
  { weight: 3, arbitrary: fc.constant({ type: 'RollingUpdate' as const, rollingUpdate: { partition: 0 } }) },
  {
    weight: 2,
    arbitrary: fc.integer({ min: 1, max: 3 }).map((partition) => ({ type: 'RollingUpdate' as const, rollingUpdate: { partition } })),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(2, '60%').map((maxUnavailable) => ({
      type: 'RollingUpdate' as const,
      rollingUpdate: { partition: 0, maxUnavailable },
    })),
  },
  { weight: 1, arbitrary: fc.constant({ type: 'OnDelete' as const }) },
)

const fate = fc.constantFrom('Retain' as const, 'Retain' as const, 'Delete' as const)

const knobs: fc.Arbitrary<Knobs> = fc.record({
  replicas: fc.integer({ min: 1, max: 4 }),
  start: fc.constantFrom(0, 0, 0, 2),
  minReadySeconds: fc.constantFrom(0, 0, 5),
  graceSeconds: fc.constantFrom(5, 1, 30),
  tag: fc.integer({ min: 1, max: 3 }),
  updateStrategy: strategy,
  retention: fc.record({ whenDeleted: fate, whenScaled: fate }),
  revisionHistoryLimit: fc.constantFrom(10, 0, 1),
})

const manifest = (name: string, { podManagementPolicy, claims }: Kind, drawn: Knobs): Manifest => ({
  apiVersion: 'apps/v1',
  kind: 'StatefulSet',
  metadata: { name, namespace: 'default', labels: { app: name } },
  spec: {
    replicas: drawn.replicas,
    serviceName: name,
    podManagementPolicy,
    minReadySeconds: drawn.minReadySeconds,
    revisionHistoryLimit: drawn.revisionHistoryLimit,
    ordinals: { start: drawn.start },
    updateStrategy: drawn.updateStrategy,
    persistentVolumeClaimRetentionPolicy: drawn.retention,
    selector: { matchLabels: { app: name } },
    template: template(name, { graceSeconds: drawn.graceSeconds, tag: drawn.tag }),
    volumeClaimTemplates: Array.from({ length: claims }, (_, index) => ({
      metadata: { name: `data-${index}` },
      spec: { accessModes: ['ReadWriteOnce'], storageClassName: classOf(name), resources: { requests: { storage: '1Gi' } } },
    })),
  },
})

const classOf = (name: string): string => `${name}-storage`

const LOCAL_VOLUMES = 4

const storage = (name: string, { claims, storage: how }: Kind): readonly Manifest[] => {
  if (claims === 0) return []
  const storageClass = {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name: classOf(name) },
    provisioner: how === 'local' ? 'kubernetes.io/no-provisioner' : 'provisioner.example/disk',
    volumeBindingMode: how === 'immediate' ? 'Immediate' : 'WaitForFirstConsumer',
  }
  if (how !== 'local') return [storageClass]
  const volumes = Array.from({ length: LOCAL_VOLUMES }, (_, index) => ({
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: `${name}-local-${index}` },
    spec: {
      capacity: { storage: `${1 + (index % 2)}Gi` },
      accessModes: ['ReadWriteOnce'],
      storageClassName: classOf(name),
      local: { path: `/mnt/${index}` },
      nodeAffinity: { required: { nodeSelectorTerms: [{ matchFields: [onNode(index)] }] } },
    },
  }))
  return [storageClass, ...volumes]
}
const onNode = (index: number) => ({ key: 'metadata.name', operator: 'In', values: [`node-${index % 2}`] })

const users = (name: string, fixed: Kind): fc.Arbitrary<UserAction> =>
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('Scale'),
        resource: fc.constant('statefulsets'),
        name: fc.constant(`default/${name}`),
        replicas: fc.integer({ min: 0, max: 5 }),
      }),
    },
    { weight: 5, arbitrary: fc.record({ kind: fc.constant('Apply'), object: knobs.map((drawn) => manifest(name, fixed, drawn)) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('Delete'),
        resource: fc.constant('statefulsets'),
        name: fc.constant(`default/${name}`),
        propagation: fc.constantFrom('Background', 'Foreground', 'Orphan'),
      }),
    },
  )

export const statefulSets: WorkloadGenerator = (name) =>
  fc.tuple(kind, knobs).map(([fixed, drawn]) => ({
    manifests: [...storage(name, fixed), manifest(name, fixed, drawn)],
    users: users(name, fixed),
  }))
