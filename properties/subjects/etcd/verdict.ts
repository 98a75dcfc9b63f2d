/**
 * What a run against real processes says: the checkers' findings over its history, what the calm showed, and whether
 * enough happened for any of it to mean something.
 */
import { INVARIANTS } from '../../../model/register.ts'
import type { History } from '../../../model/state/history.ts'
import { checkEtcd, type EtcdCounts } from '../../checkers/etcd/checker.ts'
import type { Finding, TimelineEntry } from '../../checkers/verdict.ts'
import { judge } from '../../judge.ts'
import type { FaultKind } from './faults.ts'
import type { RunResult } from './run.ts'

export interface RunVerdict {
  readonly verdict: 'held' | 'violated' | 'inconclusive'
  readonly findings: readonly Finding[]
  /** Violations and the faults around them. */
  readonly timeline: readonly TimelineEntry[]
  readonly counts: EtcdCounts
  /** What was asked for and did not happen, one sentence each. */
  readonly missed: readonly string[]
}

export interface Asked {
  readonly timeMs: number
  readonly members: number
  readonly faults: readonly FaultKind[]
  /** Stopped before its time: less can be asked of it. */
  readonly stopped: boolean
}

/** Least that a run must have seen, for each second of its time. */
const OPERATIONS_A_SECOND = 20
const EVENTS_A_SECOND = 100
/** A fault lasts about three seconds and is followed by about one of rest; one in six seconds leaves room for a busy machine. */
const SECONDS_A_FAULT = 6
const SECONDS_FOR_A_LEADER = 20
/** Of the guarantees that every run must have judged: what it always asks. */
const ALWAYS = ['S1', 'S2', 'S8', 'S9', 'S13', 'S14', 'S15', 'S17', 'S18', 'S21'].map((id) => `ETCD-${id}`)
const OUSTING: readonly FaultKind[] = ['kill', 'pause', 'partition']

export const verdictOfRun = (result: RunResult, asked: Asked): RunVerdict => {
  const checked = checkEtcd(result.history)
  const findings = [...checked.findings, ...judgedByInvariants(result.history)]
  const missed = [...result.problems, ...floors(result, asked), ...unjudged(findings)]
  const violated = findings.some(({ verdict }) => verdict === 'violated')
  const unknown = findings.filter(({ verdict }) => verdict === 'unknown')
  for (const { id, why } of unknown) missed.push(`${id} could not be decided: ${why[0]?.text ?? 'nothing that was seen decides it'}`)
  const verdict = violated ? 'violated' : missed.length > 0 ? 'inconclusive' : 'held'
  return { verdict, findings, timeline: checked.timeline, counts: checked.counts, missed }
}

/** Those that need no commits and that the checker leaves to them. */
const OF_ELECTIONS = ['ETCD-S5']

const judgedByInvariants = (history: History): readonly Finding[] => {
  const invariants = INVARIANTS.filter(({ id }) => OF_ELECTIONS.includes(id))
  const { invariants: rows } = judge(
    history.filter(({ kind }) => kind === 'Elected'),
    invariants,
  )
  return rows.map(({ id, evaluated, notable, violations }) => ({
    id,
    sentence: invariants.find((one) => one.id === id)?.sentence ?? id,
    verdict: violations.length > 0 ? 'violated' : 'holds',
    evaluated,
    notable,
    why: violations.map(({ why, atMs }) => ({ text: why, atMs, calls: [] })),
  }))
}

const unjudged = (findings: readonly Finding[]): readonly string[] => {
  const idle = findings.filter(({ id, evaluated }) => evaluated === 0 && ALWAYS.includes(id)).map(({ id }) => id)
  return idle.length === 0 ? [] : [`never judged: ${idle.join(', ')}`]
}

const floors = (
  { outcomes, events, faults, leaderChanges }: RunResult,
  { timeMs, members, faults: kinds, stopped }: Asked,
): readonly string[] => {
  if (stopped) return []
  const seconds = timeMs / 1000
  const operations = outcomes.done + outcomes.refused + outcomes.unknown
  const asked: readonly (readonly [number, number, string])[] = [
    [operations, OPERATIONS_A_SECOND * seconds, 'operations'],
    [events, EVENTS_A_SECOND * seconds, 'watch events'],
    [faults.length, kinds.length === 0 ? 0 : Math.floor(seconds / SECONDS_A_FAULT), 'faults'],
    [
      leaderChanges,
      members > 1 && seconds >= SECONDS_FOR_A_LEADER && kinds.some((kind) => OUSTING.includes(kind)) ? 1 : 0,
      'changes of leader',
    ],
  ]
  return asked.flatMap(([found, least, what]) => (found >= least ? [] : [`at least ${least} ${what} were asked for, there were ${found}`]))
}
