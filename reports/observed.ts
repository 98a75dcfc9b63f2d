/** What one run against real software showed, as data: the source of its page, Markdown, JUnit XML and JSON. */
import type { History } from '../model/state/history.ts'
import type { Finding, TimelineEntry } from '../properties/checkers/verdict.ts'
import type { StruckFault } from '../properties/subjects/etcd/faults.ts'
import type { RunResult } from '../properties/subjects/etcd/run.ts'
import type { RunVerdict } from '../properties/subjects/etcd/verdict.ts'
import { columns, duration } from './table.ts'

/** Not that of a campaign's report, which is a number. */
export const OBSERVED_FORMAT = 'observed 1'

export interface Reign {
  readonly member: string
  readonly term: number
  readonly fromMs: number
  readonly toMs: number
}
/** What became of the requests answered, or given up, in one second. */
export interface Second {
  readonly second: number
  readonly done: number
  readonly refused: number
  readonly unknown: number
}

export interface ObservedReport {
  readonly format: typeof OBSERVED_FORMAT
  readonly evenkeel: string
  readonly command: string
  readonly seed: string
  /** 'etcd 3.4.23, 3 members' */
  readonly subject: string
  readonly wallMs: number
  readonly verdict: RunVerdict['verdict']
  /** Of the run, in the order they are told: how many of what. */
  readonly counts: Readonly<Record<string, number>>
  readonly findings: readonly Finding[]
  readonly missed: readonly string[]
  readonly notes: readonly string[]
  readonly members: readonly string[]
  readonly stormMs: readonly [number, number]
  readonly faults: readonly StruckFault[]
  readonly reigns: readonly Reign[]
  readonly seconds: readonly Second[]
  /** What a violation was seen in. */
  readonly timeline: readonly TimelineEntry[]
}

export interface ObservedParts {
  readonly evenkeel: string
  readonly command: string
  readonly seed: string
  readonly subject: string
  readonly members: readonly string[]
  readonly wallMs: number
  readonly result: RunResult
  readonly verdict: RunVerdict
  readonly notes: readonly string[]
}

export const observedReport = ({ result, verdict, ...parts }: ObservedParts): ObservedReport => {
  const { outcomes, history } = result
  return {
    format: OBSERVED_FORMAT,
    ...parts,
    wallMs: Math.round(parts.wallMs),
    verdict: verdict.verdict,
    counts: {
      operations: outcomes.done + outcomes.refused + outcomes.unknown,
      done: outcomes.done,
      refused: outcomes.refused,
      'left open': outcomes.unknown,
      'watch streams': verdict.counts.streams,
      'watch events': result.events,
      revisions: verdict.counts.revision,
      faults: result.faults.length,
      'changes of leader': result.leaderChanges,
    },
    findings: verdict.findings,
    missed: verdict.missed,
    stormMs: stormOf(history),
    faults: result.faults,
    reigns: reignsOf(history),
    seconds: secondsOf(history),
    timeline: verdict.timeline,
  }
}

const stormOf = (history: History): readonly [number, number] => {
  const phase = (name: string): number => history.find((seen) => seen.kind === 'PhaseBegan' && seen.phase === name)?.atMs ?? 0
  return [phase('storm'), phase('calm') || (history.at(-1)?.atMs ?? 0)]
}

const reignsOf = (history: History): readonly Reign[] => {
  const elected = history.filter((seen) => seen.kind === 'Elected')
  const endMs = history.at(-1)?.atMs ?? 0
  return elected.map(({ member, term, atMs }, index) => ({ member, term, fromMs: atMs, toMs: elected[index + 1]?.atMs ?? endMs }))
}

const secondsOf = (history: History): readonly Second[] => {
  const seconds = new Map<number, { second: number; done: number; refused: number; unknown: number }>()
  for (const seen of history) {
    if (seen.kind !== 'Reply') continue
    const second = Math.floor(seen.atMs / 1000)
    const row = seconds.get(second) ?? { second, done: 0, refused: 0, unknown: 0 }
    row[seen.outcome.kind]++
    seconds.set(second, row)
  }
  return [...seconds.values()].toSorted((one, other) => one.second - other.second)
}

/** Printed at the end, and the same lines for a log. */
export const observedLines = (report: ObservedReport): readonly string[] => {
  const counts = Object.entries(report.counts).map(([what, number]) => `${number.toLocaleString('en')} ${what}`)
  return [
    ...report.notes.map((note) => `note: ${note}`),
    `${report.subject}: ${counts.join(', ')}.`,
    ...faultLines(report),
    '',
    ...columns([['guarantee', 'judged', 'notable', ''], ...report.findings.map(findingCells)]),
    ...report.findings.filter(({ verdict }) => verdict === 'violated').flatMap(violationLines),
    ...(report.missed.length === 0 ? [] : ['', ...report.missed.map((missed) => `? ${missed}`)]),
    '',
    verdictLine(report),
  ]
}

const faultLines = ({ faults }: ObservedReport): readonly string[] => {
  const kinds = new Map<string, number>()
  for (const { kind } of faults) kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
  return kinds.size === 0 ? [] : [`Faults: ${[...kinds].map(([kind, times]) => `${kind} ${times}`).join(', ')}.`]
}

const WORDS = { holds: 'held', violated: '✗ violated', unknown: '? undecided' } as const
export const wordOf = ({ verdict, evaluated }: Finding): string => (verdict === 'holds' && evaluated === 0 ? 'no case' : WORDS[verdict])

const findingCells = (finding: Finding): readonly (string | number)[] => [
  finding.id,
  finding.evaluated,
  finding.notable,
  `${wordOf(finding)}: ${finding.sentence}`,
]

const WHY_MOST = 3
const violationLines = ({ id, sentence, why }: Finding): readonly string[] => [
  '',
  `✗ ${id}: ${sentence}`,
  ...why.slice(0, WHY_MOST).map(({ text, atMs }) => `  ${atMs === null ? '' : `${(atMs / 1000).toFixed(3)} s  `}${text}`),
  ...(why.length > WHY_MOST ? [`  and ${why.length - WHY_MOST} more, in the report`] : []),
]

const verdictLine = ({ verdict, findings, seed, wallMs }: ObservedReport): string => {
  const run = `seed ${seed}, ${duration(wallMs)}`
  switch (verdict) {
    case 'held':
      return `✓ held: ${findings.filter(({ evaluated }) => evaluated > 0).length} guarantees, ${run}`
    case 'violated':
      return `✗ violated: ${findings
        .filter((finding) => finding.verdict === 'violated')
        .map(({ id }) => id)
        .join(', ')}: ${run}`
    case 'inconclusive':
      return `? inconclusive: ${run}`
  }
}
