/** The report as JUnit XML: a test suite a suite of evenkeel, a test case an invariant that it judged. */
import { getJunitXml } from 'junit-xml'
import type { Report } from './report.ts'

export const junitReport = (report: Report): string => {
  const [first] = report.suites
  const suites = [
    {
      name: 'invariants',
      testCases: report.invariants.map((row) => {
        const failures = report.failures
          .filter((failure) => failure.invariant === row.id)
          .map((failure) => ({ message: failure.trace.violations[0]?.why ?? row.sentence, type: row.id }))
        const unexplained =
          row.runsViolated > 0 && failures.length === 0 ? [{ message: `violated in ${row.runsViolated} runs`, type: row.id }] : []
        return {
          name: `${row.id}: ${row.sentence}`,
          classname: `evenkeel.${row.id.replace(/-.*$/, '')}`,
          assertions: row.nonVacuous,
          failures: [...failures, ...unexplained],
          skipped: row.nonVacuous === 0,
        }
      }),
    },
  ]
  return getJunitXml({ name: `evenkeel ${first?.name ?? ''}`.trim(), time: report.wallMs / 1000, suites })
}
