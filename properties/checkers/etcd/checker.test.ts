/** What held is accepted, and what was broken on purpose is named by the right guarantee. */
import { describe, expect, test } from 'vitest'
import type { History, Observation, Seen } from '../../../model/state/history.ts'
import { planOfRun } from '../../job.ts'
import { simulated } from '../../subjects/simulated.ts'
import { SUITES } from '../../suites/register.ts'
import { etcdHistory } from '../../histories/generate-etcd.ts'
import { checkEtcd, type EtcdReport } from './checker.ts'
import type { TxnRequest } from '../../../model/state/keyspace.ts'
import { header, rangeReply, Script } from './script.ts'
import { printTimeline } from './timeline.ts'

const violated = ({ findings }: EtcdReport): readonly string[] =>
  findings.filter(({ verdict }) => verdict === 'violated').map(({ id }) => id)
const reasons = ({ findings }: EtcdReport): readonly string[] => findings.flatMap(({ why }) => why.map(({ text }) => text))

const etcdSuite = SUITES.find(({ name }) => name === 'etcd')
const recorded = (run: number): History => {
  if (etcdSuite === undefined) throw new Error('there is an etcd suite')
  return simulated().run(planOfRun(etcdSuite, 'checkers', run)).history
}

/** As a client of a real etcd would have seen it: events with their values, no commits, no word from the members. */
const outside = (history: History, withWatches: boolean): History => {
  const commits = new Map<string, Seen<'Commit'>>()
  for (const seen of history) if (seen.kind === 'Commit') commits.set(`${seen.revision}/${seen.key}`, seen)
  const inner = new Set(['Commit', 'Compacted', 'LeaseGranted', 'LeaseRevoked', 'Committed', 'Voted'])
  return history
    .filter(({ kind }) => !inner.has(kind) && (withWatches || !kind.startsWith('Watch')))
    .map((seen): Observation => {
      if (seen.kind !== 'WatchDelivered') return seen
      const events = seen.events.map((event) => {
        const { after, before } = commits.get(`${event.revision}/${event.key}`) ?? {}
        const now = after === null || after === undefined ? {} : { value: after.value, lease: after.lease }
        return { ...event, ...now, ...(event.prevRevision === undefined ? {} : { prevValue: before?.value }) }
      })
      return { ...seen, events }
    })
}

// Goal: no false alarm, whether commits, watches or only replies are seen. Method: runs of the reference implementation.
test('what clients of a correct store saw is never called a violation', () => {
  for (let run = 0; run < 40; run++) {
    const history = recorded(run)
    for (const seen of [history, outside(history, true), outside(history, false)])
      expect(violated(checkEtcd(seen)), `run ${run}`).toEqual([])
  }
})

// Goal: the three ways a wrong client lies are told apart. Method: histories of the same runs, each with one lie put in.
describe('a lie in what a client saw is named', () => {
  const deliveries = (history: History): readonly number[] =>
    [...history.entries()].flatMap(([index, seen]) => (seen.kind === 'WatchDelivered' && seen.events.length > 0 ? [index] : []))
  const lies = (change: (history: Observation[], at: number) => boolean): Map<string, number> => {
    const found = new Map<string, number>()
    for (let run = 0; run < 12; run++) {
      const history = outside(recorded(run), true)
      const places = deliveries(history)
      const at = places[Math.floor(places.length / 2)]
      if (at === undefined) continue
      const changed = [...history]
      if (!change(changed, at)) continue
      const ids = violated(checkEtcd(changed))
      found.set(ids.join(' '), (found.get(ids.join(' ')) ?? 0) + 1)
    }
    return found
  }

  test('an event that was not delivered', () => {
    const found = lies((history, at) => {
      const seen = history[at] as Seen<'WatchDelivered'>
      const later = history
        .slice(at + 1)
        .some((other) => other.kind === 'WatchDelivered' && other.stream === seen.stream && other.events.length > 0)
      history[at] = { ...seen, events: seen.events.slice(1) }
      return later
    })
    expect(found.size).toBeGreaterThan(0)
    for (const ids of found.keys()) expect(ids).toMatch(/ETCD-S18|ETCD-S19/)
  })

  test('two responses in the wrong order', () => {
    const found = lies((history, at) => {
      const seen = history[at] as Seen<'WatchDelivered'>
      const other = history.findIndex(
        (next, index) => index > at && next.kind === 'WatchDelivered' && next.stream === seen.stream && next.events.length > 0,
      )
      if (other < 0) return false
      history[at] = { ...(history[other] as Seen<'WatchDelivered'>), atMs: seen.atMs }
      history[other] = { ...seen, atMs: (history[other] as Observation).atMs }
      return true
    })
    expect(found.size).toBeGreaterThan(0)
    for (const ids of found.keys()) expect(ids).toContain('ETCD-S17')
  })

  test('an old value in the reply to a read', () => {
    let named = 0
    for (let run = 0; run < 12; run++) {
      const history = [...outside(recorded(run), true)]
      const at = history.findLastIndex(
        (seen) =>
          seen.kind === 'Reply' &&
          seen.outcome.kind === 'done' &&
          seen.outcome.response?.kind === 'Range' &&
          (seen.outcome.response.kvs[0]?.version ?? 0) > 1,
      )
      const seen = history[at]
      if (seen?.kind !== 'Reply' || seen.outcome.kind !== 'done' || seen.outcome.response?.kind !== 'Range') continue
      const { response } = seen.outcome
      const kvs = response.kvs.map((kv, place) => (place === 0 ? { ...kv, value: 'old' } : kv))
      history[at] = { ...seen, outcome: { ...seen.outcome, response: { ...response, kvs } } }
      expect(violated(checkEtcd(history)).join(' ')).toMatch(/ETCD-S1[346]/)
      named++
    }
    expect(named).toBeGreaterThan(3)
  })
})

const IF_ABSENT: TxnRequest = {
  kind: 'Txn',
  compare: [{ key: 'a', target: 'version', result: '=', operand: 0 }],
  success: [
    { kind: 'Put', key: 'a', value: '2' },
    { kind: 'Range', key: 'a' },
  ],
  failure: [],
}

describe('each guarantee fails when it is broken', () => {
  const cases: readonly (readonly [string, string, (script: Script) => void])[] = [
    ['ETCD-S1', 'a write goes back behind one that was acknowledged', (s) => s.put('a', '1', 3).put('b', '1', 2)],
    [
      'ETCD-S1',
      'a refused write takes effect',
      (s) =>
        s
          .get('a', 1, [])
          .refused('a', '1')
          .put('b', '1', 3)
          .get('a', 3, [['a', '1', 2, 2, 1]]),
    ],
    ['ETCD-S2', 'one revision is given twice', (s) => s.put('a', '1', 2).put('b', '1', 2)],
    ['ETCD-S2', 'a revision that nobody made', (s) => s.put('a', '1', 2).put('a', '2', 4)],
    [
      'ETCD-S8',
      'a version is counted twice',
      (s) =>
        s
          .put('a', '1', 2)
          .put('a', '2', 3)
          .get('a', 3, [['a', '2', 3, 2, 3]]),
    ],
    [
      'ETCD-S13',
      'a read misses what was acknowledged',
      (s) =>
        s
          .put('a', '1', 2)
          .put('a', '2', 3)
          .get('a', 2, [['a', '1', 2, 2, 1]]),
    ],
    [
      'ETCD-S13',
      'a read shows the old value at the new revision',
      (s) =>
        s
          .put('a', '1', 2)
          .put('a', '2', 3)
          .get('a', 3, [['a', '1', 2, 2, 1]]),
    ],
    ['ETCD-S13', 'a read shows nothing', (s) => s.put('a', '1', 2).get('a', 2, [])],
    [
      'ETCD-S22',
      'an open write takes effect twice',
      (s) =>
        s
          .open('a', '1')
          .put('a', '2', 3)
          .get('a', 2, [['a', '1', 2, 2, 1]], true)
          .watch('w', 2, [
            ['a', '1', 2],
            ['a', '2', 3],
            ['a', '1', 4],
          ]),
    ],
    [
      'ETCD-S17',
      'a revision comes twice',
      (s) =>
        s
          .put('a', '1', 2)
          .put('a', '2', 3)
          .watch('w', 2, [
            ['a', '1', 2],
            ['a', '1', 2],
            ['a', '2', 3],
          ]),
    ],
    [
      'ETCD-S18',
      'a revision is left out',
      (s) =>
        s
          .put('a', '1', 2)
          .put('a', '2', 3)
          .put('a', '3', 4)
          .watch('w', 2, [
            ['a', '1', 2],
            ['a', '3', 4],
          ]),
    ],
    ['ETCD-S18', 'an event says another value', (s) => s.put('a', '1', 2).watch('w', 2, [['a', '9', 2]])],
    [
      'ETCD-S19',
      'a notice overtakes an event',
      (s) =>
        s
          .put('a', '1', 2)
          .watch('w', 2, [])
          .notice('w', 2)
          .deliver('w', [['a', '1', 2]]),
    ],
    [
      'ETCD-S20',
      'an event from before the start',
      (s) =>
        s
          .put('a', '1', 2)
          .put('a', '2', 3)
          .watch('w', 3, [
            ['a', '1', 2],
            ['a', '2', 3],
          ]),
    ],
    ['ETCD-S4', 'two members hash the same revision differently', (s) => s.hash('m1', 5, 'x').hash('m2', 5, 'y')],
    [
      'ETCD-S11',
      'a lease ends too early',
      (s) =>
        s
          .grant(7, 10)
          .put('a', '1', 2, 7)
          .wait(3_000)
          .watch('w', 2, [
            ['a', '1', 2],
            ['a', null, 3],
          ]),
    ],
    [
      'ETCD-S9',
      'the branch that the comparisons forbid is taken',
      (s) => s.put('a', '1', 2).txn(IF_ABSENT, 3, true, [{ kind: 'Put', header: header(3) }, rangeReply(3, [['a', '2', 3, 2, 2]])]),
    ],
    [
      'ETCD-S10',
      'a transaction does not see its own write',
      (s) => s.put('b', '1', 2).txn(IF_ABSENT, 3, true, [{ kind: 'Put', header: header(3) }, rangeReply(3, [])]),
    ],
    [
      'ETCD-S12',
      'the keys of a lease go one after the other',
      (s) =>
        s
          .grant(7, 10)
          .put('a', '1', 2, 7)
          .put('b', '1', 3, 7)
          .revoke(7, 4)
          .watch('w', 2, [
            ['a', '1', 2],
            ['b', '1', 3],
            ['a', null, 4],
            ['b', null, 5],
          ]),
    ],
    [
      'ETCD-S16',
      'a compaction changes what is read at its own revision',
      (s) =>
        s
          .put('a', '1', 2)
          .put('a', '2', 3)
          .compact(2, 3)
          .getAt('a', 2, 3, [['a', '2', 3, 2, 2]]),
    ],
    ['ETCD-S21', 'an event counts one put too many', (s) => s.put('a', '1', 2).watch('w', 2, []).tell('w', ['a', '1', 2, 2, 2])],
    ['ETCD-L5', 'an open watch is never told', (s) => s.put('a', '1', 2).watch('w', 2, []).wait(6_000).end()],
    [
      'ETCD-S15',
      'a read of a revision shows another',
      (s) =>
        s
          .put('a', '1', 2)
          .put('a', '2', 3)
          .getAt('a', 2, 3, [['a', '2', 3, 2, 2]]),
    ],
  ]
  test.each(cases)('%s: %s', (id, _, write) => {
    const script = new Script()
    write(script)
    const report = checkEtcd(script.history)
    expect(violated(report), reasons(report).join('\n')).toContain(id)
  })
})

test('what became of an open write is told by whoever sees it, or not at all', () => {
  const seen = checkEtcd(
    new Script()
      .open('a', '1')
      .put('b', '1', 3)
      .get('a', 3, [['a', '1', 2, 2, 1]]).history,
  )
  expect([seen.verdict, seen.counts.resolved, seen.counts.unseenRevisions]).toEqual(['holds', 1, 0])
  const unseen = checkEtcd(new Script().open('a', '1').put('b', '1', 3).history)
  expect([unseen.verdict, unseen.counts.resolved, unseen.counts.unseenRevisions]).toEqual(['holds', 0, 1])
  const never = checkEtcd(new Script().open('a', '1').put('b', '1', 2).get('a', 2, []).history)
  expect([never.verdict, never.counts.resolved]).toEqual(['holds', 0])
  const counted = checkEtcd(
    new Script()
      .put('a', '0', 2)
      .open('a', '1')
      .put('a', '2', 4)
      .get('a', 4, [['a', '2', 4, 2, 3]]).history,
  )
  expect([counted.verdict, counted.counts.resolved]).toEqual(['holds', 1])
})

// Goal: what made the revisions nobody saw is found wherever it can be. Method: two of them, and two open writes of which one
// would have been watched from the second on: it made the first, whichever was asked first; both watched, it stays open.
test('an open write is given another unseen revision where only that leaves one for the next', () => {
  const judged = (...keys: readonly string[]): string => {
    const script = new Script()
    for (const key of keys) script.open(key, '1')
    return checkEtcd(script.put('c', '1', 4).watch('w', 3, [['c', '1', 4]]).history).verdict
  }
  expect([judged('zz', 'b'), judged('b', 'zz'), judged('b', 'd')]).toEqual(['holds', 'holds', 'unknown'])
})

// Goal: a store that was not empty when the history began is judged by what is seen of it. Method: it starts at revision 100.
test('keys that were there before the history began are taken as they are found', () => {
  const found = new Script()
    .get('a', 100, [['a', 'old', 40, 30, 7]])
    .put('a', 'new', 101)
    .get('a', 101, [['a', 'new', 101, 30, 8]])
    .put('b', 'x', 102)
  expect(checkEtcd(found.history).verdict).toBe('holds')
  expect(violated(checkEtcd(found.get('a', 102, [['a', 'old', 40, 30, 7]]).history))).toEqual(['ETCD-S13'])
})

test('a watch that has only just been opened need not have been told yet', () => {
  const { history } = new Script().put('a', '1', 2).wait(6_000).watch('w', 2, []).end()
  expect(violated(checkEtcd(history))).toEqual([])
})

test('a violation is drawn with the calls around it', () => {
  const { history } = new Script()
    .put('a', '1', 2)
    .put('a', '2', 3)
    .get('a', 3, [['a', '1', 2, 2, 1]])
  expect(printTimeline(checkEtcd(history).timeline)).toMatchInlineSnapshot(`
    [
      "       0.000      0.001  client  call c0 of client (put a="1")",
      "       0.002      0.003  client  call c1 of client (put a="2")",
      "✗      0.004      0.005  client  call c2 of client (get a)",
    ]
  `)
})

// Goal: a deletion that was seen alone is not taken for part of a transaction whose puts would have been seen with it.
test('an open write is only taken for a revision when all of its work that would have been seen was', () => {
  const put = { kind: 'Put', key: 'b', value: '2' } as const
  const remove = { kind: 'DeleteRange', key: 'a' } as const
  const { history } = new Script()
    .put('a', '1', 2)
    .openRequest({ kind: 'Txn', compare: [], success: [put, remove], failure: [] })
    .openRequest({ kind: 'DeleteRange', key: 'a', rangeEnd: 'b' })
    .put('c', '1', 4)
    .get('b', 4, [])
    .watch('w', 2, [
      ['a', '1', 2],
      ['a', null, 3],
      ['c', '1', 4],
    ])
  const { verdict, counts } = checkEtcd(history)
  expect([verdict, counts.resolved]).toEqual(['holds', 1])
})

test('a generated history of 50 clients holds, and what its open writes did is found out', () => {
  const shape = { seed: '1', operations: 20_000, clients: 50, keys: 200, watches: 3, openPerMille: 20 }
  const { verdict, counts } = checkEtcd(etcdHistory(shape))
  expect(verdict).toBe('holds')
  expect([counts.calls, counts.resolved > 50, counts.unseenRevisions]).toEqual([20_000, true, 0])
  const withoutWatches = [...etcdHistory({ ...shape, watches: 0 })]
  expect(violated(checkEtcd(withoutWatches))).toEqual([])
})
