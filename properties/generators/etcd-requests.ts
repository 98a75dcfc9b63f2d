/**
 * What clients of etcd ask, as fast-check arbitraries: the whole of Range, Put, DeleteRange and Txn over a few keys, so
 * that requests meet each other. A negative revision is so many back from the highest the client was told of.
 */
import fc from 'fast-check'
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
const richRange: fc.Arbitrary<RangeRequest> = fc
  .record({ key, rangeEnd, limit: fc.option(fc.integer({ min: 1, max: 3 })), keysOnly: seldom(true), countOnly: seldom(true) })
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
const part: fc.Arbitrary<KvRequest> = fc.oneof(put, range.map(here), remove, removeRange, pastRange.map(here))
const txnOf = (parts: fc.Arbitrary<KvRequest>): fc.Arbitrary<KvRequest> =>
  fc.record({
    kind: fc.constant('Txn' as const),
    compare: fc.array(compare, { maxLength: 2 }),
    success: fc.array(parts, { maxLength: 3 }),
    failure: fc.array(parts, { maxLength: 2 }),
  })
/** Anything at once, two writes of one key included: those are refused. */
const txn = txnOf(part)

const watch = fc
  .record({
    key: fc.constantFrom('a', 'b'),
    rangeEnd: fc.constantFrom('c', 'z'),
    startBack: fc.integer({ min: -4, max: 8 }),
    prevKv: fc.boolean(),
  })
  .map((fields): EtcdClientAction => ({ kind: 'Watch', ...fields }))

/** A request of a client of etcd. */
export const etcdRequest: fc.Arbitrary<EtcdClientAction> = fc.oneof(
  { weight: 12, arbitrary: put },
  { weight: 10, arbitrary: range },
  { weight: 3, arbitrary: pastRange },
  { weight: 3, arbitrary: richRange },
  { weight: 4, arbitrary: remove },
  { weight: 1, arbitrary: removeRange },
  { weight: 5, arbitrary: compareAndPut },
  { weight: 4, arbitrary: txn },
  { weight: 4, arbitrary: watch },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('Compact'), back: fc.integer({ min: 0, max: 6 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('LeaseGrant'), slot, ttlSeconds: fc.integer({ min: 1, max: 6 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('PutWithLease'), key, value, slot }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('LeaseRevoke', 'LeaseKeepAlive', 'LeaseKeepAlive'), slot }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('Reconnect') }) },
)
