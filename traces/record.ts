/** Makes a trace of a run that was examined, and holds a later run against it. */
import type { Observation } from '../model/state/history.ts'
import type { Plan } from '../model/state/plan.ts'
import type { Invariant } from '../model/invariant.ts'
import { INVARIANTS } from '../model/register.ts'
import type { Examined } from '../properties/examine.ts'
import { fold } from '../properties/subjects/recorder.ts'
import { RunningHash } from '../sim/hash.ts'
import { TRACE_FORMAT, type Trace, type TraceViolation } from './trace.ts'

/** Two hex digits of the running hash after each observation. */
export const marksOf = (history: readonly Observation[]): string => {
  const running = new RunningHash()
  let marks = ''
  for (const seen of history) {
    fold(running, seen)
    marks += running.hex.slice(-2)
  }
  return marks
}

const violationsOf = (examined: Examined, claims: readonly Claim[]): readonly TraceViolation[] => {
  const sentences = new Map(claims.map((invariant) => [invariant.id, invariant]))
  return examined.verdict.invariants
    .flatMap((entry) =>
      entry.violations.map((violation) => ({
        invariant: entry.id,
        sentence: sentences.get(entry.id)?.sentence ?? '',
        source: sentences.get(entry.id)?.source ?? '',
        ...violation,
      })),
    )
    .toSorted((one, other) => one.step - other.step)
}

type Claim = Pick<Invariant, 'id' | 'sentence' | 'source'>

/** `claims`: what it was judged by. */
export const record = (
  plan: Plan,
  examined: Examined,
  about: Pick<Trace, 'evenkeel' | 'bug' | 'found' | 'shrinking'>,
  claims: readonly Claim[] = INVARIANTS,
): Trace => ({
  format: TRACE_FORMAT,
  ...about,
  plan,
  violations: violationsOf(examined, claims),
  hash: examined.hash,
  marks: marksOf(examined.history),
})

/** Null when a replay saw exactly what the trace recorded; else the first observation that differs. */
export const departure = (trace: Trace, examined: Examined): { readonly step: number; readonly seen: Observation | null } | null => {
  if (trace.hash === examined.hash) return null
  const marks = marksOf(examined.history)
  const most = Math.max(marks.length, trace.marks.length) / 2
  for (let step = 0; step < most; step++) {
    if (marks.slice(step * 2, step * 2 + 2) !== trace.marks.slice(step * 2, step * 2 + 2)) {
      return { step, seen: examined.history[step] ?? null }
    }
  }
  return { step: most, seen: null }
}
