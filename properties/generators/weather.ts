/**
 * Swarm: every run draws not only what happens but which kinds of thing may happen in it, and how hard.
 *
 * Source: Groce et al., Swarm Testing, ISSTA 2012. Ranges stand here once, and each run prints what it drew.
 */
import fc from 'fast-check'
import type { Fault, Weather } from '../../model/state/plan.ts'

/** What storms are made of; an outage comes when all is at rest. */
export type FaultKind = Exclude<Fault['kind'], 'Outage'>
export type Strength = 'off' | 'low' | 'high'

/** How many faults of a kind a run may hold at each strength. */
export const FAULTS_MOST: Readonly<Record<Strength, number>> = { off: 0, low: 1, high: 4 }

const strengths: fc.Arbitrary<Strength> = fc.constantFrom('off', 'off', 'low', 'high')

const NETWORKS: readonly Pick<Weather, 'latencyMs' | 'lossPerMille' | 'duplicatePerMille' | 'reorderPerMille'>[] = [
  { latencyMs: [1, 2], lossPerMille: 0, duplicatePerMille: 0, reorderPerMille: 0 },
  { latencyMs: [1, 5], lossPerMille: 2, duplicatePerMille: 2, reorderPerMille: 10 },
  { latencyMs: [1, 40], lossPerMille: 10, duplicatePerMille: 10, reorderPerMille: 50 },
  { latencyMs: [5, 80], lossPerMille: 50, duplicatePerMille: 20, reorderPerMille: 100 },
  { latencyMs: [60, 300], lossPerMille: 0, duplicatePerMille: 0, reorderPerMille: 100 },
]
const DISKS: readonly Pick<Weather, 'diskSyncMs' | 'tornWrites'>[] = [
  { diskSyncMs: [1, 2], tornWrites: false },
  { diskSyncMs: [1, 10], tornWrites: true },
  { diskSyncMs: [2, 40], tornWrites: true },
]
/** More than a lost heartbeat's grace; not so much that what counts from time stamps (minReadySeconds) outlasts the calm. */
const CLOCKS: readonly Pick<Weather, 'clockOffsetMs' | 'clockDriftPpm'>[] = [
  { clockOffsetMs: 0, clockDriftPpm: 0 },
  { clockOffsetMs: 2_000, clockDriftPpm: 100 },
  { clockOffsetMs: 60_000, clockDriftPpm: 500 },
]

/** The weather of a run in which the given kinds of fault may be armed. Shrinks towards a calm day. */
export const weather = (kinds: readonly FaultKind[], majorityOut: boolean, strength?: Strength): fc.Arbitrary<Weather> =>
  fc
    .record({
      network: fc.constantFrom(...NETWORKS),
      disk: fc.constantFrom(...DISKS),
      clock: fc.constantFrom(...CLOCKS),
      membersOut: majorityOut ? fc.constantFrom('minority' as const, 'any' as const) : fc.constant('minority' as const),
      armed: fc.record(Object.fromEntries(kinds.map((kind) => [kind, strength === undefined ? strengths : fc.constant(strength)]))),
    })
    .map(({ network, disk, clock, membersOut, armed }) => ({ ...network, ...disk, ...clock, membersOut, armed }))

/** Drops the faults a run drew of kinds it did not arm, and those beyond what the strength allows. */
export const armedOnly = (faults: readonly Fault[], armed: Weather['armed'], most: number = FAULTS_MOST.high): readonly Fault[] => {
  const left = new Map(Object.entries(armed).map(([kind, how]) => [kind, how === 'high' ? most : FAULTS_MOST[how]]))
  return faults.filter((fault) => {
    const allowed = left.get(fault.kind) ?? 0
    left.set(fault.kind, allowed - 1)
    return allowed > 0
  })
}
