/** Nodes in zones crash, are cut off, lose their zone, are cordoned, drained, tainted and deleted; pods move, and come back. */
import fc from 'fast-check'
import type { Taint, Toleration } from '../../model/state/objects.ts'
import type { ClusterShape, Manifest, NodeShape, UserAction } from '../../model/state/plan.ts'
import { applied, deployment, service, workloadAction, type DeploymentKnobs } from '../generators/manifests.ts'
import { disruptionBudget, drain } from '../generators/policy.ts'
import { planOf } from '../generators/plan.ts'
import { clusterTargets, nodes, standardShape } from '../generators/shapes.ts'
import type { FaultKind } from '../generators/weather.ts'
import { template } from '../generators/workload.ts'
import type { Suite } from './suite.ts'

const NODES_LEAST = 4
const NODES_MOST = 7
const NODE_NAMES = nodes(NODES_LEAST).map((node) => node.name)
const ZONES = ['zone-0', 'zone-1', 'zone-2']

const FAULTS: readonly FaultKind[] = [
  'CrashProcess',
  'CrashMachine',
  'PauseProcess',
  'Partition',
  'SlowLink',
  'JumpClock',
  'CrashBetweenWrites',
  'FreezeCache',
  'BreakConnections',
  'ExpireWatches',
  'TimeTravel',
]

/** Two or three zones; in some runs most nodes are in the first, so that it can be lost in part. */
const shape: fc.Arbitrary<ClusterShape> = fc
  .record({ count: fc.integer({ min: NODES_LEAST, max: NODES_MOST }), zones: fc.constantFrom(2, 3), lopsided: fc.boolean() })
  .map(({ count, zones, lopsided }) =>
    standardShape(
      nodes(count).map((node, index): NodeShape => {
        const zone = lopsided ? Math.max(0, index - (count - zones)) : index % zones
        return { ...node, zone: ZONES[zone] as string }
      }),
      { defaultTolerationMs: 30_000, terminatedPodsMost: 1 },
    ),
  )

const both = (key: string, value: string): readonly Taint[] =>
  (['NoSchedule', 'NoExecute'] as const).map((effect) => ({ key, value, effect }))

/**
 * Taints a user puts on: tolerated for a while, for ever, or by nobody; one says that the node is out of service. What is
 * tolerated for a while also keeps pods from coming: else those that were evicted would come back, for ever.
 */
const TAINTS: readonly (readonly Taint[])[] = [
  both('maintenance', 'now'),
  [{ key: 'licence', value: 'expired', effect: 'NoExecute' }],
  [{ key: 'dedicated', value: 'batch', effect: 'NoSchedule' }],
  [{ key: 'node.kubernetes.io/out-of-service', value: 'nodeshutdown', effect: 'NoExecute' }],
]
const TOLERATIONS: readonly (readonly Toleration[])[] = [
  [],
  [{ key: 'maintenance', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 20 }],
  [
    { key: 'maintenance', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 15 },
    { key: 'licence', operator: 'Equal', value: 'expired', effect: 'NoExecute' },
    { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 10 },
  ],
]

const knobs: fc.Arbitrary<DeploymentKnobs> = fc.record({
  replicas: fc.integer({ min: 1, max: 6 }),
  cpu: fc.constantFrom('100m', '250m'),
  graceSeconds: fc.constantFrom(5, 1, 30),
  minReadySeconds: fc.constant(0),
  strategy: fc.constant({ type: 'RollingUpdate' as const, rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } }),
  podReplacementPolicy: fc.constant('TerminationStarted' as const),
  tolerations: fc.constantFrom(...TOLERATIONS),
})

const node = fc.constantFrom(...NODE_NAMES)

/** What users do to nodes, beside what they do to what runs on them. */
const operator: fc.Arbitrary<UserAction> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('Cordon'), node, unschedulable: fc.boolean() }) },
  { weight: 3, arbitrary: drain(NODE_NAMES) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('DeleteNode'), node }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('Taint'), node, taints: fc.constantFrom(...TAINTS), remove: fc.boolean() }) },
)

/** A pod that nobody owns and that is not started again: when its program ends it is over, and stays until there are too many. */
const bare = (name: string): Manifest => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'default' },
  spec: { restartPolicy: 'Never', terminationGracePeriodSeconds: 5, containers: [{ name: 'main', image: 'registry.example/task:1' }] },
})

/** Pods that are told apart, each with a disk of its own that is on one node at a time and goes where its pod goes. */
const stores = (replicas: number): readonly Manifest[] => [
  {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name: 'disk' },
    provisioner: 'provisioner.example/disk',
    volumeBindingMode: 'WaitForFirstConsumer',
  },
  {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'store', namespace: 'default', labels: { app: 'store' } },
    spec: {
      replicas,
      serviceName: 'store',
      podManagementPolicy: 'Parallel',
      selector: { matchLabels: { app: 'store' } },
      template: template('store'),
      volumeClaimTemplates: [
        {
          metadata: { name: 'data' },
          spec: { accessModes: ['ReadWriteOnce'], storageClassName: 'disk', resources: { requests: { storage: '1Gi' } } },
        },
      ],
    },
  },
]

const opening = (web: DeploymentKnobs, db: DeploymentKnobs, budget: Manifest | null, replicas: number): readonly Manifest[] => [
  ...(replicas === 0 ? [] : stores(replicas)),
  deployment('web', web),
  service('web'),
  ...(budget === null ? [] : [budget]),
  deployment('db', db),
  ...['task-0', 'task-1', 'task-2'].map(bare),
]

export const nodesSuite: Suite = {
  name: 'nodes',
  sentence: 'nodes in zones crash, are cut off alone or with their zone, cordoned, drained, tainted and deleted; their pods move',
  weight: 2,
  concerns: ['NODE-', 'PDB-', 'DRAIN-', 'VOL-S3', 'VOL-S4', 'VOL-S5', 'VOL-S6', 'VOL-L2'],
  plans: fc
    .tuple(knobs, knobs, fc.option(disruptionBudget('web'), { freq: 4 }), fc.constantFrom(0, 1, 2))
    .chain(([web, db, budget, replicas]) =>
      planOf({
        suite: 'nodes',
        cluster: shape,
        opening: applied(opening(web, db, budget, replicas)),
        users: fc.oneof({ weight: 1, arbitrary: operator }, { weight: 1, arbitrary: workloadAction(['web', 'db'], NODE_NAMES) }),
        usersMost: 14,
        usersInSqualls: true,
        faultKinds: FAULTS,
        targets: { ...clusterTargets(NODES_LEAST), zones: ZONES },
        stormMs: fc.integer({ min: 60_000, max: 300_000 }),
        calmMs: 900_000,
        quietMs: 40_000,
      }),
    ),
}
