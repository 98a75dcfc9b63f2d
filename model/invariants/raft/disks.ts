/**
 * What is durable on each member, rebuilt from what its disk was seen to hold: the log that a crash of all would leave.
 *
 * A member's Raft state in memory may be ahead of it; nothing that others rely on may be.
 */
import type { Disk, Observation, Seen } from '../../state/history.ts'

interface Held {
  term: number
  vote: string | null
  /** What stands before is in a snapshot. */
  first: number
  /** Term of the entry at first + place. */
  readonly terms: number[]
}

/** [index, entry term] of each entry that a report of a disk tells of. */
export const entriesOf = ({ log, lastIndex }: Pick<Disk, 'log' | 'lastIndex'>): readonly (readonly [number, number])[] => {
  const entries: (readonly [number, number])[] = []
  for (const [place, [from, term]] of log.entries()) {
    const next = log[place + 1]?.[0] ?? lastIndex + 1
    for (let index = from; index < next; index++) entries.push([index, term])
  }
  return entries
}

/** What tells of a disk. */
export type Reported = Seen<'Restored' | 'Persisted' | 'Installed' | 'SnapshotTaken'>
export const REPORTS = ['Restored', 'Persisted', 'Installed', 'SnapshotTaken'] as const
const KINDS: ReadonlySet<string> = new Set(REPORTS)
export const isReport = (next: Observation): next is Reported => KINDS.has(next.kind)

export class Disks {
  private readonly disks = new Map<string, Held>()
  /** Members that keep a snapshot in place of their log, or of its beginning, with what is persisted next: where the log begins then. */
  private readonly shortened = new Map<string, { readonly first: number; readonly whole: boolean }>()

  /** Every member that was ever seen. */
  get members(): readonly string[] {
    return [...this.disks.keys()]
  }

  observe(next: Reported): void {
    if (next.kind === 'Installed') {
      this.shortened.set(next.member, { first: next.index + 1, whole: true })
      return
    }
    if (next.kind === 'SnapshotTaken') {
      const whole = this.shortened.get(next.member)?.whole === true
      this.shortened.set(next.member, { first: next.firstIndex, whole })
      return
    }
    const { member, from, term, vote } = next
    let disk = this.disks.get(member)
    const shortened = this.shortened.get(member)
    this.shortened.delete(member)
    if (disk !== undefined && shortened !== undefined && shortened.first > disk.first) {
      if (shortened.whole) disk.terms.length = 0
      else disk.terms.splice(0, shortened.first - disk.first)
      disk.first = shortened.first
    }
    if (disk === undefined || next.kind === 'Restored') {
      disk = { term: 0, vote: null, first: from, terms: [] }
      this.disks.set(member, disk)
    }
    disk.term = term
    disk.vote = vote
    if (from > disk.first + disk.terms.length || from < disk.first) {
      disk.first = from
      disk.terms.length = 0
    }
    disk.terms.length = from - disk.first
    for (const [, entryTerm] of entriesOf(next)) disk.terms.push(entryTerm)
  }

  /** Null: never seen. */
  of(member: string): Readonly<Pick<Held, 'term' | 'vote'>> | null {
    return this.disks.get(member) ?? null
  }

  lastIndex(member: string): number {
    const disk = this.disks.get(member)
    return disk === undefined ? 0 : disk.first + disk.terms.length - 1
  }

  /** Null: what it holds there is in a snapshot, so it is committed. 0: it holds nothing there. */
  termAt(member: string, index: number): number | null {
    const disk = this.disks.get(member)
    if (disk === undefined) return 0
    return index < disk.first ? null : (disk.terms[index - disk.first] ?? 0)
  }

  /** Whether it holds that entry, or a snapshot that covers it. */
  holds(member: string, index: number, term: number): boolean {
    const held = this.termAt(member, index)
    return held === null || held === term
  }

  /** [index, entry term] of all it holds outside a snapshot. */
  entries(member: string): readonly (readonly [number, number])[] {
    const { first = 1, terms = [] } = this.disks.get(member) ?? {}
    return terms.map((term, place) => [first + place, term])
  }

  lastTerm(member: string): number {
    return this.disks.get(member)?.terms.at(-1) ?? 0
  }
}
