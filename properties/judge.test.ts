/** Histories made by hand, whose verdict is known. */
import { expect, test } from 'vitest'
import { LIVENESS } from '../model/invariants/raft/liveness.ts'
import type { Observation } from '../model/state/history.ts'
import type { Configuration } from '../model/state/keyspace.ts'
import { judge } from './judge.ts'

const started = (member: string): readonly Observation[] => [
  { atMs: 0, kind: 'ProcessStarted', process: member, machine: `machine of ${member}`, reason: 'start' },
  { atMs: 0, kind: 'Restored', member, electionMs: 150, term: 1, vote: null, from: 2, lastIndex: 1, log: [] },
]
const applied = (member: string, index: number, configuration: Configuration): readonly Observation[] => [
  { atMs: 0, kind: 'Configured', member, index, configuration },
  { atMs: 0, kind: 'Applied', member, index, term: 1, revision: 1, digest: '' },
]
const calm: readonly Observation[] = [
  { atMs: 0, kind: 'PhaseBegan', phase: 'calm' },
  { atMs: 30_000, kind: 'PhaseBegan', phase: 'end' },
]
const NOBODY_MORE = { outgoing: [], learners: [], learnersNext: [], autoLeave: false }
const JOINT: Configuration = { voters: ['a'], outgoing: ['a', 'b'], learners: [], learnersNext: ['b'], autoLeave: true }
const LEFT: Configuration = { ...NOBODY_MORE, voters: ['a'], learners: ['b'] }

const violated = (history: readonly Observation[]): readonly string[] =>
  judge([...started('a'), ...started('b'), ...history, ...calm], LIVENESS)
    .invariants.filter(({ verdict }) => verdict === 'violated')
    .map(({ id }) => id)

// Goal: a leader is asked for where one can be elected, and only there. Method: two members of which nobody leads. `a` came back
// to a joint configuration that counts on `b`; `b` has left it, does not stand any more, and may hold the longer log.
test('who has come back to a joint configuration that the other has left may wait for ever', () => {
  expect(violated([...applied('a', 5, JOINT), ...applied('b', 5, JOINT)])).toEqual(['ETCD-L1', 'RAFT-L2'])
  expect(violated([...applied('b', 5, JOINT), ...applied('b', 6, LEFT), ...applied('a', 5, JOINT)])).toEqual([])
  // It has heard that it is alone.
  expect(violated([...applied('b', 6, LEFT), ...applied('a', 5, JOINT), ...applied('a', 6, LEFT)])).toEqual(['ETCD-L1', 'RAFT-L2'])
})
