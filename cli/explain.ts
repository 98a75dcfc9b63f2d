/** Makes of a failed run what a person can read: its shrunk plan, run once more, as a trace. */
import { join } from 'node:path'
import type { Bug } from '../properties/bugs/bug.ts'
import type { Failure, Workers } from '../properties/campaign.ts'
import type { FailureRow } from '../reports/report.ts'
import { printDigest } from '../traces/print.ts'
import { judgedBy } from '../properties/plugin/claims.ts'
import { record } from '../traces/record.ts'

export interface ExplainOptions {
  readonly seed: string
  /** Runs that may be spent on shrinking. */
  readonly triesMost: number
  /** Folder of the report, in which the trace is to be written. */
  readonly folder: string
  readonly bug: Bug | null
  readonly version: string
  readonly command: string
}

export const explainFailure = async (workers: Workers, failure: Failure, options: ExplainOptions): Promise<FailureRow> => {
  const shrunk = await workers.shrink(failure, options.seed, options.triesMost)
  const answer = await workers.run({ kind: 'examine', plan: shrunk.plan })
  if (answer.kind !== 'examine') throw new Error('an examine job answers with what it examined')
  const { examined } = answer
  const about = {
    evenkeel: options.version,
    bug: options.bug?.id ?? null,
    found: options.command,
    shrinking: { minimal: shrunk.minimal, tries: shrunk.tries, actionsBefore: shrunk.actionsBefore },
  }
  const trace = record(shrunk.plan, examined, about, await judgedBy(shrunk.plan))
  const asked = (violation: { readonly invariant: string }): number => Number(violation.invariant === failure.invariant)
  const violations = trace.violations.toSorted((one, other) => asked(other) - asked(one))
  const file = join('traces', `${failure.run.suite}-${failure.run.index}-${failure.invariant}.json`)
  return {
    suite: failure.run.suite,
    index: failure.run.index,
    invariant: failure.invariant,
    file,
    trace: { ...trace, violations },
    history: examined.history,
    digest: printDigest(shrunk.plan, violations),
    replay: `npx evenkeel replay ${join(options.folder, file)}`,
  }
}
