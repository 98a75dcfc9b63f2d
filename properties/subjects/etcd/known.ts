/**
 * Defects that are known of some releases of etcd, and what provokes them. A run leaves that out and says so: what it then
 * reports is news. Asked to, it provokes them too, and finds them.
 */
import type { FaultKind } from './faults.ts'
import { isBefore, type Version } from './version.ts'

export interface KnownDefect {
  readonly guarantee: string
  readonly sentence: string
  /** What is not done for its sake. */
  readonly avoided: string
  readonly source: string
  /** The first release that is free of it, for each line of releases that it was found in. */
  readonly fixedIn: readonly Version[]
  /** Faults it takes, any of them; none: it shows by itself. */
  readonly takes: readonly FaultKind[]
}

/** A leader that stood still goes on to expire leases that its successor renewed: its requests to revoke are passed on. */
export const STALE_REVOCATION: KnownDefect = {
  guarantee: 'ETCD-S11',
  sentence: 'a leader that was paused revokes leases that were renewed meanwhile',
  avoided: 'leases are not renewed while pause is armed',
  source: 'etcd #15247',
  fixedIn: [
    [3, 4, 31],
    [3, 5, 13],
  ],
  takes: ['pause'],
}

/** The answer to a request for progress overtakes events that are on their way. */
export const EARLY_PROGRESS: KnownDefect = {
  guarantee: 'ETCD-S19',
  sentence: 'a progress notice that is asked for may come before events it speaks of',
  avoided: 'notices are waited for, not asked for',
  source: 'etcd #15220',
  fixedIn: [
    [3, 4, 25],
    [3, 5, 8],
  ],
  takes: [],
}

/** A compaction at the very revision of a deletion forgets that it was one, though watches may still start there. */
export const LOST_DELETION: KnownDefect = {
  guarantee: 'ETCD-S18',
  sentence: 'a watch that starts at the compacted revision is not told of a deletion at it',
  avoided: 'compactions are made at revisions that delete nothing',
  source: 'etcd #18089',
  fixedIn: [
    [3, 4, 34],
    [3, 5, 16],
  ],
  takes: [],
}

export const knownDefects = (version: Version, faults: readonly FaultKind[]): readonly KnownDefect[] =>
  [STALE_REVOCATION, EARLY_PROGRESS, LOST_DELETION].filter(
    ({ fixedIn, takes }) => isAffected(version, fixedIn) && (takes.length === 0 || takes.some((kind) => faults.includes(kind))),
  )

/** In a line of releases that has a fix: before it. In one that has none: before all that have one. */
const isAffected = (version: Version, fixedIn: readonly Version[]): boolean => {
  const sameLine = fixedIn.find(([major, minor]) => major === version[0] && minor === version[1])
  return sameLine === undefined ? fixedIn.every((fixed) => isBefore(version, fixed)) : isBefore(version, sameLine)
}
