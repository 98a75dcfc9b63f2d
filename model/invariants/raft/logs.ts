/** What members' logs have in common, on their disks and in what they apply. Ongaro's thesis, figure 3.2; etcd-io/raft tla. */
import type { Invariant } from '../../invariant.ts'
import type { Seen } from '../../state/history.ts'
import { watching } from '../define.ts'
import { Disks, entriesOf, REPORTS, type Reported } from './disks.ts'
import { THESIS } from './elections.ts'

const sameEntries: Invariant = watching(
  {
    id: 'ETCD-S4',
    sentence: 'members that applied an index applied the same entry there and have the same state afterwards',
    source: `${THESIS}, figure 3.2 (State Machine Safety); etcd server/etcdserver/corrupt.go`,
    kind: 'history',
    strength: 'safety',
    sometimes: 'a member applies an index again after a restart',
  },
  ['Applied', 'Installed'],
  () => {
    const first = new Map<number, Seen<'Applied' | 'Installed'>>()
    const seen = new Set<string>()
    return {
      observe(next) {
        const own = next as Seen<'Applied' | 'Installed'>
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

const logMatching: Invariant = watching(
  {
    id: 'RAFT-R2',
    sentence: 'an entry of some index and term is everywhere preceded by the same entry',
    source: `${THESIS}, figure 3.2 (Log Matching)`,
    kind: 'history',
    strength: 'safety',
    sometimes: "an entry takes the place of another leader's",
  },
  [...REPORTS],
  () => {
    const disks = new Disks()
    /** '<index>/<term>' → term of the entry before it. By induction the whole prefix is the same. */
    const before = new Map<string, number>()
    return {
      observe(next) {
        const seen = next as Reported
        if (seen.kind === 'Installed' || seen.kind === 'SnapshotTaken') {
          disks.observe(seen)
          return 'vacuous'
        }
        const { member } = seen
        const replaced = seen.from <= disks.lastIndex(member)
        disks.observe(seen)
        let judged = false
        for (const [index, term] of entriesOf(seen)) {
          const previous = index === 1 ? 0 : disks.termAt(member, index - 1)
          // A snapshot stands before it.
          if (previous === null) continue
          const id = `${index}/${term}`
          const known = before.get(id)
          before.set(id, previous)
          if (known === undefined) continue
          judged = true
          if (known !== previous)
            return {
              why: `on ${member} an entry of term ${previous} comes before entry ${index} of term ${term}; elsewhere one of term ${known}`,
            }
        }
        if (!judged) return 'vacuous'
        return replaced && seen.kind === 'Persisted' ? 'notable' : 'holds'
      },
    }
  },
)

const onePrefix: Invariant = watching(
  {
    id: 'RAFT-R3',
    sentence: 'what any two members know to be committed, one is the beginning of the other',
    source: `${THESIS}, figure 3.2 (State Machine Safety); etcd-io/raft tla/etcdraft.tla`,
    kind: 'history',
    strength: 'safety',
    sometimes: 'another member had known it first',
  },
  ['Committed'],
  () => {
    const known = new Map<number, { entryTerm: number; member: string }>()
    return {
      observe(next) {
        const { index, entryTerm, member } = next as Seen<'Committed'>
        const held = known.get(index)
        if (held === undefined) {
          known.set(index, { entryTerm, member })
          return 'holds'
        }
        if (held.entryTerm !== entryTerm) {
          return {
            why: `${member} knows entry ${index} committed with term ${entryTerm}, ${held.member} with term ${held.entryTerm}`,
          }
        }
        return held.member === member ? 'holds' : 'notable'
      },
    }
  },
)

const leaderOnlyAppends: Invariant = watching(
  {
    id: 'RAFT-R7a',
    sentence: 'a leader never overwrites or deletes an entry of its log, it only appends entries of its own term',
    source: `${THESIS}, figure 3.2 (Leader Append-Only)`,
    kind: 'history',
    strength: 'safety',
    sometimes: 'it had been elected with entries of earlier terms',
  },
  ['Elected', 'SteppedDown', ...REPORTS],
  () => {
    const disks = new Disks()
    const leaders = new Map<string, Seen<'Elected'>>()
    return {
      observe(next) {
        if (next.kind === 'Elected') leaders.set(next.member, next)
        else if (next.kind === 'SteppedDown') leaders.delete(next.member)
        if (next.kind === 'Installed' || next.kind === 'SnapshotTaken') disks.observe(next)
        if (next.kind !== 'Restored' && next.kind !== 'Persisted') return 'vacuous'
        const { member, kind, term } = next
        if (kind === 'Restored') leaders.delete(member)
        const elected = leaders.get(member)
        const last = disks.lastIndex(member)
        disks.observe(next)
        if (elected === undefined || term !== elected.term) return 'vacuous'
        for (const [index, entryTerm] of entriesOf(next)) {
          if (index <= elected.lastIndex) continue
          if (entryTerm !== elected.term) return { why: `${member} leads term ${term} and wrote an entry ${index} of term ${entryTerm}` }
          if (index <= last && index > elected.lastIndex)
            return { why: `${member} leads term ${term} and wrote entry ${index} anew, its disk held entries up to ${last}` }
        }
        return elected.lastIndex > 0 ? 'notable' : 'holds'
      },
    }
  },
)

const neverBack: Invariant = watching(
  {
    id: 'RAFT-R7b',
    sentence: 'while a member runs, the index it knows committed never falls and it applies one entry after another',
    source: `${THESIS}, figure 3.1 (volatile state)`,
    kind: 'history',
    strength: 'safety',
    sometimes: 'it had been restarted before',
  },
  ['Restored', 'Installed', 'Committed', 'Applied'],
  () => {
    const starts = new Map<string, number>()
    const committed = new Map<string, number>()
    const applied = new Map<string, number>()
    return {
      observe(next) {
        if (next.kind === 'Restored') {
          starts.set(next.member, (starts.get(next.member) ?? 0) + 1)
          committed.delete(next.member)
          applied.delete(next.member)
          return 'vacuous'
        }
        if (next.kind === 'Installed') {
          const before = applied.get(next.member) ?? 0
          applied.set(next.member, next.index)
          return next.index < before
            ? { why: `${next.member} went back to a snapshot at index ${next.index} after it had applied ${before}` }
            : 'vacuous'
        }
        const { member, index } = next as Seen<'Committed' | 'Applied'>
        const [notes, word] = next.kind === 'Committed' ? [committed, 'knew committed'] : [applied, 'applied']
        const before = notes.get(member)
        notes.set(member, index)
        if (before !== undefined && index <= before) return { why: `${member} ${word} index ${index} after it ${word} ${before}` }
        if (next.kind === 'Applied' && before !== undefined && index !== before + 1)
          return { why: `${member} applied index ${index} right after ${before}` }
        return (starts.get(member) ?? 0) > 1 ? 'notable' : 'holds'
      },
    }
  },
)

const nextAfterMatch: Invariant = watching(
  {
    id: 'RAFT-R7c',
    sentence: 'a leader never goes back to send a member what that member has acknowledged',
    source: 'etcd-io/raft tracker/progress.go (Match < Next)',
    kind: 'step',
    strength: 'safety',
    sometimes: 'the member had acknowledged something',
  },
  ['SteppedBack'],
  () => ({
    observe(next) {
      const { member, term, to, match, next: index } = next as Seen<'SteppedBack'>
      if (index <= match)
        return { why: `${member}, which leads term ${term}, sends ${to} entries from ${index} on, though ${to} has acknowledged ${match}` }
      return match > 0 ? 'notable' : 'holds'
    },
  }),
)

export const LOGS: readonly Invariant[] = [sameEntries, logMatching, onePrefix, leaderOnlyAppends, neverBack, nextAfterMatch]
