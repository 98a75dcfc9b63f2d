/**
 * Watches, as their clients saw them, against the rebuilt store: in order, once, whole revisions, everything from the start
 * on, nothing else, truthful about progress and previous values. Each stream is walked once beside the rows of its span.
 */
import type { Delivered, Seen } from '../../../model/state/history.ts'
import type { KeyRange } from '../../../model/state/keyspace.ts'
import type { Because } from '../verdict.ts'
import { Integers, Numbers } from './columns.ts'
import { UNTOLD, type Records } from './records.ts'

/** What a stream was sent, in columns. Events of one response follow each other. */
export class Stream {
  readonly name: string
  readonly process: string
  readonly range: KeyRange
  readonly start: number
  readonly openedMs: number
  readonly filters: readonly string[]
  readonly event = new Integers()
  /** The version said to be the previous one; -1: none was given. */
  readonly previous = new Integers()
  /** Of each response: the place after its last event, its revision, its moment, and 1 for a notice, 2 for a fragment. */
  readonly end = new Integers()
  readonly header = new Numbers()
  readonly atMs = new Numbers()
  readonly flags = new Integers()
  closed: Seen<'WatchClosed'> | null = null

  constructor({ stream, process, range, startRevision, filters, atMs }: Seen<'WatchOpened'>) {
    this.name = stream
    this.process = process
    this.range = range
    this.start = startRevision
    this.openedMs = atMs
    this.filters = filters ?? []
  }

  deliver({ events, revision, progress, fragment, atMs }: Seen<'WatchDelivered'>, records: Records): void {
    for (const event of events) {
      this.event.push(claimEvent(event, records))
      this.previous.push(claimPrevious(event, records))
    }
    this.end.push(this.event.length)
    this.header.push(revision)
    this.atMs.push(atMs)
    this.flags.push(progress && events.length === 0 ? NOTICE : fragment === true ? FRAGMENT : 0)
  }

  because(text: string, response: number, calls: readonly string[] = []): Because {
    return { text: `stream ${this.name} of ${this.process} ${text}`, atMs: this.atMs.at(response), calls: [this.name, ...calls] }
  }
}

export const NOTICE = 1
export const FRAGMENT = 2

const claimEvent = (event: Delivered, records: Records): number => {
  const { key, revision, value, lease, version = UNTOLD, createRevision = UNTOLD } = event
  const number = records.keys.number(key)
  if (event.type === 'DELETE')
    return records.claim({ key: number, revision, deleted: true, createRevision: 0, version: 0, value: UNTOLD, lease: 0 })
  const told = value === undefined ? UNTOLD : records.valueNumber(value)
  return records.claim({ key: number, revision, deleted: false, createRevision, version, value: told, lease: lease ?? UNTOLD })
}

const claimPrevious = ({ key, prevRevision, prevValue }: Delivered, records: Records): number => {
  if (prevRevision === undefined) return UNTOLD
  const value = prevValue === undefined ? UNTOLD : records.valueNumber(prevValue)
  return records.claim({
    key: records.keys.number(key),
    revision: prevRevision,
    deleted: false,
    createRevision: UNTOLD,
    version: UNTOLD,
    value,
    lease: UNTOLD,
  })
}
