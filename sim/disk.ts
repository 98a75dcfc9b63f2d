/**
 * A process's disk: append-only files whose writes are volatile until a sync has ended.
 *
 * A crash, of the process or the machine alike, keeps a drawn prefix of what was not synced (perhaps nothing); that is
 * stricter than a kernel whose page cache outlives a process, and finds what relies on it. The last write that
 * survived may be torn where the weather says so.
 */
import type { StoredRecord } from './host.ts'
import type { Random } from './random.ts'

type Operation =
  | { readonly kind: 'append'; readonly file: string; readonly stored: StoredRecord }
  | { readonly kind: 'truncate'; readonly file: string; readonly length: number }

type Files = Map<string, StoredRecord[]>

const apply = (files: Files, operation: Operation, torn: boolean): void => {
  let records = files.get(operation.file)
  if (records === undefined) {
    records = []
    files.set(operation.file, records)
  }
  if (operation.kind === 'append') records.push(torn ? { ...operation.stored, torn } : operation.stored)
  else records.length = Math.min(records.length, operation.length)
}

export class DiskState {
  private readonly durable: Files = new Map()
  private readonly current: Files = new Map()
  private volatile: Operation[] = []
  /** Operations ever written, and ever synced: their difference is what a crash may take. */
  private written = 0
  private synced = 0

  append(file: string, record: unknown): void {
    this.write({ kind: 'append', file, stored: { record, torn: false } })
  }

  truncate(file: string, length: number): void {
    this.write({ kind: 'truncate', file, length })
  }

  private write(operation: Operation): void {
    this.volatile.push(operation)
    this.written++
    apply(this.current, operation, false)
  }

  read(file: string): readonly StoredRecord[] {
    return this.current.get(file) ?? []
  }

  list(): readonly string[] {
    return [...this.current].filter(([, records]) => records.length > 0).map(([file]) => file)
  }

  /** Everything is gone: the disk was replaced. */
  wipe(): void {
    this.durable.clear()
    this.current.clear()
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
      apply(this.durable, operation, torn && index === survive - 1 && operation.kind === 'append')
    }
    this.volatile = []
    this.synced = this.written
    this.current.clear()
    for (const [file, records] of this.durable) this.current.set(file, [...records])
  }
}
