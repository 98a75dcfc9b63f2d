/**
 * Checks what clients of an etcd saw: of a real one, a recorded one, or the simulated one without looking at its commits.
 *
 * Give it one observation after another, in the order they were seen, then ask for the report. Commits, where a subject
 * shows them, settle what became of writes with an open outcome; without them watch events, later reads and the count of
 * versions do. Memory is a few hundred bytes a call; time is linear but for the sorting of revisions.
 */
import type { Observation, ProcessName, Seen } from '../../../model/state/history.ts'
import type { EtcdRequest, KeyRange } from '../../../model/state/keyspace.ts'
import { worst, type Finding, type TimelineEntry, type Verdict } from '../verdict.ts'
import { Calls, OPEN } from './calls.ts'
import { Numbers } from './columns.ts'
import { Compactions } from './compactions.ts'
import { Findings } from './findings.ts'
import { Leases } from './leases.ts'
import { Members } from './members.ts'
import { writesSomething } from './open-writes.ts'
import { Records, UNTOLD } from './records.ts'
import { Replay } from './replay.ts'
import { timelineOf, type FaultSpan } from './timeline.ts'
import { WatchJudge } from './watch-judge.ts'
import { NOTICE, Stream } from './watches.ts'

export interface EtcdReport {
  readonly verdict: Verdict
  readonly findings: readonly Finding[]
  /** What took part in violations, and the faults and changes of leader around it. */
  readonly timeline: readonly TimelineEntry[]
  readonly counts: EtcdCounts
}
export interface EtcdCounts {
  readonly calls: number
  /** Calls with an open outcome that write, how many of them were seen to have taken effect, and revisions nobody saw. */
  readonly open: number
  readonly resolved: number
  readonly unseenRevisions: number
  readonly streams: number
  readonly events: number
  readonly revision: number
}

/** In the order they are reported. */
const IDS = ['S1', 'S2', 'S4', 'S8', 'S9', 'S10', 'S11', 'S12', 'S13', 'S14', 'S15', 'S16', 'S17', 'S18', 'S19', 'S20', 'S21', 'S22', 'L5']

export class EtcdChecker {
  private readonly findings = new Findings()
  private readonly records = new Records()
  private readonly calls = new Calls(this.records)
  private readonly compactions = new Compactions()
  private readonly leases = new Leases()
  private readonly members = new Members(this.findings)
  private readonly streams = new Map<string, Stream>()
  private readonly faults: FaultSpan[] = []
  /** Revisions as they were first shown, ascending, with the moments. */
  private readonly shownRevision = new Numbers()
  private readonly shownAtMs = new Numbers()
  private floor = 0
  private seen = 0
  /** The lowest revision the store is known to have been at. */
  private first = Infinity
  private endedMs: number | null = null
  /** What each member answered serializable reads with: moment of the answer and the highest revision so far. */
  private readonly served = new Map<ProcessName, { readonly atMs: number; readonly revision: number }[]>()

  observe(next: Observation): void {
    switch (next.kind) {
      case 'Invoke':
        if (next.request.kind !== 'Api') this.invoke(next as Seen<'Invoke'> & { request: EtcdRequest })
        return
      case 'Reply':
        this.reply(next)
        return
      case 'Commit':
        this.commit(next)
        return
      case 'Compacted':
        this.compactions.ask(next.revision, next.atMs)
        return
      case 'WatchOpened':
        if (next.layer === 'etcd') this.streams.set(next.stream, new Stream(next))
        return
      case 'WatchDelivered':
        this.deliver(next)
        return
      case 'WatchClosed': {
        const stream = this.streams.get(next.stream)
        if (stream !== undefined) stream.closed = next
        return
      }
      case 'Hashed':
        this.members.hashed(next)
        return
      case 'Applied':
        this.members.applied(next)
        return
      case 'LeaseRevoked':
        if (next.expired) this.leases.sign(next.lease, next.atMs, 'a member let it expire')
        return
      case 'ProcessEnded':
        // A member that starts again begins with what its disk holds.
        this.served.delete(next.process)
        return
      case 'FaultChanged':
      case 'Elected':
      case 'SteppedDown':
        this.faults.push({ seen: next })
        return
      case 'PhaseBegan':
        if (next.phase === 'end') this.endedMs = next.atMs
        return
      default:
        return
    }
  }

  private invoke(next: Seen<'Invoke'> & { request: EtcdRequest }): void {
    const { request, atMs } = next
    this.calls.invoke(next, this.floor, this.seen)
    if (request.kind === 'Compact') this.compactions.ask(request.revision, atMs)
    this.leases.invoke(request, atMs)
  }

  private reply(next: Seen<'Reply'>): void {
    const call = this.calls.reply(next)
    if (call === undefined) return
    const { outcome, atMs } = next
    const request = this.calls.requests[call] as EtcdRequest
    this.leases.reply(call, this.calls, next)
    if (outcome.kind === 'refused' && request.kind === 'Range') this.judgeRefused(call, request.revision ?? 0, outcome.reason)
    if (outcome.kind !== 'done') return
    const { revision } = outcome
    this.show(revision, atMs)
    if (request.kind === 'Compact') this.compactions.acknowledge(request.revision, atMs)
    const serializable = request.kind === 'Range' && request.serializable === true
    if (serializable) this.judgeMember(call, outcome.response)
    // What a member answers from its own state may be old: it binds nobody.
    else if (isKv(request)) this.floor = Math.max(this.floor, revision)
    if (revision > 0) this.first = Math.min(this.first, this.calls.changedSomething(call) ? revision - 1 : revision)
  }

  private show(revision: number, atMs: number): void {
    if (revision <= this.seen) return
    this.seen = revision
    this.shownRevision.push(revision)
    this.shownAtMs.push(atMs)
  }

  /** S15: what a refused read was told of its revision has to be true. */
  private judgeRefused(call: number, asked: number, reason: string): void {
    const { calls, findings, compactions } = this
    const floor = calls.floor.at(call)
    if (reason.includes('has been compacted')) {
      const most = compactions.askedMost()
      if (asked < most) findings.holds('ETCD-S15', true)
      else
        findings.violated(
          'ETCD-S15',
          calls.because(`${calls.text(call)} was told that it is compacted; nobody had asked to compact beyond ${most}`, call),
        )
    } else if (reason.includes('future revision')) {
      const request = calls.requests[call] as { readonly serializable?: boolean }
      if (asked > floor || request.serializable === true) findings.holds('ETCD-S15', true)
      else
        findings.violated(
          'ETCD-S15',
          calls.because(`${calls.text(call)} was told that it is still to come, though revision ${floor} had been acknowledged`, call),
        )
    }
  }

  /** S14: a member does not go back between two serializable reads that follow each other. */
  private judgeMember(call: number, response: unknown): void {
    const { member, revision } = (response as { header?: { member: string; revision: number } } | undefined)?.header ?? {}
    if (member === undefined || revision === undefined) return
    const { calls, findings } = this
    const served = this.served.get(member) ?? []
    const before = served.findLast(({ atMs }) => atMs < calls.invokedMs.at(call))
    if (before !== undefined && revision < before.revision) {
      const text = `${calls.text(call)} was answered by ${member} at revision ${revision}, which had answered at revision ${before.revision} before`
      findings.violated('ETCD-S14', calls.because(text, call))
      return
    }
    const highest = served.at(-1)?.revision ?? 0
    if (revision > highest) served.push({ atMs: calls.repliedMs.at(call), revision })
    this.served.set(member, served)
  }

  private commit({ key, revision, after }: Seen<'Commit'>): void {
    this.first = Math.min(this.first, revision - 1)
    const number = this.records.keys.number(key)
    const record =
      after === null
        ? this.records.claim({ key: number, revision, deleted: true, createRevision: 0, version: 0, value: UNTOLD, lease: 0 })
        : this.records.claimStored(key, after, true)
    this.records.markCommitted(record)
    this.committed = Math.max(this.committed, revision)
  }

  private committed = 0

  private deliver(next: Seen<'WatchDelivered'>): void {
    const stream = this.streams.get(next.stream)
    if (stream === undefined || next.layer !== 'etcd') return
    stream.deliver(next, this.records)
    for (const { revision } of next.events) this.show(revision, next.atMs)
  }

  private shownMs(revision: number): number {
    let low = 0
    let high = this.shownRevision.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.shownRevision.at(middle) < revision) low = middle + 1
      else high = middle
    }
    return low < this.shownRevision.length ? this.shownAtMs.at(low) : Infinity
  }

  end(): EtcdReport {
    const { calls, records, findings, compactions } = this
    const shownMs = (revision: number): number => this.shownMs(revision)
    const first = Number.isFinite(this.first) ? this.first : 1
    // Writes with an open outcome may have made revisions before the first that anybody was told of.
    const base = Math.max(1, first - this.openBefore(first))
    const covered = this.coverage()
    const replay = new Replay({ calls, records, findings, compactions, shownMs, covered, base, first })
    replay.run()
    for (const { lease, revision } of replay.leaseEnds) {
      findings.holds('ETCD-S12', true)
      this.leases.sign(lease, shownMs(revision), `its keys were deleted at revision ${revision}`)
    }
    this.leases.judge(calls, findings)
    const judge = new WatchJudge({ records, truth: replay.truth, faults: replay.faults, findings, shownMs, endedMs: this.endedMs })
    for (const stream of this.streams.values()) judge.judge(stream)
    replay.hidden.settle(calls, findings, covered)
    for (const call of replay.open.effect.keys()) if (calls.outcome.at(call) === OPEN) findings.holds('ETCD-S22', true)
    const list = findings.list(IDS.map((id) => `ETCD-${id}`))
    return {
      verdict: worst(list.map(({ verdict }) => verdict)),
      findings: list,
      timeline: timelineOf(list, calls, this.streams, this.faults),
      counts: this.counts(replay),
    }
  }

  private openBefore(first: number): number {
    let open = 0
    for (let call = 0; call < this.calls.length && this.calls.seen.at(call) <= first; call++)
      if (this.calls.outcome.at(call) === OPEN && writesSomething(this.calls.requests[call] as EtcdRequest)) open++
    return open
  }

  /** Whether some stream would have been told of a change of a key at a revision. */
  private coverage(): (key: number, revision: number) => boolean {
    const spans = [...this.streams.values()]
      .filter(({ filters }) => filters.length === 0)
      .map((stream) => {
        let upTo = stream.event.length === 0 ? 0 : this.records.revision(stream.event.at(stream.event.length - 1)) - 1
        for (let response = 0; response < stream.end.length; response++)
          if (stream.flags.at(response) === NOTICE) upTo = Math.max(upTo, stream.header.at(response))
        return { range: stream.range, start: stream.start, upTo }
      })
    return (key, revision) =>
      spans.some(({ range, start, upTo }) => start <= revision && revision <= upTo && inRange(range, this.records.keys.text(key)))
  }

  private counts(replay: Replay): EtcdCounts {
    let events = 0
    for (const { event } of this.streams.values()) events += event.length
    return {
      calls: this.calls.length,
      open: replay.open.all.length,
      resolved: replay.open.effect.size,
      unseenRevisions: replay.gaps.size,
      streams: this.streams.size,
      events,
      revision: Math.max(this.seen, this.committed),
    }
  }
}

const inRange = ({ key: from, rangeEnd = '' }: KeyRange, key: string): boolean =>
  rangeEnd === '' ? key === from : key >= from && (rangeEnd === '\0' || key < rangeEnd)

const isKv = ({ kind }: EtcdRequest): boolean => kind === 'Range' || kind === 'Put' || kind === 'DeleteRange' || kind === 'Txn'

export const checkEtcd = (history: Iterable<Observation>): EtcdReport => {
  const checker = new EtcdChecker()
  for (const next of history) checker.observe(next)
  return checker.end()
}
