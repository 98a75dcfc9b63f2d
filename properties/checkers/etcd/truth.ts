/**
 * The committed contents of the store, rebuilt revision by revision: every version of every key, and which is the latest.
 *
 * Keys have places in the order of their texts, so that a range is a pair of places and its keys are counted in
 * logarithmic time. A store that was not empty when the history began starts with keys that nobody has spoken of yet.
 */
import type { KeyRange } from '../../../model/state/keyspace.ts'
import { Integers, Numbers, Places } from './columns.ts'
import { UNTOLD, type Records } from './records.ts'

/** No version of the key is known to have been there. */
export const NEVER = -1
/** The key may have been there before the history began. */
const UNSPOKEN = -2
/** Written by nobody who is recorded: an expired lease, or what was there before. */
export const NOBODY = -1

export const SEEN = 1
export const GUESSED = 2

export class Truth {
  readonly key = new Integers()
  readonly revision = new Numbers()
  readonly deleted = new Integers()
  readonly create = new Numbers()
  readonly version = new Integers()
  readonly value = new Integers()
  readonly lease = new Numbers()
  readonly previous = new Integers()
  readonly writer = new Integers()
  /** The highest revision at which somebody was shown this version as the latest. */
  readonly shownAt = new Numbers()
  /** SEEN: what it says of version and creation was confirmed. GUESSED: somebody found the key gone, nobody knows since when. */
  readonly confirmed = new Integers()
  private readonly latest: Int32Array
  private readonly placeOf: Int32Array
  private readonly keyAt: Int32Array
  private readonly texts: readonly string[]
  private readonly alive: Places
  private readonly byLease = new Map<number, Set<number>>()
  private readonly unspoken = new Set<number>()
  private readonly ranges = new Map<string, readonly [number, number]>()

  constructor(records: Records, keysKnown: boolean) {
    const { keys } = records
    const texts = Array.from({ length: keys.size }, (_, key) => keys.text(key))
    this.keyAt = Int32Array.from(texts.keys()).toSorted((one, other) => ((texts[one] as string) < (texts[other] as string) ? -1 : 1))
    this.placeOf = new Int32Array(keys.size)
    for (const [place, key] of this.keyAt.entries()) this.placeOf[key] = place
    this.texts = Array.from(this.keyAt, (key) => texts[key] as string)
    this.latest = new Int32Array(keys.size).fill(keysKnown ? NEVER : UNSPOKEN)
    if (!keysKnown) for (let key = 0; key < keys.size; key++) this.unspoken.add(key)
    this.alive = new Places(keys.size)
  }

  get length(): number {
    return this.key.length
  }

  /** The latest row of a key, a deletion included; NEVER: none. */
  row(key: number): number {
    const row = this.latest[key] as number
    return row === UNSPOKEN ? NEVER : row
  }

  isAlive(key: number): boolean {
    return this.alive.has(this.placeOf[key] as number)
  }

  isUnspoken(key: number): boolean {
    return this.unspoken.has(key)
  }

  /** Nobody spoke of it before: from now on it is known not to be there. */
  settleAbsent(key: number): void {
    this.unspoken.delete(key)
    if (this.latest[key] === UNSPOKEN) this.latest[key] = NEVER
  }

  put(key: number, revision: number, value: number, lease: number, writer: number): number {
    const before = this.row(key)
    const was = this.isAlive(key)
    const unspoken = this.unspoken.has(key)
    const create = was ? this.create.at(before) : unspoken ? UNTOLD : revision
    const version = was ? this.nextVersion(before) : unspoken ? UNTOLD : 1
    return this.add(key, { revision, deleted: 0, create, version, value, lease, writer })
  }

  private nextVersion(before: number): number {
    const version = this.version.at(before)
    return version === UNTOLD ? UNTOLD : version + 1
  }

  delete(key: number, revision: number, writer: number): number {
    return this.add(key, { revision, deleted: 1, create: 0, version: 0, value: UNTOLD, lease: 0, writer })
  }

  /** A version that was there before the history began. */
  found(key: number, row: { revision: number; create: number; version: number; value: number; lease: number }): number {
    return this.add(key, { ...row, deleted: 0, writer: NOBODY })
  }

  private add(
    key: number,
    row: { revision: number; deleted: 0 | 1; create: number; version: number; value: number; lease: number; writer: number },
  ): number {
    const before = this.row(key)
    if (before >= 0) this.detach(key, this.lease.at(before))
    this.key.push(key)
    this.revision.push(row.revision)
    this.deleted.push(row.deleted)
    this.create.push(row.create)
    this.version.push(row.version)
    this.value.push(row.value)
    this.lease.push(row.lease)
    this.previous.push(before)
    this.writer.push(row.writer)
    this.shownAt.push(0)
    this.confirmed.push(0)
    const index = this.key.length - 1
    this.latest[key] = index
    this.unspoken.delete(key)
    this.alive.set(this.placeOf[key] as number, row.deleted === 0)
    if (row.lease > 0) this.attach(key, row.lease)
    return index
  }

  private attach(key: number, lease: number): void {
    const keys = this.byLease.get(lease)
    if (keys === undefined) this.byLease.set(lease, new Set([key]))
    else keys.add(key)
  }

  private detach(key: number, lease: number): void {
    if (lease > 0) this.byLease.get(lease)?.delete(key)
  }

  /** Keys that are alive and attached to a lease, in order. */
  attached(lease: number): readonly number[] {
    return [...(this.byLease.get(lease) ?? [])].toSorted((one, other) => (this.placeOf[one] as number) - (this.placeOf[other] as number))
  }

  /** Leases with the keys that are attached to them now. */
  leases(): ReadonlyMap<number, ReadonlySet<number>> {
    return this.byLease
  }

  /** Places [from, to) of a range. */
  places({ key, rangeEnd }: KeyRange): readonly [number, number] {
    const name = `${key}\0\0${rangeEnd ?? ''}`
    let found = this.ranges.get(name)
    if (found === undefined) {
      const from = this.firstFrom(key)
      const single = rangeEnd === undefined || rangeEnd === ''
      const to = single ? (this.texts[from] === key ? from + 1 : from) : rangeEnd === '\0' ? this.texts.length : this.firstFrom(rangeEnd)
      found = [from, Math.max(from, to)]
      this.ranges.set(name, found)
    }
    return found
  }

  private firstFrom(text: string): number {
    let low = 0
    let high = this.texts.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.texts[middle] as string) < text) low = middle + 1
      else high = middle
    }
    return low
  }

  covers(range: KeyRange, key: number): boolean {
    const [from, to] = this.places(range)
    const place = this.placeOf[key] as number
    return place >= from && place < to
  }

  place(key: number): number {
    return this.placeOf[key] as number
  }

  keyAtPlace(place: number): number {
    return this.keyAt[place] as number
  }

  countAlive(from: number, to: number): number {
    return this.alive.count(from, to)
  }

  aliveIn(from: number, to: number): readonly number[] {
    const keys: number[] = []
    if (this.countAlive(from, to) === 0) return keys
    for (let place = from; place < to; place++) if (this.alive.has(place)) keys.push(this.keyAt[place] as number)
    return keys
  }

  unspokenIn(from: number, to: number): readonly number[] {
    if (this.unspoken.size === 0) return []
    return [...this.unspoken].filter((key) => (this.placeOf[key] as number) >= from && (this.placeOf[key] as number) < to)
  }

  /** The row that was the latest of a key at a revision; NEVER: none. */
  rowAt(key: number, revision: number): number {
    let row = this.row(key)
    while (row >= 0 && this.revision.at(row) > revision) row = this.previous.at(row)
    return row
  }

  /** Rows in the order of revisions, once all are known: changes that nobody saw are found out late. */
  inOrder(): Int32Array {
    const rows = Int32Array.from({ length: this.length }, (_, row) => row)
    for (let row = 1; row < rows.length; row++) {
      if (this.revision.at(row) >= this.revision.at(row - 1)) continue
      return rows.toSorted((one, other) => this.revision.at(one) - this.revision.at(other) || one - other)
    }
    return rows
  }
}
