/**
 * A campaign: many runs of some suites over a pool of workers, each a function of (seed, suite, index).
 *
 * Which worker did a run, and how many there are, changes nothing but the time it takes.
 */
import { enableCompileCache, getCompileCacheDir } from 'node:module'
import { Tinypool } from 'tinypool'
import type { Bug } from './bugs/bug.ts'
import { InputError } from './input.ts'
import type { BadInput, Job, JobResult, RunReport, SuiteChoice } from './job.ts'
import type { Shrunk } from './shrink.ts'

export interface CampaignOptions {
  readonly suites: readonly { readonly choice: SuiteChoice; readonly name: string; readonly weight: number }[]
  readonly seed: string
  /** Runs over all suites. */
  readonly runsMost: number
  /** Wall-clock milliseconds after which no new run is started; null: no limit. */
  readonly timeMostMs: number | null
  readonly workers: number
  /** Every n-th run of a suite is made twice and the hashes compared. */
  readonly twiceEvery: number
  /** Start no more runs once this holds of the failures found, which are in the campaign's order. */
  readonly enough: (failures: readonly Failure[]) => boolean
}

export interface Failure {
  readonly run: RunReport
  readonly choice: SuiteChoice
  readonly invariant: string
}

export interface CampaignResult {
  /** In the order of the campaign, whatever order they ended in; none after the last failure that counts. */
  readonly runs: readonly RunReport[]
  readonly failures: readonly Failure[]
  /** Ended before its budget: 'time', 'failures', 'stopped' by the user, or null. */
  readonly cut: 'time' | 'failures' | 'stopped' | null
}

interface Turn {
  readonly choice: SuiteChoice
  readonly name: string
  readonly index: number
}

/** Suites take turns by weight, so that a campaign cut short has seen a bit of everything. */
export function* turns(suites: CampaignOptions['suites']): Generator<Turn> {
  const counts = suites.map(() => 0)
  for (;;) {
    for (const [position, { choice, name, weight }] of suites.entries()) {
      for (let turn = 0; turn < weight; turn++) {
        const index = counts[position] ?? 0
        counts[position] = index + 1
        yield { choice, name, index }
      }
    }
  }
}

/** Owns the worker threads. `close` ends them at once, whatever they do. They load the same modules again and again: compiled once, kept. */
export class Workers {
  private readonly pool: Tinypool

  constructor(threads: number, bug: Bug | null) {
    enableCompileCache()
    this.pool = new Tinypool({
      filename: new URL('./worker.ts', import.meta.url).href,
      minThreads: threads,
      maxThreads: threads,
      resourceLimits: { maxOldGenerationSizeMb: 2000 },
      env: { ...(process.env as Record<string, string>), NODE_COMPILE_CACHE: getCompileCacheDir() ?? '' },
      workerData: { bug },
    })
  }

  /** Throws InputError when what the user brought along is at fault. */
  async run(job: Job): Promise<Exclude<JobResult, BadInput>> {
    const result = (await this.pool.run(job)) as JobResult
    if (result.kind === 'bad input') throw new InputError(result.where, result.problem)
    return result
  }

  async shrink(failure: Failure, seed: string, triesMost: number): Promise<Shrunk> {
    const { choice, invariant, run } = failure
    const result = await this.run({ kind: 'shrink', suite: choice, seed, index: run.index, invariant, triesMost })
    if (result.kind !== 'shrunk') throw new Error('a shrink job answers with what it shrank to')
    return result
  }

  async close(): Promise<void> {
    await this.pool.destroy()
  }
}

/**
 * Runs until the budget is used up. `onRun` is told of each run as it ends. An aborted signal starts no more runs and
 * keeps those that ended.
 */
export const campaign = async (
  workers: Workers,
  options: CampaignOptions,
  onRun: (report: RunReport) => void,
  signal: AbortSignal,
): Promise<CampaignResult> => {
  const began = performance.now()
  const reports = new Map<number, RunReport>()
  let failures: readonly (Failure & { readonly place: number })[] = []
  let cut: CampaignResult['cut'] = null
  let place = 0
  const next = turns(options.suites)

  const work = async (): Promise<void> => {
    for (;;) {
      if (signal.aborted) cut = 'stopped'
      else if (options.enough(failures)) cut = 'failures'
      else if (options.timeMostMs !== null && performance.now() - began > options.timeMostMs) cut = 'time'
      if (cut !== null || place >= options.runsMost) return
      const mine = place++
      const turn = next.next().value as Turn
      const twice = options.twiceEvery > 0 && turn.index % options.twiceEvery === 0
      const job: Job = { kind: 'run', suite: turn.choice, seed: options.seed, index: turn.index, twice }
      const report = (await workers.run(job)) as RunReport
      reports.set(mine, report)
      const [invariant] = report.violated
      if (invariant !== undefined) {
        failures = [...failures, { run: report, choice: turn.choice, invariant, place: mine }].toSorted(
          (one, other) => one.place - other.place,
        )
      }
      onRun(report)
    }
  }
  await Promise.all(Array.from({ length: options.workers }, work))
  const least = failures.findIndex((_, index) => options.enough(failures.slice(0, index + 1)))
  const kept = least < 0 ? failures : failures.slice(0, least + 1)
  const last = cut === 'failures' ? (kept.at(-1)?.place ?? Infinity) : Infinity
  const runs = [...reports].filter(([mine]) => mine <= last).toSorted(([one], [other]) => one - other)
  return { runs: runs.map(([, report]) => report), failures: kept, cut }
}
