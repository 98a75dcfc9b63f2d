/**
 * One run against a real etcd: clients, watchers and faults for a time, then calm, then what the members have in the end.
 *
 * Real processes do not repeat themselves: a seed fixes what is drawn, not what comes of it. The history is the evidence.
 */
import type { History } from '../../../model/state/history.ts'
import type { KeyRange, LeaseId, Revision } from '../../../model/state/keyspace.ts'
import { Streams } from '../../../sim/random.ts'
import { Faults, type FaultKind, type StruckFault } from './faults.ts'
import type { Journal } from './journal.ts'
import { EARLY_PROGRESS, LOST_DELETION, STALE_REVOCATION, type KnownDefect } from './known.ts'
import { Leaders } from './leaders.ts'
import { sleep } from './sleep.ts'
import type { Target } from './target.ts'
import { Calls, Client, type Connect, type Driver } from './traffic.ts'
import { Watcher, type WatcherOptions } from './watchers.ts'
import type { WireHeader } from './wire.ts'

export interface RunOptions {
  readonly target: Target
  readonly journal: Journal
  readonly seed: string
  readonly timeMs: number
  readonly clients: number
  readonly faults: readonly FaultKind[]
  /** Keys of the run; nobody else may write them. */
  readonly prefix: string
  /** What is known of the version, and is not to be provoked. */
  readonly avoided: readonly KnownDefect[]
  /** Wraps every connection: the harness's own test lies with it. */
  readonly wrap?: (driver: Driver) => Driver
  readonly onProgress?: (progress: Progress) => void
}

export interface Progress {
  readonly elapsedMs: number
  readonly operations: number
  readonly events: number
  readonly faults: number
  readonly leaderChanges: number
}

export interface RunResult {
  readonly history: History
  readonly outcomes: Readonly<Record<'done' | 'refused' | 'unknown', number>>
  readonly events: number
  readonly watchers: number
  readonly faults: readonly StruckFault[]
  readonly leaderChanges: number
  readonly revisions: Revision
  /** What did not go as meant: a fault that could not be ended, a watcher that did not catch up. */
  readonly problems: readonly string[]
}

const REQUEST_MS = 2_000
const MARK_EVERY_MS = 500
const MARKS_A_COMPACTION = 8
/** Kept readable behind the newest revision. */
const KEEP_REVISIONS = 400
const PROGRESS_EVERY_MS = 500
/** How long the calm may take until everybody has caught up. */
const CALM_MS = 15_000
const CLIENT_PACE_MS = 8

export class Run {
  private readonly options: RunOptions
  private readonly streams: Streams
  private readonly calls: Calls
  private readonly leaders: Leaders
  private readonly clients: readonly Client[]
  private readonly watchers: Watcher[] = []
  private readonly faults: Faults | null
  private readonly connect: Connect
  private lastLease: LeaseId

  constructor(options: RunOptions) {
    const { target, journal, seed, prefix, faults, wrap = (driver) => driver } = options
    this.options = options
    this.streams = new Streams(seed)
    this.calls = new Calls(journal)
    this.connect = (member) => wrap(target.connect(member, { timeoutMs: REQUEST_MS, requireLeader: true }))
    this.leaders = new Leaders(target, journal)
    this.lastLease = this.streams.stream('leases').between(1, 1_000_000) * 1_000_000
    this.clients = Array.from({ length: options.clients }, (_, index) => {
      const name = `client-${index}`
      const random = this.streams.stream('client', name)
      const leases = { ids: (): LeaseId => ++this.lastLease, renew: !options.avoided.includes(STALE_REVOCATION) }
      return new Client(
        { name, prefix, members: target.members, connect: this.connect, random, leases, paceMs: CLIENT_PACE_MS },
        this.calls,
      )
    })
    this.faults =
      target.cluster === null
        ? null
        : new Faults(
            {
              cluster: target.cluster,
              journal,
              random: this.streams.stream('faults'),
              leader: () => this.leaders.current,
              clientOf: (member) => this.leaders.clientOf(member.name),
            },
            faults,
          )
  }

  /** `stop` ends the storm early; what was seen until then is kept and judged. */
  async run(stop: AbortSignal): Promise<RunResult> {
    const { journal, timeMs } = this.options
    journal.see({ kind: 'PhaseBegan', phase: 'storm' })
    const over = AbortSignal.any([stop, AbortSignal.timeout(timeMs)])
    const first = await this.firstRevision()
    for (const watcher of this.watcherOptions(first)) this.watchers.push(this.watching(watcher))
    const said = setInterval(() => this.options.onProgress?.(this.progress), PROGRESS_EVERY_MS)
    try {
      await Promise.all([
        ...this.clients.map((client) => client.run(over)),
        // The past of a cluster of others is not ours to throw away.
        ...(this.options.target.cluster === null ? [] : [this.compacting(over)]),
        this.leaders.run(over),
        this.faults?.run(over),
      ])
      journal.see({ kind: 'PhaseBegan', phase: 'calm' })
      const problems = await this.calm()
      journal.see({ kind: 'PhaseBegan', phase: 'end' })
      return this.result(problems)
    } finally {
      clearInterval(said)
      for (const watcher of this.watchers) watcher.close()
      if (this.options.target.cluster === null) await this.tidy()
      this.leaders.close()
    }
  }

  /** Takes what the run wrote off a cluster of others: no part of the history. */
  private async tidy(): Promise<void> {
    const { target, prefix } = this.options
    const [member = ''] = target.members
    await this.leaders.clientOf(member).request({ kind: 'DeleteRange', key: prefix, rangeEnd: `${prefix}~` })
  }

  private get progress(): Progress {
    const { done, refused, unknown } = this.calls.outcomes
    return {
      elapsedMs: this.options.journal.nowMs,
      operations: done + refused + unknown,
      events: this.watchers.reduce((sum, watcher) => sum + watcher.events, 0),
      faults: this.faults?.struck.length ?? 0,
      leaderChanges: this.leaders.changes,
    }
  }

  /** The highest revision that anybody was told. */
  private get told(): Revision {
    return Math.max(...this.clients.map((client) => client.told), ...this.watchers.map((watcher) => watcher.reached))
  }

  private result(problems: readonly string[]): RunResult {
    const { events, leaderChanges } = this.progress
    return {
      history: this.options.journal.history,
      outcomes: this.calls.outcomes,
      events,
      watchers: this.watchers.length,
      faults: this.faults?.struck ?? [],
      leaderChanges,
      revisions: this.told,
      problems: [...(this.faults?.problems ?? []), ...problems],
    }
  }

  /** Everything recorded is judged from here on: what others wrote before is not known. */
  private async firstRevision(): Promise<Revision> {
    const [member = ''] = this.options.target.members
    const driver = this.connect(member)
    const outcome = await this.calls.make('opener', member, driver, { kind: 'Range', key: this.options.prefix })
    driver.close()
    return outcome.kind === 'done' ? outcome.revision + 1 : 1
  }

  private watching(options: WatcherOptions): Watcher {
    const random = this.streams.stream('watcher', options.name)
    return new Watcher(options, this.options.journal, this.connect, random, this.told)
  }

  private watcherOptions(first: Revision): readonly WatcherOptions[] {
    const { target, prefix } = this.options
    const everything: KeyRange = { key: prefix, rangeEnd: `${prefix}~` }
    const half: KeyRange = { key: `${prefix}k`, rangeEnd: `${prefix}k6` }
    const base = { prevKv: false, restlessAfter: null, asksProgress: false, start: () => first }
    const asksProgress = !this.options.avoided.includes(EARLY_PROGRESS)
    return target.members.flatMap((member, index): readonly WatcherOptions[] => [
      { ...base, name: `watcher-all-${index}`, member, range: everything, prevKv: true },
      { ...base, name: `watcher-puts-${index}`, member, range: everything, filters: ['NODELETE'] },
      { ...base, name: `watcher-deletes-${index}`, member, range: everything, filters: ['NOPUT'], prevKv: true },
      { ...base, name: `watcher-half-${index}`, member, range: half, prevKv: true },
      { ...base, name: `watcher-key-${index}`, member, range: { key: `${prefix}k0` } },
      { ...base, name: `watcher-restless-${index}`, member, range: everything, restlessAfter: 400, prevKv: true },
      { ...base, name: `watcher-asking-${index}`, member, range: half, asksProgress },
      { ...base, name: `watcher-now-${index}`, member, range: everything, start: () => 0, restlessAfter: 3_000 },
      { ...base, name: `watcher-future-${index}`, member, range: everything, start: (told) => told + 200 },
    ])
  }

  private async compacting(over: AbortSignal): Promise<void> {
    const { target, prefix, avoided } = this.options
    const random = this.streams.stream('compactor')
    const process = 'compactor'
    /** Revisions of puts of its own: nothing was deleted at them. */
    const marks: Revision[] = []
    for (let compacted = 0, turn = 0; !over.aborted; turn++) {
      await sleep(MARK_EVERY_MS, over)
      if (over.aborted) return
      const member = random.pick(target.members)
      const driver = this.connect(member)
      const put = { kind: 'Put', key: `${prefix}mark`, value: `${process}.${turn}` } as const
      const mark = await this.calls.make(process, member, driver, put)
      if (mark.kind === 'done') marks.push(mark.revision)
      const drawn = this.told - KEEP_REVISIONS - random.below(KEEP_REVISIONS)
      const revision = avoided.includes(LOST_DELETION) ? (marks.findLast((one) => one <= drawn) ?? 0) : drawn
      if (turn % MARKS_A_COMPACTION === 0 && revision > compacted) {
        const outcome = await this.calls.make(process, member, driver, { kind: 'Compact', revision })
        if (outcome.kind !== 'refused') compacted = revision
      }
      driver.close()
    }
  }

  /** Waits until all members follow one leader and all watchers have been told of everything; then asks for hashes. */
  private async calm(): Promise<readonly string[]> {
    const { target } = this.options
    const deadline = performance.now() + CALM_MS
    const problems: string[] = []
    const last = await this.lastWrite(deadline)
    if (last === null) return [`no member answered within ${CALM_MS / 1000} s after the last fault`]
    // Members of others may send notices as seldom as every ten minutes: only who sees every change can catch up there.
    const due = this.watchers.filter(({ options: { name } }) => target.cluster !== null || name.startsWith('watcher-all'))
    const behind = (): readonly Watcher[] => due.filter((watcher) => watcher.reached < last)
    while (behind().length > 0 && performance.now() < deadline) await sleep(POLL_MS)
    for (const { options, reached } of behind())
      problems.push(`${options.name} reached revision ${reached} of ${last} in ${CALM_MS / 1000} s of calm`)
    for (const member of target.members) {
      const problem = await this.hash(member, last, deadline)
      if (problem !== null) problems.push(problem)
    }
    return problems
  }

  /** Revision of a last write, which everybody must come to know. */
  private async lastWrite(deadline: number): Promise<Revision | null> {
    const { target, prefix } = this.options
    for (let turn = 0; performance.now() < deadline; turn++) {
      const member = target.members[turn % target.members.length] as string
      const driver = this.connect(member)
      const request = { kind: 'Put', key: `${prefix}k0`, value: `closer.${turn}` } as const
      const outcome = await this.calls.make('closer', member, driver, request)
      driver.close()
      if (outcome.kind === 'done') return outcome.revision
      await sleep(POLL_MS)
    }
    return null
  }

  private async hash(member: string, revision: Revision, deadline: number): Promise<string | null> {
    const client = this.leaders.clientOf(member)
    let problem = ''
    do {
      const answer = await client.call<WireHash>('Maintenance/HashKV', { revision }, REQUEST_MS)
      if ('message' in answer) {
        const { hash, compactRevision } = answer.message
        this.options.journal.see({
          kind: 'Hashed',
          member,
          revision,
          compactRevision: Math.max(0, Number(compactRevision)),
          hash: hash.toString(16),
        })
        return null
      }
      problem = answer.error.details
      await sleep(POLL_MS)
    } while (performance.now() < deadline)
    return `${member} gave no hash of its keys: ${problem}`
  }
}

const POLL_MS = 100

interface WireHash {
  readonly header: WireHeader
  readonly hash: number
  readonly compactRevision: string
}
