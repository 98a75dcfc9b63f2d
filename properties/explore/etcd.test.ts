/**
 * The store as a machine of its own: two clients, a watch and a lease that may end at any moment, explored in full.
 *
 * Wherever the walk stands, what the watch was told is the beginning of what it is owed, in order and whole; and of two
 * clients that take the same lock by a transaction exactly one has it.
 */
import { expect, test } from 'vitest'
import { EMPTY, etcd, grantLease, type EtcdAction, type EtcdState } from '../../model/components/etcd.ts'
import type { KvRequest, WatchEvent } from '../../model/state/keyspace.ts'
import type { Component } from '../../model/state/system.ts'
import { explore, type Outcome } from './explore.ts'

const take = (owner: string): KvRequest => ({
  kind: 'Txn',
  compare: [{ key: 'lock', target: 'version', result: '=', operand: 0 }],
  success: [{ kind: 'Put', key: 'lock', value: owner, lease: 1 }],
  failure: [{ kind: 'Range', key: 'lock' }],
})

const FIRST: EtcdState = {
  keyspace: grantLease(EMPTY, 1, 10),
  clients: [
    [take('one'), { kind: 'Put', key: 'log', value: 'one' }],
    [take('two'), { kind: 'DeleteRange', key: 'log' }],
  ],
  answers: [],
  watches: [{ request: { key: 'l', rangeEnd: 'm' }, next: 2, seen: [] }],
}

const listed = (events: readonly WatchEvent[]): string => events.map(({ type, kv }) => `${type} ${kv.key} @${kv.modRevision}`).join(', ')

const owed = ({ keyspace, watches }: EtcdState): string | null => {
  const [watch] = watches
  const told = listed(watch?.seen ?? [])
  const due = listed(keyspace.changes.flat().filter(({ kv }) => kv.modRevision < (watch?.next ?? 0)))
  return told === due ? null : `it was told ${told}; it was owed ${due}`
}

/** Who was told that the lock is theirs, since nobody was. */
const holders = ({ answers }: EtcdState): string | null => {
  const taken = answers.filter((answer) => answer.kind === 'Txn' && answer.succeeded).length
  return taken <= 1 ? null : 'two clients have the lock'
}

const walk = (machine: Component<EtcdState, EtcdAction>, first = FIRST): Outcome<EtcdAction> =>
  explore<EtcdState, EtcdAction, null>({
    init: first,
    machine,
    environment: null,
    fingerprint: (state) =>
      JSON.stringify({ ...state, keyspace: { ...state.keyspace, kvs: [...state.keyspace.kvs], leases: [...state.keyspace.leases] } }),
    tell: () => null,
    step: (_before, _told, after) => {
      const wrongly = owed(after)
      if (wrongly !== null) return { invariant: 'watch', why: wrongly }
      const twice = holders(after)
      return twice === null ? null : { invariant: 'lock', why: twice }
    },
    rest: (state) => (state.keyspace.kvs.has('lock') ? { invariant: 'lease', why: 'a key outlives its lease' } : null),
    run: () => null,
    saysMore: () => false,
    statesMost: 100_000,
  })

test('a watch is told all that it is owed and a lock has one holder, in every order', () => {
  const { counterexample, complete, statesDistinct, depth, resting } = walk(etcd)
  expect(counterexample).toBeNull()
  expect({ complete, statesDistinct, depth, resting }).toMatchInlineSnapshot(`
    {
      "complete": true,
      "depth": 9,
      "resting": 28,
      "statesDistinct": 276,
    }
  `)
})

test('a store that delivers out of order is found by a shortest run', () => {
  const hasty: Component<EtcdState, EtcdAction> = {
    ...etcd,
    next: (state, action) => {
      const after = etcd.next(state, action)
      if (action.kind !== 'Deliver') return after
      const watches = after.watches.map((watch) => ({ ...watch, seen: watch.seen.toReversed() }))
      return { ...after, watches }
    },
  }
  expect(walk(hasty).counterexample).toMatchInlineSnapshot(`
    {
      "actions": [
        {
          "client": 0,
          "kind": "Serve",
        },
        {
          "client": 0,
          "kind": "Serve",
        },
        {
          "kind": "Deliver",
          "watch": 0,
        },
        {
          "kind": "Deliver",
          "watch": 0,
        },
      ],
      "invariant": "watch",
      "why": "it was told PUT log @3, PUT lock @2; it was owed PUT lock @2, PUT log @3",
    }
  `)
})

test('a store that ignores comparisons gives one lock to two clients', () => {
  const blind = FIRST.clients.map((requests) => requests.map((request) => (request.kind === 'Txn' ? { ...request, compare: [] } : request)))
  expect(walk(etcd, { ...FIRST, clients: blind }).counterexample).toMatchInlineSnapshot(`
    {
      "actions": [
        {
          "client": 0,
          "kind": "Serve",
        },
        {
          "client": 1,
          "kind": "Serve",
        },
      ],
      "invariant": "lock",
      "why": "two clients have the lock",
    }
  `)
})
