/** The multi-version store of the implementation answers like the sequential store of the specification, request after request. */
import { fc, test } from '@fast-check/vitest'
import { expect } from 'vitest'
import { Mvcc } from '../../impl/etcd/mvcc.ts'
import { applyRequest, compact, EMPTY, endLease, grantLease } from '../../model/components/etcd.ts'
import type { Compare, Key, KeyRange, KvRequest, WatchEvent } from '../../model/state/keyspace.ts'
import type { Keyspace } from '../../model/state/system.ts'

type Operation =
  | { readonly kind: 'Request'; readonly request: KvRequest }
  | { readonly kind: 'Compact'; readonly revision: number }
  | { readonly kind: 'Grant' | 'End'; readonly lease: number }

const key = fc.constantFrom('a', 'b', 'c', 'd')
const lease = fc.integer({ min: 1, max: 2 })
const range = fc.oneof(
  fc.record({ key }),
  fc.record({ key, rangeEnd: fc.constantFrom('b', 'c', 'd', 'e', '\0') }),
) satisfies fc.Arbitrary<KeyRange>
const read: fc.Arbitrary<KvRequest> = fc
  .record({
    range,
    revision: fc.integer({ min: 0, max: 24 }),
    limit: fc.integer({ min: 0, max: 2 }),
    countOnly: fc.boolean(),
    keysOnly: fc.boolean(),
  })
  .map(({ range: keys, ...rest }) => ({ kind: 'Range', ...keys, ...rest }))
const put: fc.Arbitrary<KvRequest> = fc
  .record({
    key: fc.oneof({ weight: 20, arbitrary: key }, fc.constant('')),
    value: fc.constantFrom('x', 'y'),
    prevKv: fc.boolean(),
    held: fc.option(lease),
  })
  .map(({ held, ...rest }) => ({ kind: 'Put', ...rest, ...(held === null ? {} : { lease: held }) }))
const remove: fc.Arbitrary<KvRequest> = fc
  .record({ range, prevKv: fc.boolean() })
  .map(({ range: keys, prevKv }) => ({ kind: 'DeleteRange', ...keys, prevKv }))
const simple = fc.oneof(read, put, put, remove)
const result = fc.constantFrom('=', '!=', '<', '>')
const compare: fc.Arbitrary<Compare> = fc.oneof(
  fc
    .record({ range, target: fc.constantFrom('version', 'create', 'mod', 'lease'), result, operand: fc.integer({ min: 0, max: 6 }) })
    .map(({ range: keys, ...rest }) => ({ ...keys, ...rest })),
  fc.record({ key, target: fc.constant('value'), result, operand: fc.constantFrom('x', 'y') }),
)
const transaction: fc.Arbitrary<KvRequest> = fc.record({
  kind: fc.constant('Txn'),
  compare: fc.array(compare, { maxLength: 2 }),
  success: fc.array(simple, { maxLength: 3 }),
  failure: fc.array(simple, { maxLength: 3 }),
})
const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 6, arbitrary: fc.oneof(simple, transaction).map((request): Operation => ({ kind: 'Request', request })) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 12 }).map((revision): Operation => ({ kind: 'Compact', revision })) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('Grant', 'End'), lease }) },
)

/** What an event says, in the implementation's words: the key's value before and after. */
const changeOf = ({ kv, prevKv, type }: WatchEvent): unknown => {
  const stored = ({ key: _key, ...rest }: WatchEvent['kv']): unknown => rest
  return {
    revision: kv.modRevision,
    key: kv.key,
    before: prevKv === undefined ? null : stored(prevKv),
    after: type === 'DELETE' ? null : stored(kv),
  }
}

/** Both sides, one operation at a time. */
class Pair {
  private model: Keyspace = EMPTY
  private readonly store = new Mvcc()

  perform(next: Operation): void {
    const { model, store } = this
    switch (next.kind) {
      case 'Request': {
        const { keyspace, response } = applyRequest(model, next.request)
        const told = store.apply(next.request, (revision) => ({ revision, raftTerm: 0, member: 'etcd' }), model.leases)
        expect(told.response).toEqual(response)
        this.follow(keyspace, told.changes)
        return
      }
      case 'Compact': {
        const answer = compact(model, next.revision)
        expect(store.compact(next.revision)).toEqual('kind' in answer ? answer : null)
        if (!('kind' in answer)) this.model = answer
        return
      }
      case 'Grant':
        if (!model.leases.has(next.lease)) this.model = grantLease(model, next.lease, 60)
        return
      case 'End':
        if (model.leases.has(next.lease)) this.follow(endLease(model, next.lease), store.dropLease(next.lease))
    }
  }

  private follow(after: Keyspace, changes: readonly { readonly key: Key }[]): void {
    const events = after.revision === this.model.revision ? [] : (after.changes.at(-1) ?? [])
    expect(changes).toEqual(events.map(changeOf))
    expect(this.store.revision).toBe(after.revision)
    this.model = after
  }
}

test.prop([fc.array(operation, { minLength: 1, maxLength: 40, size: 'max' })], { numRuns: 1_500, seed: 1 })(
  'store and specification agree on every answer, error, revision and event',
  (operations) => {
    const pair = new Pair()
    for (const next of operations) pair.perform(next)
  },
)
