/**
 * Writes down what is seen, with its time, and keeps a running hash of it.
 *
 * Every member of etcd says what it applies; the second time the same entry is applied it is no news.
 */
import type { History, Observation } from '../../model/state/history.ts'
import { RunningHash } from '../../sim/hash.ts'

type WithoutTime<T> = T extends unknown ? Omit<T, 'atMs'> : never
export type Sighting = WithoutTime<Observation>

export class Recorder {
  private readonly observations: Observation[] = []
  private readonly running = new RunningHash()
  private readonly known = new Set<string>()

  get history(): History {
    return this.observations
  }

  get hash(): string {
    return this.running.hex
  }

  /** Null: it is a repeat of what another member, or the same one before a restart, has already done. */
  record(atMs: number, sighting: Sighting): Observation | null {
    const repeat = repeatKey(sighting)
    if (repeat !== null) {
      if (this.known.has(repeat)) return null
      this.known.add(repeat)
    }
    const observation = { atMs, ...sighting } as Observation
    this.observations.push(observation)
    fold(this.running, observation)
    return observation
  }
}

/** What makes two sightings the same event; null: it is never a repeat. */
const repeatKey = (sighting: Sighting): string | null => {
  switch (sighting.kind) {
    case 'Commit':
      return `c${sighting.index}/${sighting.term}/${sighting.revision}/${sighting.key}`
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
