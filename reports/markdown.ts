/** The report as Markdown: for a CI job's summary or a pull request. */
import type { Report } from './report.ts'
import { verdictOf } from './summary.ts'
import { duration, quantile } from './table.ts'

const cell = (text: string | number): string => String(text).replaceAll('|', '\\|').replaceAll('\n', ' ')
const table = (head: readonly string[], rows: readonly (readonly (string | number)[])[]): readonly string[] => [
  `| ${head.map(cell).join(' | ')} |`,
  `|${head.map((name) => (name.startsWith('#') ? '---:' : '---')).join('|')}|`,
  ...rows.map((row) => `| ${row.map(cell).join(' | ')} |`),
  '',
]

export const markdownReport = (report: Report): string => {
  const suites = report.suites.map((suite) => {
    const median = quantile(suite.convergedAfterMs, 0.5)
    const longest = quantile(suite.convergedAfterMs, 1)
    const level = median === null || longest === null ? '–' : `${duration(median)}, ${duration(longest)}`
    return [suite.name, suite.runs, suite.failed, duration(suite.simulatedMs), level, `\`${suite.hash}\``]
  })
  const blocked = report.manifests ? report.pending.filter((row) => row.blocked) : []
  const lines = [
    `# evenkeel: ${verdictOf(report)}`,
    '',
    `\`${report.command}\`, seed \`${report.seed}\`, ${report.runs} runs, ${duration(report.wallMs)}.`,
    '',
    ...table(['suite', '# runs', '# failed', '# simulated', '# back level after (median, longest)', 'history hash'], suites),
    ...report.failures.flatMap((failure) => [
      `## ✗ ${failure.invariant}`,
      '',
      failure.trace.violations[0]?.sentence ?? '',
      '',
      '```text',
      ...failure.digest,
      '```',
      '',
      `Trace \`${failure.file}\`; again: \`${failure.replay}\``,
      '',
    ]),
    ...(blocked.length === 0
      ? []
      : [
          '## Cannot converge',
          '',
          ...table(
            ['object', 'waits for', '# runs'],
            blocked.map((row) => [row.object, row.waitsFor, `${row.runs} of ${report.runs}`]),
          ),
        ]),
    '## Invariants',
    '',
    ...table(
      ['id', 'sentence', '# looked', '# judged', '# notable', '# runs violated'],
      report.invariants.map((row) => [row.id, row.sentence, row.evaluated, row.nonVacuous, row.notable, row.runsViolated]),
    ),
    ...(Object.keys(report.faults).length === 0 ? [] : ['## Faults', '', ...table(['kind', '# times'], Object.entries(report.faults))]),
    ...(report.notes.length === 0 ? [] : ['## Notes', '', ...report.notes.map((note) => `- ${note}`), '']),
  ]
  return `${lines.join('\n').trimEnd()}\n`
}
