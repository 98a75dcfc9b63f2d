/** More pods than fit at times, nodes that come, go, are cordoned and deleted, schedulers that fail over. */
import fc from 'fast-check'
import type { ClusterShape, NodeShape, UserAction } from '../../model/state/plan.ts'
import { applied, deployment, workloadAction } from '../generators/manifests.ts'
import { planOf } from '../generators/plan.ts'
import { clusterTargets, nodes, standardShape } from '../generators/shapes.ts'
import type { FaultKind } from '../generators/weather.ts'
import type { Suite } from './suite.ts'

const NODES = 3
const FAULTS: readonly FaultKind[] = [
  'CrashProcess',
  'CrashMachine',
  'PauseProcess',
  'CrashBetweenWrites',
  'FreezeCache',
  'BreakConnections',
  'SlowLink',
  'Clog',
]

const NODE_NAMES = nodes(NODES).map((node) => node.name)

/** Small nodes of unlike sizes, one of them tainted, one labelled: room runs out and choices matter. */
const shape: fc.Arbitrary<ClusterShape> = fc
  .record({ cpus: fc.array(fc.constantFrom('1', '2', '4'), { minLength: NODES, maxLength: NODES }), tainted: fc.boolean() })
  .map(({ cpus, tainted }) =>
    standardShape(
      nodes(NODES).map((node, index): NodeShape => ({
        ...node,
        cpu: cpus[index] ?? '2',
        pods: 8,
        labels: { disk: index === 0 ? 'ssd' : 'hdd' },
        ...(tainted && index === 1 ? { taints: [{ key: 'dedicated', value: 'batch', effect: 'NoSchedule' }] } : {}),
      })),
    ),
  )

const knobs = fc.record({
  replicas: fc.integer({ min: 1, max: 6 }),
  cpu: fc.constantFrom('250m', '500m', '900m'),
  placement: fc.constantFrom(undefined, 'apart' as const, 'together' as const, 'even' as const),
  selector: fc.constantFrom(undefined, undefined, { disk: 'ssd' }),
})

const user = (nodeNames: readonly string[]): fc.Arbitrary<UserAction> =>
  fc.oneof(
    { weight: 5, arbitrary: workloadAction(['small', 'large'], nodeNames) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('Cordon'), node: fc.constantFrom(...nodeNames), unschedulable: fc.boolean() }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('DeleteNode'), node: fc.constantFrom(...nodeNames) }) },
  )

export const scheduling: Suite = {
  name: 'scheduling',
  sentence: 'more pods than fit at times, nodes cordoned, deleted and lost, schedulers that fail over',
  weight: 2,
  concerns: ['SCHED-'],
  plans: fc.tuple(knobs, knobs).chain(([small, large]) =>
    planOf({
      suite: 'scheduling',
      cluster: shape,
      opening: applied(
        [small, large].map((drawn, index) =>
          deployment(index === 0 ? 'small' : 'large', {
            replicas: drawn.replicas,
            cpu: drawn.cpu,
            graceSeconds: 1,
            minReadySeconds: 0,
            strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } },
            podReplacementPolicy: 'TerminationStarted',
            ...(drawn.placement === undefined ? {} : { placement: drawn.placement }),
            ...(drawn.selector === undefined ? {} : { nodeSelector: drawn.selector }),
          }),
        ),
      ),
      users: user(NODE_NAMES),
      usersMost: 10,
      faultKinds: FAULTS,
      targets: clusterTargets(NODES),
      stormMs: fc.integer({ min: 30_000, max: 90_000 }),
      calmMs: 900_000,
      quietMs: 40_000,
    }),
  ),
}
