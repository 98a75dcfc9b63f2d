/** Clients read, write, watch and lease against one, three or five members while machines and links fail. */
import fc from 'fast-check'
import type { Plan, UserAction } from '../../model/state/plan.ts'
import type { FaultKind } from '../generators/weather.ts'
import { AUTH_SET_UP, etcdRequest, readAll, type Work } from '../generators/etcd-requests.ts'
import { planOf } from '../generators/plan.ts'
import { etcdShape, etcdTargets } from '../generators/shapes.ts'
import type { Suite } from './suite.ts'

/** Now and then, so often to twelve others, all read at once: whoever serves one that is out of date is then asked. */
const asks = (work: Work, atOnce: number): fc.Arbitrary<UserAction> =>
  fc.oneof(
    {
      weight: 12,
      arbitrary: fc.record({ kind: fc.constant('Etcd'), client: fc.integer({ min: 0, max: 4 }), request: etcdRequest(work) }),
    },
    { weight: atOnce, arbitrary: fc.record({ kind: fc.constant('Etcd'), client: fc.constant('each'), request: readAll }) },
  )

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
  // The one that tells most of a consensus protocol.
  'DeposeElected',
  'DeposeElected',
  'DeposeElected',
  'DeposeElected',
]

/**
 * What may strike alone, again and again: many faults of one kind make a pattern (leaders that follow each other before
 * their entries reach anybody, answers that come after their leader is none any more) which one of another kind breaks off.
 */
const ALONE: readonly FaultKind[] = [
  ...Array.from({ length: 4 }, () => 'DeposeElected' as const),
  ...Array.from({ length: 3 }, () => 'SlowLink' as const),
  'CrashUnsynced',
  'PauseProcess',
]

/**
 * etcd's manual: an election timeout is at least ten round trips. One that is shorter than a few never lets a leader stay;
 * and a watch that may have one response on its way never catches up over links that take long.
 */
const patient = (plan: Plan): Plan => {
  const { etcdElectionMs, etcdHeartbeatMs, etcdWatchWindow, ...rest } = plan.cluster.timings
  const [, longestMs] = plan.weather.latencyMs
  const hasty = (etcdElectionMs ?? Infinity) < longestMs * ROUND_TRIPS
  const timings = {
    ...rest,
    ...(hasty || etcdElectionMs === undefined ? {} : { etcdElectionMs }),
    ...(hasty || etcdHeartbeatMs === undefined ? {} : { etcdHeartbeatMs }),
    ...(longestMs > SLOW_MS || etcdWatchWindow === undefined ? {} : { etcdWatchWindow }),
  }
  return { ...plan, cluster: { ...plan.cluster, timings } }
}
const ROUND_TRIPS = 3
const SLOW_MS = 100

/** By then somebody leads. */
const SET_UP_MS = 2_000

/** In a storm of all kinds of fault; or of one alone, which is longer, and in which all read more often. */
const plans = (work: Work, alone?: FaultKind): fc.Arbitrary<Plan> =>
  planOf({
    suite: 'etcd',
    cluster: etcdShape.map((shape) => {
      if (work === 'members') return { ...shape, members: 3, spareMembers: 2 }
      // A storm tells little of a member that is alone.
      return work === 'keys' && shape.members === 1 ? { ...shape, members: 3 } : shape
    }),
    opening: work === 'users' ? AUTH_SET_UP.map((request) => ({ atMs: SET_UP_MS, do: { kind: 'Etcd', client: 0, request } })) : [],
    users: asks(work, alone === undefined ? 1 : 6),
    usersMost: 240,
    ...(alone === undefined ? { faultKinds: FAULTS } : { faultKinds: [alone], strength: 'high' }),
    // A change of the members is refused while one of them is not well.
    faultsMost: work === 'members' ? 3 : 16,
    majorityOut: true,
    usersInSqualls: true,
    targets: etcdTargets,
    stormMs: fc.integer({ min: alone === undefined ? 4_000 : 10_000, max: work === 'keys' ? 45_000 : 25_000 }),
    calmMs: 40_000,
    quietMs: 3_000,
  })

export const etcd: Suite = {
  name: 'etcd',
  sentence: 'clients read, write, watch and lease while members crash, lose unsynced writes and are cut off',
  weight: 4,
  concerns: ['ETCD-', 'RAFT-'],
  plans: fc
    .oneof(
      { weight: 6, arbitrary: plans('keys') },
      { weight: 5, arbitrary: plans('all') },
      { weight: 1, arbitrary: plans('users') },
      { weight: 2, arbitrary: plans('members') },
      { weight: 8, arbitrary: fc.oneof(...ALONE.map((kind) => plans('keys', kind))) },
    )
    .map(patient),
}
