import { expect, test } from 'vitest'
import type { Header, KvRequest, RangeResponse, TxnResponse } from '../../model/state/keyspace.ts'
import { COMPACTED } from './errors.ts'
import { Mvcc } from './mvcc.ts'

const header = (revision: number): Header => ({ revision, raftTerm: 1, member: 'etcd-0' })
const NO_LEASES = { has: () => false }
const put = (key: string, value = key): KvRequest => ({ kind: 'Put', key, value })
const remove = (key: string): KvRequest => ({ kind: 'DeleteRange', key })
const doing = (store: Mvcc, ...requests: readonly KvRequest[]): Mvcc => {
  for (const request of requests) store.apply(request, header, NO_LEASES)
  return store
}

// Goal: no crash within a compaction takes revisions back. Method: an image after every batch, where all that is left of
// the latest revisions may be gone.
test('a store that starts again in the middle of a compaction goes on from the revision it had', () => {
  const store = doing(new Mvcc(1), put('a'), put('a'), remove('a'), put('b'), remove('b'))
  store.compact(store.revision)
  const hash = store.hashAt(store.revision)
  for (let more = true; more; more = store.scrub()) {
    const again = new Mvcc(1)
    again.restore(store.image())
    expect(again.revision).toBe(6)
    expect(again.compacted).toBe(6)
    expect(again.hashAt(6)).toBe(hash)
    expect(again.digest).toBe(store.digest)
    while (again.scrub());
    expect(again.bytes).toBeLessThanOrEqual(store.bytes)
    expect(again.hashAt(6)).toBe(hash)
  }
})

test('a deletion by the very revision of a compaction is still told to who watches from it', () => {
  const store = doing(new Mvcc(), put('a'), remove('a'), put('b'))
  store.compact(3)
  while (store.scrub());
  expect(store.changesFrom(3).map(({ key, after }) => [key, after === null])).toEqual([
    ['a', true],
    ['b', false],
  ])
  store.compact(4)
  while (store.scrub());
  expect(store.changesFrom(4).map(({ key }) => key)).toEqual(['b'])
})

test('a transaction is refused alike whether or not somebody waits for what it reads', () => {
  const txn: KvRequest = {
    kind: 'Txn',
    compare: [],
    success: [{ kind: 'Range', key: 'a', revision: 1 }, put('b')],
    failure: [],
  }
  const answers = [true, false].map((wanted) => {
    const store = doing(new Mvcc(), put('a'), put('a'))
    store.compact(3)
    return { ...store.apply(txn, header, NO_LEASES, wanted), digest: store.digest }
  })
  expect(answers[0]).toEqual(answers[1])
  expect(answers[0]?.response).toEqual(COMPACTED)
})

test('comparisons of inner transactions are made on the state before the outer one', () => {
  const store = doing(new Mvcc(), put('a', 'old'))
  const inner: KvRequest = {
    kind: 'Txn',
    compare: [{ key: 'a', target: 'value', result: '=', operand: 'old' }],
    success: [{ kind: 'Range', key: 'a' }],
    failure: [],
  }
  const outer: KvRequest = { kind: 'Txn', compare: [], success: [put('a', 'new'), inner], failure: [] }
  const { responses } = store.apply(outer, header, NO_LEASES).response as TxnResponse
  expect(responses[1]).toMatchObject({ succeeded: true, responses: [{ kvs: [{ value: 'new', modRevision: 3 }] }] })
})

test('a range is sorted, bounded and then cut; its count is of all that is there', () => {
  const store = doing(new Mvcc(), put('a'), put('b'), put('c'), put('a'))
  const range = (more: object): RangeResponse =>
    store.range({ kind: 'Range', key: 'a', rangeEnd: '\0', ...more }, header(5)) as RangeResponse
  const keys = (more: object): readonly string[] => range(more).kvs.map(({ key }) => key)
  expect(keys({ sortTarget: 'MOD', sortOrder: 'DESCEND' })).toEqual(['a', 'c', 'b'])
  expect(keys({ sortTarget: 'VERSION' })).toEqual(['b', 'c', 'a'])
  expect(range({ minModRevision: 4, limit: 1 })).toMatchObject({ kvs: [{ key: 'a' }], count: 3, more: true })
  expect(range({ countOnly: true, limit: 1 })).toMatchObject({ kvs: [], count: 3, more: false })
})
