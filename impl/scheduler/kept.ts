/**
 * Sums over all pods of a snapshot that are kept from cycle to cycle, by what came and went alone: a cluster of thousands of
 * nodes is walked once, not for every pod.
 */
import type { Change, Moment, Snapshot } from './framework.ts'

const KEPT_MOST = 64

interface Entry<T> {
  readonly value: T
  moment: Moment
}

export class Kept<T> {
  private readonly bySnapshot = new WeakMap<Snapshot, Map<string, Entry<T>>>()

  /** count: from nothing. change: brings it up to date; false: it cannot be, and is counted anew. */
  get(snapshot: Snapshot, key: string, count: () => T, change: (value: T, change: Change) => boolean): T {
    const entries = this.entriesOf(snapshot)
    const held = entries.get(key)
    if (held !== undefined) {
      entries.delete(key)
      const { value } = held
      const moment = snapshot.replay(held.moment, (one) => change(value, one))
      if (moment !== null) {
        held.moment = moment
        entries.set(key, held)
        return value
      }
    }
    const value = count()
    entries.set(key, { value, moment: snapshot.moment })
    if (entries.size > KEPT_MOST) {
      const [oldest] = entries.keys()
      if (oldest !== undefined) entries.delete(oldest)
    }
    return value
  }

  private entriesOf(snapshot: Snapshot): Map<string, Entry<T>> {
    let entries = this.bySnapshot.get(snapshot)
    if (entries === undefined) {
      entries = new Map()
      this.bySnapshot.set(snapshot, entries)
    }
    return entries
  }
}
