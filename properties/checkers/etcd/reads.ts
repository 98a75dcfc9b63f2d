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
    return this.wrongCount(shown, [from, to], {
      range: request,
      count: calls.count.at(call),
      limit: request.limit ?? 0,
      countOnly: request.countOnly === true,
      revision,
    })
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

  private wrongCount(
    shown: readonly number[],
    [from, to]: readonly [number, number],
    asked: {
      readonly range: KeyRange
      readonly count: number
      readonly limit: number
      readonly countOnly: boolean
      readonly revision: number
    },
  ): string | null {
    const { truth } = this
    const { records } = this.told
    const { count, limit, countOnly, revision } = asked
    const keys = new Set(shown.map((record) => records.key(record)))
    if (keys.size < shown.length) return 'it was shown a key twice'
    const alive = truth.countAlive(from, to)
    const whole = !countOnly && (limit === 0 || shown.length < limit)
    // With a limit the first keys are due; without one all of them.
    const last = shown.reduce((place, record) => Math.max(place, truth.place(records.key(record))), from - 1)
    const end = whole ? to : countOnly ? from : last + 1
    const due = whole ? alive : truth.countAlive(from, end)
    if (shown.length === due && count === alive) return null
    const missing = truth.aliveIn(from, whole || shown.length === due ? to : end).filter((key) => !keys.has(key))
    const unexplained = countOnly || limit > 0 ? missing : missing.filter((key) => !this.hidden.goneBy(key, revision))
    const explained = countOnly ? this.explainCount(asked.range, missing, alive - count, revision) : unexplained.length === 0
    if (explained && (countOnly || count === truth.countAlive(from, to))) return null
    const [first] = unexplained
    if (countOnly || first === undefined) return `it was told of ${count} keys, there were ${alive}`
    return `it was not shown ${records.keys.text(first)}, put to ${records.valueText(truth.value.at(truth.row(first)))} at revision ${truth.revision.at(truth.row(first))}`
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
    return this.wrongCount(shown, [from, to], {
      range: request,
      count,
      limit: request.limit ?? 0,
      countOnly: request.countOnly === true,
      revision,
    })
  }
}
