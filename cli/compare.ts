/** evenkeel compare: which policy suits a workload, and whether the difference is real. */
import { compare, type CompareOptions } from '../properties/compare/compare.ts'
import { comparisonData, comparisonLines, violationsOf, writeComparison } from '../reports/comparison.ts'
import { duration } from '../reports/table.ts'
import { Progress } from './progress.ts'

export interface CompareCommand extends CompareOptions {
  readonly folder: string
  readonly json: boolean
  readonly command: string
}

const INTERRUPTED = 130

/** Returns the exit code. */
export const comparePolicies = async (options: CompareCommand, signal: AbortSignal): Promise<number> => {
  const { folder, json, command, ...rest } = options
  const began = performance.now()
  const progress = new Progress(process.stderr)
  if (!json) console.log(`Comparing ${rest.policies.join(', ')} on ${rest.workload}: ${rest.runs} paired runs each, seed ${rest.seed}.`)
  try {
    const comparison = await compare(
      rest,
      (done, all) => {
        const left = ((performance.now() - began) / done) * (all - done)
        progress.say(`${done}/${all} runs, about ${duration(left)} left`)
      },
      signal,
    )
    progress.done()
    if (comparison === null) return INTERRUPTED
    const page = writeComparison(comparison, folder, command)
    if (json) console.log(JSON.stringify(comparisonData(comparison, command)))
    else for (const line of ['', ...comparisonLines(comparison), '', `Report: ${page}`]) console.log(line)
    return violationsOf(comparison).length > 0 ? 1 : 0
  } finally {
    progress.done()
  }
}
