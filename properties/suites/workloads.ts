/**
 * Workloads of one or two kinds side by side, their users, and controllers that crash between two writes.
 *
 * Each kind brings a generator of its own (properties/generators/<kind>.ts); a run draws from them.
 */
import fc from 'fast-check'
import type { UserAction } from '../../model/state/plan.ts'
import { applied } from '../generators/manifests.ts'
import { daemonSets } from '../generators/daemonset.ts'
import { planOf } from '../generators/plan.ts'
import { cronJobs } from '../generators/cronjob.ts'
import { autoscaled } from '../generators/hpa.ts'
import { jobs } from '../generators/job.ts'
import { replicaSets } from '../generators/replicaset.ts'
import { clusterTargets, nodes, standardShape } from '../generators/shapes.ts'
import type { FaultKind } from '../generators/weather.ts'
import { singlePodClaims } from '../generators/single-pod.ts'
import { statefulSets } from '../generators/statefulset.ts'
import type { Workload, WorkloadGenerator } from '../generators/workload.ts'
import type { Suite } from './suite.ts'

/** How often each kind is drawn, relative to the others. */
const KINDS: readonly { readonly weight: number; readonly generator: WorkloadGenerator }[] = [
  { weight: 1, generator: replicaSets },
  { weight: 3, generator: jobs },
  { weight: 2, generator: statefulSets },
  { weight: 2, generator: daemonSets },
  { weight: 1, generator: cronJobs },
  { weight: 1, generator: autoscaled },
  { weight: 1, generator: singlePodClaims },
]

const NODES = 3
const NODE_NAMES = nodes(NODES).map((node) => node.name)

const FAULTS: readonly FaultKind[] = [
  'CrashProcess',
  'CrashMachine',
  'PauseProcess',
  'Partition',
  'SlowLink',
  'Clog',
  'JumpClock',
  'CrashBetweenWrites',
  'FreezeCache',
  'BreakConnections',
]

const workload = (name: string): fc.Arbitrary<Workload> =>
  fc.oneof(...KINDS.map(({ weight, generator }) => ({ weight, arbitrary: generator(name) })))

/** What happens to pods and nodes whoever they belong to. */
const everywhere: fc.Arbitrary<UserAction> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('DeletePod'),
      nth: fc.integer({ min: 0, max: 20 }),
      force: fc.constantFrom(false, false, false, true),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('ExitContainer'), nth: fc.integer({ min: 0, max: 20 }), exitCode: fc.constantFrom(0, 1) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('Cordon'), node: fc.constantFrom(...NODE_NAMES), unschedulable: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('DeleteNode'), node: fc.constantFrom(...NODE_NAMES.slice(1)) }) },
)

export const workloads: Suite = {
  name: 'workloads',
  sentence: 'one or two workloads of any kind with their users, while controllers crash, hand over, and see late what they did',
  weight: 2,
  concerns: ['RS-', 'STS-', 'DS-', 'VOL-', 'JOB-', 'TTL-', 'CJ-', 'HPA-'],
  plans: fc.tuple(workload('one'), fc.option(workload('two'))).chain(([one, two]) => {
    const drawn = two === null ? [one] : [one, two]
    return planOf({
      suite: 'workloads',
      cluster: fc.constant({ ...standardShape(nodes(NODES)), programs: Object.assign({}, ...drawn.map(({ programs }) => programs)) }),
      opening: applied(drawn.flatMap(({ manifests }) => manifests)),
      users: fc.oneof(...drawn.map(({ users }) => ({ weight: 3, arbitrary: users })), { weight: 2, arbitrary: everywhere }),
      usersMost: 12,
      usersInSqualls: true,
      faultKinds: FAULTS,
      targets: clusterTargets(NODES),
      stormMs: fc.integer({ min: 30_000, max: 120_000 }),
      calmMs: 900_000,
      quietMs: 40_000,
    })
  }),
}
