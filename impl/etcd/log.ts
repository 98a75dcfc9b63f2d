/**
 * A member's log. What a snapshot stands for may be cut off at its front; of the last entry cut off the term is kept.
 *
 * Index 0 stands for the beginning, with term 0.
 */
import type { Entry } from './raft-message.ts'

/** [first index, term] of a run of entries of one term. */
type Run = readonly [number, number]

export class Log {
  private entries: Entry[] = []
  /** The last entry that was cut off. */
  private cutIndex = 0
  private cutTerm = 0

  get firstIndex(): number {
    return this.cutIndex + 1
  }

  get lastIndex(): number {
    return this.cutIndex + this.entries.length
  }

  get lastTerm(): number {
    return this.entries.at(-1)?.term ?? this.cutTerm
  }

  /** Whether the term at an index is known. */
  knows(index: number): boolean {
    return index >= this.cutIndex && index <= this.lastIndex
  }

  /** 0 for the beginning and for what the log does not hold. */
  termAt(index: number): number {
    if (index === this.cutIndex) return this.cutTerm
    return this.entries[index - this.cutIndex - 1]?.term ?? 0
  }

  has(index: number, term: number): boolean {
    return this.knows(index) && this.termAt(index) === term
  }

  get(index: number): Entry {
    const entry = this.entries[index - this.cutIndex - 1]
    if (entry === undefined) throw new Error(`the log holds no entry ${index}, but ${this.firstIndex} to ${this.lastIndex}`)
    return entry
  }

  /** [from, to], both included. */
  slice(from: number, to: number): readonly Entry[] {
    return this.entries.slice(from - this.firstIndex, Math.max(from, to + 1) - this.firstIndex)
  }

  append(entry: Entry): void {
    if (entry.index !== this.lastIndex + 1) throw new Error('entries are appended without a gap')
    this.entries.push(entry)
  }

  /** Drops everything from `index` on. */
  truncateFrom(index: number): void {
    if (index <= this.cutIndex) throw new Error(`entry ${index} is in a snapshot and cannot be replaced`)
    this.entries.length = Math.min(this.entries.length, index - this.firstIndex)
  }

  /** Cuts off everything up to and including `index`. */
  compactTo(index: number): void {
    if (index <= this.cutIndex) return
    const term = this.termAt(index)
    this.entries = this.entries.slice(index - this.cutIndex)
    this.cutIndex = index
    this.cutTerm = term
  }

  /** Nothing but a snapshot that ends with this entry. */
  restartAt(index: number, term: number): void {
    this.entries = []
    this.cutIndex = index
    this.cutTerm = term
  }

  /** The last index at or before `index` whose term is at most `term`: where a leader and a follower may agree. */
  lastIndexNotAfterTerm(index: number, term: number): number {
    let candidate = Math.min(index, this.lastIndex)
    while (candidate > this.cutIndex && this.termAt(candidate) > term) candidate--
    return candidate
  }

  upToDate(lastIndex: number, lastTerm: number): boolean {
    return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex)
  }

  /** Of all it holds from an index on. */
  runs(from = 1): readonly Run[] {
    const first = this.entries[Math.max(0, from - this.firstIndex)]
    if (first === undefined) return []
    const runs: Run[] = [[first.index, first.term]]
    // Terms never go down.
    if (first.term === this.lastTerm) return runs
    let { term } = first
    for (let index = first.index + 1; index <= this.lastIndex; index++) {
      if (this.termAt(index) === term) continue
      term = this.termAt(index)
      runs.push([index, term])
    }
    return runs
  }
}
