/**
 * What clients of etcd ask, as fast-check arbitraries: the whole of Range, Put, DeleteRange and Txn over a few keys, so
 * that requests meet each other. A negative revision is so many back from the highest the client was told of.
 */
import fc from 'fast-check'
import type { AuthRequest } from '../../model/state/auth.ts'
import type { Compare, KvRequest, RangeRequest } from '../../model/state/keyspace.ts'
import type { EtcdClientAction } from '../../model/state/plan.ts'

const KEYS = ['a', 'b', 'c', 'd'] as const
const SLOTS = 2
/** Further than any run gets. */
const FUTURE = 1_000_000

const key = fc.constantFrom(...KEYS)
/** Ends of ranges: a part, all keys the workload writes, all there are. */
const rangeEnd = fc.constantFrom('c', 'z', '\0')
const value = fc.integer({ min: 0, max: 99_999 }).map((number) => `v${number}`)
const slot = fc.integer({ min: 0, max: SLOTS - 1 })
const seldom = <T>(rare: T): fc.Arbitrary<T | null> => fc.constantFrom(null, null, null, rare)

/** Leaves out the fields that were not drawn, so that a plan shows only what is asked. */
const given = <T extends object>(fields: T): { [Field in keyof T]?: Exclude<T[Field], null> } =>
  Object.fromEntries(Object.entries(fields).filter(([, field]) => field !== null && field !== false)) as never

const range: fc.Arbitrary<RangeRequest> = fc
  .record({ key, serializable: fc.constantFrom(false, false, true) })
  .map(({ key: one, serializable }) => ({ kind: 'Range', key: one, ...(serializable ? { serializable } : {}) }))
const back = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 1, max: 12 }).map((number) => -number) },
  { weight: 1, arbitrary: fc.constant(FUTURE) },
)
const pastRange: fc.Arbitrary<RangeRequest> = fc
  .record({ key, rangeEnd: fc.option(rangeEnd), revision: back, serializable: fc.constantFrom(false, true) })
  .map((fields) => ({ kind: 'Range', ...given(fields) }) as RangeRequest)
const bound = fc.option(fc.integer({ min: 1, max: 30 }), { freq: 6 })
const richRange: fc.Arbitrary<RangeRequest> = fc
  .record({
    key,
    rangeEnd,
    limit: fc.option(fc.integer({ min: 1, max: 3 })),
    sortOrder: fc.constantFrom(null, 'NONE' as const, 'ASCEND' as const, 'DESCEND' as const),
    sortTarget: fc.constantFrom(null, 'KEY' as const, 'VERSION' as const, 'CREATE' as const, 'MOD' as const, 'VALUE' as const),
    minModRevision: bound,
    maxModRevision: bound,
    minCreateRevision: bound,
    maxCreateRevision: bound,
    keysOnly: seldom(true),
    countOnly: seldom(true),
    serializable: seldom(true),
  })
  .map((fields) => ({ kind: 'Range', ...given(fields) }) as RangeRequest)

const put = fc.record({ kind: fc.constant('Put' as const), key, value, prevKv: fc.boolean() })
const remove = fc.record({ kind: fc.constant('DeleteRange' as const), key, prevKv: fc.boolean() })
const removeRange = fc.record({ kind: fc.constant('DeleteRange' as const), key, rangeEnd: fc.constantFrom('c', 'z'), prevKv: fc.boolean() })

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

const compare: fc.Arbitrary<Compare> = fc
  .record({
    key,
    rangeEnd: fc.option(fc.constantFrom('c', 'z'), { freq: 4 }),
    target: fc.constantFrom('version' as const, 'create' as const, 'mod' as const, 'value' as const, 'lease' as const),
    result: fc.constantFrom('=' as const, '!=' as const, '<' as const, '>' as const),
    number: fc.integer({ min: 0, max: 12 }),
  })
  .map(({ number, rangeEnd: end, ...rest }) => ({
    ...rest,
    ...(end === null ? {} : { rangeEnd: end }),
    operand: rest.target === 'value' ? `v${number}` : number,
  }))

const here = ({ serializable: _serializable, ...rest }: RangeRequest): RangeRequest => rest
const reading = fc.oneof(range.map(here), pastRange.map(here))
const txnOf = (parts: fc.Arbitrary<KvRequest>): fc.Arbitrary<KvRequest> =>
  fc.record({
    kind: fc.constant('Txn' as const),
    compare: fc.array(compare, { maxLength: 2 }),
    success: fc.array(parts, { maxLength: 3 }),
    failure: fc.array(parts, { maxLength: 2 }),
  })
/**
 * Anything at once, two writes of one key included: those are refused. But for one case, in which etcd looks away and one
 * revision changes a key twice: what one inner transaction puts and a later one deletes. So inner ones delete nothing.
 */
const txn = txnOf(
  fc.oneof(
    { weight: 3, arbitrary: put },
    { weight: 3, arbitrary: reading },
    { weight: 2, arbitrary: fc.oneof(remove, removeRange) },
    { weight: 1, arbitrary: txnOf(fc.oneof(put, reading)) },
  ),
)

const watch = fc
  .record({
    key: fc.constantFrom('a', 'b'),
    rangeEnd: fc.constantFrom('c', 'z'),
    startBack: fc.oneof(
      { weight: 4, arbitrary: fc.integer({ min: -3, max: 6 }) },
      // Far enough ahead that a member may catch up, even by a snapshot, and not be there yet.
      { weight: 3, arbitrary: fc.integer({ min: -25, max: -4 }) },
    ),
    prevKv: fc.boolean(),
    filters: fc.constantFrom(null, null, null, ['NOPUT'] as const, ['NODELETE'] as const),
    progressNotify: seldom(true),
    fragment: seldom(true),
  })
  .map(({ key: start, rangeEnd: end, startBack, prevKv, ...options }): EtcdClientAction => ({
    kind: 'Watch',
    key: start,
    rangeEnd: end,
    startBack,
    prevKv,
    ...given(options),
  }))

const lease: fc.Arbitrary<EtcdClientAction> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('LeaseGrant' as const), slot, ttlSeconds: fc.integer({ min: 1, max: 6 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('PutWithLease' as const), key, value, slot }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constantFrom('LeaseRevoke' as const, 'LeaseKeepAlive' as const, 'LeaseKeepAlive' as const), slot }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('LeaseTimeToLive' as const), slot, keys: fc.boolean() }) },
)

/** What an operator does: hashes, defragmentation, snapshots, alarms looked at and disarmed. */
const maintenance: fc.Arbitrary<EtcdClientAction> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('HashKv' as const), back: fc.integer({ min: 0, max: 4 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('Defragment' as const, 'Snapshot' as const, 'Status' as const) }) },
  { weight: 1, arbitrary: fc.constant<EtcdClientAction>({ kind: 'Alarm', action: 'DEACTIVATE', alarm: 'NOSPACE' }) },
)

const ROLES = ['reader', 'writer'] as const
const USERS = ['ann', 'bob'] as const
const role = fc.constantFrom(...ROLES)
const user = fc.constantFrom(...USERS)
/** Who he is by his name: passwords are not what is looked at. */
const authenticate = fc.constantFrom('root', 'root', ...USERS).map((name): AuthRequest => ({ kind: 'Authenticate', name, password: name }))

/** What changes who may do what, while others are at work. */
const auth: fc.Arbitrary<EtcdClientAction> = fc.oneof(
  { weight: 6, arbitrary: authenticate },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('AuthEnable' as const, 'AuthEnable' as const, 'AuthDisable' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('AuthRoleGrantPermission' as const),
      name: role,
      perm: fc.record({ permType: fc.constantFrom('READ' as const, 'WRITE' as const, 'READWRITE' as const), key, rangeEnd }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('AuthRoleRevokePermission' as const), role, key, rangeEnd }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('AuthUserGrantRole' as const), user, role }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('AuthUserRevokeRole' as const), name: user, role }) },
  { weight: 1, arbitrary: fc.constant<EtcdClientAction>({ kind: 'LogOut' }) },
)

/** Users and roles as an operator sets them up before he turns authentication on. */
export const AUTH_SET_UP: readonly EtcdClientAction[] = [
  { kind: 'AuthUserAdd', name: 'root', password: 'root' },
  { kind: 'AuthRoleAdd', name: 'root' },
  { kind: 'AuthUserGrantRole', user: 'root', role: 'root' },
  ...ROLES.map((name): EtcdClientAction => ({ kind: 'AuthRoleAdd', name })),
  { kind: 'AuthRoleGrantPermission', name: 'reader', perm: { permType: 'READ', key: 'a', rangeEnd: 'z' } },
  { kind: 'AuthRoleGrantPermission', name: 'writer', perm: { permType: 'READWRITE', key: 'a', rangeEnd: 'c' } },
  ...USERS.map((name): EtcdClientAction => ({ kind: 'AuthUserAdd', name, password: name })),
  { kind: 'AuthUserGrantRole', user: 'ann', role: 'reader' },
  { kind: 'AuthUserGrantRole', user: 'bob', role: 'writer' },
  { kind: 'AuthEnable' },
]

type Weighted = { readonly weight: number; readonly arbitrary: fc.Arbitrary<EtcdClientAction> }

/** Three members and two processes that wait to be some. A process whose member is removed may get another one. */
const SPARES = ['etcd-3', 'etcd-4'] as const
const AGAIN = ['etcd-2.1', 'etcd-3.1'] as const
const member = fc.constantFrom('etcd-0', 'etcd-1', 'etcd-2', ...SPARES, ...AGAIN)
const step = fc.record({ kind: fc.constantFrom('AddVoter' as const, 'AddLearner' as const, 'Remove' as const), member })
/** Of any two steps hardly any change two voters at once, for which alone two configurations are in force together. */
const exchange = fc.tuple(fc.constantFrom('etcd-0', 'etcd-1', 'etcd-2'), fc.constantFrom(...SPARES)).map(([old, fresh]) => [
  { kind: 'Remove' as const, member: old },
  { kind: 'AddVoter' as const, member: fresh },
])

const members: fc.Arbitrary<EtcdClientAction> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .record({ process: fc.constantFrom('etcd-2', ...SPARES), isLearner: fc.constantFrom(true, true, false) })
      .map(({ process, isLearner }): EtcdClientAction => ({ kind: 'MemberAdd', peerUrls: [process], isLearner })),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('MemberPromote' as const), id: fc.constantFrom(...SPARES, ...AGAIN) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('MemberRemove' as const), id: member }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('MoveLeader' as const), target: member }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('Reconfigure' as const),
      steps: fc.oneof(fc.array(step, { maxLength: 2 }), exchange),
      joint: fc.constantFrom('auto' as const, 'explicit' as const),
    }),
  },
  { weight: 1, arbitrary: fc.constant<EtcdClientAction>({ kind: 'MemberList' }) },
)

const keys: readonly Weighted[] = [
  { weight: 20, arbitrary: put },
  { weight: 20, arbitrary: range },
  { weight: 4, arbitrary: remove },
  { weight: 5, arbitrary: compareAndPut },
  { weight: 2, arbitrary: fc.constant<EtcdClientAction>({ kind: 'Reconnect' }) },
]
const rest: readonly Weighted[] = [
  { weight: 5, arbitrary: pastRange },
  { weight: 4, arbitrary: richRange },
  { weight: 2, arbitrary: removeRange },
  { weight: 6, arbitrary: txn },
  { weight: 8, arbitrary: watch },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('CancelWatch' as const), nth: fc.integer({ min: 0, max: 3 }) }) },
  { weight: 2, arbitrary: fc.constant<EtcdClientAction>({ kind: 'AskProgress' }) },
  {
    weight: 5,
    arbitrary: fc
      .record({ back: fc.integer({ min: 0, max: 3 }), physical: seldom(true) })
      .map(({ back: revisions, ...options }): EtcdClientAction => ({ kind: 'Compact', back: revisions, ...given(options) })),
  },
  { weight: 10, arbitrary: lease },
  { weight: 4, arbitrary: maintenance },
]

/** What clients are at in a run: keys alone, for which a storm is worst; all that can be asked; as users who may not do all; while members change. */
export type Work = 'keys' | 'all' | 'users' | 'members'

export const etcdRequest = (work: Work): fc.Arbitrary<EtcdClientAction> => {
  switch (work) {
    case 'keys':
      return fc.oneof(...keys)
    case 'all':
      return fc.oneof(...keys, ...rest)
    case 'users':
      return fc.oneof(...keys, ...rest, { weight: 20, arbitrary: auth })
    case 'members':
      return fc.oneof(...keys, { weight: 20, arbitrary: members })
  }
}

/** All there is. */
export const readAll = fc.constant<EtcdClientAction>({ kind: 'Range', key: 'a', rangeEnd: 'z' })
