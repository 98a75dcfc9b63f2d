import { expect, test } from 'vitest'
import type { KvRequest, WatchCreateRequest } from '../../model/state/keyspace.ts'
import type { Timings } from '../../model/state/plan.ts'
import type { Connection } from '../../sim/host.ts'
import { World } from '../../sim/world.ts'
import type { ClusterHost, Message, Sighting } from '../wire.ts'
import { COMPACTED } from './errors.ts'
import { Mvcc } from './mvcc.ts'
import { WatchHub } from './watch.ts'

const NETWORK = { latencyMs: [1, 1], lossPerMille: 0, duplicatePerMille: 0, reorderPerMille: 0 } as const
const MACHINE = { offsetMs: 0, driftPpm: 0, diskSyncMs: [1, 2] } as const
const FRAGMENT_BYTES = 150
const header = (revision: number) => ({ revision, raftTerm: 1, member: 'server' })

/** A store and its watches in one process, and a client that reads what it is told only when the test says so. */
const serving = (timings: Timings) => {
  const heard: string[] = []
  const store = new Mvcc()
  const world = new World<Message, Sighting>({ seed: '1', network: NETWORK, tornWrites: false, observe: () => {}, lifeChanged: () => {} })
  let hub: WatchHub | undefined
  let toClient: Connection<Message> | undefined
  const server = (host: ClusterHost) => {
    hub = new WatchHub(host, store, timings, FRAGMENT_BYTES)
    const accept = (connection: Connection<Message>) => {
      toClient = connection
      return { message: () => {}, closed: () => {} }
    }
    return { start: () => {}, receive: () => {}, accept }
  }
  const note = (message: Message): void => {
    if (message.kind === 'WatchEvents') {
      const events = message.events.map(
        ({ type, kv, prevKv }) => `${type} ${kv.key}@${kv.modRevision}${prevKv === undefined ? '' : ' prev'}`,
      )
      const said = events.length > 0 ? events.join(' ') : `progress ${message.revision}`
      heard.push(`${message.watch}: ${said}${message.fragment === true ? ' …' : ''}`)
    } else if (message.kind === 'WatchCanceled') heard.push(`${message.watch}: ${message.reason} ${message.compactRevision ?? ''}`.trim())
  }
  const client = (host: ClusterHost) => ({
    start: () => {
      host.dial('server', { message: note, closed: () => {} })
    },
    receive: () => {},
    accept: () => ({ message: () => {}, closed: () => {} }),
  })
  for (const [name, program] of [
    ['server', server],
    ['client', client],
  ] as const) {
    world.addMachine(name, MACHINE)
    world.addProcess(name, name, program)
    world.start(name)
  }
  let nowMs = 50
  world.runUntil(nowMs)
  const watches = hub
  const connection = toClient
  if (watches === undefined || connection === undefined) throw new Error('the server and the connection to it stand')
  return {
    store,
    watches,
    connection,
    watch: (id: number, create: Partial<WatchCreateRequest> = {}) => watches.create(connection, id, { key: 'a', rangeEnd: 'z', ...create }),
    apply: (...requests: readonly KvRequest[]) => {
      for (const request of requests) watches.notify(store.apply(request, header, { has: () => false }).changes)
    },
    read: (responses: number) => watches.received(connection, responses),
    /** What the client was told in the time. */
    after: (ms: number): readonly string[] => {
      nowMs += ms
      world.runUntil(nowMs)
      return heard.splice(0)
    },
  }
}
const put = (key: string, value = key): KvRequest => ({ kind: 'Put', key, value })
const remove = (key: string): KvRequest => ({ kind: 'DeleteRange', key })

test('a watch that starts in the past catches up in batches of whole revisions, then hears as things happen', () => {
  const { watch, apply, after, watches, connection } = serving({ etcdWatchBatch: 1 })
  const both: KvRequest = { kind: 'Txn', compare: [], success: [put('a'), put('b')], failure: [] }
  apply(both, put('c'))
  watch(1, { startRevision: 1 })
  // No notice overtakes what it is still to be told.
  watches.progress(connection)
  expect(after(110)).toEqual(['1: PUT a@2 PUT b@2'])
  expect(after(110)).toEqual(['1: PUT c@3'])
  apply(remove('c'))
  expect(after(5)).toEqual(['1: DELETE c@4'])
})

test('filters and previous values are as asked for', () => {
  const { watch, apply, after } = serving({})
  watch(1, { filters: ['NOPUT'], prevKv: true })
  watch(2, { filters: ['NODELETE'], prevKv: true })
  apply(put('a'), put('a'), remove('a'))
  expect(after(5)).toEqual(['2: PUT a@2', '2: PUT a@3 prev', '1: DELETE a@4 prev'])
})

// Goal: a slow client neither loses nor reorders, and no notice overtakes what waits for it. Method: a window of one.
test('who does not read is told nothing more, and everything once it reads', () => {
  const { watch, apply, after, read, watches, connection } = serving({ etcdWatchWindow: 1 })
  watch(1)
  apply(put('a'), put('b'), put('c'))
  watches.progress(connection)
  expect(after(500)).toEqual(['1: PUT a@2'])
  read(1)
  watches.progress(connection)
  expect(after(500)).toEqual(['1: PUT b@3'])
  read(1)
  expect(after(500)).toEqual(['1: PUT c@4'])
  read(1)
  watches.progress(connection)
  expect(after(5)).toEqual(['-1: progress 4'])
})

test('who lags behind a compaction is told so instead of what is left', () => {
  const { watch, apply, after, read, store } = serving({ etcdWatchWindow: 1 })
  watch(1)
  apply(put('a'), put('a'), put('a'), put('a'))
  store.compact(5)
  after(500)
  read(1)
  expect(after(5)).toEqual(['1: PUT a@3'])
  read(1)
  expect(after(500)).toEqual([`1: ${COMPACTED.message} 5`])
})

// Goal: after a snapshot nobody hears twice, nor what he did not ask for. Method: the store is replaced by a later one.
test('a store that was replaced is told of from where each watch was', () => {
  const { watch, apply, after, store, watches } = serving({})
  watch(1)
  watch(2, { startRevision: 6 })
  apply(put('a'))
  expect(after(5)).toEqual(['1: PUT a@2'])
  const other = new Mvcc()
  for (const request of [put('a'), put('b'), put('c')]) other.apply(request, header, { has: () => false })
  store.restore(other.image())
  watches.restored()
  expect(after(500)).toEqual(['1: PUT b@3 PUT c@4'])
  apply(put('d'), put('e'))
  expect(after(500)).toEqual(['1: PUT d@5', '1: PUT e@6', '2: PUT e@6'])
})

test('a response too large for one message comes in parts, whole all the same', () => {
  const { watch, apply, after } = serving({})
  watch(1, { fragment: true })
  apply({ kind: 'Txn', compare: [], success: [put('a'), put('b'), put('c'), put('d')], failure: [] })
  expect(after(5)).toEqual(['1: PUT a@2 PUT b@2 PUT c@2 …', '1: PUT d@2'])
})

test('a watch that asked for it hears now and again that nothing happened', () => {
  const { watch, apply, after } = serving({ etcdProgressNotifyMs: 1_000 })
  watch(1, { progressNotify: true })
  expect(after(1_010)).toEqual(['1: progress 1'])
  apply(put('a'))
  expect(after(1_000)).toEqual(['1: PUT a@2'])
  expect(after(1_000)).toEqual(['1: progress 2'])
})

test('an empty range and an id in use are refused', () => {
  const { watch, after } = serving({})
  watch(1)
  watch(1)
  watch(2, { key: 'c', rangeEnd: 'b' })
  expect(after(5)).toEqual(['1: mvcc: duplicate watch ID provided on the WatchStream', '2: mvcc: watcher range is empty'])
})
