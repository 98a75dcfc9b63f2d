/** Puts a plan together from what fast-check drew, so that each part shrinks by itself. */
import fc from 'fast-check'
import type { Action, ClusterShape, Fault, Plan, TimedAction, UserAction, Weather } from '../../model/state/plan.ts'
import { actionsAtRest, type AtRest } from './at-rest.ts'
import { fault, type Targets } from './faults.ts'
import { armedOnly, weather, type FaultKind, type Strength } from './weather.ts'

export interface PlanParts {
  readonly suite: string
  readonly cluster: fc.Arbitrary<ClusterShape>
  /** What always comes first, such as the manifests a user gave. */
  readonly opening: readonly TimedAction[]
  readonly users: fc.Arbitrary<UserAction>
  readonly usersMost: number
  readonly faultKinds: readonly FaultKind[]
  /** How many faults of one kind a run may hold when that kind is armed high. */
  readonly faultsMost?: number
  /** How hard every kind strikes. Absent: each run draws that for each kind, and is spared some. */
  readonly strength?: Strength
  /** Whether some runs may take out more members than a minority: nothing is lost, but nothing goes on either. */
  readonly majorityOut?: boolean
  /** Whether users too are at their busiest in a squall. */
  readonly usersInSqualls?: boolean
  readonly targets: Targets
  readonly stormMs: fc.Arbitrary<number>
  readonly calmMs: number
  readonly quietMs: number
  /** What comes of the cluster when it has come to rest. Absent: nothing. */
  readonly atRest?: fc.Arbitrary<AtRest>
  /**
   * What some users do beside, where nothing is compared: what comes of it depends on who is faster. Drawn last of all, so that
   * the rest of a plan is the same with it and without.
   */
  readonly beside?: fc.Arbitrary<UserAction>
}

const AT_MOST = 1_000_000

/** Times are drawn as millionths of the storm, so that they stay in it when it shrinks. */
const timed = <T extends Action>(action: fc.Arbitrary<T>): fc.Arbitrary<{ at: number; do: T }> =>
  fc.record({ at: fc.integer({ min: 0, max: AT_MOST }), do: action })

/** Some storms come in squalls: their faults strike within a few seconds of some moments, as elections follow each other. */
const SQUALL_MS = 4_000
const squalls = fc.option(fc.array(fc.integer({ min: 0, max: AT_MOST }), { minLength: 1, maxLength: 3 }), { freq: 2 })

const FAULTS_DRAWN = 4
const BESIDE_MOST = 4

export const planOf = (parts: PlanParts): fc.Arbitrary<Plan> =>
  fc
    .record({
      seed: fc.integer({ min: 0, max: 0x7fffffff }),
      cluster: parts.cluster,
      weather: weather(parts.faultKinds, parts.majorityOut ?? false, parts.strength),
      users: fc.array(timed(parts.users), { maxLength: parts.usersMost, size: 'max' }),
      faults: fc.array(timed(fault(parts.faultKinds, parts.targets)), {
        maxLength: FAULTS_DRAWN * (parts.faultsMost ?? FAULTS_DRAWN),
        size: 'max',
      }),
      centres: squalls,
      stormMs: parts.stormMs,
      atRest: parts.atRest ?? fc.constant(null),
      beside: fc.array(timed(parts.beside ?? parts.users), { maxLength: parts.beside === undefined ? 0 : BESIDE_MOST, size: 'max' }),
    })
    .map(({ seed, cluster, weather: drawn, users, faults, centres, stormMs, atRest, beside }) => {
      const kept = new Set<Fault>(
        armedOnly(
          faults.map((entry) => entry.do),
          drawn.armed,
          parts.faultsMost,
        ),
      )
      const at = (entry: { at: number; do: Action }): TimedAction => ({
        atMs: Math.floor((entry.at * stormMs) / AT_MOST),
        do: entry.do,
      })
      const inSquall = (entry: { at: number; do: Action }, which: number): TimedAction => {
        const centre = centres?.[which % centres.length]
        if (centre === undefined) return at(entry)
        const atMs = Math.floor((centre * stormMs) / AT_MOST + (entry.at * SQUALL_MS) / AT_MOST)
        return { atMs: Math.min(atMs, stormMs), do: entry.do }
      }
      const strikes = faults.filter((entry) => kept.has(entry.do)).map(inSquall)
      const busy = users.map((entry) => (parts.usersInSqualls === true && entry.at % 3 > 0 ? inSquall(entry, entry.at) : at(entry)))
      const compared = atRest?.kind === 'compared'
      const before = [...parts.opening, ...busy, ...(compared ? [] : beside.map(at)), ...strikes]
      return {
        format: 1,
        suite: parts.suite,
        seed: seed.toString(16).padStart(8, '0'),
        cluster,
        weather: drawn,
        actions: inOrder([...before, ...actionsAtRest(atRest, before)]),
        stormMs,
        calmMs: parts.calmMs,
        quietMs: parts.quietMs,
        ...(compared ? { compared: true as const } : {}),
      }
    })

/** Sorted by time, those at rest last; actions of one time keep their order. */
export const inOrder = (actions: readonly TimedAction[]): readonly TimedAction[] =>
  actions.toSorted((one, other) => Number(one.atRest ?? false) - Number(other.atRest ?? false) || one.atMs - other.atMs)

export const isFault = (action: Action): action is Fault => FAULT_KINDS.has(action.kind)
const FAULT_KINDS: ReadonlySet<string> = new Set<Fault['kind']>([
  'CrashProcess',
  'CrashMachine',
  'PauseProcess',
  'Partition',
  'SlowLink',
  'Clog',
  'StallDisk',
  'JumpClock',
  'CrashUnsynced',
  'DeposeElected',
  'CrashBetweenWrites',
  'FreezeCache',
  'BreakConnections',
  'ExpireWatches',
  'TimeTravel',
  'Outage',
])

/** The weather in which nothing goes wrong by itself: what parameters shrink to. */
export const CALM_WEATHER: Weather = {
  latencyMs: [1, 2],
  lossPerMille: 0,
  duplicatePerMille: 0,
  reorderPerMille: 0,
  diskSyncMs: [1, 2],
  tornWrites: false,
  clockOffsetMs: 0,
  clockDriftPpm: 0,
  membersOut: 'minority',
  armed: {},
}
