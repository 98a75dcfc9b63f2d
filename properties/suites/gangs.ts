/** Groups of pods that only work together, on nodes with room for some of them, by the optional plugin Coscheduling. */
import fc from 'fast-check'
import type { ClusterShape, Manifest, TimedAction, UserAction } from '../../model/state/plan.ts'
import { POD_GROUP_LABEL } from '../../model/state/pod-group.ts'
import { applied, deployment, workloadAction } from '../generators/manifests.ts'
import { planOf } from '../generators/plan.ts'
import { clusterTargets, nodes, standardShape } from '../generators/shapes.ts'
import type { FaultKind } from '../generators/weather.ts'
import type { Suite } from './suite.ts'

const NODES = 3
const FAULTS: readonly FaultKind[] = [
  'CrashProcess',
  'PauseProcess',
  'CrashBetweenWrites',
  'FreezeCache',
  'BreakConnections',
  'SlowLink',
  'Clog',
]
const NAMES = ['crew', 'band']

/** Coscheduling sorts the queue itself, so that groups come one after another. */
const CONFIGURATION = {
  profiles: [
    {
      plugins: {
        multiPoint: { enabled: [{ name: 'Coscheduling' }] },
        queueSort: { enabled: [{ name: 'Coscheduling' }], disabled: [{ name: '*' }] },
      },
      pluginConfig: [{ name: 'Coscheduling', args: { permitWaitingTimeSeconds: 20 } }],
    },
  ],
}

const shape: fc.Arbitrary<ClusterShape> = fc.array(fc.constantFrom('1', '2', '4'), { minLength: NODES, maxLength: NODES }).map((cpus) => ({
  ...standardShape(nodes(NODES).map((node, index) => ({ ...node, cpu: cpus[index] ?? '2', pods: 8 }))),
  schedulerConfiguration: CONFIGURATION,
}))

const group = (name: string, minMember: number): Manifest => ({
  apiVersion: 'scheduling.x-k8s.io/v1alpha1',
  kind: 'PodGroup',
  metadata: { name, namespace: 'default' },
  spec: { minMember },
})

const gang = fc.record({
  minMember: fc.integer({ min: 2, max: 4 }),
  more: fc.constantFrom(0, 0, 1, -1),
  cpu: fc.constantFrom('500m', '900m'),
})

/** A group, and a Deployment whose pods are of it. */
export const ganged = (
  name: string,
  { minMember, more, cpu }: { readonly minMember: number; readonly more: number; readonly cpu: string },
): readonly Manifest[] => {
  const made = deployment(name, {
    replicas: minMember + more,
    cpu,
    graceSeconds: 1,
    minReadySeconds: 0,
    strategy: { type: 'Recreate' },
    podReplacementPolicy: 'TerminationStarted',
  })
  const spec = made['spec'] as { readonly template: { readonly metadata: { readonly labels: Readonly<Record<string, string>> } } }
  const labels = { ...spec.template.metadata.labels, [POD_GROUP_LABEL]: name }
  return [group(name, minMember), { ...made, spec: { ...spec, template: { ...spec.template, metadata: { labels } } } }]
}

const nodeNames = nodes(NODES).map((node) => node.name)
const user: fc.Arbitrary<UserAction> = fc.oneof(
  { weight: 5, arbitrary: workloadAction(NAMES, nodeNames) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('DeleteNode'), node: fc.constantFrom(...nodeNames) }) },
)

/** The second group comes when the first has settled, or right beside it. */
const opening = (first: readonly Manifest[], second: readonly Manifest[], later: boolean): readonly TimedAction[] => [
  ...applied(first),
  ...applied(second, later ? 20_000 : 5_050),
]

export const gangs: Suite = {
  name: 'gangs',
  sentence: 'groups of pods that are placed together or not at all, where there is not always room for all of them',
  weight: 1,
  concerns: ['GANG-'],
  plans: fc.tuple(gang, gang, fc.boolean()).chain(([one, other, later]) =>
    planOf({
      suite: 'gangs',
      cluster: shape,
      opening: opening(ganged('crew', one), ganged('band', other), later),
      users: user,
      usersMost: 6,
      faultKinds: FAULTS,
      targets: clusterTargets(NODES),
      stormMs: fc.integer({ min: 30_000, max: 80_000 }),
      calmMs: 900_000,
      quietMs: 40_000,
    }),
  ),
}
