/** Once a majority is connected somebody leads, answers, and brings the others along; who reaches no majority gives up. */
import type { Invariant, Judgement } from '../../invariant.ts'
import type { Seen } from '../../state/history.ts'
import { watching } from '../define.ts'
import { THESIS } from './elections.ts'
import { Configurations, processOf } from './configurations.ts'
import { Reach } from './reach.ts'

const liveness = { kind: 'convergence', strength: 'liveness' } as const

/** From when on in the calm nothing may be unsettled any more, whatever the timings. */
const SETTLED_MS = 15_000

/** Reasons that are no answer. */
const UNANSWERED = /timed out|connection lost/

const leaderAfterStorm: Invariant = watching(
  {
    id: 'ETCD-L1',
    sentence: 'with a majority connected a leader is elected, and stays: whoever comes back does not unseat it',
    source: `etcd server/embed/config.go (election timeout); ${THESIS}, section 9.6 (pre-vote)`,
    sometimes: 'the leader had changed during the storm',
    ...liveness,
  },
  ['Restored', 'Configured', 'Elected', 'SteppedDown', 'ProcessEnded', 'PhaseBegan'],
  () => {
    const configurations = new Configurations()
    const running = new Set<string>()
    /** One that was elected in an earlier term may not have heard yet of the one after it. */
    const leaders = new Set<string>()
    let elections = 0
    let calmMs = Infinity
    return {
      observe(next) {
        switch (next.kind) {
          case 'Restored':
            running.add(next.member)
            return 'vacuous'
          case 'Configured':
            configurations.observe(next)
            return 'vacuous'
          case 'Elected':
            leaders.add(next.member)
            elections++
            if (next.atMs > calmMs + SETTLED_MS)
              return { why: `${next.member} was elected ${next.atMs - calmMs} ms after everything had been healed` }
            return 'vacuous'
          case 'SteppedDown':
            leaders.delete(next.member)
            return 'vacuous'
          case 'ProcessEnded':
            for (const member of [...leaders, ...running]) {
              if (processOf(member) !== next.process) continue
              leaders.delete(member)
              running.delete(member)
            }
            return 'vacuous'
          default:
            if (next.kind !== 'PhaseBegan') return 'vacuous'
            if (next.phase !== 'end') calmMs = next.phase === 'calm' ? next.atMs : Infinity
            if (next.phase !== 'end' || next.atMs - calmMs < SETTLED_MS) return 'vacuous'
            // Users may have taken away, or added and never started, more members than can be spared.
            if (!configurations.goesOn((member) => running.has(member))) return 'vacuous'
            if (leaders.size === 0) return { why: 'no member leads at the end of the calm' }
            return elections > 1 ? 'notable' : 'holds'
        }
      },
    }
  },
)

const electsInTime: Invariant = watching(
  {
    id: 'RAFT-L2',
    sentence: 'a majority whose members reach each other has a leader within a bounded number of election timeouts',
    source: `${THESIS}, section 3.9 (randomized timeouts); etcd-io/etcd#8243`,
    sometimes: 'nobody led when they could reach each other again',
    ...liveness,
  },
  ['Restored', 'Configured', 'Elected', 'SteppedDown', 'ProcessStarted', 'ProcessEnded', 'FaultChanged', 'PhaseBegan'],
  () => {
    /** Timeouts are drawn up to twice as long, votes may be split or lost many times where all of a bare majority must agree over slow links. */
    const TIMEOUTS = 24
    const reach = new Reach()
    let electionMs = 0
    const leaders = new Set<string>()
    let leaderlessMs: number | null = null
    /** Sound majority → since when it has been one. */
    let sound: ReadonlyMap<string, number> = new Map()
    const look = (nowMs: number): Judgement => {
      let judged: Judgement = 'vacuous'
      for (const [majority, sinceMs] of leaderlessMs === null ? [] : sound) {
        const waitedMs = nowMs - Math.max(sinceMs, leaderlessMs ?? nowMs)
        if (waitedMs > TIMEOUTS * electionMs)
          return {
            why: `nobody led for ${waitedMs} ms though ${majority} could reach each other, with election timeouts of ${electionMs} ms`,
          }
        judged = 'holds'
      }
      return judged
    }
    const renew = (nowMs: number): void => {
      sound = new Map(reach.soundMajorities(nowMs).map((some) => [some.join(', '), sound.get(some.join(', ')) ?? nowMs]))
    }
    return {
      observe(next) {
        const verdict = look(next.atMs)
        switch (next.kind) {
          case 'Restored':
            electionMs = Math.max(electionMs, next.electionMs)
            reach.joins(next.member)
            break
          case 'Elected':
            leaders.add(next.member)
            leaderlessMs = null
            return verdict === 'holds' ? 'notable' : verdict
          case 'SteppedDown':
            leaders.delete(next.member)
            break
          case 'ProcessEnded':
          case 'ProcessStarted':
            reach.heed(next)
            for (const member of leaders) if (processOf(member) === next.process) leaders.delete(member)
            break
          case 'Configured':
          case 'FaultChanged':
            reach.heed(next)
            break
          default:
        }
        renew(next.atMs)
        if (leaders.size === 0) leaderlessMs ??= next.atMs
        return verdict
      },
    }
  },
)

const stepsDown: Invariant = watching(
  {
    id: 'RAFT-L3',
    sentence: 'a leader that reaches no majority steps down within two election timeouts',
    source: `${THESIS}, section 6.2 (a leader steps down); etcd-io/raft CheckQuorum`,
    sometimes: 'it stepped down',
    ...liveness,
  },
  ['Restored', 'Configured', 'Elected', 'SteppedDown', 'ProcessStarted', 'ProcessEnded', 'FaultChanged', 'PhaseBegan'],
  () => {
    /** What was under way still arrives, on the slowest of links. */
    const UNDER_WAY_MS = 6_000
    const reach = new Reach()
    let electionMs = 0
    /** Leader → since when it has reached no majority, null: it does. */
    const leaders = new Map<string, number | null>()
    const look = (nowMs: number): Judgement => {
      let judged: Judgement = 'vacuous'
      for (const [leader, sinceMs] of leaders) {
        if (sinceMs !== null) {
          if (nowMs - sinceMs > 2 * electionMs + UNDER_WAY_MS)
            return {
              why: `${leader} has reached no majority for ${nowMs - sinceMs} ms and still leads, with election timeouts of ${electionMs} ms`,
            }
          judged = 'holds'
        }
        leaders.set(leader, reach.reachesMajority(leader) ? null : (sinceMs ?? nowMs))
      }
      return judged
    }
    return {
      observe(next) {
        switch (next.kind) {
          case 'Restored':
            electionMs = Math.max(electionMs, next.electionMs)
            reach.joins(next.member)
            return look(next.atMs)
          case 'Elected':
            leaders.set(next.member, null)
            return look(next.atMs)
          case 'SteppedDown': {
            const lonely = (leaders.get(next.member) ?? null) !== null
            const verdict = look(next.atMs)
            leaders.delete(next.member)
            return lonely && typeof verdict === 'string' ? 'notable' : verdict
          }
          case 'ProcessStarted':
          case 'ProcessEnded':
            if (next.kind === 'ProcessEnded')
              for (const member of leaders.keys()) if (processOf(member) === next.process) leaders.delete(member)
            reach.heed(next)
            return look(next.atMs)
          case 'Configured':
          case 'FaultChanged':
            reach.heed(next)
            return look(next.atMs)
          default:
            return look(next.atMs)
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
    sometimes: 'a request was made in the calm',
    ...liveness,
  },
  ['Restored', 'Configured', 'ProcessEnded', 'Invoke', 'Reply', 'Installed', 'PhaseBegan'],
  () => {
    const ANSWER_MS = 9_000
    const open = new Map<string, Seen<'Invoke'>>()
    const configurations = new Configurations()
    const running = new Set<string>()
    let calmMs = Infinity
    let unanswered: string | null = null
    let asked = 0
    return {
      observe(next) {
        if (next.kind === 'Restored') running.add(next.member)
        else if (next.kind === 'Configured') configurations.observe(next)
        else if (next.kind === 'ProcessEnded') for (const member of running) if (processOf(member) === next.process) running.delete(member)
        if (next.kind === 'Invoke') {
          if (next.request.kind !== 'Api' && next.atMs > calmMs + SETTLED_MS) {
            open.set(next.call, next)
            asked++
          }
          return 'vacuous'
        }
        if (next.kind === 'Installed') {
          // What came with a snapshot was not applied one by one: whoever waits there for his part of it is not told.
          for (const [call, { to }] of open) if (to === processOf(next.member)) open.delete(call)
          return 'vacuous'
        }
        if (next.kind === 'Reply') {
          const call = open.get(next.call)
          open.delete(next.call)
          // Who asks one that has been removed gets no answer.
          if (call === undefined || !configurations.votes(call.to)) return 'vacuous'
          if (next.outcome.kind === 'unknown' && UNANSWERED.test(next.outcome.reason)) unanswered ??= `${next.call}: ${next.outcome.reason}`
          return 'vacuous'
        }
        if (next.kind !== 'PhaseBegan') return 'vacuous'
        if (next.phase !== 'end') calmMs = next.phase === 'calm' ? next.atMs : Infinity
        if (next.phase !== 'end' || asked === 0 || !configurations.goesOn((member) => running.has(member))) return 'vacuous'
        const late = [...open.values()].find((one) => configurations.votes(one.to) && next.atMs - one.atMs > ANSWER_MS)
        if (late !== undefined) return { why: `call ${late.call} was made at ${late.atMs} ms, in the calm, and never answered` }
        return unanswered === null ? 'notable' : { why: `in the calm the outcome of call ${unanswered} stayed open` }
      },
    }
  },
)

const catchesUp: Invariant = watching(
  {
    id: 'ETCD-L3',
    sentence: 'a member that was behind, or lost its disk and came back, reaches what the others have applied',
    source: `${THESIS}, section 3.5; etcd op-guide/failures`,
    sometimes: 'it had been down',
    ...liveness,
  },
  ['Restored', 'Applied', 'Installed', 'Configured', 'ProcessEnded', 'PhaseBegan'],
  () => {
    const LAG_MS = 5_000
    const configurations = new Configurations()
    const down = new Set<string>()
    const isMember = (member: string): boolean => {
      const { latest } = configurations
      return latest === null || [...latest.voters, ...latest.learners].includes(member)
    }
    const applied = new Map<string, number>()
    const restarted = new Set<string>()
    /** [time, index] of each new highest one. */
    const highest: (readonly [number, number])[] = []
    let calmMs = Infinity
    return {
      observe(next) {
        switch (next.kind) {
          case 'ProcessEnded':
            down.add(next.process)
            return 'vacuous'
          case 'Restored':
            down.delete(processOf(next.member))
            if (applied.has(next.member)) restarted.add(next.member)
            applied.set(next.member, 0)
            return 'vacuous'
          case 'Configured':
            configurations.observe(next)
            return 'vacuous'
          case 'Applied':
          case 'Installed':
            applied.set(next.member, next.index)
            if (next.index > (highest.at(-1)?.[1] ?? 0)) highest.push([next.atMs, next.index])
            return 'vacuous'
          default: {
            if (next.kind !== 'PhaseBegan') return 'vacuous'
            if (next.phase !== 'end') calmMs = next.phase === 'calm' ? next.atMs : Infinity
            if (next.phase !== 'end' || next.atMs - calmMs < SETTLED_MS) return 'vacuous'
            const running = (member: string): boolean => applied.has(member) && !down.has(processOf(member))
            if (!configurations.goesOn(running)) return 'vacuous'
            const due = highest.findLast(([atMs]) => next.atMs - atMs > LAG_MS)?.[1] ?? 0
            const behind = [...applied].find(([member, index]) => isMember(member) && index < due)
            if (behind !== undefined)
              return {
                why: `${behind[0]} has applied up to ${behind[1]} at the end of the calm, ${due} had been applied ${LAG_MS} ms before`,
              }
            return due === 0 ? 'vacuous' : restarted.size > 0 ? 'notable' : 'holds'
          }
        }
      },
    }
  },
)

export const LIVENESS: readonly Invariant[] = [leaderAfterStorm, answeredInCalm, catchesUp, electsInTime, stepsDown]
