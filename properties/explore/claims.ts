/**
 * The invariants that the model itself is held to: those of the register that say something of what the model tells.
 *
 * Those of one step are judged on every step there is. Those that look at a run as a whole are judged on one shortest run
 * to each step: what a later state owes to another way of having come there is not in it.
 */
import type { Context, Invariant, Judgement, Watcher } from '../../model/invariant.ts'
import { pending } from '../../model/pending.ts'
import { INVARIANTS } from '../../model/register.ts'
import { clusterOf, type System } from '../../model/state/system.ts'
import type { Observation } from '../../model/state/history.ts'
import { Fold } from '../../model/fold.ts'
import type { Wrong } from './explore.ts'
import { TOLD } from './observe.ts'
import { pastOf } from './past.ts'

/** They measure time, or speak of who is elected, of scores, of the order of the queue or of classes: the model leaves these out. */
const BEYOND: ReadonlySet<string> = new Set([
  ...['NODE-S1', 'KUBELET-S6', 'KUBELET-S12', 'KUBELET-S20', 'LE-S3'],
  ...['SCHED-S5', 'SCHED-S10', 'SCHED-L3'],
])

const heard = INVARIANTS.filter(({ id, hears }) => !BEYOND.has(id) && hears.every((kind) => TOLD.has(kind)))
const STEPS = heard.filter(({ memoryless }) => memoryless === true)
const RUNS = heard.filter(({ memoryless, kind }) => memoryless !== true && kind !== 'convergence')

/** How often each was not vacuous, and how often its interesting case was there. */
export type Reached = Map<string, { nonVacuous: number; notable: number }>

const count = (reached: Reached, { id }: Invariant, judgement: Judgement): Wrong | null => {
  if (judgement === 'vacuous') return null
  const tally = reached.get(id) ?? { nonVacuous: 0, notable: 0 }
  tally.nonVacuous++
  if (judgement === 'notable') tally.notable++
  reached.set(id, tally)
  return typeof judgement === 'object' ? { invariant: id, why: judgement.why } : null
}

const contextOf = (system: System): Context => {
  const cluster = clusterOf(system)
  return { cluster, history: pastOf(system.keyspace), pending: () => pending(cluster) }
}

/** One step, whole: a decision by the state it is made in, what comes of it by the state after. */
export const judgeStep = (before: System, told: readonly Observation[], after: System, reached: Reached): Wrong | null => {
  if (told.length === 0) return null
  const was = contextOf(before)
  const is = contextOf(after)
  for (const invariant of STEPS) {
    const watcher = invariant.start()
    for (const next of told) {
      if (!invariant.hears.includes(next.kind)) continue
      const wrong = count(reached, invariant, watcher.observe(next, next.kind === 'Decision' ? was : is))
      if (wrong !== null) return wrong
    }
  }
  return null
}

/** A whole run from its beginning, which all runs share. */
export const judgeRun = (
  beginning: readonly Observation[],
  told: readonly (readonly Observation[])[],
  reached: Reached,
): (Wrong & { steps: number }) | null => {
  const fold = new Fold()
  const watchers = RUNS.map((invariant): readonly [Invariant, Watcher] => [invariant, invariant.start()])
  for (const [index, step] of [beginning, ...told].entries()) {
    for (const next of step) {
      fold.observe(next)
      for (const [invariant, watcher] of watchers) {
        if (!invariant.hears.includes(next.kind)) continue
        const wrong = count(reached, invariant, watcher.observe(next, fold.context))
        if (wrong !== null) return { ...wrong, steps: index }
      }
    }
  }
  return null
}

/** When the cluster can do nothing more of itself, nothing may wait but what nothing could end, or what nobody there would do. */
export const judgeRest = (system: System, concerns: (waitsFor: string) => boolean): Wrong | null => {
  // A machine that nobody reaches excuses everything.
  if (system.cutOff.size > 0) return null
  const [row] = pending(clusterOf(system)).filter(({ blocked, waitsFor }) => !blocked && concerns(waitsFor))
  return row === undefined ? null : { invariant: 'CL-L1', why: `it rests while ${row.object} waits for ${row.waitsFor}` }
}
