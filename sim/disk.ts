/**
 * A process's disk: append-only files whose writes are volatile until a sync has ended.
 *
 * A crash, of the process or the machine alike, keeps a drawn prefix of what was not synced (perhaps nothing); that is
 * stricter than a kernel whose page cache outlives a process, and finds what relies on it. The last write that
 * survived may be torn where the weather says so.
 */
import type { StoredRecord } from './host.ts'
import type { Random } from './random.ts'

/** An append of a record, or a cut to a length. */
type Operation =
  | { readonly file: string; readonly record: unknown; readonly length: null }
  | { readonly file: string; readonly record: null; readonly length: number }

interface Contents {
  readonly records: unknown[]
  /** Places of records whose writing was cut short. */
  readonly torn: Set<number>
}

type Files = Map<string, Contents>

const apply = (files: Files, { file, record, length }: Operation, torn: boolean): void => {
  let contents = files.get(file)
  if (contents === undefined) {
    contents = { records: [], torn: new Set() }
    files.set(file, contents)
  }
  const { records } = contents
  if (length === null) {
    if (torn) contents.torn.add(records.length)
    records.push(record)
    return
  }
  records.length = Math.min(records.length, length)
  for (const place of contents.torn) if (place >= length) contents.torn.delete(place)
}

export class DiskState {
  private readonly durable: Files = new Map()
  /** What was written since, in order. */
  private volatile: Operation[] = []
  /** Operations ever written, and ever synced: their difference is what a crash may take. */
  private written = 0
  private synced = 0

  append(file: string, record: unknown): void {
    this.write({ file, record, length: null })
  }

  truncate(file: string, length: number): void {
    this.write({ file, record: null, length })
  }

  private write(operation: Operation): void {
    this.volatile.push(operation)
    this.written++
  }

  read(file: string): readonly StoredRecord[] {
    const { records, torn } = this.current().get(file) ?? EMPTY
    return records.map((record, place) => ({ record, torn: torn.has(place) }))
  }

  list(): readonly string[] {
    return [...this.current()].filter(([, { records }]) => records.length > 0).map(([file]) => file)
  }

  /** What the process itself sees: all it has written. It seldom looks, but when it starts. */
  private current(): Files {
    const files: Files = new Map()
    for (const [file, { records, torn }] of this.durable) files.set(file, { records: [...records], torn: new Set(torn) })
    for (const operation of this.volatile) apply(files, operation, false)
    return files
  }

  /** Everything is gone: the disk was replaced. */
  wipe(): void {
    this.durable.clear()
    this.volatile = []
    this.synced = this.written
  }

  get unsynced(): boolean {
    return this.synced < this.written
  }

  /** What a sync that begins now will have made durable when it ends. */
  get position(): number {
    return this.written
  }

  syncedUpTo(position: number): void {
    const count = position - this.synced
    if (count <= 0) return
    for (const operation of this.volatile.splice(0, count)) apply(this.durable, operation, false)
    this.synced = position
  }

  crash(random: Random, tornWrites: boolean): void {
    const survive = random.below(this.volatile.length + 1)
    const torn = tornWrites && random.chance(500)
    for (const [index, operation] of this.volatile.slice(0, survive).entries()) {
      apply(this.durable, operation, torn && index === survive - 1 && operation.length === null)
    }
    this.volatile = []
    this.synced = this.written
  }
}

const EMPTY: Contents = { records: [], torn: new Set() }
