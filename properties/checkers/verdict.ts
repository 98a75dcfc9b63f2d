/**
 * What a checker says: held, violated, or that it could not tell. Never a silent pass.
 *
 * A finding names the guarantee by its id of SEMANTICS Part 2 and says in words what is wrong and who took part.
 */
import type { CallId, ProcessName } from '../../model/state/history.ts'

/** unknown: the budget ran out, or nothing that was seen decides it. */
export type Verdict = 'holds' | 'violated' | 'unknown'

export interface Finding {
  /** 'ETCD-S13', or the model's name for a history that is searched. */
  readonly id: string
  readonly sentence: string
  readonly verdict: Verdict
  /** How often it was judged, and how often that meant something (its interesting case was reached). */
  readonly evaluated: number
  readonly notable: number
  /** First violations, or why it is unknown: one sentence each. Empty when it holds. */
  readonly why: readonly Because[]
}

export interface Because {
  readonly text: string
  /** When it showed, if that is known. */
  readonly atMs: number | null
  /** The calls and watch streams that took part, in the order they are spoken of. */
  readonly calls: readonly CallId[]
}

/** A bar on a line of its own process, or a fault that lasted: what a picture of the history is drawn from. */
export interface TimelineEntry {
  readonly lane: ProcessName
  readonly kind: 'call' | 'delivery' | 'fault' | 'leader'
  readonly fromMs: number
  /** Null: it never ended (an outcome that stayed open). */
  readonly toMs: number | null
  readonly text: string
  /** It takes part in a violation. */
  readonly blamed: boolean
}

/** The worst of several: a violation outweighs doubt, doubt outweighs what held. */
export const worst = (verdicts: Iterable<Verdict>): Verdict => {
  let found: Verdict = 'holds'
  for (const verdict of verdicts) {
    if (verdict === 'violated') return 'violated'
    if (verdict === 'unknown') found = 'unknown'
  }
  return found
}
