/**
 * Changes that nobody saw. A write whose outcome stayed open may have made a revision that no watch, read or reply shows
 * and that was overwritten before anybody looked. It still leaves marks: the count of a key's versions, its creation, a
 * key that is gone. What such a mark needs is taken from the open writes; what no open write can have made is a fault.
 */
import type { KeyRange, KvRequest } from '../../../model/state/keyspace.ts'
import { Assignment } from './assignment.ts'
import type { Calls } from './calls.ts'
import type { Findings } from './findings.ts'
import type { Gaps } from './gaps.ts'
import { partsOf, type OpenWrites } from './open-writes.ts'
import { UNTOLD, type Claim, type Records } from './records.ts'
import { GUESSED, NOBODY, SEEN, type Truth } from './truth.ts'

export interface Fault {
  readonly text: string
  /** Only what it says of versions and creation is wrong. */
  readonly metadata: boolean
}

/** Of a revision nobody saw: an open write, or a lease with the keys that it would have taken with it. */
type Maker = { readonly call: number } | { readonly keys: ReadonlySet<number> }

const TRIES_MOST = 5_000_000

export class Hidden {
  private readonly truth: Truth
  private readonly gaps: Gaps
  private readonly open: OpenWrites
  private readonly records: Records
  private readonly doubts: string[] = []
  /** Revisions at which keys were put by transactions that were found out by another key. */
  private readonly shares = new Map<number, readonly number[]>()

  constructor(truth: Truth, gaps: Gaps, open: OpenWrites, records: Records) {
    this.truth = truth
    this.gaps = gaps
    this.open = open
    this.records = records
  }

  /** What is wrong with a version that somebody saw, given the row of the same key and revision. Null: nothing. */
  faultOf(record: number, row: number): Fault | null {
    const { truth, records } = this
    const seen = records.get(record)
    const text = records.text(record)
    if (seen.deleted !== (truth.deleted.at(row) === 1))
      return { text: `${text}: at that revision it was ${seen.deleted ? 'put' : 'deleted'}`, metadata: false }
    if (seen.deleted) return null
    const value = truth.value.at(row)
    if (value === UNTOLD) truth.value.set(row, seen.value)
    else if (seen.value !== UNTOLD && seen.value !== value)
      return { text: `${text}: what was written at that revision is ${records.valueText(value)}`, metadata: false }
    if (seen.lease !== UNTOLD && seen.lease !== truth.lease.at(row))
      return { text: `${text} with lease ${seen.lease}: it was put with lease ${truth.lease.at(row)}`, metadata: true }
    return this.metadataFault(seen, row, text)
  }

  private metadataFault(seen: Claim, row: number, text: string): Fault | null {
    const { truth } = this
    if (seen.version === UNTOLD || seen.createRevision === UNTOLD) return null
    const version = truth.version.at(row)
    const create = truth.create.at(row)
    const agrees = version === seen.version && create === seen.createRevision
    if (!agrees && version !== UNTOLD && !this.explain(seen, row) && !this.doubt(text, seen.key, this.lastSure(row), seen.revision))
      return { text: `${text}: expected to be created at revision ${create}, version ${version}`, metadata: true }
    truth.version.set(row, seen.version)
    truth.create.set(row, seen.createRevision)
    truth.confirmed.set(row, SEEN)
    return null
  }

  /**
   * Whether open writes that nobody saw account for a version and creation that are not the next ones. They may lie
   * anywhere after the last version of the key that somebody saw (or its last known deletion).
   */
  private explain(seen: Claim, row: number): boolean {
    const { truth } = this
    const { key, revision, version, createRevision: create } = seen
    let first = row
    /** Versions of the key from `first` on, all of them known. */
    let known = 1
    const sure = (at: number): boolean => at < 0 || truth.confirmed.at(at) === SEEN || truth.deleted.at(at) === 1
    while (create < truth.revision.at(first) && !sure(truth.previous.at(first))) {
      first = truth.previous.at(first)
      known++
    }
    const before = truth.previous.at(first)
    const since = before < 0 ? 0 : truth.revision.at(before)
    if (create === truth.create.at(row)) return this.takePuts(key, version - truth.version.at(row), since, revision)
    if (create <= since || create > revision) return false
    const own = create === truth.revision.at(first)
    if (before >= 0 && truth.deleted.at(before) === 0 && !this.takeDelete(key, before, since, create)) return false
    if (own) return this.takePuts(key, version - known, create, revision)
    return this.takePuts(key, 1, create - 1, create + 1) && this.takePuts(key, version - 1 - known, create, revision)
  }

  /** The revision of the last version of a key before a row that somebody saw. */
  private lastSure(row: number): number {
    const { truth } = this
    let before = truth.previous.at(row)
    while (before >= 0 && truth.confirmed.at(before) !== SEEN) before = truth.previous.at(before)
    return before < 0 ? 0 : truth.revision.at(before)
  }

  /**
   * Which open write made which unseen revision is chosen greedily. Where another choice might explain what this one does
   * not, nothing is proven: it is a doubt, not a violation.
   */
  private doubt(text: string, key: number, after: number, before: number): boolean {
    if (this.gaps.everIn(after, before) === undefined || !this.open.mayChange(key, (range) => this.truth.covers(range, key))) return false
    this.doubts.push(text)
    return true
  }

  private takePuts(key: number, times: number, after: number, before: number): boolean {
    if (times < 0) return false
    for (let time = 0; time < times; time++) {
      if (this.takeShare(key, after, before)) continue
      const gap = this.gaps.latestIn(after, before)
      const call = gap === undefined ? undefined : this.open.puttingUnseen(key, gap)
      if (gap === undefined || call === undefined) return false
      this.takeCall(call, gap, key)
    }
    return true
  }

  /** A transaction that is taken for one key has put its other keys too, at the same revision. */
  private takeCall(call: number, gap: number, key: number): void {
    this.gaps.take(gap)
    this.open.resolve(call, gap)
    for (const other of this.open.keysPutBy(call)) if (other !== key) this.shares.set(other, [...(this.shares.get(other) ?? []), gap])
  }

  private takeShare(key: number, after: number, before: number): boolean {
    const shares = this.shares.get(key) ?? []
    const found = shares.findIndex((gap) => gap > after && gap < before)
    if (found < 0) return false
    this.shares.set(key, shares.toSpliced(found, 1))
    return true
  }

  private takeDelete(key: number, row: number, after: number, before: number): boolean {
    const gap = this.gaps.latestIn(after, before)
    if (gap === undefined) return false
    const call = this.open.deleting((range) => this.truth.covers(range, key), gap)
    if (call === undefined && this.truth.lease.at(row) <= 0) return false
    this.gaps.take(gap)
    if (call !== undefined) this.open.resolve(call, gap)
    return true
  }

  /** A key that should be there was not shown at a revision: whether a deletion that nobody saw explains it. */
  goneBy(key: number, revision: number): boolean {
    const row = this.truth.row(key)
    const after = this.truth.revision.at(row)
    const gap = this.gaps.latestIn(after, revision + 1)
    if (gap !== undefined && this.takeDelete(key, row, after, revision + 1)) {
      this.truth.delete(key, gap, NOBODY)
      return true
    }
    const other = this.gaps.everIn(after, revision + 1)
    const doubtful = this.truth.lease.at(row) > 0 || this.open.mayChange(key, (range) => this.truth.covers(range, key))
    if (other === undefined || !doubtful) return false
    this.doubts.push(`${this.records.keys.text(key)} was not there at revision ${revision}`)
    this.truth.confirmed.set(this.truth.delete(key, other, NOBODY), GUESSED)
    return true
  }

  /** More keys of a range were there at a revision than are known: whether puts that nobody saw explain it. */
  thereBy(range: KeyRange, missing: number, revision: number): boolean {
    const { truth } = this
    for (let found = 0; found < missing; found++) {
      const gap = this.gaps.latestIn(0, revision + 1)
      const absent = (key: number): boolean =>
        truth.covers(range, key) && !truth.isAlive(key) && truth.revision.at(truth.row(key)) < (gap ?? 0)
      const put =
        gap === undefined
          ? undefined
          : this.open.puttingUnseenIf((key) => (truth.row(key) < 0 ? truth.covers(range, key) : absent(key)), gap)
      if (gap === undefined || put === undefined) {
        if (this.gaps.everIn(0, revision + 1) === undefined || !this.open.mayPutIn((key) => truth.covers(range, key))) return false
        this.doubts.push(`${missing} more keys from ${range.key} on were there at revision ${revision} than are known`)
        return true
      }
      this.takeCall(put.call, gap, put.key)
      const { value } = put
      truth.put(put.key, gap, value, 0, put.call)
    }
    return true
  }

  /** Whether an open write that nobody saw may have changed a key, or the count of its versions, by a revision. */
  doubtful(key: number, revision: number): boolean {
    if (this.shares.has(key)) return true
    if (this.gaps.size === 0) return false
    const { truth } = this
    const row = truth.row(key)
    const before = row < 0 ? NOBODY : truth.previous.at(row)
    const since = row >= 0 && truth.confirmed.at(row) === SEEN ? truth.revision.at(row) : before < 0 ? 0 : truth.revision.at(before)
    const gap = this.gaps.latestIn(since, revision + 1)
    if (gap === undefined) return false
    if (this.open.puttingUnseen(key, gap) !== undefined) return true
    return this.open.deleting((range) => truth.covers(range, key), gap) !== undefined || (row >= 0 && truth.lease.at(row) > 0)
  }

  /**
   * Every revision that nobody saw must be the work of an open write (or a lease that ran out). An assignment is enough
   * to show that it can be; that there is none shows nothing, since others were taken for revisions before, unless there
   * are fewer writes than revisions.
   */
  settle(calls: Calls, findings: Findings, covered: (key: number, revision: number) => boolean): void {
    for (const doubt of this.doubts)
      findings.unknown('ETCD-S1', calls.because(`${doubt}: writes with an open outcome that nobody saw may or may not explain it`))
    if (this.gaps.size === 0) return
    const left = this.open.left().toSorted((one, other) => calls.seen.at(one) - calls.seen.at(other))
    const leases = calls.requests.some((request) => request.kind === 'Put' && (request.lease ?? 0) > 0)
    if (this.gaps.size > left.length && !leases) {
      const [revision] = this.gaps.free()
      const text = `revision ${revision} was made by nobody: ${this.gaps.size} revisions were never seen, and only ${left.length} writes have an open outcome`
      findings.violated('ETCD-S2', calls.because(text))
      return
    }
    const rows = this.rowsByKey()
    const makers: readonly Maker[] = [...left.map((call) => ({ call })), ...[...this.truth.leases().values()].map((keys) => ({ keys }))]
    const assignment = new Assignment(makers, TRIES_MOST, (maker, revision) =>
      'call' in maker ? this.possible(maker.call, revision, calls, rows, covered) : this.mayEnd(maker.keys, revision, covered),
    )
    for (const revision of this.gaps.free()) {
      if (assignment.add(revision)) continue
      findings.unknown('ETCD-S2', calls.because(`nothing that was seen tells what made revision ${revision}`))
      return
    }
  }

  /** A lease whose keys nobody has seen since may have run out at this revision. */
  private mayEnd(keys: ReadonlySet<number>, revision: number, covered: (key: number, revision: number) => boolean): boolean {
    const { truth } = this
    return (
      keys.size > 0 &&
      [...keys].every((key) => {
        const row = truth.row(key)
        return truth.revision.at(row) < revision && truth.shownAt.at(row) < revision && !covered(key, revision)
      })
    )
  }

  private rowsByKey(): ReadonlyMap<number, readonly number[]> {
    const byKey = new Map<number, number[]>()
    for (const row of this.truth.inOrder()) {
      const key = this.truth.key.at(row)
      const rows = byKey.get(key)
      if (rows === undefined) byKey.set(key, [row])
      else rows.push(row)
    }
    return byKey
  }

  private possible(
    call: number,
    revision: number,
    calls: Calls,
    rowsByKey: ReadonlyMap<number, readonly number[]>,
    covered: (key: number, revision: number) => boolean,
  ): boolean {
    if (!this.open.mayBe(call, revision)) return false
    const { truth, records } = this
    const unseen = (key: number): boolean => {
      if (covered(key, revision)) return false
      const rows = rowsByKey.get(key) ?? []
      const next = firstAfter(rows, (row) => truth.revision.at(row) > revision)
      const row = rows[next - 1]
      if (row !== undefined && truth.shownAt.at(row) >= revision) return false
      const later = rows[next]
      return later === undefined || truth.confirmed.at(later) !== SEEN
    }
    return partsOf(calls.requests[call] as KvRequest).some((part) => {
      if (part.kind === 'Range') return false
      if (part.kind === 'Put') return unseen(records.keys.number(part.key))
      const [from, to] = truth.places(part as { key: string })
      for (let place = from; place < to; place++) if (unseen(truth.keyAtPlace(place))) return true
      return false
    })
  }
}

/** The first place in a list from which on something holds, by halving. */
const firstAfter = (rows: readonly number[], holds: (row: number) => boolean): number => {
  let low = 0
  let high = rows.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (holds(rows[middle] as number)) high = middle
    else low = middle + 1
  }
  return low
}
