/** Clients read, write, watch and lease against one, three or five members while machines and links fail. */
import fc from 'fast-check'
import type { Plan, UserAction } from '../../model/state/plan.ts'
import type { FaultKind } from '../generators/weather.ts'
import { etcdRequest } from '../generators/etcd-requests.ts'
import { planOf } from '../generators/plan.ts'
import { etcdShape, etcdTargets } from '../generators/shapes.ts'
import type { Suite } from './suite.ts'

const user: fc.Arbitrary<UserAction> = fc.record({
  kind: fc.constant('Etcd'),
  client: fc.integer({ min: 0, max: 4 }),
  request: etcdRequest,
})

const FAULTS: readonly FaultKind[] = [
  'CrashProcess',
  'CrashMachine',
  'PauseProcess',
  'Partition',
  'SlowLink',
  'Clog',
  'StallDisk',
  'JumpClock',
  'CrashUnsynced',
  'DeposeElected',
]

/** etcd's manual: an election timeout is at least ten round trips. One that is shorter than a few never lets a leader stay. */
const patient = (plan: Plan): Plan => {
  const { timings } = plan.cluster
  if ((timings.etcdElectionMs ?? Infinity) >= plan.weather.latencyMs[1] * ROUND_TRIPS) return plan
  const { etcdElectionMs: _election, etcdHeartbeatMs: _heartbeat, ...rest } = timings
  return { ...plan, cluster: { ...plan.cluster, timings: rest } }
}
const ROUND_TRIPS = 5

export const etcd: Suite = {
  name: 'etcd',
  sentence: 'clients read, write, watch and lease while members crash, lose unsynced writes and are cut off',
  weight: 4,
  concerns: ['ETCD-', 'RAFT-'],
  plans: planOf({
    suite: 'etcd',
    cluster: etcdShape,
    opening: [],
    users: user,
    usersMost: 180,
    faultKinds: FAULTS,
    faultsMost: 10,
    majorityOut: true,
    usersInSqualls: true,
    targets: etcdTargets,
    stormMs: fc.integer({ min: 4_000, max: 18_000 }),
    calmMs: 40_000,
    quietMs: 3_000,
  }).map(patient),
}
