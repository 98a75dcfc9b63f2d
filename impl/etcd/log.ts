/** A member's log. Index 0 stands for the beginning, with term 0. */
import type { Entry } from './raft-message.ts'

export class Log {
  private readonly entries: Entry[] = []

  get lastIndex(): number {
    return this.entries.length
  }

  get lastTerm(): number {
    return this.termAt(this.lastIndex)
  }

  /** 0 for the beginning and for what the log does not hold. */
  termAt(index: number): number {
    return this.entries[index - 1]?.term ?? 0
  }

  has(index: number, term: number): boolean {
    return index <= this.lastIndex && this.termAt(index) === term
  }

  get(index: number): Entry {
    const entry = this.entries[index - 1]
    if (entry === undefined) throw new Error(`the log holds no entry ${index}`)
    return entry
  }

  /** [from, to], both included. */
  slice(from: number, to: number): readonly Entry[] {
    return this.entries.slice(from - 1, to)
  }

  append(entry: Entry): void {
    if (entry.index !== this.lastIndex + 1) throw new Error('entries are appended without a gap')
    this.entries.push(entry)
  }

  /** Drops everything from `index` on. */
  truncateFrom(index: number): void {
    this.entries.length = Math.min(this.entries.length, index - 1)
  }

  /** The last index at or before `index` whose term is at most `term`: where a leader and a follower may agree. */
  lastIndexNotAfterTerm(index: number, term: number): number {
    let candidate = Math.min(index, this.lastIndex)
    while (candidate > 0 && this.termAt(candidate) > term) candidate--
    return candidate
  }

  upToDate(lastIndex: number, lastTerm: number): boolean {
    return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex)
  }

  /** [first index, term] of each run of entries of one term, from an index on. */
  runs(from = 1): readonly (readonly [number, number])[] {
    const runs: [number, number][] = []
    for (const entry of this.slice(from, this.lastIndex)) {
      if (runs.at(-1)?.[1] !== entry.term) runs.push([entry.index, entry.term])
    }
    return runs
  }
}
