/**
 * Rebuilds the store revision by revision and judges on the way what clients were told.
 *
 * Completed writes are ordered by the revisions in their replies, so no search is needed for them: at each revision what
 * was acknowledged is applied, or what the members committed, or what somebody saw of a write whose outcome stayed open.
 * Linear in the length of the history.
 */
import type { KvRequest, TxnRequest } from '../../../model/state/keyspace.ts'
import { DONE, REFUSED, type Calls } from './calls.ts'
import type { Compactions } from './compactions.ts'
import type { Findings } from './findings.ts'
import { Fits } from './fits.ts'
import { Gaps } from './gaps.ts'
import { Hidden, type Fault } from './hidden.ts'
import { OpenWrites, writesSomething } from './open-writes.ts'
import { ReadJudge } from './reads.ts'
import { UNTOLD, type Records } from './records.ts'
import { Truth } from './truth.ts'
import { TxnJudge } from './txns.ts'

export interface Told {
  readonly calls: Calls
  readonly records: Records
  readonly findings: Findings
  readonly compactions: Compactions
  /** The first moment anybody was shown a revision at least as high. */
  readonly shownMs: (revision: number) => number
  /** Whether some stream was told of all that a revision changed of a key. */
  readonly covered: (key: number, revision: number) => boolean
  /** The revision the store was at before the first recorded write; 1: it was empty. */
  readonly base: number
  /** The lowest revision anybody was told of. What is below it may have been made before the history began. */
  readonly first: number
}

/** The versions that somebody saw and that never were so, by record. */
export type Faults = ReadonlyMap<number, Fault>

export class Replay {
  readonly truth: Truth
  readonly gaps = new Gaps()
  readonly open: OpenWrites
  readonly faults = new Map<number, Fault>()
  readonly hidden: Hidden
  private readonly fits: Fits
  /** Revisions at which a lease's keys went because it ended, by lease. */
  readonly leaseEnds: { readonly lease: number; readonly revision: number; readonly keys: readonly number[] }[] = []
  private readonly told: Told
  private readonly reads: ReadJudge
  private readonly txns: TxnJudge
  private readonly writers = new Map<number, number[]>()
  /** By the revision they were answered with: one of them may have made it, others found no keys. */
  private readonly revokes = new Map<number, number[]>()
  private lastRevision: number

  constructor(told: Told) {
    this.told = told
    const { calls, records } = told
    this.open = new OpenWrites(calls, records)
    for (const request of calls.requests) if (writesSomething(request)) internKeys(request, records)
    this.truth = new Truth(records, told.base <= 1)
    this.fits = new Fits(this.truth, records, told.covered)
    this.hidden = new Hidden(this.truth, this.gaps, this.open, records)
    this.reads = new ReadJudge(told, this.truth, this.faults, this.hidden)
    this.txns = new TxnJudge(told, this.truth, this.hidden, this.reads)
    this.lastRevision = told.base
  }

  run(): void {
    const { calls } = this.told
    const readers: number[] = []
    for (let call = 0; call < calls.length; call++) {
      if (calls.outcome.at(call) !== DONE) continue
      const revision = calls.revision.at(call)
      const request = calls.requests[call] as KvRequest
      if (calls.changedSomething(call)) append(this.writers, revision, call)
      else if ((request.kind as string) === 'LeaseRevoke') append(this.revokes, revision, call)
      else if (['Range', 'DeleteRange', 'Txn'].includes(request.kind)) readers.push(call)
    }
    const effective = Float64Array.from({ length: calls.length }, (_, call) => this.effectiveRevision(call))
    const ordered = Uint32Array.from(readers).toSorted(
      (one, other) => (effective[one] as number) - (effective[other] as number) || one - other,
    )
    let next = 0
    const judgeUpTo = (revision: number): void => {
      while (next < ordered.length && (effective[ordered[next] as number] as number) <= revision) {
        const call = ordered[next++] as number
        this.existed(effective[call] as number)
        this.judgeReader(call)
      }
    }
    this.startFrom()
    for (const revision of this.changes()) {
      judgeUpTo(revision - 1)
      this.existed(revision - 1)
      this.change(revision)
      this.lastRevision = revision
    }
    judgeUpTo(Infinity)
  }

  /** Somebody was told of this revision: those up to it that are not accounted for were made by somebody unseen. */
  private existed(revision: number): void {
    if (revision <= this.lastRevision) return
    const from = this.told.base > 1 ? Math.max(this.lastRevision, this.told.first) + 1 : this.lastRevision + 1
    if (from <= revision) this.gaps.add(from, revision)
    this.lastRevision = revision
  }

  private effectiveRevision(call: number): number {
    const { calls } = this.told
    const request = calls.requests[call] as KvRequest
    return request.kind === 'Range' && (request.revision ?? 0) > 0 ? (request.revision as number) : calls.revision.at(call)
  }

  /** What was there before the first recorded write, as far as anybody saw it. */
  private startFrom(): void {
    const { records, base } = this.told
    if (base <= 1) return
    for (const revision of records.revisions()) {
      if (revision > base) break
      this.foundAt(revision)
    }
  }

  private foundAt(revision: number): void {
    const { records } = this.told
    for (const record of records.at(revision)) {
      const { key, deleted, createRevision, version, value, lease } = records.get(record)
      if (!deleted) this.truth.found(key, { revision, create: createRevision, version, value, lease: Math.max(0, lease) })
    }
  }

  private changes(): Float64Array {
    const { records, base } = this.told
    const all = new Set<number>(this.writers.keys())
    for (const revision of records.revisions()) if (revision > base) all.add(revision)
    for (const revision of this.revokes.keys()) if (revision > base) all.add(revision)
    return Float64Array.from(all).toSorted()
  }

  private change(revision: number): void {
    const { calls, records, findings } = this.told
    const writers = this.writers.get(revision) ?? []
    const [writer, other] = writers
    const first = this.truth.length
    if (writer !== undefined && other !== undefined) {
      const text = `revision ${revision} was given to ${calls.text(writer)} and again to ${calls.text(other)}`
      findings.violated('ETCD-S2', calls.because(text, writer, other))
    }
    const committed = [...records.at(revision)].filter((record) => records.isCommitted(record)).toReversed()
    if (committed.length > 0) this.applyCommitted(revision, committed, writer)
    else if (writer !== undefined) this.applyCall(writer, revision)
    else this.applySeen(revision)
    this.judgeRecords(revision)
    for (const call of this.revokes.get(revision) ?? []) this.judgeRevoke(revision, call)
    // A lease that had no keys made no revision of its own: the one it names is somebody else's.
    if (this.truth.length === first) this.gaps.add(revision, revision)
    else findings.holds('ETCD-S2', this.truth.length > first + 1)
  }

  /** What the members' logs say happened; what the writer was told has to agree. */
  private applyCommitted(revision: number, committed: readonly number[], writer: number | undefined): void {
    const { records, calls, findings } = this.told
    if (writer !== undefined) {
      this.judgeWriter(writer, revision)
      if ((calls.requests[writer] as KvRequest).kind === 'Txn') this.txns.judgeBefore(writer)
    }
    for (const record of committed) {
      const { key, deleted, value, lease } = records.get(record)
      const call = writer ?? this.open.putting(key, value, revision) ?? -1
      if (call >= 0 && call !== writer) this.open.resolve(call, revision)
      if (deleted) this.truth.delete(key, revision, call)
      else this.truth.put(key, revision, value, Math.max(0, lease), call)
    }
    if (writer === undefined) return
    const request = calls.requests[writer] as KvRequest
    if (request.kind !== 'Put') return
    const row = this.truth.row(records.keys.number(request.key))
    const right = row >= 0 && this.truth.revision.at(row) === revision && this.truth.value.at(row) === records.valueNumber(request.value)
    if (!right)
      findings.violated(
        'ETCD-S1',
        calls.because(`${calls.text(writer)} was told revision ${revision}, where the members committed something else`, writer),
      )
  }

  private applyCall(call: number, revision: number): void {
    const { calls } = this.told
    const request = calls.requests[call] as KvRequest
    if (calls.outcome.at(call) === DONE) this.judgeWriter(call, revision)
    if (request.kind === 'Txn') this.txns.apply(call, request, revision)
    else this.txns.perform(request, revision, call)
  }

  private judgeWriter(call: number, revision: number): void {
    const { calls, findings } = this.told
    const seen = calls.seen.at(call)
    if (revision <= seen) {
      const text = `${calls.text(call)} was done at revision ${revision}, though revision ${seen} had been seen before it was asked`
      findings.violated('ETCD-S1', calls.because(text, call))
    } else findings.holds('ETCD-S1', calls.floor.at(call) > 1)
    const request = calls.requests[call] as KvRequest
    if (request.kind !== 'Txn') this.reads.judgePrevious(call)
  }

  /** Nobody was told that it made this revision: what was seen of it says who did. */
  private applySeen(revision: number): void {
    const { records } = this.told
    const seen = [...records.at(revision)].map((record) => ({ record, ...records.get(record) }))
    const put = seen.find(({ deleted }) => !deleted)
    const fits = (open: number): boolean => this.fits.fits(this.told.calls.requests[open] as KvRequest, seen, revision)
    // Where none fits something is wrong with what was seen, and whoever wrote the value is the one to say so of.
    const call =
      put === undefined
        ? undefined
        : (this.open.putting(put.key, put.value, revision, fits) ?? this.open.putting(put.key, put.value, revision))
    if (call !== undefined) {
      this.open.resolve(call, revision)
      this.told.findings.holds('ETCD-S22', true)
      this.applyCall(call, revision)
      return
    }
    if (put === undefined && this.endLease(seen, revision)) return
    if (put === undefined && this.applyOpenDelete(seen, revision, fits)) return
    this.applyUnasked(seen, revision)
  }

  private endLease(seen: readonly { readonly key: number }[], revision: number): boolean {
    const [first] = seen
    const row = first === undefined ? -1 : this.truth.row(first.key)
    const attached = row >= 0 && first !== undefined && this.truth.isAlive(first.key) ? this.truth.lease.at(row) : 0
    const revoke = this.revokes.get(revision)?.find((call) => {
      const lease = this.leaseOf(call)
      return attached > 0 ? lease === attached : this.truth.attached(lease).length > 0
    })
    const lease = revoke === undefined ? attached : this.leaseOf(revoke)
    if (lease <= 0) return first === undefined
    const keys = this.truth.attached(lease)
    if (seen.some(({ key }) => !keys.includes(key))) return false
    if (keys.length > 0) this.leaseEnds.push({ lease, revision, keys })
    for (const key of keys) this.truth.delete(key, revision, revoke ?? -1)
    return true
  }

  private leaseOf(revoke: number): number {
    return (this.told.calls.requests[revoke] as unknown as { readonly id: number }).id
  }

  /** An acknowledged revocation: by then all keys of the lease are gone, perhaps at an earlier revision that nobody saw. */
  private judgeRevoke(revision: number, call: number): void {
    const { calls, findings, records } = this.told
    const lease = this.leaseOf(call)
    const keys = this.truth.attached(lease)
    const [first] = keys
    if (first === undefined) return
    const since = keys.reduce((latest, key) => Math.max(latest, this.truth.revision.at(this.truth.row(key))), 0)
    const gap = this.gaps.latestIn(since, revision)
    if (gap === undefined) {
      const text = `${calls.text(call)} was done at revision ${revision}, and ${records.keys.text(first)} is still attached to the lease`
      findings.violated('ETCD-S12', calls.because(text, call))
      return
    }
    this.gaps.take(gap)
    this.leaseEnds.push({ lease, revision: gap, keys })
    for (const key of keys) this.truth.delete(key, gap, call)
  }

  private applyOpenDelete(seen: readonly { readonly key: number }[], revision: number, fits: (call: number) => boolean): boolean {
    const call =
      this.open.deleting((range) => seen.some(({ key }) => this.truth.covers(range, key)), revision, fits) ??
      this.open.deleting((range) => seen.every(({ key }) => this.truth.covers(range, key)), revision)
    if (call === undefined) return false
    this.open.resolve(call, revision)
    this.told.findings.holds('ETCD-S22', true)
    this.applyCall(call, revision)
    return true
  }

  private applyUnasked(
    seen: readonly { record: number; key: number; deleted: boolean; value: number; lease: number }[],
    revision: number,
  ): void {
    const { records, calls, findings } = this.told
    if (revision <= this.told.first && this.told.base > 1) {
      this.foundAt(revision)
      return
    }
    for (const { record, key, deleted, value, lease } of seen) {
      const asked = deleted ? undefined : this.whoAsked(key, value)
      if (deleted) {
        const end = this.leaseEnds.findLast(({ keys }) => keys.includes(key))
        const late = end !== undefined && !this.truth.isAlive(key)
        if (late)
          findings.violated(
            'ETCD-S12',
            calls.because(
              `lease ${end.lease} ended at revision ${end.revision}, and its key ${records.keys.text(key)} went at revision ${revision}`,
            ),
          )
        else
          findings.violated(
            'ETCD-S1',
            calls.because(`${records.keys.text(key)} was deleted at revision ${revision}, and nobody had asked for it`),
          )
        this.truth.delete(key, revision, -1)
        continue
      }
      this.truth.put(key, revision, value, Math.max(0, lease), -1)
      // A value that nobody saw says nothing of who wrote it.
      if (value === UNTOLD) continue
      if (asked === undefined)
        findings.violated('ETCD-S1', calls.because(`somebody saw ${records.text(record)}, and nobody had asked for that value`))
      else this.blame(asked, record)
    }
  }

  private blame(asked: number, record: number): void {
    const { records, calls, findings } = this.told
    const text = records.text(record)
    if (calls.outcome.at(asked) === REFUSED)
      findings.violated('ETCD-S1', calls.because(`${calls.text(asked)} was refused, and yet somebody saw ${text}`, asked))
    else {
      const effect = this.open.effect.get(asked) ?? calls.revision.at(asked)
      const before = effect > 0 ? `took effect at revision ${effect} already` : 'had not been asked when its revision was seen'
      findings.violated('ETCD-S22', calls.because(`somebody saw ${text}, which ${calls.text(asked)} wrote: it ${before}`, asked))
    }
  }

  private whoAsked(key: number, value: number): number | undefined {
    const { calls, records } = this.told
    const name = records.keys.text(key)
    const puts = (request: KvRequest): boolean =>
      request.kind === 'Put'
        ? request.key === name && records.valueNumber(request.value) === value
        : request.kind === 'Txn' && [...request.success, ...request.failure].some(puts)
    const found = calls.requests.findIndex((request) => puts(request as KvRequest))
    return found < 0 ? undefined : found
  }

  private judgeReader(call: number): void {
    const request = this.told.calls.requests[call] as KvRequest
    if (request.kind === 'Range') this.reads.judgeRange(call, request)
    else if (request.kind === 'DeleteRange') this.reads.judgeNothingDeleted(call, request)
    else if (this.told.calls.txns.has(call)) this.txns.judgeReadOnly(call, request as TxnRequest)
  }

  /** Each version that somebody saw of this revision, against what happened at it. */
  private judgeRecords(revision: number): void {
    const { records, findings, calls } = this.told
    for (const record of records.at(revision)) {
      const key = records.key(record)
      const row = this.truth.row(key)
      if (row < 0 || this.truth.revision.at(row) !== revision) {
        this.faults.set(record, { text: `${records.text(record)} never was: that revision did not change the key`, metadata: false })
        continue
      }
      const fault = this.hidden.faultOf(record, row)
      if (fault === null) {
        findings.holds('ETCD-S8', !records.deleted(record) && records.get(record).version > 1)
        continue
      }
      this.faults.set(record, fault)
      if (fault.metadata) findings.violated('ETCD-S8', calls.because(fault.text))
    }
  }
}

const append = (map: Map<number, number[]>, key: number, call: number): void => {
  const list = map.get(key)
  if (list === undefined) map.set(key, [call])
  else list.push(call)
}

const internKeys = (request: KvRequest, records: Records): void => {
  if (request.kind === 'Put') records.keys.number(request.key)
  else if (request.kind === 'Txn') for (const part of [...request.success, ...request.failure]) internKeys(part, records)
}
