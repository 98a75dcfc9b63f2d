/** evenkeel bugs: puts each seeded bug into the implementation and says whether the suites find it, and by which invariant. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Bug } from '../properties/bugs/bug.ts'
import { campaign, Workers, type Failure } from '../properties/campaign.ts'
import { InputError } from '../properties/input.ts'
import { SUITES } from '../properties/suites/register.ts'
import { makeFolder } from '../reports/folder.ts'
import { columns } from '../reports/table.ts'
import { writeTrace, type Trace } from '../traces/trace.ts'
import { explainFailure } from './explain.ts'
import { Progress } from './progress.ts'

export interface BugsOptions {
  readonly bugs: readonly Bug[]
  readonly seed: string
  readonly runsMost: number
  readonly workers: number
  readonly folder: string
  readonly triesMost: number
  readonly version: string
}

interface Find {
  readonly bug: Bug
  /** Runs made until a failed one named an invariant that the bug is expected to violate; null: none did. */
  readonly runs: number | null
  readonly invariant: string | null
  readonly trace: Trace | null
  readonly file: string
}

/** Runs that may fail by another invariant than those expected before the search is given up. */
const FAILURES_MOST = 20

/** Returns the exit code: 0 when all were found by an invariant expected of them, 1 otherwise. */
export const bugs = async (options: BugsOptions, signal: AbortSignal): Promise<number> => {
  makeFolder(join(options.folder, 'bugs'))
  const progress = new Progress(process.stderr)
  const finds: Find[] = []
  for (const bug of options.bugs) {
    if (signal.aborted) break
    const find = await hunt(bug, options, progress, signal)
    finds.push(find)
    if (find.trace === null) continue
    const path = join(options.folder, find.file)
    writeFileSync(path, writeTrace(find.trace))
  }
  progress.done()
  for (const line of table(finds)) console.log(line)
  const found = finds.filter((find) => find.trace !== null).length
  console.log(`\n${found} of ${options.bugs.length} seeded bugs found. Traces: ${join(options.folder, 'bugs')}`)
  return found === options.bugs.length ? 0 : 1
}

const hunt = async (bug: Bug, options: BugsOptions, progress: Progress, signal: AbortSignal): Promise<Find> => {
  const { seed, workers: threads, runsMost } = options
  const workers = new Workers(threads, bug)
  const suites = SUITES.filter((suite) => bug.suites.includes(suite.name)).map(({ name, weight }) => ({
    choice: { kind: 'register', name } as const,
    name,
    weight,
  }))
  if (suites.length === 0) throw new InputError(`bug ${bug.id}`, `suites: expected some of ${SUITES.map(({ name }) => name).join(', ')}`)
  let done = 0
  const expected = (failure: Failure): string | undefined => failure.run.violated.find((id) => bug.invariants.includes(id))
  const enough = (failures: readonly Failure[]): boolean =>
    failures.length >= FAILURES_MOST || failures.some((failure) => expected(failure) !== undefined)
  try {
    const onRun = (): void => progress.say(`${bug.id}: ${++done} of at most ${runsMost} runs`)
    const result = await campaign(
      workers,
      { suites, seed, runsMost, timeMostMs: null, workers: threads, twiceEvery: 0, enough },
      onRun,
      signal,
    )
    const failure = result.failures.find((one) => expected(one) !== undefined)
    if (failure === undefined) return { bug, runs: null, invariant: result.failures[0]?.invariant ?? null, trace: null, file: '' }
    progress.step(`${bug.id}: shrinking run ${failure.run.index} of suite ${failure.run.suite}`)
    const invariant = expected(failure) ?? failure.invariant
    const command = `evenkeel check --bug ${bug.id} --seed ${seed}`
    const row = await explainFailure(workers, { ...failure, invariant }, { ...options, bug, command })
    return { bug, runs: result.runs.length, invariant, trace: row.trace, file: join('bugs', `${bug.id}.json`) }
  } finally {
    await workers.close()
  }
}

const table = (finds: readonly Find[]): readonly string[] =>
  columns([
    ['bug', 'runs', 'invariant', 'actions', '1-minimal', 'what was wrong'],
    ...finds.map(({ bug, runs, invariant, trace }) => [
      bug.id,
      runs === null ? 'not found' : String(runs),
      invariant ?? '-',
      trace === null ? '-' : `${trace.shrinking?.actionsBefore} → ${trace.plan.actions.length}`,
      trace?.shrinking?.minimal === true ? 'yes' : 'no',
      `${bug.mechanism} (${bug.origin})`,
    ]),
  ])
