/** evenkeel replay: runs a trace's plan again, prints it step by step, and says whether it was the same to the byte. */
import { loadBugs, type Bug } from '../properties/bugs/bug.ts'
import { Workers } from '../properties/campaign.ts'
import type { Examined } from '../properties/examine.ts'
import { InputError } from '../properties/input.ts'
import { judgedBy } from '../properties/plugin/claims.ts'
import { loadPlugin } from '../properties/plugin/load.ts'
import { describe, printHistory } from '../traces/print.ts'
import { departure, record } from '../traces/record.ts'
import { readTrace, type Trace } from '../traces/trace.ts'

export interface ReplayOptions {
  readonly file: string
  readonly json: boolean
  readonly quiet: boolean
  readonly bugsFolder: string | undefined
}

/** Returns the exit code: 0 nothing is violated, 1 the trace's violation was seen again, 3 the run departed from the trace. */
export const replay = async (options: ReplayOptions): Promise<number> => {
  const trace = readTrace(options.file)
  const changed = await sourcesChanged(trace)
  if (changed !== null) console.error(changed)
  const examined = await runAgain(trace, bugOf(trace, options))
  const again = record(trace.plan, examined, trace, await judgedBy(trace.plan))
  if (options.json) console.log(JSON.stringify({ hash: again.hash, same: again.hash === trace.hash, violations: again.violations }))
  else if (!options.quiet) {
    const { lines, quiet } = printHistory(trace.plan, examined.history, again.violations)
    for (const line of lines) console.log(line)
    console.log('')
    console.log(`${quiet} steps that say nothing to a reader are not shown.`)
  }
  const departed = departure(trace, examined)
  if (departed !== null) {
    const seen =
      departed.seen === null
        ? 'the run ended earlier'
        : (describe(departed.seen)[0]?.trim() ?? `${departed.seen.kind} at ${departed.seen.atMs} ms`)
    console.error(
      `? departed from the trace at observation ${departed.step}: ${seen} (trace hash ${trace.hash}, this run ${examined.hash}; the trace was written by evenkeel ${trace.evenkeel})`,
    )
    return 3
  }
  if (!options.json) console.log(`history hash ${examined.hash}: the same as in the trace, ${examined.history.length} observations`)
  return again.violations.length > 0 ? 1 : 0
}

/** Null: the controller that the trace was made with, if any, is there and the same. */
const sourcesChanged = async ({ plan: { controller } }: Trace): Promise<string | null> => {
  if (controller === undefined) return null
  const { hash } = await loadPlugin(controller.module)
  if (hash === controller.hash) return null
  return `? the controller differs: the sources of ${controller.module} have the hash ${hash}, those of the trace had ${controller.hash}`
}

/** In a worker of its own, whose implementation has the bug that the trace was made with. */
const runAgain = async (trace: Trace, bug: Bug | null): Promise<Examined> => {
  const workers = new Workers(1, bug)
  try {
    const answer = await workers.run({ kind: 'examine', plan: trace.plan })
    if (answer.kind !== 'examine') throw new Error('an examine job answers with what it examined')
    return answer.examined
  } finally {
    await workers.close()
  }
}

const bugOf = (trace: Trace, options: ReplayOptions): Bug | null => {
  if (trace.bug === null) return null
  const bug = loadBugs(options.bugsFolder).find((one) => one.id === trace.bug)
  if (bug === undefined)
    throw new InputError(options.file, `bug: expected a seeded bug that is known here, found '${trace.bug}' (is EVENKEEL_BUGS missing?)`)
  return bug
}
