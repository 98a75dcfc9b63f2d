/** One run, judged: the unit of every campaign, of shrinking and of replay. */
import type { Invariant, Pending } from '../model/invariant.ts'
import type { History } from '../model/state/history.ts'
import type { Plan } from '../model/state/plan.ts'
import { INVARIANTS } from '../model/register.ts'
import { judge, type Verdict } from './judge.ts'
import type { Subject } from './subjects/subject.ts'

export interface Examined {
  readonly verdict: Verdict
  readonly history: History
  readonly hash: string
  readonly simulatedMs: number
  readonly events: number
  readonly convergedAfterMs: number | null
  /** What still waits at the end, blocked or not. */
  readonly pending: readonly Pending[]
}

/** Judged by all invariants, or only by some. Throws what the subject throws: an Error with one clear line for a plan it cannot run. */
export const examine = (plan: Plan, subject: Subject, invariants: readonly Invariant[] = INVARIANTS): Examined => {
  const run = subject.run(plan)
  return { ...run, verdict: judge(run.history, invariants) }
}

/** Ids of the invariants a verdict found violated, the first to be violated first. */
export const violatedIds = (verdict: Verdict): readonly string[] =>
  verdict.invariants
    .filter((entry) => entry.verdict === 'violated')
    .toSorted((one, other) => (one.violations[0]?.step ?? 0) - (other.violations[0]?.step ?? 0))
    .map((entry) => entry.id)
