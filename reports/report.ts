/** What a campaign found, as data: the source of the HTML, Markdown, JUnit and JSON reports and of the table printed. */
import { createHash } from 'node:crypto'
import type { Invariant } from '../model/invariant.ts'
import { INVARIANTS } from '../model/register.ts'
import type { History } from '../model/state/history.ts'
import type { CampaignResult } from '../properties/campaign.ts'
import type { RunReport } from '../properties/job.ts'
import { mergeVerdicts } from '../properties/judge.ts'
import type { Trace } from '../traces/trace.ts'

export const REPORT_FORMAT = 1

export interface SuiteRow {
  readonly name: string
  readonly sentence: string
  readonly runs: number
  readonly failed: number
  readonly simulatedMs: number
  /** Over the hashes of its runs in order: equal for equal campaigns. 16 hex digits. */
  readonly hash: string
  /** Virtual ms from calm to convergence, one a run that converged. */
  readonly convergedAfterMs: readonly number[]
  /** Prefixes of the invariants that many runs of it must have judged. */
  readonly concerns: readonly string[]
}

export interface InvariantRow {
  readonly id: string
  readonly sentence: string
  readonly source: string
  readonly strength: Invariant['strength']
  readonly sometimes: string
  readonly allows: readonly string[]
  readonly evaluated: number
  readonly nonVacuous: number
  readonly notable: number
  readonly runsViolated: number
}

export interface FailureRow {
  readonly suite: string
  readonly index: number
  readonly invariant: string
  /** File name of the trace beside the report. */
  readonly file: string
  readonly trace: Trace
  /** The shrunk run's own history, for diagrams. */
  readonly history: History
  /** The few lines that say it all: what was done, what broke. */
  readonly digest: readonly string[]
  /** The command that shows it again. */
  readonly replay: string
}

export interface PendingRow {
  readonly object: string
  readonly waitsFor: string
  readonly blocked: boolean
  /** In how many runs it still waited at the end. */
  readonly runs: number
}

export interface Report {
  readonly format: typeof REPORT_FORMAT
  readonly evenkeel: string
  readonly command: string
  readonly seed: string
  readonly bug: string | null
  /** The user's own manifests were checked: what cannot converge is the user's to know. */
  readonly manifests: boolean
  readonly workers: number
  readonly wallMs: number
  readonly runs: number
  readonly cut: CampaignResult['cut']
  /** Runs made twice, and those whose hashes differed: a defect of the harness. */
  readonly determinism: { readonly twice: number; readonly differed: number }
  readonly suites: readonly SuiteRow[]
  readonly invariants: readonly InvariantRow[]
  /** Fault kind → how often it struck. */
  readonly faults: Readonly<Record<string, number>>
  readonly failures: readonly FailureRow[]
  readonly pending: readonly PendingRow[]
  /** One line for each object of the user's that was not simulated, or not wholly. */
  readonly notes: readonly string[]
  /** A controller of the user's own was checked. */
  readonly controller?: ControllerSummary
}

export interface ControllerSummary {
  readonly name: string
  readonly module: string
  /** Ids of the invariants that are about it alone. */
  readonly claims: readonly string[]
}

export interface ReportParts {
  readonly evenkeel: string
  readonly command: string
  readonly seed: string
  readonly bug: string | null
  readonly manifests: boolean
  readonly workers: number
  readonly wallMs: number
  readonly twiceEvery: number
  readonly suites: readonly Pick<SuiteRow, 'name' | 'sentence' | 'concerns'>[]
  /** The user's own controller, and what is judged of it alone; null: none. */
  readonly own: (Omit<ControllerSummary, 'claims'> & { readonly claims: readonly Invariant[] }) | null
  readonly result: CampaignResult
  readonly failures: readonly FailureRow[]
  readonly notes: readonly string[]
}

export const reportOf = (parts: ReportParts): Report => {
  const { own } = parts
  const { runs } = parts.result
  const twice = parts.twiceEvery === 0 ? [] : runs.filter((run) => run.index % parts.twiceEvery === 0)
  return {
    format: REPORT_FORMAT,
    evenkeel: parts.evenkeel,
    command: parts.command,
    seed: parts.seed,
    bug: parts.bug,
    manifests: parts.manifests,
    workers: parts.workers,
    wallMs: Math.round(parts.wallMs),
    runs: runs.length,
    cut: parts.result.cut,
    determinism: { twice: twice.length, differed: runs.filter((run) => run.otherHash !== null).length },
    suites: parts.suites.map((suite) => suiteRow(suite, runs)),
    invariants: invariantRows(runs, [...(own?.claims ?? []), ...INVARIANTS]),
    ...(own === null ? {} : { controller: { ...own, claims: own.claims.map(({ id }) => id) } }),
    faults: sumFaults(runs),
    failures: parts.failures,
    pending: pendingRows(runs),
    notes: parts.notes,
  }
}

const suiteRow = (suite: Pick<SuiteRow, 'name' | 'sentence' | 'concerns'>, runs: readonly RunReport[]): SuiteRow => {
  const own = runs.filter((run) => run.suite === suite.name)
  const hash = createHash('sha256')
  for (const run of own) hash.update(run.hash)
  return {
    ...suite,
    runs: own.length,
    failed: own.filter((run) => run.violated.length > 0).length,
    simulatedMs: own.reduce((sum, run) => sum + run.simulatedMs, 0),
    hash: hash.digest('hex').slice(0, 16),
    convergedAfterMs: own.flatMap((run) => (run.convergedAfterMs === null ? [] : [run.convergedAfterMs])),
  }
}

const invariantRows = (runs: readonly RunReport[], invariants: readonly Invariant[]): readonly InvariantRow[] => {
  const merged = new Map(mergeVerdicts(runs.map((run) => run.verdict)).invariants.map((entry) => [entry.id, entry]))
  return invariants.map((invariant) => {
    const entry = merged.get(invariant.id)
    return {
      id: invariant.id,
      sentence: invariant.sentence,
      source: invariant.source,
      strength: invariant.strength,
      sometimes: invariant.sometimes,
      allows: invariant.allows,
      evaluated: entry?.evaluated ?? 0,
      nonVacuous: entry?.nonVacuous ?? 0,
      notable: entry?.notable ?? 0,
      runsViolated: runs.filter((run) => run.violated.includes(invariant.id)).length,
    }
  })
}

const sumFaults = (runs: readonly RunReport[]): Readonly<Record<string, number>> => {
  const sums: Record<string, number> = {}
  for (const run of runs) for (const [kind, times] of Object.entries(run.faults)) sums[kind] = (sums[kind] ?? 0) + times
  return Object.fromEntries(Object.entries(sums).toSorted(([one], [other]) => (one < other ? -1 : 1)))
}

/** Root causes first: what waits only for others that are listed says nothing new. Pods go by their workload's name. */
const pendingRows = (runs: readonly RunReport[]): readonly PendingRow[] => {
  const rows = new Map<string, PendingRow>()
  for (const run of runs) {
    const seen = new Set<string>()
    for (const { object, of, waitsFor, blocked, derived = false } of run.pending) {
      const name = of === undefined || of === object ? object : `pods of ${of}`
      const key = `${name}\n${waitsFor}`
      if (seen.has(key) || derived) continue
      seen.add(key)
      rows.set(key, { object: name, waitsFor, blocked, runs: (rows.get(key)?.runs ?? 0) + 1 })
    }
  }
  return [...rows.values()].toSorted((one, other) => other.runs - one.runs)
}
