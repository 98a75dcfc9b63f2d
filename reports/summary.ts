/** What is printed at the end of a campaign: for people at a terminal, and the same lines for a log. */
import type { Report } from './report.ts'
import { columns, duration, quantile } from './table.ts'

export type Verdict = 'held' | 'violated' | 'cannot converge' | 'inconclusive'

/** Suites with fewer runs than this are not asked for coverage: too few to have seen everything. */
const COVERAGE_RUNS_LEAST = 500
const NAMES_MOST = 12

/** Invariants that a suite of many runs should have judged and did not. */
export const missedCoverage = (report: Report): readonly string[] => {
  const idle = report.invariants.filter((row) => row.nonVacuous === 0)
  return report.suites
    .filter((suite) => suite.runs >= COVERAGE_RUNS_LEAST)
    .flatMap((suite) => idle.filter((row) => suite.concerns.some((prefix) => row.id.startsWith(prefix))).map((row) => row.id))
}

export const verdictOf = (report: Report): Verdict => {
  if (report.failures.length > 0) return 'violated'
  if (report.runs === 0 || report.determinism.differed > 0) return 'inconclusive'
  if (report.manifests && report.pending.some((row) => row.blocked)) return 'cannot converge'
  return missedCoverage(report).length > 0 ? 'inconclusive' : 'held'
}

export const EXIT_CODE: Readonly<Record<Verdict, 0 | 1 | 3>> = { held: 0, violated: 1, 'cannot converge': 1, inconclusive: 3 }

const seconds = (ms: number | null): string => (ms === null ? '-' : duration(ms))

export const summaryLines = (report: Report): readonly string[] => [
  ...noteLines(report),
  ...suiteTable(report),
  '',
  ...controllerTable(report),
  ...invariantLines(report),
  ...failureLines(report),
  ...pendingLines(report),
  '',
  verdictLine(report),
]

const suiteTable = ({ suites }: Report): readonly string[] => {
  const head = ['suite', 'runs', 'failed', 'simulated', 'back level after (median, longest)', 'history hash']
  const rows = suites.map((suite) => {
    const { convergedAfterMs: times } = suite
    const level = times.length === 0 ? '-' : `${seconds(quantile(times, 0.5))}, ${seconds(quantile(times, 1))}`
    return [suite.name, suite.runs, suite.failed, duration(suite.simulatedMs), level, suite.hash]
  })
  return columns([head, ...rows])
}

/** What is judged of the user's own controller, and how often the faults that such controllers break under struck it. */
const controllerTable = ({ controller, invariants, faults, runs }: Report): readonly string[] => {
  if (controller === undefined) return []
  const rows = controller.claims.flatMap((id) => invariants.filter((row) => row.id === id))
  const head = [`${controller.name} promises`, 'judged', 'in the interesting case', 'violated in', 'what it says']
  const struck = Object.entries(PATTERN_WORDS).map(([kind, words]) => `${words} ${faults[kind] ?? 0} times`)
  return [
    ...columns([head, ...rows.map((row) => [row.id, row.nonVacuous, row.notable, `${row.runsViolated} of ${runs} runs`, row.sentence])]),
    `Meanwhile processes of the cluster, ${controller.name} among them, were ${struck.join(', ')}.`,
    '',
  ]
}

/** Fault kind → what it does to a controller. */
const PATTERN_WORDS: Readonly<Record<string, string>> = {
  CrashBetweenWrites: 'crashed between two writes',
  TimeTravel: 'restarted against a lagging API server',
  ExpireWatches: 'kept from seeing events',
}

const invariantLines = ({ invariants: rows, manifests, suites }: Report): readonly string[] => {
  const judged = rows.filter((row) => row.nonVacuous > 0)
  // What these suites are not about need not be told.
  const idle = rows
    .filter((row) => row.nonVacuous === 0 && suites.some(({ concerns }) => concerns.some((prefix) => row.id.startsWith(prefix))))
    .map((row) => row.id)
  const checks = judged.reduce((sum, row) => sum + row.nonVacuous, 0)
  const lines = [
    `${judged.length} of ${rows.length} invariants were judged, ${checks.toLocaleString('en')} times in all; ${judged.filter((row) => row.runsViolated > 0).length} violated.`,
  ]
  if (idle.length > 0 && !manifests)
    lines.push(
      `Not judged, for want of a case: ${idle.slice(0, NAMES_MOST).join(', ')}${idle.length > NAMES_MOST ? ` and ${idle.length - NAMES_MOST} more` : ''}.`,
    )
  return lines
}

const failureLines = ({ failures }: Report): readonly string[] =>
  failures.flatMap((failure) => {
    const { shrinking, plan } = failure.trace
    const size = `${plan.actions.length} action${plan.actions.length === 1 ? '' : 's'}`
    const how =
      shrinking === null ? size : `${size}, from ${shrinking.actionsBefore}${shrinking.minimal ? '; none of them can be left out' : ''}`
    return [
      '',
      `✗ ${failure.invariant} violated in suite ${failure.suite}, run ${failure.index} (${how})`,
      ...failure.digest.map((line) => `  ${line}`),
      `  trace: ${failure.file}`,
      `  again: ${failure.replay}`,
    ]
  })

/** Each object with its most frequent reason: others are in the report. */
const pendingLines = ({ pending, manifests, runs }: Report): readonly string[] => {
  const blocked = manifests ? pending.filter((row) => row.blocked) : []
  if (blocked.length === 0) return []
  const objects = [...new Set(blocked.map((row) => row.object))]
  const shown = objects.slice(0, NAMES_MOST).map((object) => {
    const [row, ...others] = blocked.filter((one) => one.object === object)
    const often = row?.runs === runs ? 'in every run' : `in ${row?.runs} of ${runs} runs`
    const more = others.length === 0 ? '' : `; ${others.length} other reason${others.length === 1 ? '' : 's'} in other runs`
    return `  ${object} ${object.startsWith('pods of') ? 'wait' : 'waits'} for ${row?.waitsFor} (${often}${more})`
  })
  return [
    '',
    'Cannot converge:',
    ...shown,
    ...(objects.length > shown.length ? [`  and ${objects.length - shown.length} more, in the report`] : []),
  ]
}

const noteLines = ({ notes }: Report): readonly string[] => (notes.length === 0 ? [] : [...notes.map((note) => `note: ${note}`), ''])

const verdictLine = (report: Report): string => {
  const stopped =
    report.cut === null
      ? ''
      : { time: ' (stopped: time is up)', failures: ' (stopped at the first failures)', stopped: ' (stopped by you)' }[report.cut]
  const runs = `${report.runs} run${report.runs === 1 ? '' : 's'}${stopped}, seed ${report.seed}, ${duration(report.wallMs)}`
  const missed = missedCoverage(report)
  switch (verdictOf(report)) {
    case 'held':
      return `✓ held: ${runs}`
    case 'violated':
      return `✗ violated: ${runs}`
    case 'cannot converge':
      return `✗ cannot converge: ${runs}`
    case 'inconclusive': {
      if (report.determinism.differed > 0)
        return `? inconclusive: ${report.determinism.differed} of ${report.determinism.twice} runs made twice differed, ${report.controller === undefined ? 'a defect of evenkeel itself' : `which its own draws do not explain: does ${report.controller.module} keep state outside its controllers, or ask for the time?`}: ${runs}`
      if (report.runs === 0) return `? inconclusive: no run was finished: ${runs}`
      return `? inconclusive: never judged: ${missed.join(', ')}: ${runs}`
    }
  }
}
