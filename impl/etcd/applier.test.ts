import { expect, test } from 'vitest'
import type { KvRequest, RangeResponse } from '../../model/state/keyspace.ts'
import { Applier } from './applier.ts'
import { COMPACTED, CORRUPT, NO_SPACE, NO_SPACE_LEFT } from './errors.ts'
import type { LogRequest } from './log-request.ts'
import { restoredCluster } from './maintenance.ts'
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

// Goal: what is refused for want of room, and what is not. Method: a quota that one record fills.
test('without room writes and leases are refused until the alarm is taken back; reading and freeing go on', () => {
  const held = new Applier({ electionMs: ELECTION_MS, quotaBytes: 1_000 }, (revision) => ({ revision, raftTerm: 1, member: 'etcd-0' }))
  let index = 0
  const ask = (request: LogRequest): unknown => held.apply(entry(++index, request), 0).response
  const put: LogRequest = { kind: 'Put', key: 'a', value: 'x'.repeat(700) }
  expect(ask(put)).toMatchObject({ kind: 'Put' })
  // It was let in while there seemed to be room: it is done, and answered as if it were not.
  expect(ask(put)).toBe(NO_SPACE_LEFT)
  expect(held.mvcc.revision).toBe(3)
  ask({ kind: 'Alarm', action: 'ACTIVATE', memberId: 'etcd-0', alarm: 'NOSPACE' })
  for (const refused of [put, { kind: 'LeaseGrant', ttlSeconds: 5, id: 7 } as const]) expect(ask(refused)).toEqual(NO_SPACE)
  expect(held.mvcc.revision).toBe(3)
  expect(ask({ kind: 'DeleteRange', key: 'a' })).toMatchObject({ deleted: 1 })
  expect(ask({ kind: 'Compact', revision: 4 })).toMatchObject({ kind: 'Compact' })
  while (held.mvcc.scrub());
  expect(held.quota.fits(300)).toBe(false)
  held.quota.defragment()
  expect(held.quota.fits(300)).toBe(true)
  ask({ kind: 'Alarm', action: 'DEACTIVATE', alarm: 'NONE' })
  expect(ask({ kind: 'Put', key: 'a', value: '1' })).toMatchObject({ kind: 'Put' })
})

test('members that differ are used no more', () => {
  const held = applier()
  held.apply(entry(1, { kind: 'Alarm', action: 'ACTIVATE', memberId: 'etcd-1', alarm: 'CORRUPT' }), 0)
  expect(held.apply(entry(2, { kind: 'Put', key: 'a', value: '1' }), 0).response).toEqual(CORRUPT)
  expect(held.refusesAll()).toEqual(CORRUPT)
})

test('a cluster restored from a saved snapshot has its keys, and begins a log of its own', () => {
  const old = applier()
  REQUESTS.slice(0, 4).forEach((request, place) => old.apply(entry(place + 1, request), 0))
  const fresh = applier()
  fresh.restore(restoredCluster(old.snapshot()), 0)
  expect(fresh.index).toBe(0)
  expect(everything(fresh)).toEqual(everything(old))
  expect(fresh.apply(entry(1, { kind: 'Put', key: 'z', value: '1' }), 0).changes).toMatchObject([{ revision: old.mvcc.revision + 1 }])
  const bumped = applier()
  bumped.restore(restoredCluster(old.snapshot(), 1_000), 0)
  expect(bumped.mvcc.revision).toBe(old.mvcc.revision + 1_000)
  expect(bumped.mvcc.readable(old.mvcc.revision)).toEqual(COMPACTED)
  expect(everything(bumped).kvs).toEqual(everything(old).kvs)
})
