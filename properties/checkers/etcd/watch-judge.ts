/** Judges one stream after another beside the rows of the store, each in one walk. */
import type { Findings } from './findings.ts'
import type { Faults } from './replay.ts'
import type { Records } from './records.ts'
import { GUESSED, type Truth } from './truth.ts'
import { FRAGMENT, NOTICE, type Stream } from './watches.ts'

/** How long an event may take to reach a connected client once all is healed. */
const SLACK_MS = 5_000

export interface WatchTold {
  readonly records: Records
  readonly truth: Truth
  readonly faults: Faults
  readonly findings: Findings
  readonly shownMs: (revision: number) => number
  /** When the history was ended after a calm; null: it just stops. */
  readonly endedMs: number | null
}

export class WatchJudge {
  private readonly told: WatchTold
  private readonly rows: Int32Array

  constructor(told: WatchTold) {
    this.told = told
    this.rows = told.truth.inOrder()
  }

  judge(stream: Stream): void {
    const ordered = this.inOrder(stream)
    this.starts(stream)
    this.complete(stream, ordered)
    this.notices(stream)
    this.details(stream)
    this.cancelled(stream)
    if (this.told.endedMs !== null && stream.closed === null) this.reached(stream, this.told.endedMs)
  }

  /** S17: never back, never twice, one revision in one response. Returns whether it was so. */
  private inOrder(stream: Stream): boolean {
    const { records, findings } = this.told
    let last = 0
    let place = 0
    let fragmented = false
    for (let response = 0; response < stream.end.length; response++) {
      const end = stream.end.at(response)
      const begin = place
      for (; place < end; place++) {
        const event = stream.event.at(place)
        const revision = records.revision(event)
        const split = place === begin && revision === last && !fragmented && place > 0
        const text =
          revision < last
            ? `was told of revision ${revision} (${records.text(event)}) after revision ${last}`
            : this.isRepeat(stream, place)
              ? `was told twice of ${records.text(event)}`
              : split
                ? `was told of revision ${revision} in two responses`
                : null
        if (text !== null) {
          findings.violated('ETCD-S17', stream.because(text, response))
          return false
        }
        last = revision
      }
      if (end > begin) {
        findings.holds('ETCD-S17', end - begin > 1)
        fragmented = stream.flags.at(response) === FRAGMENT
      }
    }
    return true
  }

  private isRepeat(stream: Stream, place: number): boolean {
    const { records } = this.told
    const event = stream.event.at(place)
    for (let before = place - 1; before >= 0; before--) {
      const other = stream.event.at(before)
      if (records.revision(other) !== records.revision(event)) return false
      if (records.key(other) === records.key(event)) return true
    }
    return false
  }

  /** S20: nothing before the start. */
  private starts(stream: Stream): void {
    const { records, findings } = this.told
    for (let place = 0; place < stream.event.length; place++) {
      const event = stream.event.at(place)
      if (records.revision(event) < stream.start) {
        const text = `starts at revision ${stream.start} and was told of ${records.text(event)}`
        findings.violated('ETCD-S20', stream.because(text, responseOf(stream, place)))
        return
      }
    }
    if (stream.event.length > 0) findings.holds('ETCD-S20', true)
  }

  /** S18: exactly the matching changes from its start up to the last one it was told of. */
  private complete(stream: Stream, ordered: boolean): void {
    const { records, findings } = this.told
    const events = this.events(stream, ordered)
    let due = this.nextDue(stream, this.firstFrom(stream.start))
    let place = 0
    while (place < events.length) {
      const event = events[place] as number
      const revision = records.revision(event)
      if (revision < stream.start) {
        place++
        continue
      }
      const row = this.rows[due]
      if (row !== undefined && this.told.truth.revision.at(row) < revision) {
        this.missed(stream, row, events[place - 1], place)
        return
      }
      const wrong = this.wrongRevision(stream, events, place, due)
      if (wrong !== null) {
        findings.violated('ETCD-S18', stream.because(wrong, responseOf(stream, place)))
        return
      }
      while (place < events.length && records.revision(events[place] as number) === revision) place++
      while (due < this.rows.length && this.told.truth.revision.at(this.rows[due] as number) === revision)
        due = this.nextDue(stream, due + 1)
      findings.holds('ETCD-S18', stream.start > 1)
    }
  }

  /** Events of a stream; of one that was out of order as if it had not been: that was said already. */
  private events(stream: Stream, ordered: boolean): Int32Array {
    const { records } = this.told
    const events = Int32Array.from({ length: stream.event.length }, (_, place) => stream.event.at(place))
    if (ordered) return events
    return Int32Array.from(new Set(events)).toSorted((one, other) => records.revision(one) - records.revision(other))
  }

  private missed(stream: Stream, row: number, last: number | undefined, place: number): void {
    const { findings, records } = this.told
    const after =
      last === undefined ? `which starts at revision ${stream.start}` : `which had been told up to revision ${records.revision(last)}`
    findings.violated(
      'ETCD-S18',
      stream.because(`was not told of ${this.rowText(row)}: ${after}, it went on with later ones`, responseOf(stream, place)),
    )
  }

  private rowText(row: number): string {
    const { truth, records } = this.told
    const key = records.keys.text(truth.key.at(row))
    const revision = truth.revision.at(row)
    return truth.deleted.at(row) === 1
      ? `the deletion of ${key} at revision ${revision}`
      : `${key}=${records.valueText(truth.value.at(row))} at revision ${revision}`
  }

  /** The events of one revision against the rows due at it, in whatever order. Null: the same. */
  private wrongRevision(stream: Stream, events: Int32Array, place: number, due: number): string | null {
    const { records, truth, faults } = this.told
    const revision = records.revision(events[place] as number)
    const keys = new Set<number>()
    for (let next = place; next < events.length && records.revision(events[next] as number) === revision; next++) {
      const event = events[next] as number
      const fault = faults.get(event)
      const key = records.key(event)
      if (!truth.covers(stream.range, key)) return `was told of ${records.text(event)}, which is outside of its range`
      if (stream.filters.includes(records.deleted(event) ? 'NODELETE' : 'NOPUT'))
        return `was told of ${records.text(event)}, which its filter leaves out`
      if (fault?.metadata === false) return `was told of ${fault.text}`
      keys.add(key)
    }
    for (
      let next = due;
      next < this.rows.length && truth.revision.at(this.rows[next] as number) === revision;
      next = this.nextDue(stream, next + 1)
    )
      if (!keys.has(truth.key.at(this.rows[next] as number)))
        return `was told of revision ${revision} without ${this.rowText(this.rows[next] as number)}`
    return null
  }

  /** The next place in the rows that the stream must be told of. */
  private nextDue(stream: Stream, from: number): number {
    const { truth } = this.told
    const [first, end] = truth.places(stream.range)
    let place = from
    for (; place < this.rows.length; place++) {
      const row = this.rows[place] as number
      const at = truth.place(truth.key.at(row))
      if (at < first || at >= end || truth.confirmed.at(row) === GUESSED) continue
      if (stream.filters.length === 0 || !stream.filters.includes(truth.deleted.at(row) === 1 ? 'NODELETE' : 'NOPUT')) break
    }
    return place
  }

  private firstFrom(revision: number): number {
    const { truth } = this.told
    let low = 0
    let high = this.rows.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (truth.revision.at(this.rows[middle] as number) < revision) low = middle + 1
      else high = middle
    }
    return low
  }

  /** S19: a notice at r means that everything up to r was sent; nothing up to r comes later, and notices never fall. */
  private notices(stream: Stream): void {
    const { records, findings, truth } = this.told
    let promised = 0
    let told = stream.start - 1
    let due = this.nextDue(stream, this.firstFrom(stream.start))
    let place = 0
    for (let response = 0; response < stream.end.length; response++) {
      for (; place < stream.end.at(response); place++) {
        const event = stream.event.at(place)
        const revision = records.revision(event)
        if (revision <= promised) {
          findings.violated(
            'ETCD-S19',
            stream.because(`was told of ${records.text(event)} after a notice at revision ${promised}`, response),
          )
          return
        }
        told = Math.max(told, revision)
      }
      if (stream.flags.at(response) !== NOTICE) continue
      const revision = stream.header.at(response)
      while (due < this.rows.length && truth.revision.at(this.rows[due] as number) <= told) due = this.nextDue(stream, due + 1)
      const row = this.rows[due]
      const text =
        revision < promised
          ? `got a notice at revision ${revision} after one at ${promised}`
          : row !== undefined && truth.revision.at(row) <= revision
            ? `got a notice at revision ${revision} without having been told of ${this.rowText(row)}`
            : null
      if (text !== null) {
        findings.violated('ETCD-S19', stream.because(text, response))
        return
      }
      promised = revision
      findings.holds('ETCD-S19', told >= stream.start)
    }
  }

  /** S21: versions and creation as they were, and the previous value that of the revision before. */
  private details(stream: Stream): void {
    const { records, findings, truth, faults } = this.told
    let cursor = this.firstFrom(stream.start)
    for (let place = 0; place < stream.event.length; place++) {
      const event = stream.event.at(place)
      const fault = faults.get(event)
      if (fault?.metadata === true) {
        findings.violated('ETCD-S21', stream.because(`was told of ${fault.text}`, responseOf(stream, place)))
        return
      }
      const previous = stream.previous.at(place)
      if (previous < 0) {
        findings.holds('ETCD-S21')
        continue
      }
      const revision = records.revision(event)
      while (cursor < this.rows.length && truth.revision.at(this.rows[cursor] as number) < revision) cursor++
      const row = this.rowOf(cursor, revision, records.key(event))
      const before = row === undefined ? -1 : truth.previous.at(row)
      const was = before >= 0 && truth.deleted.at(before) === 0 ? truth.revision.at(before) : 0
      const told = records.revision(previous)
      if (row !== undefined && (told !== was || faults.has(previous))) {
        const really = was === 0 ? 'there was none' : `it was of revision ${was}`
        const text = `was told that the value before ${records.text(event)} was ${records.text(previous)}: ${faults.get(previous)?.text ?? really}`
        findings.violated('ETCD-S21', stream.because(text, responseOf(stream, place)))
        return
      }
      findings.holds('ETCD-S21', true)
    }
  }

  private rowOf(cursor: number, revision: number, key: number): number | undefined {
    const { truth } = this.told
    for (let place = cursor; place < this.rows.length; place++) {
      const row = this.rows[place] as number
      if (truth.revision.at(row) !== revision) return undefined
      if (truth.key.at(row) === key) return row
    }
    return undefined
  }

  /** Cancelled because of a compaction only when what it needed next was compacted. */
  private cancelled(stream: Stream): void {
    const { records, findings } = this.told
    const { closed } = stream
    if (closed === null || closed.compactRevision === undefined || closed.compactRevision === 0) return
    const last = stream.event.length === 0 ? 0 : records.revision(stream.event.at(stream.event.length - 1))
    const next = Math.max(stream.start, last + 1)
    if (next <= closed.compactRevision) findings.holds('ETCD-S18', true)
    else {
      const text = `stream ${stream.name} of ${stream.process} was cancelled for a compaction at revision ${closed.compactRevision}, though it needed revision ${next} next`
      findings.violated('ETCD-S18', { text, atMs: closed.atMs, calls: [stream.name] })
    }
  }

  /** L5: what was seen some while before the end, and while it was open, has reached it. */
  private reached(stream: Stream, endedMs: number): void {
    const { records, findings, truth, shownMs } = this.told
    let told = stream.start - 1
    if (stream.event.length > 0) told = Math.max(told, records.revision(stream.event.at(stream.event.length - 1)))
    for (let response = 0; response < stream.end.length; response++)
      if (stream.flags.at(response) === NOTICE) told = Math.max(told, stream.header.at(response))
    const row = this.rows[this.nextDue(stream, this.firstFrom(told + 1))]
    const dueMs = row === undefined ? Infinity : Math.max(stream.openedMs, shownMs(truth.revision.at(row)))
    if (row === undefined || endedMs - dueMs <= SLACK_MS) findings.holds('ETCD-L5', true)
    else {
      const text = `stream ${stream.name} of ${stream.process} was never told of ${this.rowText(row)}`
      findings.violated('ETCD-L5', { text, atMs: endedMs, calls: [stream.name] })
    }
  }
}

const responseOf = (stream: Stream, place: number): number => {
  let low = 0
  let high = stream.end.length - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if (stream.end.at(middle) <= place) low = middle + 1
    else high = middle
  }
  return low
}
