/** What reads were told, against the contents of the store at their revision: all of it, and nothing else. */
import type { DeleteRangeRequest, KeyRange, KvRequest, RangeRequest, RangeResponse } from '../../../model/state/keyspace.ts'
import type { Hidden } from './hidden.ts'
import type { Faults, Told } from './replay.ts'
import type { Truth } from './truth.ts'

export class ReadJudge {
  private readonly told: Told
  private readonly truth: Truth
  private readonly faults: Faults
  private readonly hidden: Hidden

  constructor(told: Told, truth: Truth, faults: Faults, hidden: Hidden) {
    this.told = told
    this.truth = truth
    this.faults = faults
    this.hidden = hidden
  }

  judgeRange(call: number, request: RangeRequest): void {
    const { calls, findings, compactions } = this.told
    const asked = request.revision ?? 0
    const revision = calls.revision.at(call)
    const floor = calls.floor.at(call)
    const id = asked > 0 ? 'ETCD-S15' : request.serializable === true ? 'ETCD-S14' : 'ETCD-S13'
    if (id !== 'ETCD-S14' && request.serializable !== true && revision < floor) {
      const text = `${calls.text(call)} was answered at revision ${revision}, though revision ${floor} had been acknowledged before it was asked`
      findings.violated('ETCD-S13', calls.because(text, call))
      return
    }
    if (calls.count.at(call) < 0) return
    const before = compactions.before(calls.invokedMs.at(call))
    if (asked > 0 && asked < before && request.serializable !== true) {
      const text = `${calls.text(call)} was answered, though a compaction at revision ${before} had been acknowledged before it was asked`
      findings.violated('ETCD-S15', calls.because(text, call))
      return
    }
    const wrong = this.wrongContents(call, request, asked > 0 ? asked : revision)
    if (wrong !== null) {
      const compacted = asked > 0 && before > 0 ? 'ETCD-S16' : id
      findings.violated(compacted, calls.because(`${calls.text(call)} was answered at revision ${revision}: ${wrong}`, call))
      return
    }
    findings.holds(id, id === 'ETCD-S14' ? revision < floor : calls.shownBy(call) > 0)
    if (asked > 0 && before > 0) findings.holds('ETCD-S16', true)
  }

  private wrongContents(call: number, request: RangeRequest, revision: number): string | null {
    const { calls, records } = this.told
    const { truth } = this
    const shown = this.shownOf(call)
    const [from, to] = truth.places(request)
    for (const record of shown) {
      const key = records.key(record)
      const wrong =
        this.wrongVersion(record, revision) ??
        (truth.covers(request, key) ? null : `${records.keys.text(key)} is outside of what it asked for`)
      if (wrong !== null) return wrong
    }
    for (const key of truth.unspokenIn(from, to)) if (!shown.some((record) => records.key(record) === key)) truth.settleAbsent(key)
    return this.wrongCount(request, shown, calls.count.at(call), revision)
  }

  private shownOf(call: number): readonly number[] {
    const { calls } = this.told
    const shown: number[] = []
    for (let place = calls.shownFrom.at(call); place < calls.shownTo.at(call); place++) shown.push(calls.shown.at(place))
    return shown
  }

  /** Whether a version that was shown is the latest of its key at a revision (the one the replay has reached). */
  private wrongVersion(record: number, revision: number): string | null {
    const { records } = this.told
    const { truth } = this
    const fault = this.faults.get(record)
    if (fault !== undefined) return `it was shown ${fault.text}`
    const key = records.key(record)
    if (records.revision(record) > revision) return `it was shown ${records.text(record)}, which came later`
    const row = truth.row(key)
    if (row >= 0 && truth.revision.at(row) === records.revision(record)) {
      truth.shownAt.set(row, Math.max(truth.shownAt.at(row), revision))
      return null
    }
    if (row < 0) return `it was shown ${records.text(record)}, which nobody wrote`
    const now = truth.deleted.at(row) === 1 ? 'was deleted' : `was put to ${records.valueText(truth.value.at(row))}`
    return `it was shown ${records.text(record)}, though the key ${now} at revision ${truth.revision.at(row)}`
  }

  private wrongCount(request: RangeRequest, shown: readonly number[], count: number, revision: number): string | null {
    const { truth } = this
    const { records } = this.told
    const [from, to] = truth.places(request)
    const keys = new Set(shown.map((record) => records.key(record)))
    if (keys.size < shown.length) return 'it was shown a key twice'
    const limit = request.limit ?? 0
    const all = request.countOnly === true ? 0 : this.bounded(request) ? this.within(request, from, to).length : truth.countAlive(from, to)
    const due = limit > 0 ? Math.min(limit, all) : all
    if (shown.length === due && count === truth.countAlive(from, to)) {
      const choice = limit > 0 ? this.wrongChoice(request, shown, keys, from, to) : null
      return choice ?? this.wrongOrder(request, shown)
    }
    if (request.countOnly === true || limit > 0 || this.bounded(request)) {
      const gone = truth.countAlive(from, to) - count
      return this.explainCount(request, truth.aliveIn(from, to), gone, revision)
        ? null
        : `it was told of ${count} keys, there were ${count + gone}`
    }
    const missing = truth.aliveIn(from, to).filter((key) => !keys.has(key) && !this.hidden.goneBy(key, revision))
    const [first] = missing
    if (first === undefined) return count === shown.length ? null : `it was told of ${count} keys and shown ${shown.length}`
    const row = truth.row(first)
    return `it was not shown ${records.keys.text(first)}, put to ${records.valueText(truth.value.at(row))} at revision ${truth.revision.at(row)}`
  }

  private bounded({ minModRevision = 0, maxModRevision = 0, minCreateRevision = 0, maxCreateRevision = 0 }: RangeRequest): boolean {
    return minModRevision > 0 || maxModRevision > 0 || minCreateRevision > 0 || maxCreateRevision > 0
  }

  /** The keys of a range that its bounds let through. */
  private within(request: RangeRequest, from: number, to: number): readonly number[] {
    const { minModRevision = 0, maxModRevision = 0, minCreateRevision = 0, maxCreateRevision = 0 } = request
    const { truth } = this
    const inside = (value: number, least: number, most: number): boolean => (least === 0 || value >= least) && (most === 0 || value <= most)
    return truth.aliveIn(from, to).filter((key) => {
      const row = truth.row(key)
      return (
        inside(truth.revision.at(row), minModRevision, maxModRevision) && inside(truth.create.at(row), minCreateRevision, maxCreateRevision)
      )
    })
  }

  /** With a limit the first keys are due, in the order that was asked for: none that was left out comes before one shown. */
  private wrongChoice(request: RangeRequest, shown: readonly number[], keys: ReadonlySet<number>, from: number, to: number): string | null {
    const { truth } = this
    const { records } = this.told
    if (shown.length === 0) return null
    const precedes = this.precedes(request)
    const last = shown.map((record) => records.key(record)).reduce((late, key) => (precedes(late, key) ? key : late))
    const candidates = this.bounded(request) ? this.within(request, from, to) : truth.aliveIn(from, to)
    const left = candidates.find((key) => !keys.has(key) && precedes(key, last))
    return left === undefined ? null : `it was shown ${records.keys.text(last)} and not ${records.keys.text(left)}, which comes before it`
  }

  private wrongOrder(request: RangeRequest, shown: readonly number[]): string | null {
    const { records } = this.told
    const precedes = this.precedes(request)
    for (let place = 1; place < shown.length; place++) {
      const [one, other] = [records.key(shown[place - 1] as number), records.key(shown[place] as number)]
      if (precedes(other, one)) return `it was shown ${records.keys.text(one)} before ${records.keys.text(other)}`
    }
    return null
  }

  /** The order that was asked for, ascending where none was; of equals none precedes the other. */
  private precedes({ sortOrder, sortTarget = 'KEY' }: RangeRequest): (one: number, other: number) => boolean {
    return (one, other) => {
      const [first, second] = [this.rank(one, sortTarget), this.rank(other, sortTarget)]
      return sortOrder === 'DESCEND' ? first > second : first < second
    }
  }

  private rank(key: number, target: NonNullable<RangeRequest['sortTarget']>): number | string {
    const { truth } = this
    const row = truth.row(key)
    switch (target) {
      case 'KEY':
        return truth.place(key)
      case 'VERSION':
        return truth.version.at(row)
      case 'CREATE':
        return truth.create.at(row)
      case 'MOD':
        return truth.revision.at(row)
      case 'VALUE':
        return this.told.records.values.text(truth.value.at(row))
    }
  }

  /** A count says how many keys came or went, not which: any that open writes can have changed will do. */
  private explainCount(range: KeyRange, alive: readonly number[], gone: number, revision: number): boolean {
    if (gone <= 0) return this.hidden.thereBy(range, -gone, revision)
    let explained = 0
    for (const key of alive) if (explained < gone && this.hidden.goneBy(key, revision)) explained++
    return explained === gone
  }

  /** A deletion that found nothing is a read: it says that nothing was there. */
  judgeNothingDeleted(call: number, request: DeleteRangeRequest): void {
    const { calls, findings, records } = this.told
    if (!this.notBehind(call)) return
    const [from, to] = this.truth.places(request)
    const revision = calls.revision.at(call)
    const [there] = this.truth.aliveIn(from, to).filter((key) => !this.hidden.goneBy(key, revision))
    if (there === undefined) findings.holds('ETCD-S1', false)
    else
      findings.violated(
        'ETCD-S1',
        calls.because(`${calls.text(call)} deleted nothing at revision ${revision}, though ${records.keys.text(there)} was there`, call),
      )
  }

  /** A completed call is not ordered before what was acknowledged before it was asked. */
  notBehind(call: number): boolean {
    const { calls, findings } = this.told
    const floor = calls.floor.at(call)
    const revision = calls.revision.at(call)
    if (revision >= floor) return true
    const text = `${calls.text(call)} was done at revision ${revision}, though revision ${floor} had been acknowledged before it was asked`
    findings.violated('ETCD-S1', calls.because(text, call))
    return false
  }

  /** The previous values and counts in the reply of a write, right before it takes effect. */
  judgePrevious(call: number): void {
    const { calls, findings, records } = this.told
    const request = calls.requests[call] as KvRequest
    if (request.kind === 'DeleteRange' && calls.count.at(call) >= 0) {
      const [from, to] = this.truth.places(request)
      const alive = this.truth.countAlive(from, to)
      if (alive !== calls.count.at(call) && this.truth.unspokenIn(from, to).length === 0) {
        const before = calls.revision.at(call) - 1
        const explained = this.explainCount(request, this.truth.aliveIn(from, to), alive - calls.count.at(call), before)
        if (!explained)
          findings.violated('ETCD-S1', calls.because(`${calls.text(call)} deleted ${calls.count.at(call)} keys, there were ${alive}`, call))
      }
    }
    const before = calls.revision.at(call) - 1
    for (const record of this.shownOf(call)) {
      const wrong = records.revision(record) > before ? `${records.text(record)} is no previous value` : this.wrongVersion(record, before)
      if (wrong !== null) findings.violated('ETCD-S1', calls.because(`${calls.text(call)} was told of a previous value: ${wrong}`, call))
    }
    if (request.kind === 'Put' && request.prevKv === true && calls.shownBy(call) === 0) {
      const key = records.keys.number(request.key)
      if (this.truth.isAlive(key) && !this.hidden.goneBy(key, before))
        findings.violated('ETCD-S1', calls.because(`${calls.text(call)} was told of no previous value, though the key was there`, call))
    }
  }

  /** A read inside a transaction, in the state it is in. Null: right. Reads of older revisions are judged by their versions. */
  wrongInside(request: RangeRequest, { kvs, count }: RangeResponse, revision: number): string | null {
    const { records } = this.told
    const { truth } = this
    const old = request.revision ?? 0
    const shown = kvs.map((kv) => records.claimStored(kv.key, kv, request.keysOnly !== true))
    if (old > 0 && old < revision) {
      for (const record of shown) {
        const row = truth.rowAt(records.key(record), old)
        if (row < 0 || truth.revision.at(row) !== records.revision(record))
          return `it was shown ${records.text(record)}, which was not there at revision ${old}`
      }
      return null
    }
    for (const record of shown) {
      const row = truth.row(records.key(record))
      // What the transaction itself has just written is judged when all of it has been.
      const own = row >= 0 && truth.revision.at(row) === records.revision(record)
      const wrong = own ? null : this.wrongVersion(record, revision)
      if (wrong !== null) return wrong
    }
    const [from, to] = truth.places(request)
    for (const key of truth.unspokenIn(from, to)) if (!shown.some((record) => records.key(record) === key)) truth.settleAbsent(key)
    return this.wrongCount(request, shown, count, revision)
  }
}
