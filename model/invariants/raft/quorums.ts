/** What a majority of disks holds: no entry counts as committed on less, and none ever falls below it again. */
import type { Context, Invariant, Judgement } from '../../invariant.ts'
import type { Observation } from '../../state/history.ts'
import { watching, type Fields } from '../define.ts'
import { Configurations, decides } from './configurations.ts'
import { Disks, isReport, REPORTS } from './disks.ts'
import { THESIS } from './elections.ts'

const TLA = 'etcd-io/raft tla/etcdraft.tla'

interface Entry {
  readonly index: number
  readonly entryTerm: number
  /** The least term in which it was known committed. */
  readonly term: number
  readonly member: string
}

/** Disks, and the last entry each member knows to be committed. */
class Notes {
  readonly disks = new Disks()
  readonly configurations = new Configurations()
  /** Of all members the furthest. */
  furthest: Entry | null = null
  readonly known = new Map<string, Entry>()
  private readonly terms = new Map<number, number>()
  /** Up to here all members had the same log when they first began: nobody had to agree on it. */
  private given = 0
  private latest: Observation | null = null

  heed(next: Observation): void {
    if (next === this.latest) return
    this.latest = next
    if (next.kind === 'Restored' && !this.disks.members.includes(next.member)) this.given = Math.max(this.given, next.lastIndex)
    if (isReport(next)) this.disks.observe(next)
    else if (next.kind === 'Configured') this.configurations.observe(next)
    else if (next.kind === 'Committed') {
      const { index, entryTerm, member } = next
      const term = Math.min(next.term, this.terms.get(index) ?? Infinity)
      this.terms.set(index, term)
      const entry = { index, entryTerm, term, member }
      this.known.set(member, entry)
      if (this.furthest === null || index > this.furthest.index) this.furthest = entry
    }
  }

  /** Voters in force around an entry whose disks do not hold it; null: as many do as it takes, in one configuration or the next. */
  missing(index: number, entryTerm: number): readonly string[] | null {
    if (index <= this.given) return null
    const has = (member: string): boolean => this.disks.holds(member, index, entryTerm)
    const around = this.configurations.around(index, this.disks.members)
    if (around.some((configuration) => decides(configuration, has))) return null
    return this.without(around, has)
  }

  /** Members that lack an entry and are enough to decide without it, be the latest change of members applied or not. */
  lost(index: number, entryTerm: number): readonly string[] | null {
    if (index <= this.given) return null
    const lacks = (member: string): boolean => !this.disks.holds(member, index, entryTerm)
    const around = this.configurations.around(Infinity, this.disks.members)
    if (!around.every((configuration) => decides(configuration, lacks))) return null
    return this.without(around, (member) => !lacks(member))
  }

  private without(around: ReturnType<Configurations['around']>, has: (member: string) => boolean): readonly string[] {
    return (around.at(-1)?.voters ?? []).filter((member) => !has(member))
  }
}

/** One for all that judge the same run: whoever hears of something first notes it. */
const taken = new WeakMap<Context, Notes>()
const notesOf = (context: Context): Notes => {
  let notes = taken.get(context)
  if (notes === undefined) {
    notes = new Notes()
    taken.set(context, notes)
  }
  return notes
}

const noting = (fields: Fields, hears: Invariant['hears'], judge: (next: Observation, notes: Notes) => Judgement): Invariant =>
  watching(fields, hears, () => ({
    observe(next, context) {
      const notes = notesOf(context)
      notes.heed(next)
      return judge(next, notes)
    },
  }))

/** A quorum of voters holds it on disk, or why not. */
const held = (notes: Notes, index: number, entryTerm: number, what: string): Judgement => {
  const missing = notes.missing(index, entryTerm)
  return missing === null ? 'holds' : { why: `${what}, and no majority of the voters holds it on disk: not ${missing.join(', ')}` }
}

const committedByQuorum = noting(
  {
    id: 'ETCD-S7',
    sentence: 'no entry is committed before the disks of a majority of the voters in force hold it; learners do not count',
    source: `${THESIS}, section 3.5; etcd learning/design-learner.md`,
    kind: 'history',
    strength: 'safety',
    sometimes: 'a voter does not hold it yet',
  },
  [...REPORTS, 'Configured', 'Committed'],
  (next, notes) => {
    if (next.kind !== 'Committed') return 'vacuous'
    const { index, entryTerm, member } = next
    const verdict = held(notes, index, entryTerm, `${member} knows entry ${index} of term ${entryTerm} committed`)
    const all = notes.disks.members.every((one) => notes.disks.holds(one, index, entryTerm))
    return verdict === 'holds' && !all ? 'notable' : verdict
  },
)

const appliedByQuorum = noting(
  {
    id: 'RAFT-R8',
    sentence: 'no member applies an entry before the disks of a majority hold it, be its own among them or not',
    source: `${THESIS}, section 10.2.1 (writing to the leader's disk in parallel)`,
    kind: 'history',
    strength: 'safety',
    sometimes: 'its own disk does not hold it yet',
  },
  [...REPORTS, 'Configured', 'Committed', 'Applied'],
  (next, notes) => {
    if (next.kind !== 'Applied') return 'vacuous'
    const { index, term, member } = next
    const verdict = held(notes, index, term, `${member} applied entry ${index} of term ${term}`)
    return verdict === 'holds' && !notes.disks.holds(member, index, term) ? 'notable' : verdict
  },
)

const quorumLog = noting(
  {
    id: 'RAFT-R5',
    sentence: 'every majority has a member whose disk holds all that anybody knows to be committed, at all times',
    source: `${TLA} (QuorumLogInv); microsoft/CCF#5674`,
    kind: 'history',
    strength: 'safety',
    sometimes: 'a member drops entries of its log',
  },
  [...REPORTS, 'Configured', 'Committed'],
  (next, notes) => {
    const { furthest } = notes
    if (furthest === null || (next.kind !== 'Persisted' && next.kind !== 'Restored')) return 'vacuous'
    const { index, entryTerm } = furthest
    const lost = notes.lost(index, entryTerm)
    if (lost === null) return next.from <= index || next.kind === 'Restored' ? 'notable' : 'holds'
    return {
      why: `entry ${index} of term ${entryTerm} is committed, and after ${next.member} wrote its disk a majority could decide without it: ${lost.join(', ')}`,
    }
  },
)

/**
 * Of a member whose log ends in an earlier term than that in which its entry was committed nothing follows: it may have been
 * sent a part of the leader's log with the word that it is committed, and another log may end in a term between the two.
 */
const upToDate = noting(
  {
    id: 'RAFT-R6',
    sentence: 'a log that is at least as up to date as that of another member holds what that one knows to be committed',
    source: `${TLA} (MoreUpToDateCorrectInv), for members that hold an entry of the term in which it was committed`,
    kind: 'history',
    strength: 'safety',
    sometimes: 'the logs end in different terms',
  },
  [...REPORTS, 'Configured', 'Committed'],
  (next, { disks, known }) => {
    if (next.kind !== 'Restored' && next.kind !== 'Persisted') return 'vacuous'
    const { member: own } = next
    let judged: Judgement = 'vacuous'
    for (const { index, entryTerm, term, member: other } of known.values()) {
      if (other === own || disks.lastTerm(other) < term || !disks.holds(other, index, entryTerm)) continue
      const [mine, theirs] = [disks.lastTerm(own), disks.lastTerm(other)]
      if (mine < theirs || (mine === theirs && disks.lastIndex(own) < disks.lastIndex(other))) continue
      if (!disks.holds(own, index, entryTerm)) {
        return {
          why: `the log of ${own} ends with term ${mine}, that of ${other} with ${theirs}, and it lacks entry ${index} of term ${entryTerm}, which ${other} knows committed`,
        }
      }
      if (judged !== 'notable') judged = mine > theirs ? 'notable' : 'holds'
    }
    return judged
  },
)

export const QUORUMS: readonly Invariant[] = [committedByQuorum, quorumLog, upToDate, appliedByQuorum]
