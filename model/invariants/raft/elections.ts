/** Who leads: one a term, by votes that disks remember, and with all that was committed. Ongaro's thesis, figure 3.2. */
import type { Invariant } from '../../invariant.ts'
import type { Seen } from '../../state/history.ts'
import { watching } from '../define.ts'
import { Disks, REPORTS, type Reported } from './disks.ts'

export const THESIS = 'Ongaro, Consensus: Bridging Theory and Practice, 2014'

const oneLeader: Invariant = watching(
  {
    id: 'ETCD-S5',
    sentence: 'a term has at most one leader, and a member tells its vote to one candidate in it',
    source: `${THESIS}, figure 3.2 (Election Safety)`,
    kind: 'history',
    strength: 'safety',
    sometimes: 'a second term begins',
  },
  ['Elected', 'Voted'],
  () => {
    const leaders = new Map<number, string>()
    const votes = new Map<string, string>()
    return {
      observe(next) {
        if (next.kind === 'Voted') {
          const key = `${next.member}/${next.term}`
          const held = votes.get(key)
          votes.set(key, next.candidate)
          return held === undefined || held === next.candidate
            ? 'holds'
            : { why: `${next.member} voted in term ${next.term} for ${held} and for ${next.candidate}` }
        }
        const { term, member } = next as Seen<'Elected'>
        const held = leaders.get(term)
        leaders.set(term, member)
        if (held !== undefined)
          return { why: `term ${term} has two leaders: ${held} and ${member}${held === member ? ', elected twice' : ''}` }
        return leaders.size > 1 ? 'notable' : 'holds'
      },
    }
  },
)

/** Term of the entry at an index of a new leader's log; 0: there is none; null: it is in the leader's snapshot. */
export const entryTermAt = ({ log, lastIndex }: Seen<'Elected'>, index: number): number | null => {
  if (index > lastIndex) return 0
  return index < (log[0]?.[0] ?? lastIndex + 1) ? null : (log.findLast(([from]) => from <= index)?.[1] ?? 0)
}

const leaderCompleteness: Invariant = watching(
  {
    id: 'ETCD-S6',
    sentence: 'an entry committed in a term is in the log of every leader of a later term',
    source: `${THESIS}, figure 3.2 (Leader Completeness)`,
    kind: 'history',
    strength: 'safety',
    sometimes: 'another member leads next',
  },
  ['Elected', 'Committed'],
  () => {
    /** Index → entry term and the least term in which it was known committed. */
    const committed = new Map<number, { entryTerm: number; term: number; member: string }>()
    let last = ''
    return {
      observe(next) {
        if (next.kind === 'Committed') {
          const held = committed.get(next.index)
          if (held === undefined || next.term < held.term)
            committed.set(next.index, { entryTerm: next.entryTerm, term: next.term, member: next.member })
          return 'vacuous'
        }
        if (next.kind !== 'Elected') return 'vacuous'
        for (const [index, { entryTerm, term, member }] of committed) {
          if (term >= next.term) continue
          const has = entryTermAt(next, index)
          if (has === null || has === entryTerm) continue
          return {
            why: `${next.member} leads term ${next.term} without the entry of term ${entryTerm} at index ${index}, which ${member} knew committed in term ${term}; it has ${has === 0 ? 'none' : `one of term ${has}`}`,
          }
        }
        const changed = last !== '' && last !== next.member
        last = next.member
        if (committed.size === 0) return 'vacuous'
        return changed ? 'notable' : 'holds'
      },
    }
  },
)

const remembered: Invariant = watching(
  {
    id: 'RAFT-R7d',
    sentence: "a disk's term never falls, its vote in a term is given once, and a restart finds all that was durable",
    source: `${THESIS}, figure 3.1 (persistent state)`,
    kind: 'history',
    strength: 'safety',
    sometimes: 'a member restarts that had voted',
  },
  [...REPORTS],
  () => {
    const disks = new Disks()
    return {
      observe(next) {
        const seen = next as Reported
        if (seen.kind === 'Installed' || seen.kind === 'SnapshotTaken') {
          disks.observe(seen)
          return 'vacuous'
        }
        const { member, term, vote } = seen
        const before = disks.of(member)
        const known = seen.kind === 'Restored' ? disks.entries(member) : []
        disks.observe(seen)
        if (before === null) return 'vacuous'
        if (term < before.term) return { why: `the disk of ${member} went from term ${before.term} back to ${term}` }
        if (term === before.term && before.vote !== null && vote !== before.vote)
          return { why: `${member} had voted for ${before.vote} in term ${term}; its disk now says ${vote ?? 'nobody'}` }
        if (seen.kind !== 'Restored') return 'holds'
        // A later leader's entries may have taken the place of others, in a write that was under way: then it is not merely shorter.
        const [index, lost] = known.find(([at, held]) => !disks.holds(member, at, held)) ?? [0, 0]
        if (index > disks.lastIndex(member))
          return { why: `${member} restarts without entry ${index} of term ${lost}, which was on its disk` }
        return before.vote === null ? 'holds' : 'notable'
      },
    }
  },
)

const OF_RAFT: ReadonlySet<string> = new Set([
  'VoteRequest',
  'VoteReply',
  'Append',
  'AppendReply',
  'Heartbeat',
  'HeartbeatReply',
  'Install',
])

const speaksOfItsTerm: Invariant = watching(
  {
    id: 'RAFT-R9',
    sentence: 'what a member says to others is of no later term than the one its disk remembers',
    source: `${THESIS}, section 3.8 (a server's term and vote are stored before it answers)`,
    kind: 'history',
    strength: 'safety',
    sometimes: 'it speaks of a term it has just entered',
  },
  [...REPORTS, 'Spoke'],
  () => {
    const disks = new Disks()
    const spoken = new Map<string, number>()
    return {
      observe(next) {
        if (next.kind !== 'Spoke') {
          disks.observe(next as Reported)
          return 'vacuous'
        }
        // A pre-vote asks about a term that nobody has begun; what is passed on for a client speaks for none.
        if (next.pre || !OF_RAFT.has(next.message)) return 'vacuous'
        const { member, term, message } = next
        const held = disks.of(member)?.term ?? 0
        if (term > held) return { why: `${member} sent a ${message} of term ${term} while its disk only knew of term ${held}` }
        const entered = term > (spoken.get(member) ?? 0)
        spoken.set(member, term)
        return entered ? 'notable' : 'holds'
      },
    }
  },
)

export const ELECTIONS: readonly Invariant[] = [oneLeader, leaderCompleteness, remembered, speaksOfItsTerm]
