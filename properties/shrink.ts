/**
 * Makes a failing plan small: fast-check's own shrinker first, then subsets of actions, topology and parameters,
 * until no single action can be left out (1-minimal).
 *
 * Source: Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing Input, IEEE TSE 2002 (ddmin).
 */
import fc from 'fast-check'
import type { Plan, TimedAction } from '../model/state/plan.ts'
import { CALM_WEATHER, inOrder } from './generators/plan.ts'

export interface Shrunk {
  readonly kind: 'shrunk'
  readonly plan: Plan
  /** No single action can be left out without the failure going away. False: the tries ran out first. */
  readonly minimal: boolean
  /** Runs made. */
  readonly tries: number
  readonly actionsBefore: number
}

/** What is violated in the storm needs no calm to be seen, nor what follows soon: runs are shorter by as much. */
const CALMS_MS = [0, 60_000]
/** What does not converge in this time rarely does later: what was made small so is tried once more with its whole calm. */
const CONVERGENCE_CALMS_MS = [300_000]

/** Runs that fast-check's shrinker may use before the subsets take over, which cost less an action. */
const FAST_CHECK_SHARE = 4

export const shrink = (
  plans: fc.Arbitrary<Plan>,
  drawing: { readonly seed: number; readonly numRuns: 1; readonly unbiased: true },
  fails: (plan: Plan) => boolean,
  triesMost: number,
  /** What is violated is that it does not converge: without its calm nothing does. */
  keepsCalm = false,
): Shrunk => {
  let tries = 0
  let smallest: Plan | null = null
  let tried = false
  const [first] = fc.sample(plans, drawing)
  if (first === undefined) throw new Error('fast-check draws one plan when asked for one')
  const calmMs =
    (keepsCalm ? CONVERGENCE_CALMS_MS : CALMS_MS).find((ms) => {
      tries++
      return fails({ ...first, calmMs: ms })
    }) ?? first.calmMs
  const outcome = fc.check(
    fc.property(
      plans.map((plan) => ({ ...plan, calmMs })),
      (plan) => {
        if (tries >= triesMost / FAST_CHECK_SHARE) return true
        tries++
        tried = true
        if (!fails(plan)) return true
        smallest = plan
        return false
      },
    ),
    drawing,
  )
  if (!outcome.failed && tried) throw new Error('a plan to be shrunk fails when it is run again')
  const withItsCalm = (plan: Plan): Plan => ({ ...plan, calmMs: first.calmMs })
  let reduction = reduce(smallest ?? first, fails, triesMost - tries)
  // With its calm again, so that nothing else is said to be violated for want of it.
  let stands = fails(withItsCalm(reduction.plan))
  if (!stands && keepsCalm) {
    reduction = reduce(first, fails, triesMost - tries)
    stands = true
  }
  return {
    kind: 'shrunk',
    plan: stands ? withItsCalm(reduction.plan) : reduction.plan,
    minimal: reduction.minimal,
    tries: tries + reduction.tries + 1,
    actionsBefore: first.actions.length,
  }
}

export interface Reduction {
  readonly plan: Plan
  readonly minimal: boolean
  readonly tries: number
}

/** Shrinks a plan that fails, without its generator: actions, then faults' sizes, topology, parameters, actions again. */
export const reduce = (start: Plan, fails: (plan: Plan) => boolean, triesMost: number): Reduction => {
  let tries = 0
  let plan = start
  const attempt = (candidate: Plan): boolean => {
    if (tries >= triesMost) return false
    tries++
    if (!fails(candidate)) return false
    plan = candidate
    return true
  }
  removeActions(plan, attempt)
  let simplified = true
  while (simplified && tries < triesMost) {
    simplified = false
    for (const candidate of simpler) {
      for (const option of candidate(plan)) if (attempt(option)) simplified = true
    }
  }
  removeSingles(() => plan, attempt)
  return { plan, minimal: tries < triesMost, tries }
}

/** ddmin: leaves out ever smaller parts of the actions, each part a subset and not only a run of neighbours. */
const removeActions = (start: Plan, attempt: (plan: Plan) => boolean): void => {
  let actions = start.actions
  let parts = 2
  while (actions.length >= 1 && parts <= actions.length * 2) {
    const kept = remainders(actions, Math.min(parts, actions.length)).find((candidate) => attempt({ ...start, actions: candidate }))
    if (kept !== undefined) {
      actions = kept
      parts = Math.max(2, parts - 1)
    } else if (parts >= actions.length) return
    else parts = Math.min(actions.length, parts * 2)
  }
}

/** What is left when one of `parts` interleaved subsets is taken out, then when one of `parts` blocks is. */
const remainders = (actions: readonly TimedAction[], parts: number): (readonly TimedAction[])[] => {
  const block = Math.ceil(actions.length / parts)
  const indices = Array.from({ length: parts }, (_, part) => part)
  const blocks = indices.map((part) => actions.filter((_, index) => Math.floor(index / block) !== part))
  if (parts >= actions.length) return blocks
  return [...blocks, ...indices.map((part) => actions.filter((_, index) => index % parts !== part))]
}

/** Until none can go: the proof that the result is 1-minimal. */
const removeSingles = (current: () => Plan, attempt: (plan: Plan) => boolean): void => {
  let index = 0
  let since = 0
  while (since < current().actions.length) {
    const plan = current()
    const at = index % plan.actions.length
    if (attempt({ ...plan, actions: plan.actions.filter((_, other) => other !== at) })) since = 0
    else {
      index = at + 1
      since++
    }
  }
}

type Simplification = (plan: Plan) => readonly Plan[]

/** Takes the last node away, unless an action speaks of it. */
const fewerNodes: Simplification = (plan) => {
  const last = plan.cluster.nodes.at(-1)
  if (last === undefined || plan.cluster.nodes.length === 1) return []
  const spokenOf = new RegExp(`"[a-z-]*${last.name}"`).test(JSON.stringify(plan.actions))
  return spokenOf ? [] : [{ ...plan, cluster: { ...plan.cluster, nodes: plan.cluster.nodes.slice(0, -1) } }]
}

type Counted = 'members' | 'apiservers' | 'controllerManagers' | 'schedulers' | 'operators' | 'etcdClients'
const count = (plan: Plan, field: Counted): number => plan.cluster[field] ?? 0

const fewer =
  (field: Counted, least: number, step = 1): Simplification =>
  (plan) =>
    count(plan, field) - step >= least ? [{ ...plan, cluster: { ...plan.cluster, [field]: count(plan, field) - step } }] : []

const calmer: Simplification = (plan) => {
  const { armed: _armed, ...parts } = CALM_WEATHER
  const changed = (Object.keys(parts) as (keyof typeof parts)[]).filter(
    (part) => JSON.stringify(plan.weather[part]) !== JSON.stringify(parts[part]),
  )
  return changed.map((part) => ({ ...plan, weather: { ...plan.weather, [part]: parts[part] } }))
}

const shorterStorm: Simplification = (plan) => {
  const last = plan.actions.findLast(({ atRest }) => atRest !== true)?.atMs ?? 0
  const shorter = Math.max(last + 1_000, 1_000)
  return shorter < plan.stormMs ? [{ ...plan, stormMs: shorter }] : []
}

/** Round times and durations read better. */
const rounder: Simplification = (plan) =>
  plan.actions.flatMap((entry, index) => {
    const rounded: TimedAction = { ...entry, atMs: round(entry.atMs), do: roundFault(entry.do) }
    if (JSON.stringify(rounded) === JSON.stringify(entry)) return []
    return [{ ...plan, actions: inOrder(plan.actions.with(index, rounded)) }]
  })

const round = (ms: number): number => (ms >= 1_000 ? Math.round(ms / 1_000) * 1_000 : Math.round(ms / 100) * 100)
const roundFault = (action: TimedAction['do']): TimedAction['do'] =>
  'forMs' in action ? ({ ...action, forMs: Math.max(100, round(action.forMs)) } satisfies TimedAction['do']) : action

const simpler: readonly Simplification[] = [
  fewerNodes,
  fewer('members', 1, 2),
  fewer('apiservers', 1),
  fewer('controllerManagers', 1),
  fewer('schedulers', 1),
  fewer('operators', 1),
  fewer('etcdClients', 1),
  calmer,
  shorterStorm,
  rounder,
]
