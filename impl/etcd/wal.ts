/**
 * The write-ahead log: what a member must not forget, in segments of records, each chained to the one before by a checksum.
 *
 * A last record that was cut short was never acknowledged, and is cut off. Any other that does not fit the chain means
 * that the disk lost what it had promised to keep: the member refuses to start.
 * Source: server/storage/wal/wal.go, repair.go; server/storage/storage.go.
 */
import { RunningHash } from '../../sim/hash.ts'
import type { Disk } from '../../sim/host.ts'
import type { Entry } from './raft-message.ts'
import type { HardState } from './raft.ts'
import type { Snapshot } from './snapshot.ts'

/** checksum: over its content and everything before it. */
type WalRecord = { readonly checksum: number } & (
  | /** Begins a segment: the checksum the chain had reached. */
    { readonly kind: 'checksum' }
  | { readonly kind: 'metadata'; readonly id: string }
  | { readonly kind: 'state'; readonly state: HardState }
  | { readonly kind: 'entry'; readonly entry: Entry }
  /**
   * A snapshot was stored beside the log; what it stands for is not needed any more. replaces: it came from the leader, and
   * nothing that the log held before is worth anything.
   */
  | { readonly kind: 'snapshot'; readonly index: number; readonly term: number; readonly replaces: boolean }
)

interface Segment {
  readonly file: string
  /** The highest entry in it. */
  lastIndex: number
}

export interface Held {
  readonly id: string
  readonly state: HardState
  readonly snapshot: Snapshot | null
  /** After the snapshot. */
  readonly entries: readonly Entry[]
}

/** The member cannot start from this disk. */
export class WalError extends Error {}

const SEGMENT = 'wal-'
const SNAPSHOT = 'snap-'
const snapshotFile = (index: number): string => `${SNAPSHOT}${index}`

/** An entry is the same value on every member that has it: its checksum is made once. */
const sums = new WeakMap<Entry, number>()
const sumOf = (entry: Entry): number => {
  let sum = sums.get(entry)
  if (sum === undefined) {
    sum = checksumOf(entry)
    sums.set(entry, sum)
  }
  return sum
}

/** Goes on from the checksum of the record before. content: all that the record holds. */
const chained = (before: number, kind: WalRecord['kind'], ...content: readonly (number | string | null)[]): number => {
  const hash = new RunningHash()
  hash.number(before)
  hash.text(kind)
  for (const one of content) hash.value(one)
  return hash.digest.low
}
const chainedRecord = (before: number, record: WalRecord): number => {
  switch (record.kind) {
    case 'checksum':
      return before
    case 'metadata':
      return chained(before, record.kind, record.id)
    case 'state':
      return chained(before, record.kind, record.state.term, record.state.vote, record.state.commit)
    case 'entry':
      return chained(before, record.kind, sumOf(record.entry))
    case 'snapshot':
      return chained(before, record.kind, record.index, record.term, Number(record.replaces))
  }
}

const checksumOf = (value: object): number => {
  const hash = new RunningHash()
  hash.members(value)
  return hash.digest.low
}

export class Wal {
  private readonly disk: Disk
  private readonly segments: Segment[] = []
  private checksum = 0
  private id = ''
  private state: HardState = { term: 0, vote: null, commit: 0 }
  private snapshot: Snapshot | null = null
  private files = 0

  constructor(disk: Disk) {
    this.disk = disk
  }

  // Recovery

  /** What the disk holds; null: nothing. Throws WalError when it cannot be trusted. */
  recover(): Held | null {
    const files = this.disk.list().filter((file) => file.startsWith(SEGMENT))
    const numbers = files.map((file) => Number(file.slice(SEGMENT.length))).toSorted((one, other) => one - other)
    let entries: Entry[] = []
    let marker: { readonly index: number; readonly term: number } | null = null
    for (const [place, number] of numbers.entries()) {
      const file = `${SEGMENT}${number}`
      const segment: Segment = { file, lastIndex: 0 }
      this.segments.push(segment)
      this.files = number + 1
      for (const content of this.recordsOf(file, place === 0, place === numbers.length - 1)) {
        switch (content.kind) {
          case 'checksum':
            break
          case 'metadata':
            this.id = content.id
            break
          case 'state':
            this.state = content.state
            break
          case 'entry':
            entries = withEntry(entries, content.entry)
            segment.lastIndex = Math.max(segment.lastIndex, content.entry.index)
            break
          case 'snapshot':
            marker = content
            // Of its own log all that follows stays, though what comes before may have gone with older segments.
            entries = content.replaces ? [] : entries.filter((entry) => entry.index > content.index)
        }
      }
    }
    if (this.id === '') return null
    this.snapshot = marker === null ? null : this.load(marker.index)
    this.discardSnapshotsBut(marker?.index ?? 0)
    this.mendLastSegment()
    return { id: this.id, state: this.state, snapshot: this.snapshot, entries }
  }

  private recordsOf(file: string, first: boolean, last: boolean): readonly WalRecord[] {
    const stored = this.disk.read(file)
    const records: WalRecord[] = []
    for (const [place, { record: held, torn }] of stored.entries()) {
      if (torn && last && place === stored.length - 1) {
        this.disk.truncate(file, place)
        break
      }
      const record = held as WalRecord
      // The chain of the oldest segment begins where those before it, deleted since, had ended.
      this.checksum = first && place === 0 && record.kind === 'checksum' ? record.checksum : chainedRecord(this.checksum, record)
      if (torn || record.checksum !== this.checksum)
        throw new WalError(`failed to read WAL, cannot be repaired: ${file}: wal: crc mismatch`)
      records.push(record)
    }
    return records
  }

  private load(index: number): Snapshot {
    const stored = this.disk.read(snapshotFile(index))[0]
    if (stored === undefined || stored.torn) throw new WalError(`failed to recover from snapshot ${index}: snap: no available snapshot`)
    const { checksum, snapshot } = stored.record as { checksum: number; snapshot: Snapshot }
    if (checksumOf(snapshot) !== checksum) throw new WalError(`failed to recover from snapshot ${index}: snap: crc mismatch`)
    return snapshot
  }

  /** One that was being begun when the member stopped is begun anew. */
  private mendLastSegment(): void {
    const last = this.segments.at(-1)
    if (last === undefined || this.disk.read(last.file).length > 0) return
    this.segments.pop()
    this.cut()
  }

  /** Those that were being written, or replaced, when the member stopped. */
  private discardSnapshotsBut(index: number): void {
    for (const file of this.disk.list()) {
      if (file.startsWith(SNAPSHOT) && file !== snapshotFile(index)) this.disk.truncate(file, 0)
    }
  }

  // Writing. Nothing is durable before the disk has been synced.

  /** A log that has never been written to. */
  create(id: string): void {
    this.id = id
    this.cut()
  }

  private cut(): void {
    const file = `${SEGMENT}${this.files++}`
    this.segments.push({ file, lastIndex: 0 })
    this.append({ checksum: this.checksum, kind: 'checksum' })
    const { id, state, snapshot } = this
    this.checksum = chained(this.checksum, 'metadata', id)
    this.append({ checksum: this.checksum, kind: 'metadata', id })
    this.saveState(state)
    if (snapshot !== null) this.markSnapshot(snapshot, false)
  }

  private append(record: WalRecord): void {
    this.disk.append((this.segments.at(-1) as Segment).file, record)
  }

  private saveState(state: HardState): void {
    const { term, vote, commit } = state
    this.checksum = chained(this.checksum, 'state', term, vote, commit)
    this.append({ checksum: this.checksum, kind: 'state', state })
  }

  private saveEntry(entry: Entry): void {
    const segment = this.segments.at(-1) as Segment
    this.checksum = chained(this.checksum, 'entry', sumOf(entry))
    this.append({ checksum: this.checksum, kind: 'entry', entry })
    segment.lastIndex = Math.max(segment.lastIndex, entry.index)
  }

  private markSnapshot({ index, term }: Snapshot, replaces: boolean): void {
    this.checksum = chained(this.checksum, 'snapshot', index, term, Number(replaces))
    this.append({ checksum: this.checksum, kind: 'snapshot', index, term, replaces })
  }

  /** Entries replace what the log held from the first of them on. True: what depends on them has to wait for a sync. */
  save({ term, vote, commit }: HardState, entries: readonly Entry[]): boolean {
    const before = this.state
    for (const entry of entries) this.saveEntry(entry)
    if (term !== before.term || vote !== before.vote || commit !== before.commit) {
      this.state = { term, vote, commit }
      this.saveState(this.state)
    }
    // A commit index alone may be lost: the leader will say it again.
    return entries.length > 0 || term !== before.term || vote !== before.vote
  }

  /** First the snapshot, then the word that there is one, then what it makes needless goes. replaces: it stands for the whole log. */
  saveSnapshot(snapshot: Snapshot, replaces: boolean): void {
    const before = this.snapshot
    this.disk.append(snapshotFile(snapshot.index), { checksum: checksumOf(snapshot), snapshot })
    this.markSnapshot(snapshot, replaces)
    this.snapshot = snapshot
    this.cut()
    if (before !== null) this.disk.truncate(snapshotFile(before.index), 0)
    while (this.segments.length > 1 && (this.segments[0] as Segment).lastIndex <= snapshot.index) {
      this.disk.truncate((this.segments.shift() as Segment).file, 0)
    }
  }
}

const withEntry = (entries: Entry[], entry: Entry): Entry[] => {
  const first = entries[0]?.index ?? entry.index
  entries.length = Math.max(0, Math.min(entries.length, entry.index - first))
  entries.push(entry)
  return entries
}
