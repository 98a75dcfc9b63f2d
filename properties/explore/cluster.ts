/** Explores the model of a cluster by the register of invariants. */
import { environment } from '../../model/components/environment.ts'
import { MANAGER } from '../../model/components/request.ts'
import { clusterWith, COMPONENTS, init, type Setting } from '../../model/model.ts'
import type { Observation, ObservationKind } from '../../model/state/history.ts'
import type { Action, Component, System, UserStep } from '../../model/state/system.ts'
import { judgeRest, judgeRun, judgeStep, type Reached } from './claims.ts'
import { explore, type Outcome } from './explore.ts'
import { fingerprint } from './fingerprint.ts'
import { observe } from './observe.ts'
import { printRun } from './print.ts'

const STATES_MOST = 200_000
const SAYS_MORE: ReadonlySet<ObservationKind> = new Set<ObservationKind>([
  ...(['Decision', 'ContainerStarted', 'StopSignal'] as const),
  ...(['VolumeAttached', 'VolumeDetached', 'VolumeMounted', 'VolumeUnmounted'] as const),
])

export interface Explored extends Outcome<Action> {
  readonly reached: Reached
  /** The shortest run that goes wrong, printed; null: none does. */
  readonly printed: string | null
}

/** A small cluster to be explored in full. */
export interface Instance extends Setting {
  /** What happens in it, for people. */
  readonly sentence: string
  /** What users had done before, and has come to rest as well. */
  readonly before?: readonly UserStep[]
  /** Who there is of the cluster; absent: everybody. */
  readonly components?: Parameters<typeof clusterWith>[0]
  /** What of it must have come to rest: by what still waits. Absent: everything. */
  readonly concerns?: (waitsFor: string) => boolean
}

/** Undisturbed and with everything seen at once, one action after another: to begin where all is well. */
const settled = (system: System, machine: Component<System, Action>): System => {
  let state = system
  for (;;) {
    const print = fingerprint(state)
    const next = machine
      .enabled(state)
      .map((action) => machine.next(state, action))
      .find((after) => fingerprint(after) !== print)
    if (next === undefined) return state
    state = next
  }
}

/** Its objects have come to rest; then its users act, its views lag and its faults strike. */
export const begin = ({ objects, lagging, before = [], users, budget }: Instance): System => {
  const machine = clusterWith(COMPONENTS)
  const quiet = init({ objects, lagging: [], users: [], budget: { crashes: 0, restarts: 0, exits: 0, cuts: 0 } })
  const rested = before.reduce(
    (system, step) => settled(environment.next(system, { kind: 'UserActs', step }), machine),
    settled(quiet, machine),
  )
  const views = new Map(lagging.map((place) => [place, rested.keyspace.revision]))
  return { ...rested, views, users, budget }
}

/** What was told up to the beginning. */
const prologue = (system: System): readonly Observation[] => {
  const nothing = { ...system, keyspace: { ...system.keyspace, revision: system.keyspace.revision - system.keyspace.changes.length } }
  const commits = observe(nothing, { kind: 'UserActs', step: { kind: 'Cordon', node: '' } }, system)
  const starts = [...system.running.values()].flatMap((container) => observe(nothing, { kind: 'StartContainer', container }, system))
  const attached = [...system.attached.values()].flatMap((asked) =>
    observe(nothing, { kind: 'AttachVolume', by: MANAGER, ...asked }, system),
  )
  const mounted = [...system.mounted.values()].flatMap((mount) => observe(nothing, { kind: 'MountVolume', mount }, system))
  return [...commits, ...attached, ...mounted, ...starts]
}

export const exploreCluster = (instance: Instance): Explored => {
  const first = begin(instance)
  const machine = clusterWith(instance.components ?? COMPONENTS)
  const reached: Reached = new Map()
  const beginning = prologue(first)
  const outcome = explore<System, Action, readonly Observation[]>({
    init: first,
    machine,
    environment,
    fingerprint,
    tell: observe,
    step: (before, told, after) => judgeStep(before, told, after, reached),
    rest: (state) => judgeRest(state, instance.concerns ?? (() => true)),
    run: (told) => judgeRun(beginning, told, reached),
    saysMore: (told) => told.some(({ kind }) => SAYS_MORE.has(kind)),
    statesMost: STATES_MOST,
  })
  const { counterexample } = outcome
  const printed =
    counterexample === null
      ? null
      : [`${counterexample.invariant}: ${counterexample.why}`, ...printRun(first, counterexample.actions)].join('\n')
  return { ...outcome, reached, printed }
}
