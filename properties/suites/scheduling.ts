/** More pods than fit, some worth more than others; nodes that come, go, are cordoned and deleted; schedulers that fail over. */
import fc from 'fast-check'
import type { ClusterShape, NodeShape, UserAction } from '../../model/state/plan.ts'
import { applied, deployment, priorityClass, workloadAction } from '../generators/manifests.ts'
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

/** Urgent pods push others out; patient ones are worth as much and wait. */
const CLASSES = [
  priorityClass('urgent', 1_000, 'PreemptLowerPriority'),
  priorityClass('patient', 1_000, 'Never'),
  priorityClass('spare', -10, 'PreemptLowerPriority'),
]
const CLASS_NAMES = [undefined, undefined, ...CLASSES.map(({ metadata }) => metadata.name)]

const knobs = fc.record({
  replicas: fc.integer({ min: 1, max: 6 }),
  cpu: fc.constantFrom('250m', '500m', '900m'),
  placement: fc.constantFrom(undefined, 'apart' as const, 'together' as const, 'even' as const),
  selector: fc.constantFrom(undefined, undefined, { disk: 'ssd' }),
  priorityClass: fc.constantFrom(...CLASS_NAMES),
})

/** One that runs to its end by itself and is over: its room is free again while its node still clears up. */
const task = fc
  .record({
    nth: fc.integer({ min: 0, max: 7 }),
    cpu: fc.constantFrom('250m', '500m', '900m', '1500m'),
    priorityClassName: fc.constantFrom(...CLASS_NAMES),
  })
  .map(({ nth, cpu, priorityClassName }): UserAction => ({
    kind: 'Apply',
    object: {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: `task-${nth}`, namespace: 'default', labels: { app: 'task' } },
      spec: {
        restartPolicy: 'Never',
        terminationGracePeriodSeconds: 1,
        ...(priorityClassName === undefined ? {} : { priorityClassName }),
        containers: [{ name: 'main', image: 'registry.example/task:1', resources: { requests: { cpu } } }],
      },
    },
  }))

const user = (nodeNames: readonly string[]): fc.Arbitrary<UserAction> =>
  fc.oneof(
    { weight: 5, arbitrary: workloadAction(['small', 'large'], nodeNames) },
    { weight: 4, arbitrary: task },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('Cordon'), node: fc.constantFrom(...nodeNames), unschedulable: fc.boolean() }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('DeleteNode'), node: fc.constantFrom(...nodeNames) }) },
  )

export const scheduling: Suite = {
  name: 'scheduling',
  sentence: 'more pods than fit, some worth more than others, nodes cordoned, deleted and lost, schedulers that fail over',
  weight: 2,
  concerns: ['SCHED-', 'PRI-'],
  plans: fc.tuple(knobs, knobs).chain(([small, large]) =>
    planOf({
      suite: 'scheduling',
      cluster: shape,
      opening: applied([
        ...CLASSES,
        ...[small, large].map(({ placement, selector, priorityClass: className, ...drawn }, index) =>
          deployment(index === 0 ? 'small' : 'large', {
            ...drawn,
            graceSeconds: 1,
            minReadySeconds: 0,
            strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } },
            podReplacementPolicy: 'TerminationStarted',
            ...(placement === undefined ? {} : { placement }),
            ...(selector === undefined ? {} : { nodeSelector: selector }),
            ...(className === undefined ? {} : { priorityClass: className }),
          }),
        ),
      ]),
      users: user(NODE_NAMES),
      usersMost: 12,
      faultKinds: FAULTS,
      targets: clusterTargets(NODES),
      stormMs: fc.integer({ min: 30_000, max: 90_000 }),
      calmMs: 900_000,
      quietMs: 40_000,
    }),
  ),
}
