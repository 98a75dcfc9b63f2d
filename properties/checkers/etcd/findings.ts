/** Gathers what was judged, guarantee by guarantee. The first violations are kept in words, all are counted. */
import { INVARIANTS } from '../../../model/register.ts'
import type { Because, Finding, Verdict } from '../verdict.ts'

const REASONS_MOST = 10

interface Tally {
  evaluated: number
  notable: number
  violated: number
  unknown: number
  readonly why: Because[]
}

export class Findings {
  private readonly tallies = new Map<string, Tally>()

  private tally(id: string): Tally {
    let found = this.tallies.get(id)
    if (found === undefined) {
      found = { evaluated: 0, notable: 0, violated: 0, unknown: 0, why: [] }
      this.tallies.set(id, found)
    }
    return found
  }

  holds(id: string, notable = false): void {
    const tally = this.tally(id)
    tally.evaluated++
    if (notable) tally.notable++
  }

  violated(id: string, because: Because): void {
    const tally = this.tally(id)
    tally.evaluated++
    tally.violated++
    // A violation found after doubts takes their place.
    if (tally.violated === 1) tally.why.length = 0
    if (tally.why.length < REASONS_MOST) tally.why.push(because)
  }

  unknown(id: string, because: Because): void {
    const tally = this.tally(id)
    tally.unknown++
    if (tally.violated === 0 && tally.why.length < REASONS_MOST) tally.why.push(because)
  }

  list(ids: readonly string[]): readonly Finding[] {
    return ids.map((id) => {
      const { evaluated, notable, violated, unknown, why } = this.tally(id)
      const verdict: Verdict = violated > 0 ? 'violated' : unknown > 0 ? 'unknown' : 'holds'
      return { id, sentence: SENTENCES.get(id) ?? OWN[id] ?? id, verdict, evaluated, notable, why }
    })
  }
}

const SENTENCES: ReadonlyMap<string, string> = new Map(INVARIANTS.map(({ id, sentence }) => [id, sentence]))

/** Guarantees that only a history without commits has to be asked for. */
const OWN: Readonly<Record<string, string>> = {
  'ETCD-S4': 'members that have applied as much hold the same',
  'ETCD-S10': 'a read inside a transaction sees what the transaction wrote before it',
  'ETCD-S15': 'a read at a revision shows exactly that revision, or says that it is compacted or still to come',
  'ETCD-S16': 'a compaction changes no answer at its revision or above',
}
