import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Observation, Outcome } from '../../../model/state/history.ts'
import type { EtcdRequest, KeyValue, WatchEvent } from '../../../model/state/keyspace.ts'
import { EtcdCluster } from './cluster.ts'
import { Journal } from './journal.ts'
import { Run } from './run.ts'
import { ownTarget } from './target.ts'
import type { Driver } from './traffic.ts'
import { verdictOfRun, type RunVerdict } from './verdict.ts'

const PRESENT = spawnSync('etcd', ['--version']).status === 0
const absent = PRESENT ? '' : ' (not run: there is no etcd on this machine)'

const TIME_MS = 1_500

/** What a liar delivers in place of one response. Null: the truth. One is made for each stream. */
type WatchLie = (events: readonly WatchEvent[]) => readonly (readonly WatchEvent[])[] | null
/** What a liar makes of an outcome. Null: the truth. */
type ReplyLie = (request: EtcdRequest, outcome: Outcome) => Outcome | null

/** Lies on one stream only: the first where there is a chance to. */
const lyingToWatchers = (lieOf: () => WatchLie) => {
  let liar: object | null = null
  return (driver: Driver): Driver => ({
    request: (request) => driver.request(request),
    close: () => driver.close(),
    watch: (request, listener) => {
      const own = {}
      const lie = lieOf()
      return driver.watch(request, {
        ...listener,
        delivered: (header, events, fragment) => {
          const lies = liar === null || liar === own ? lie(events) : null
          if (lies === null) return listener.delivered(header, events, fragment)
          liar = own
          for (const response of lies) listener.delivered(header, response, false)
        },
      })
    },
  })
}

/** Lies once. */
const lyingToReaders = (lie: ReplyLie) => {
  let told = false
  return (driver: Driver): Driver => ({
    watch: (request, listener) => driver.watch(request, listener),
    close: () => driver.close(),
    request: async (request) => {
      const outcome = await driver.request(request)
      const lies = told ? null : lie(request, outcome)
      told ||= lies !== null
      return lies ?? outcome
    },
  })
}

/** At the first response that it is possible with, and never again. */
const once = (lie: WatchLie) => (): WatchLie => {
  let over = false
  return (events) => {
    const lies = over ? null : lie(events)
    over ||= lies !== null
    return lies
  }
}

const wholeRevision = (events: readonly WatchEvent[]): boolean =>
  events.length > 1 && events[0]?.kv.modRevision === events.at(-1)?.kv.modRevision

/** The first response with events comes after the second. */
const swapped = (): WatchLie => {
  let held: readonly WatchEvent[] | null = null
  let over = false
  return (events) => {
    if (over || events.length === 0) return null
    if (held === null) {
      held = events
      return []
    }
    over = true
    return [events, held]
  }
}

const olderValue = (): ReplyLie => {
  const older = new Map<string, KeyValue>()
  return (request, outcome) => {
    const response = outcome.kind === 'done' ? outcome.response : undefined
    if (request.kind !== 'Range' || request.serializable === true || (request.revision ?? 0) > 0 || response?.kind !== 'Range') return null
    const isStale = ({ key, modRevision }: KeyValue): boolean => (older.get(key)?.modRevision ?? modRevision) < modRevision
    if (response.kvs.some(isStale)) {
      const kvs = response.kvs.map((kv) => (isStale(kv) ? (older.get(kv.key) ?? kv) : kv))
      return { ...outcome, response: { ...response, kvs } } as Outcome
    }
    for (const kv of response.kvs) older.set(kv.key, kv)
    return null
  }
}

describe.skipIf(!PRESENT)(`the harness against clients that lie${absent}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'evenkeel-etcd-'))
  let cluster: EtcdCluster
  let count = 0

  beforeAll(async () => {
    cluster = await EtcdCluster.start({ binary: 'etcd', members: 1, folder, token: 'run-test', notifyMs: 200 })
  })
  afterAll(async () => {
    await cluster?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const runWith = async (wrap: (driver: Driver) => Driver, file: string | null = null): Promise<RunVerdict> => {
    const journal = new Journal(file)
    const run = new Run({
      target: ownTarget(cluster),
      journal,
      seed: '7',
      timeMs: TIME_MS,
      clients: 12,
      faults: [],
      prefix: `run-${count++}/`,
      avoided: [],
      wrap,
    })
    const result = await run.run(new AbortController().signal)
    await journal.close()
    return verdictOfRun(result, { timeMs: TIME_MS, members: 1, faults: [], stopped: false })
  }
  const violated = ({ findings }: RunVerdict): readonly string[] =>
    findings.filter((finding) => finding.verdict === 'violated').map((finding) => finding.id)

  test('one that tells the truth: everything holds, and the journal has all that was seen', async () => {
    const file = join(folder, 'history.jsonl')
    const verdict = await runWith((driver) => driver, file)
    expect(violated(verdict)).toEqual([])
    const lines = readFileSync(file, 'utf8').trim().split('\n')
    const seen = lines.map((line) => JSON.parse(line) as Observation)
    expect(seen.filter((one) => one.kind === 'Invoke').length).toBe(verdict.counts.calls)
    expect(seen.every((one, index) => index === 0 || one.atMs >= (seen[index - 1]?.atMs ?? 0))).toBe(true)
  })

  // Each: a lie, and the guarantee that must be named. Goal: what the harness would say of a store that did this.
  test.for<readonly [string, (driver: Driver) => Driver, string]>([
    ['leaves a revision out', lyingToWatchers(once((events) => (events.length === 1 ? [] : null))), 'ETCD-S18'],
    ['tells of a revision after a later one', lyingToWatchers(swapped), 'ETCD-S17'],
    ['tells the same twice', lyingToWatchers(once((events) => (events.length > 0 ? [events, events] : null))), 'ETCD-S17'],
    [
      'splits a revision over two responses',
      lyingToWatchers(once((events) => (wholeRevision(events) ? events.map((one) => [one]) : null))),
      'ETCD-S17',
    ],
    ['answers a read with an older value', lyingToReaders(olderValue()), 'ETCD-S13'],
  ])('one that %s', async ([, liar, guarantee]) => {
    const verdict = await runWith(liar)
    expect(verdict.verdict).toBe('violated')
    expect(violated(verdict)).toContain(guarantee)
  })
})
