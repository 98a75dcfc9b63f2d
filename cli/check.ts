/** evenkeel check: runs suites, or the user's manifests, and says whether they hold. */
import groupBy from 'lodash/groupBy.js'
import type { Bug } from '../properties/bugs/bug.ts'
import { campaign, Workers, type CampaignOptions, type CampaignResult, type Failure } from '../properties/campaign.ts'
import { InputError } from '../properties/input.ts'
import type { RunReport, SuiteChoice } from '../properties/job.ts'
import { nameOf, readManifests, type ReadManifests } from '../properties/manifests/read.ts'
import { refusals } from '../properties/preflight.ts'
import { manifestSuite } from '../properties/suites/manifests.ts'
import { claimsOf } from '../properties/plugin/claims.ts'
import { loadPlugin, type LoadedPlugin } from '../properties/plugin/load.ts'
import { definitionOf, resourceOf } from '../properties/plugin/plugin.ts'
import { controllerSuite } from '../properties/suites/controller.ts'
import type { Suite } from '../properties/suites/suite.ts'
import type { ClusterShape } from '../model/state/plan.ts'
import { makeFolder } from '../reports/folder.ts'
import { reportOf, type FailureRow, type Report } from '../reports/report.ts'
import { EXIT_CODE, summaryLines, verdictOf } from '../reports/summary.ts'
import { duration } from '../reports/table.ts'
import { writeReport } from '../reports/write.ts'
import { explainFailure } from './explain.ts'
import { Progress } from './progress.ts'

export interface CheckOptions {
  readonly paths: readonly string[]
  /** Module of a controller of the user's own, to be checked instead. */
  readonly controller: string | null
  readonly suites: readonly Suite[]
  readonly seed: string
  readonly runsMost: number
  readonly timeMostMs: number
  readonly workers: number
  readonly cluster: ClusterShape
  readonly folder: string
  readonly json: boolean
  readonly bug: Bug | null
  readonly failuresMost: number
  readonly triesMost: number
  readonly version: string
  readonly command: string
}

interface Subjects {
  readonly choices: CampaignOptions['suites']
  readonly suites: readonly Suite[]
  readonly read: ReadManifests | null
  readonly own: LoadedPlugin | null
}

const TWICE_EVERY = 10

/** Returns the exit code. */
export const check = async (options: CheckOptions, signal: AbortSignal): Promise<number> => {
  const began = performance.now()
  const subjects = options.controller === null ? subjectsOf(options) : await controllerOf(options.controller, options.cluster)
  const { own } = subjects
  makeFolder(options.folder)
  if (!options.json) for (const line of opening(options, subjects)) console.log(line)
  const progress = new Progress(process.stderr)
  const workers = new Workers(options.workers, options.bug)
  try {
    const result = await run(workers, options, subjects, progress, signal)
    const failures = await explain(workers, options, result, progress, signal)
    progress.done()
    const report = reportOf({
      evenkeel: options.version,
      command: options.command,
      seed: options.seed,
      bug: options.bug?.id ?? null,
      manifests: subjects.read !== null || subjects.own !== null,
      workers: options.workers,
      wallMs: performance.now() - began,
      twiceEvery: TWICE_EVERY,
      suites: subjects.suites,
      own: own === null ? null : { name: own.plugin.name, module: own.module, claims: claimsOf(own) },
      result,
      failures,
      notes: subjects.read?.notes ?? [],
    })
    return conclude(report, options)
  } finally {
    progress.done()
    await workers.close()
  }
}

const subjectsOf = (options: CheckOptions): Subjects => {
  if (options.paths.length === 0) {
    const choices = options.suites.map((suite) => ({
      choice: { kind: 'register', name: suite.name } as const,
      name: suite.name,
      weight: suite.weight,
    }))
    return { choices, suites: options.suites, read: null, own: null }
  }
  const read = readManifests(options.paths)
  if (read.manifests.length === 0)
    throw new InputError(options.paths.join(', '), `expected an object that is simulated, found none:\n${read.notes.join('\n')}`)
  const all = refusals(read.manifests, options.cluster)
  const refused = all.find(({ forOthers }) => !forOthers)
  if (refused !== undefined) throw new InputError(placeOf(read, refused.object), `the API server refuses it: ${refused.message}`)
  const notes = [...read.notes, ...all.map(({ object, message }) => `${placeOf(read, object)}: the API server refuses it: ${message}`)]
  const choice: SuiteChoice = { kind: 'manifests', manifests: read.manifests, cluster: options.cluster }
  const suite = manifestSuite(read.manifests, options.cluster)
  return { choices: [{ choice, name: suite.name, weight: 1 }], suites: [suite], read: { ...read, notes }, own: null }
}

const controllerOf = async (module: string, cluster: ClusterShape): Promise<Subjects> => {
  const own = await loadPlugin(module)
  const { plugin } = own
  const [refused] = refusals([...plugin.kinds.map(definitionOf), ...plugin.manifests], cluster)
  if (refused !== undefined)
    throw new InputError(module, `plugin.manifests: ${refused.object}: the API server refuses it: ${refused.message}`)
  const suite = controllerSuite(own, cluster)
  return { choices: [{ choice: { kind: 'controller', module, cluster }, name: suite.name, weight: 1 }], suites: [suite], read: null, own }
}

const placeOf = (read: ReadManifests, object: string): string => {
  const place = [...read.places].find(([name]) => object.toLowerCase().endsWith(name.split(' ')[1]?.toLowerCase() ?? ''))
  return place === undefined ? object : `${place[1]}: ${place[0]}`
}

const opening = ({ cluster, runsMost, workers, seed }: CheckOptions, { suites, read, own }: Subjects): readonly string[] => {
  const budget = `up to ${runsMost} runs on ${workers} worker${workers === 1 ? '' : 's'}, seed ${seed}`
  if (own !== null) return controllerLines(own, budget)
  if (read === null) return [`Checking the reference implementation: ${suites.map((suite) => suite.name).join(', ')}; ${budget}.`]
  const [node] = cluster.nodes
  const shape = `${cluster.nodes.length} nodes of ${node?.cpu} CPUs and ${node?.memory}`
  return [
    `Checking ${read.manifests.length} of ${read.objects} objects from ${read.files} file${read.files === 1 ? '' : 's'} on ${shape}; ${budget}.`,
    ...appliedLines(read),
  ]
}

const controllerLines = ({ plugin, module }: LoadedPlugin, budget: string): readonly string[] => [
  `Checking the controller ${plugin.name} of ${module}, two processes of it, beside Kubernetes' own and two API servers; ${budget}.`,
  `  serves: ${plugin.kinds.map((own) => `${own.kind} (${resourceOf(own)})`).join(', ') || 'no kinds of its own'}`,
  `  applied: ${plugin.manifests.map(nameOf).join(', ') || 'nothing'}`,
]

/** What is applied, a line a kind; what is not, or not wholly, has a note of its own. */
const appliedLines = ({ manifests }: ReadManifests): readonly string[] =>
  Object.entries(groupBy(manifests, (manifest) => manifest.kind)).map(([kind, own]) => {
    const names = own.map((manifest) => nameOf(manifest).slice(kind.length + 1))
    return `  applied: ${kind} ${names.join(', ')}`
  })

const run = (
  workers: Workers,
  options: CheckOptions,
  subjects: Subjects,
  progress: Progress,
  signal: AbortSignal,
): Promise<CampaignResult> => {
  const began = performance.now()
  let done = 0
  let failed = 0
  const onRun = (report: RunReport): void => {
    done++
    if (report.violated.length > 0) failed++
    const elapsed = performance.now() - began
    const left = Math.min((elapsed / done) * (options.runsMost - done), options.timeMostMs - elapsed)
    progress.say(`${done}/${options.runsMost} runs, ${failed} failed, suite ${report.suite}, about ${duration(Math.max(0, left))} left`)
  }
  const { seed, runsMost, timeMostMs, failuresMost } = options
  return campaign(
    workers,
    {
      suites: subjects.choices,
      seed,
      runsMost,
      timeMostMs,
      workers: options.workers,
      twiceEvery: TWICE_EVERY,
      enough: (failures) => failures.length >= failuresMost,
    },
    onRun,
    signal,
  )
}

/** Shrinks one failure of each invariant, and records it. */
const explain = async (
  workers: Workers,
  options: CheckOptions,
  result: CampaignResult,
  progress: Progress,
  signal: AbortSignal,
): Promise<readonly FailureRow[]> => {
  const first = new Map<string, Failure>()
  for (const failure of result.failures) if (!first.has(failure.invariant)) first.set(failure.invariant, failure)
  const rows: FailureRow[] = []
  for (const failure of first.values()) {
    progress.step(`shrinking run ${failure.run.index} of suite ${failure.run.suite}, which violates ${failure.invariant}`)
    rows.push(await explainFailure(workers, failure, { ...options, triesMost: signal.aborted ? 0 : options.triesMost }))
  }
  return rows
}

const conclude = (report: Report, options: CheckOptions): number => {
  const page = writeReport(report, options.folder)
  if (options.json) console.log(JSON.stringify(report))
  else {
    console.log('')
    for (const line of summaryLines(report)) console.log(line)
    console.log(`Report: ${page}`)
  }
  return EXIT_CODE[verdictOf(report)]
}
