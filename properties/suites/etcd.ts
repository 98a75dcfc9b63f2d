/** Clients read, write, watch and lease against one, three or five members while machines and links fail. */
import fc from 'fast-check'
import type { KvRequest } from '../../model/state/keyspace.ts'
import type { EtcdClientAction, Plan, UserAction } from '../../model/state/plan.ts'
import type { FaultKind } from '../generators/weather.ts'
import { planOf } from '../generators/plan.ts'
import { etcdShape, etcdTargets } from '../generators/shapes.ts'
import type { Suite } from './suite.ts'

const KEYS = ['a', 'b', 'c', 'd'] as const
const SLOTS = 2

const key = fc.constantFrom(...KEYS)
/** Unique enough that a value names its write. */
const value = fc.integer({ min: 0, max: 99_999 }).map((number) => `v${number}`)
const slot = fc.integer({ min: 0, max: SLOTS - 1 })

const range = fc.record({ kind: fc.constant('Range'), key, serializable: fc.constantFrom(false, false, true) })
const rangeAll = fc.record({ kind: fc.constant('Range'), key: fc.constant('a'), rangeEnd: fc.constant('z') })
const put = fc.record({ kind: fc.constant('Put'), key, value, prevKv: fc.boolean() })
const remove = fc.record({ kind: fc.constant('DeleteRange'), key, prevKv: fc.boolean() })
const compareAndPut = fc.record({ key, other: key, version: fc.integer({ min: 0, max: 2 }), value }).map((drawn): KvRequest => ({
  kind: 'Txn',
  compare: [{ key: drawn.key, target: 'version', result: '=', operand: drawn.version }],
  success: [
    { kind: 'Put', key: drawn.key, value: drawn.value },
    ...(drawn.other === drawn.key ? [] : [{ kind: 'Put' as const, key: drawn.other, value: drawn.value }]),
    { kind: 'Range', key: drawn.key },
  ],
  failure: [{ kind: 'Range', key: drawn.key }],
}))
const watch = fc.record({
  kind: fc.constant('Watch'),
  key: fc.constantFrom('a', 'b'),
  rangeEnd: fc.constantFrom('c', 'z'),
  startBack: fc.integer({ min: -2, max: 8 }),
  prevKv: fc.boolean(),
})

const request: fc.Arbitrary<EtcdClientAction> = fc.oneof(
  { weight: 6, arbitrary: put },
  { weight: 5, arbitrary: range },
  { weight: 1, arbitrary: rangeAll },
  { weight: 2, arbitrary: remove },
  { weight: 3, arbitrary: compareAndPut },
  { weight: 2, arbitrary: watch },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('Compact'), back: fc.integer({ min: 0, max: 6 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('LeaseGrant'), slot, ttlSeconds: fc.integer({ min: 1, max: 6 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('PutWithLease'), key, value, slot }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('LeaseRevoke', 'LeaseKeepAlive', 'LeaseKeepAlive'), slot }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('Reconnect') }) },
)

const user: fc.Arbitrary<UserAction> = fc.record({
  kind: fc.constant('Etcd'),
  client: fc.integer({ min: 0, max: 4 }),
  request,
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
    usersMost: 120,
    faultKinds: FAULTS,
    faultsMost: 10,
    majorityOut: true,
    targets: etcdTargets,
    stormMs: fc.integer({ min: 4_000, max: 30_000 }),
    calmMs: 40_000,
    quietMs: 3_000,
  }).map(patient),
}
