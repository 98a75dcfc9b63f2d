/**
 * Writes down what is seen, with its time, and keeps a running hash of it.
 *
 * Every member of etcd says what it applies; the second time the same entry is applied it is no news.
 */
import type { History, Observation } from '../../model/state/history.ts'
import type { Sighting } from '../../impl/wire.ts'
import { RunningHash } from '../../sim/hash.ts'

export class Recorder {
  private readonly observations: Observation[] = []
  private readonly running = new RunningHash()
  private readonly known = new Set<string>()
  /** The commits that are known, by the index of their entry. */
  private readonly commits = new Map<number, Commit[]>()

  get history(): History {
    return this.observations
  }

  get hash(): string {
    return this.running.hex
  }

  /** Null: it is a repeat of what another member, or the same one before a restart, has already done. */
  record(atMs: number, sighting: Sighting): Observation | null {
    if (this.isRepeat(sighting)) return null
    const observation = timed(atMs, sighting)
    this.observations.push(observation)
    fold(this.running, observation)
    return observation
  }

  private isRepeat(sighting: Sighting): boolean {
    if (sighting.kind === 'Commit' && sighting.index !== undefined) return this.isKnown(sighting, sighting.index)
    const repeat = repeatKey(sighting)
    if (repeat === null) return false
    const { size } = this.known
    return this.known.add(repeat).size === size
  }

  private isKnown(sighting: Commit, index: number): boolean {
    const known = this.commits.get(index)
    if (known === undefined) {
      this.commits.set(index, [sighting])
      return false
    }
    const { term, revision, key } = sighting
    if (known.some((one) => one.key === key && one.revision === revision && one.term === term)) return true
    known.push(sighting)
    return false
  }
}

type Commit = Sighting & { readonly kind: 'Commit' }

const timed = (atMs: number, sighting: Sighting): Observation => {
  if (!('atMs' in sighting)) return { atMs, ...sighting }
  ;(sighting as { atMs: number }).atMs = atMs
  return sighting
}

/** What makes two sightings the same event; null: it is never a repeat. */
const repeatKey = (sighting: Sighting): string | null => {
  switch (sighting.kind) {
    case 'Commit':
      // No entry is known: the key's revision names it.
      return `c${sighting.revision}/${sighting.key}`
    case 'Compacted':
      return `x${sighting.revision}`
    case 'Alarmed':
      return `a${sighting.index}`
    case 'AuthChanged':
      return `u${sighting.index}`
    case 'LeaseGranted':
      return `g${sighting.lease}`
    case 'LeaseRevoked':
      return `r${sighting.lease}`
    default:
      return null
  }
}

/** The hash of a history is that of its observations, one after another. */
export const fold = (running: RunningHash, observation: Observation): void => running.members(observation)
