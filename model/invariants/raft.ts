/** What members agree on: leaders, logs, applied state. SEMANTICS 2.1, Ongaro's thesis figure 3.2. */
import type { Invariant } from '../invariant.ts'
import type { Seen } from '../state/history.ts'
import { watching } from './define.ts'

const THESIS = 'Ongaro, Consensus: Bridging Theory and Practice, figure 3.2'

const sameEntries: Invariant = watching(
  {
    id: 'ETCD-S4',
    sentence: 'members that applied an index applied the same entry there and have the same state afterwards',
    source: `${THESIS} (State Machine Safety); etcd server/etcdserver/corrupt.go`,
    kind: 'history',
    strength: 'safety',
    sometimes: 'a member applies an index again after a restart',
  },
  ['Applied'],
  () => {
    const first = new Map<number, Seen<'Applied'>>()
    const seen = new Set<string>()
    return {
      observe(next) {
        const own = next as Seen<'Applied'>
        const held = first.get(own.index)
        if (held === undefined) {
          first.set(own.index, own)
          seen.add(`${own.member}/${own.index}`)
          return 'vacuous'
        }
        if (held.term !== own.term)
          return { why: `index ${own.index}: ${held.member} applied an entry of term ${held.term}, ${own.member} one of term ${own.term}` }
        if (held.digest !== own.digest)
          return { why: `after index ${own.index} ${held.member} and ${own.member} differ in state (${held.digest}, ${own.digest})` }
        const again = `${own.member}/${own.index}`
        if (seen.has(again)) return 'notable'
        seen.add(again)
        return 'holds'
      },
    }
  },
)

const oneLeader: Invariant = watching(
  {
    id: 'ETCD-S5',
    sentence: 'a term has at most one leader, and a member tells its vote to one candidate in it',
    source: `${THESIS} (Election Safety)`,
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

/** Term of the entry at an index of a new leader's log; 0: there is none. */
export const entryTermAt = ({ log, lastIndex }: Seen<'Elected'>, index: number): number =>
  index > lastIndex ? 0 : (log.findLast(([from]) => from <= index)?.[1] ?? 0)

const leaderCompleteness: Invariant = watching(
  {
    id: 'ETCD-S6',
    sentence: 'an entry committed in a term is in the log of every leader of a later term',
    source: `${THESIS} (Leader Completeness)`,
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
          if (held !== undefined && held.entryTerm !== next.entryTerm) {
            return {
              why: `index ${next.index} is committed with an entry of term ${held.entryTerm} on ${held.member} and of term ${next.entryTerm} on ${next.member}`,
            }
          }
          if (held === undefined || next.term < held.term)
            committed.set(next.index, { entryTerm: next.entryTerm, term: next.term, member: next.member })
          return 'vacuous'
        }
        if (next.kind !== 'Elected') return 'vacuous'
        const termAt = (index: number): number => entryTermAt(next, index)
        for (const [index, { entryTerm, term, member }] of committed) {
          if (term >= next.term || termAt(index) === entryTerm) continue
          const has = termAt(index)
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

const leaderAfterStorm: Invariant = watching(
  {
    id: 'ETCD-L1',
    sentence: 'with a majority connected a leader is elected, and stays',
    source: 'etcd server/embed/config.go (election timeout); Raft thesis 9.6 (pre-vote)',
    kind: 'convergence',
    strength: 'liveness',
    sometimes: 'the leader had changed during the storm',
  },
  ['Elected', 'SteppedDown', 'ProcessEnded', 'PhaseBegan'],
  () => {
    let leader: string | null = null
    let elections = 0
    return {
      observe(next) {
        switch (next.kind) {
          case 'Elected':
            leader = next.member
            elections++
            return 'vacuous'
          case 'SteppedDown':
            if (leader === next.member) leader = null
            return 'vacuous'
          case 'ProcessEnded':
            if (leader === next.process) leader = null
            return 'vacuous'
          default:
            if (next.kind !== 'PhaseBegan' || next.phase !== 'end') return 'vacuous'
            if (leader === null) return { why: 'no member leads at the end of the calm' }
            return elections > 1 ? 'notable' : 'holds'
        }
      },
    }
  },
)

const answeredInCalm: Invariant = watching(
  {
    id: 'ETCD-L2',
    sentence: 'with a leader and a majority every request made in the calm is answered',
    source: 'https://etcd.io/docs/v3.6/learning/api_guarantees/',
    kind: 'convergence',
    strength: 'liveness',
    sometimes: 'a request was made in the calm',
  },
  ['Invoke', 'Reply', 'PhaseBegan'],
  () => {
    /** Elections may take this long once everything is healed; an answer this long after it was asked. */
    const SETTLED_MS = 15_000
    const ANSWER_MS = 9_000
    const open = new Map<string, Seen<'Invoke'>>()
    let calmMs = Infinity
    let unanswered: string | null = null
    let asked = 0
    return {
      observe(next) {
        if (next.kind === 'Invoke') {
          if (next.request.kind !== 'Api' && next.atMs > calmMs + SETTLED_MS) {
            open.set(next.call, next)
            asked++
          }
          return 'vacuous'
        }
        if (next.kind === 'Reply') {
          if (open.delete(next.call) && next.outcome.kind === 'unknown') unanswered ??= `${next.call}: ${next.outcome.reason}`
          return 'vacuous'
        }
        if (next.kind !== 'PhaseBegan') return 'vacuous'
        if (next.phase === 'calm') calmMs = next.atMs
        if (next.phase !== 'end' || asked === 0) return 'vacuous'
        const late = [...open.values()].find((one) => next.atMs - one.atMs > ANSWER_MS)
        if (late !== undefined) return { why: `call ${late.call} was made at ${late.atMs} ms, in the calm, and never answered` }
        return unanswered === null ? 'notable' : { why: `in the calm the outcome of call ${unanswered}` }
      },
    }
  },
)

export const RAFT: readonly Invariant[] = [sameEntries, oneLeader, leaderCompleteness, leaderAfterStorm, answeredInCalm]
