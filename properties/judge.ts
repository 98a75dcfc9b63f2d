/** Judges a history by invariants: each observation once, each invariant only what it asks to hear. */
import { Fold } from '../model/fold.ts'
import type { Invariant, InvariantId, Judgement } from '../model/invariant.ts'
import type { History, Observation } from '../model/state/history.ts'
import { resourceOfKey } from '../model/state/resources.ts'

export interface FoundViolation {
  readonly why: string
  /** Index into the history. */
  readonly step: number
  readonly atMs: number
}

export interface InvariantVerdict {
  readonly id: InvariantId
  readonly evaluated: number
  readonly nonVacuous: number
  readonly notable: number
  readonly verdict: 'held' | 'violated' | 'vacuous'
  /** The first few. */
  readonly violations: readonly FoundViolation[]
}

export interface Verdict {
  readonly invariants: readonly InvariantVerdict[]
}

const VIOLATIONS_KEPT = 3

type Tally = { evaluated: number; nonVacuous: number; notable: number; readonly violations: FoundViolation[] }

const verdictOf = (id: InvariantId, { evaluated, nonVacuous, notable, violations }: Tally): InvariantVerdict => ({
  id,
  evaluated,
  nonVacuous,
  notable,
  verdict: violations.length > 0 ? 'violated' : nonVacuous > 0 ? 'held' : 'vacuous',
  violations,
})

/** Hands observations on to the invariants that hear them. The state is folded as it goes. */
export class Judge {
  private readonly fold = new Fold()
  private readonly entries: readonly {
    readonly invariant: Invariant
    readonly watcher: ReturnType<Invariant['start']>
    readonly tally: Tally
  }[]
  /** By the kind of what they hear of; those that hear of commits of one resource only by 'Commit' and that. */
  private readonly listeners = new Map<string, Judge['entries'][number][]>()
  private step = 0
  private atMs = 0

  constructor(invariants: readonly Invariant[]) {
    this.entries = invariants.map((invariant) => ({
      invariant,
      watcher: invariant.start(),
      tally: { evaluated: 0, nonVacuous: 0, notable: 0, violations: [] },
    }))
    for (const entry of this.entries) {
      const { hears, resource } = entry.invariant
      for (const kind of hears) {
        const name = kind === 'Commit' && resource !== undefined ? `Commit ${resource}` : kind
        const listeners = this.listeners.get(name)
        if (listeners === undefined) this.listeners.set(name, [entry])
        else listeners.push(entry)
      }
    }
  }

  observe(next: Observation): void {
    this.fold.observe(next)
    this.atMs = next.atMs
    this.tell(next.kind, next)
    if (next.kind === 'Commit') this.tell(`Commit ${resourceOfKey(next.key)}`, next)
    this.step++
  }

  private tell(name: string, next: Observation): void {
    for (const { watcher, tally } of this.listeners.get(name) ?? []) this.count(tally, watcher.observe(next, this.fold.context))
  }

  end(): Verdict {
    for (const { watcher, tally } of this.entries) {
      const last = watcher.end?.(this.fold.context)
      if (last !== undefined) this.count(tally, last)
    }
    return { invariants: this.entries.map(({ invariant, tally }) => verdictOf(invariant.id, tally)) }
  }

  private count(tally: Tally, judgement: Judgement): void {
    tally.evaluated++
    if (judgement === 'vacuous') return
    tally.nonVacuous++
    if (judgement === 'notable') tally.notable++
    if (typeof judgement === 'string' || tally.violations.length >= VIOLATIONS_KEPT) return
    tally.violations.push({ why: judgement.why, step: this.step, atMs: this.atMs })
  }
}

export const judge = (history: History, invariants: readonly Invariant[]): Verdict => {
  const judging = new Judge(invariants)
  for (const seen of history) judging.observe(seen)
  return judging.end()
}

/** One verdict over many runs. */
export const mergeVerdicts = (verdicts: readonly Verdict[]): Verdict => {
  const tallies = new Map<InvariantId, Tally>()
  for (const { invariants } of verdicts) {
    for (const { id, evaluated, nonVacuous, notable, violations } of invariants) {
      const tally = tallies.get(id) ?? { evaluated: 0, nonVacuous: 0, notable: 0, violations: [] }
      tally.evaluated += evaluated
      tally.nonVacuous += nonVacuous
      tally.notable += notable
      tally.violations.push(...violations.slice(0, VIOLATIONS_KEPT - tally.violations.length))
      tallies.set(id, tally)
    }
  }
  return { invariants: [...tallies].map(([id, tally]) => verdictOf(id, tally)) }
}
