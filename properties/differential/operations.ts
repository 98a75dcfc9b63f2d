/**
 * Random operations, made to meet: few keys, few leases, revisions near the latest and the compacted one.
 *
 * An operation is a function of the state it finds, so that its revisions stay near what matters when others before it are
 * left out.
 */
import fc from 'fast-check'
import type { StoreRequest } from '../../model/components/etcd-store.ts'
import type { Compare, KeyRange, KvRequest, PutRequest, RangeRequest, Revision, WatchCreateRequest } from '../../model/state/keyspace.ts'
import type { Keyspace } from '../../model/state/system.ts'

type At<Made> = (keyspace: Keyspace) => Made

export type Operation =
  | { readonly kind: 'Ask'; readonly requests: At<readonly StoreRequest[]> }
  | { readonly kind: 'Watch'; readonly request: At<WatchCreateRequest> }
  | { readonly kind: 'Alarm'; readonly raised: boolean }

/** Operations one after another, and the watches that look back on them when they are done. */
export interface Sequence {
  readonly operations: readonly Operation[]
  readonly watches: readonly At<WatchCreateRequest>[]
}

const KEYS = ['a', 'ab', 'b', 'c', 'd', 'e'] as const
const key = fc.oneof({ weight: 80, arbitrary: fc.constantFrom(...KEYS) }, { weight: 1, arbitrary: fc.constant('') })
const rangeEnd = fc.constantFrom('b', 'c', 'd', 'e', 'f', '\0', '\0', 'a', '')
const range: fc.Arbitrary<KeyRange> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ key }) },
  { weight: 4, arbitrary: fc.record({ key, rangeEnd }) },
  { weight: 1, arbitrary: fc.constant({ key: '\0', rangeEnd: '\0' }) },
)
const value = fc.constantFrom('x', 'y', 'z', '')
const lease = fc.constantFrom(1, 2, 3, 1, 2, 3, 9)
const often = <T>(usual: T, other: fc.Arbitrary<T>, weight = 6): fc.Arbitrary<T> =>
  fc.oneof({ weight, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: other })
const seldom = (weight = 6): fc.Arbitrary<boolean> => often(false, fc.constant(true), weight)

/** A revision of that state; mostly none of it is asked for. */
const near: fc.Arbitrary<At<Revision>> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.integer({ min: -6, max: 1 }).map(
      (plus) =>
        ({ revision }: Keyspace) =>
          Math.max(1, revision + plus),
    ),
  },
  {
    weight: 3,
    arbitrary: fc.integer({ min: -1, max: 1 }).map(
      (plus) =>
        ({ compacted }: Keyspace) =>
          Math.max(1, compacted + plus),
    ),
  },
)
const latest: At<Revision> = () => 0
const perhaps = (weight: number): fc.Arbitrary<At<Revision>> => often(latest, near, weight)
const readAt = fc.oneof({ weight: 30, arbitrary: perhaps(2) }, { weight: 1, arbitrary: fc.constant<At<Revision>>(() => -1) })

const read: fc.Arbitrary<At<RangeRequest>> = fc
  .record({
    range,
    revision: readAt,
    limit: fc.constantFrom(0, 0, 1, 2, 3, -1),
    sortOrder: often<NonNullable<RangeRequest['sortOrder']>>('NONE', fc.constantFrom('ASCEND', 'DESCEND'), 2),
    sortTarget: often<NonNullable<RangeRequest['sortTarget']>>('KEY', fc.constantFrom('VERSION', 'CREATE', 'MOD', 'VALUE'), 2),
    bounds: fc.tuple(perhaps(10), perhaps(10), perhaps(10), perhaps(10)),
    countOnly: seldom(),
    keysOnly: seldom(),
    serializable: seldom(),
  })
  .map(({ range: keys, revision, bounds: [minMod, maxMod, minCreate, maxCreate], ...rest }) => (keyspace) => ({
    kind: 'Range',
    ...keys,
    ...rest,
    revision: revision(keyspace),
    minModRevision: minMod(keyspace),
    maxModRevision: maxMod(keyspace),
    minCreateRevision: minCreate(keyspace),
    maxCreateRevision: maxCreate(keyspace),
  }))

/** What it keeps it does not give, but now and then. */
const put: fc.Arbitrary<At<PutRequest>> = fc
  .record({
    key,
    value,
    lease: often(0, lease, 2),
    prevKv: fc.boolean(),
    ignoreValue: seldom(),
    ignoreLease: seldom(),
    careless: seldom(4),
  })
  .map(({ careless, ...made }) => () => ({
    kind: 'Put',
    ...made,
    value: made.ignoreValue && !careless ? '' : made.value,
    lease: made.ignoreLease && !careless ? 0 : made.lease,
  }))

const remove: fc.Arbitrary<At<KvRequest>> = fc.record({ range, prevKv: fc.boolean() }).map(({ range: keys, prevKv }) => () => ({
  kind: 'DeleteRange',
  ...keys,
  prevKv,
}))

const result = fc.constantFrom('=', '!=', '<', '>')
const compare: fc.Arbitrary<At<Compare>> = fc.oneof(
  fc
    .record({ range, target: fc.constantFrom('create', 'mod'), result, operand: perhaps(1) })
    .map(({ range: keys, operand, ...rest }): At<Compare> => (keyspace) => ({ ...keys, ...rest, operand: operand(keyspace) })),
  fc
    .record({ range, target: fc.constantFrom('version', 'lease'), result, operand: fc.integer({ min: 0, max: 3 }) })
    .map(({ range: keys, ...rest }): At<Compare> => () => ({ ...keys, ...rest })),
  fc.record({ range, target: fc.constant('value'), result, operand: value }).map(({ range: keys, ...rest }): At<Compare> => () => ({
    ...keys,
    ...rest,
  })),
)

const all =
  <Made>(made: readonly At<Made>[]): At<readonly Made[]> =>
  (keyspace) =>
    made.map((one) => one(keyspace))

const { kv } = fc.letrec<{ readonly kv: At<KvRequest>; readonly txn: At<KvRequest> }>((tie) => ({
  kv: fc.oneof(
    { depthSize: 'small', maxDepth: 3 },
    { weight: 3, arbitrary: read },
    { weight: 5, arbitrary: put },
    { weight: 2, arbitrary: remove },
    { weight: 4, arbitrary: tie('txn') },
  ),
  txn: fc
    .record({
      compare: fc.array(compare, { maxLength: 2 }),
      success: fc.array(tie('kv'), { maxLength: 4, depthIdentifier: 'txn' }),
      failure: fc.array(tie('kv'), { maxLength: 3, depthIdentifier: 'txn' }),
    })
    .map(({ compare: compares, success, failure }): At<KvRequest> => (keyspace) => ({
      kind: 'Txn',
      compare: all(compares)(keyspace),
      success: all(success)(keyspace),
      failure: all(failure)(keyspace),
    })),
}))

/** Near and above the limit of operations, of one transaction and of one inside another. */
const long: fc.Arbitrary<At<KvRequest>> = fc
  .record({ outer: fc.constantFrom(127, 128, 129), inner: fc.constantFrom(0, 1, 2) })
  .map(({ outer, inner }) => () => {
    const reads = (count: number): readonly KvRequest[] =>
      Array.from({ length: count }, () => ({ kind: 'Range', key: 'a', countOnly: true }))
    const nested: KvRequest = { kind: 'Txn', compare: [], success: reads(inner), failure: [] }
    return { kind: 'Txn', compare: [], success: inner === 0 ? reads(outer) : [...reads(outer - 1), nested], failure: [] }
  })

/** One inner transaction after another that may write the same keys. */
const siblings: fc.Arbitrary<At<KvRequest>> = fc
  .array(fc.oneof({ weight: 3, arbitrary: put }, { weight: 2, arbitrary: remove }), { minLength: 2, maxLength: 3 })
  .map((parts): At<KvRequest> => (keyspace) => {
    const inner = parts.map((part): KvRequest => ({ kind: 'Txn', compare: [], success: [part(keyspace)], failure: [] }))
    return { kind: 'Txn', compare: [], success: inner, failure: [] }
  })

/** Time to live long enough that no lease expires by itself while the sequence runs. */
const grant = fc
  .record({ id: fc.constantFrom(1, 2, 3), ttlSeconds: fc.constantFrom(3_600, 5_000, 9_000_000_000, 9_000_000_001) })
  .map((made): readonly StoreRequest[] => [{ kind: 'LeaseGrant', ...made }])
const ofLease = fc.oneof(
  lease.map((id): readonly StoreRequest[] => [{ kind: 'LeaseRevoke', id }]),
  lease.map((id): readonly StoreRequest[] => [{ kind: 'LeaseKeepAlive', id }]),
  fc.record({ id: lease, keys: fc.boolean() }).map(({ id, keys }): readonly StoreRequest[] => [{ kind: 'LeaseTimeToLive', id, keys }]),
  fc.constant<readonly StoreRequest[]>([{ kind: 'LeaseLeases' }]),
)

const watched = fc.record({
  range,
  prevKv: fc.boolean(),
  filters: fc.constantFrom<NonNullable<WatchCreateRequest['filters']>>([], [], ['NOPUT'], ['NODELETE'], ['NOPUT', 'NODELETE']),
})
/** From now on, or from some revision that is still to come. */
const watchAhead = fc
  .record({ watched, ahead: fc.constantFrom(0, 0, 1, 2, 5) })
  .map(({ watched: { range: keys, ...rest }, ahead }): Operation => ({
    kind: 'Watch',
    request: ({ revision }) => ({ ...keys, ...rest, startRevision: ahead === 0 ? 0 : revision + ahead }),
  }))
/** The very first revision is none that any operation made. */
const watchBack = fc
  .record({ watched, start: near })
  .map(({ watched: { range: keys, ...rest }, start }): At<WatchCreateRequest> => (keyspace) => ({
    ...keys,
    ...rest,
    startRevision: Math.max(2, start(keyspace)),
  }))

const asked = (request: At<StoreRequest>): Operation => ({ kind: 'Ask', requests: (keyspace) => [request(keyspace)] })
const askedOf = (requests: readonly StoreRequest[]): Operation => ({ kind: 'Ask', requests: () => requests })

const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 60, arbitrary: kv.map(asked) },
  { weight: 4, arbitrary: near.map((revision) => asked((keyspace) => ({ kind: 'Compact', revision: revision(keyspace) }))) },
  { weight: 6, arbitrary: grant.map(askedOf) },
  { weight: 6, arbitrary: ofLease.map(askedOf) },
  { weight: 1, arbitrary: long.map(asked) },
  { weight: 2, arbitrary: siblings.map(asked) },
  { weight: 1, arbitrary: watchAhead },
  // Lowered more often than raised: while it is raised there is not much to see.
  {
    weight: 6,
    arbitrary: fc.constantFrom(true, false, false, false, false, false).map((raised): Operation => ({ kind: 'Alarm', raised })),
  },
)

export const sequence = (operationsMost: number): fc.Arbitrary<Sequence> =>
  fc.record({
    operations: fc.array(operation, { minLength: 1, maxLength: operationsMost, size: 'max' }),
    // A real server looks after these only every 100 ms: not after every sequence.
    watches: often<readonly At<WatchCreateRequest>[]>([], fc.array(watchBack, { minLength: 1, maxLength: 4 }), 5),
  })
