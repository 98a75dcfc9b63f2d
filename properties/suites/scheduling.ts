/** More pods than fit, some worth more than others; nodes that come, go, are cordoned and deleted; schedulers that fail over. */
import fc from 'fast-check'
import type { ClusterShape, NodeShape, UserAction } from '../../model/state/plan.ts'
import { applied, BATCH, deployment, priorityClass, workloadAction } from '../generators/manifests.ts'
import { planOf } from '../generators/plan.ts'
import { disruptionBudget } from '../generators/policy.ts'
import { clusterTargets, nodes, standardShape } from '../generators/shapes.ts'
import type { Targets } from '../generators/faults.ts'
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
  'BreakConnections',
  'BreakConnections',
  'SlowLink',
  'Clog',
]

const NODE_NAMES = nodes(NODES).map((node) => node.name)

/** The one that decides is struck as often as all others together: while it writes, and where it runs. */
const ALL_TARGETS = clusterTargets(NODES)
const twice = (targets: readonly string[], target: string): readonly string[] => [...targets, ...targets.map(() => target)]
const TARGETS: Targets = {
  ...ALL_TARGETS,
  processes: twice(ALL_TARGETS.processes, 'kube-scheduler:leader'),
  writers: twice(ALL_TARGETS.writers, 'kube-scheduler:leader'),
}

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
  placement: fc.constantFrom(undefined, 'apart' as const, 'together' as const, 'even' as const, 'away' as const),
  selector: fc.constantFrom(undefined, undefined, { disk: 'ssd' }),
  priorityClass: fc.constantFrom(...CLASS_NAMES),
})

const TASKS = Array.from({ length: 6 }, (_, nth) => `task-${nth}`)
const namespace = fc.constantFrom('default', BATCH.metadata.name)

/** One that runs to its end by itself and is over: its room is free again while its node still clears up. */
const task = fc
  .record({
    name: fc.constantFrom(...TASKS),
    namespace,
    cpu: fc.constantFrom('250m', '500m', '900m', '1500m'),
    priorityClassName: fc.constantFrom(...CLASS_NAMES),
  })
  .map(({ cpu, priorityClassName, ...metadata }): UserAction => ({
    kind: 'Apply',
    object: {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { ...metadata, labels: { app: 'task' } },
      spec: {
        restartPolicy: 'Never',
        terminationGracePeriodSeconds: 1,
        ...(priorityClassName === undefined ? {} : { priorityClassName }),
        containers: [{ name: 'main', image: 'registry.example/task:1', resources: { requests: { cpu } } }],
      },
    },
  }))

const noTask = fc
  .tuple(fc.constantFrom(...TASKS), namespace)
  .map(([name, where]): UserAction => ({ kind: 'Delete', resource: 'pods', name: `${where}/${name}`, propagation: 'Background' }))

const user = (nodeNames: readonly string[]): fc.Arbitrary<UserAction> =>
  fc.oneof(
    { weight: 6, arbitrary: workloadAction(['small', 'large'], nodeNames) },
    { weight: 5, arbitrary: task },
    { weight: 2, arbitrary: noTask },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('ExitContainer'),
        nth: fc.integer({ min: 0, max: 20 }),
        exitCode: fc.constantFrom(0, 0, 1),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('Cordon'), node: fc.constantFrom(...nodeNames), unschedulable: fc.boolean() }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('DeleteNode'), node: fc.constantFrom(...nodeNames) }) },
  )

export const scheduling: Suite = {
  name: 'scheduling',
  sentence: 'more pods than fit, some worth more than others, nodes cordoned, deleted and lost, schedulers that fail over',
  weight: 2,
  concerns: ['SCHED-', 'PRI-'],
  plans: fc.tuple(knobs, knobs, fc.option(disruptionBudget('small'))).chain(([small, large, budget]) =>
    planOf({
      suite: 'scheduling',
      cluster: shape,
      opening: applied([
        BATCH,
        ...CLASSES,
        ...(budget === null ? [] : [budget]),
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
      usersMost: 16,
      usersInSqualls: true,
      faultKinds: FAULTS,
      targets: TARGETS,
      stormMs: fc.integer({ min: 30_000, max: 90_000 }),
      calmMs: 900_000,
      quietMs: 40_000,
    }),
  ),
}
