import { expect, test } from 'vitest'
import type { KvRequest, RangeResponse } from '../../model/state/keyspace.ts'
import { Applier } from './applier.ts'
import type { LogRequest } from './log-request.ts'
import type { Entry } from './raft-message.ts'

const ELECTION_MS = 1_000

const applier = (): Applier => new Applier({ electionMs: ELECTION_MS }, (revision) => ({ revision, raftTerm: 1, member: 'etcd-0' }))
const entry = (index: number, request: LogRequest): Entry => ({
  index,
  term: 1,
  proposal: { id: `${index}`, request, author: 'user', via: 'client-0' },
})
const REQUESTS: readonly LogRequest[] = [
  { kind: 'Put', key: 'a', value: '1' },
  { kind: 'LeaseGrant', ttlSeconds: 5, id: 7 },
  { kind: 'Put', key: 'b', value: '2', lease: 7 },
  { kind: 'DeleteRange', key: 'a' },
  { kind: 'Compact', revision: 3 },
  { kind: 'Put', key: 'c', value: '3' },
  { kind: 'LeaseRevoke', id: 7 },
  { kind: 'Put', key: 'c', value: '4' },
]
const everything = (held: Applier): RangeResponse => {
  const all: KvRequest = { kind: 'Range', key: 'a', rangeEnd: '\0' }
  return held.mvcc.apply(all, (revision) => ({ revision, raftTerm: 1, member: 'etcd-0' }), held.lessor).response as RangeResponse
}

// Goal: a snapshot is the state itself. Method: at every index, restore one and apply the rest to both.
test('who starts from a snapshot ends where who applied everything ends', () => {
  for (let cut = 0; cut <= REQUESTS.length; cut++) {
    const whole = applier()
    REQUESTS.slice(0, cut).forEach((request, place) => whole.apply(entry(place + 1, request), 0))
    const restored = applier()
    restored.restore(whole.snapshot(), 0)
    expect(restored.digest).toBe(whole.digest)
    REQUESTS.slice(cut).forEach((request, place) => {
      const next = entry(cut + place + 1, request)
      expect(restored.apply(next, 0)).toEqual(whole.apply(next, 0))
    })
    expect(restored.digest).toBe(whole.digest)
    expect(everything(restored)).toEqual(everything(whole))
  }
})

test('a snapshot does not change with what is applied later', () => {
  const held = applier()
  REQUESTS.slice(0, 3).forEach((request, place) => held.apply(entry(place + 1, request), 0))
  const snapshot = held.snapshot()
  const before = everything(held)
  REQUESTS.slice(3).forEach((request, place) => held.apply(entry(place + 4, request), 0))
  const other = applier()
  other.restore(snapshot, 0)
  expect(everything(other)).toEqual(before)
})

test('a proposal that the network duplicated is applied once, also across a snapshot', () => {
  const held = applier()
  const put = entry(1, { kind: 'Put', key: 'a', value: '1' })
  expect(held.apply(put, 0).changes).toHaveLength(1)
  const restored = applier()
  restored.restore(held.snapshot(), 0)
  for (const one of [held, restored]) expect(one.apply({ ...put, index: 2 }, 0)).toEqual({ response: null, changes: [], sightings: [] })
})
