/** What a worker is asked to do: one run of a suite, or the shrinking of one failure. */
import fc from 'fast-check'
import type { Invariant, Pending } from '../model/invariant.ts'
import { INVARIANTS } from '../model/register.ts'
import type { ClusterShape, Manifest, Plan } from '../model/state/plan.ts'
import { createHash } from 'node:crypto'
import { examine, violatedIds } from './examine.ts'
import { InputError } from './input.ts'
import type { Verdict } from './judge.ts'
import { claimsOf } from './plugin/claims.ts'
import { loadPlugin, type LoadedPlugin } from './plugin/load.ts'
import { shrink, type Shrunk } from './shrink.ts'
import { simulated } from './subjects/simulated.ts'
import { controllerSuite } from './suites/controller.ts'
import { manifestSuite } from './suites/manifests.ts'
import { suiteNamed } from './suites/register.ts'
import type { Suite } from './suites/suite.ts'

/** Which suite: one of the register, the user's manifests on a cluster, or a controller of the user's own in one. */
export type SuiteChoice =
  | { readonly kind: 'register'; readonly name: string }
  | { readonly kind: 'manifests'; readonly manifests: readonly Manifest[]; readonly cluster: ClusterShape }
  | { readonly kind: 'controller'; readonly module: string; readonly cluster: ClusterShape }

export interface RunJob {
  readonly kind: 'run'
  readonly suite: SuiteChoice
  readonly seed: string
  readonly index: number
  /** Run it a second time and compare the hashes. */
  readonly twice: boolean
}
export interface ShrinkJob {
  readonly kind: 'shrink'
  readonly suite: SuiteChoice
  readonly seed: string
  readonly index: number
  readonly invariant: string
  readonly triesMost: number
}
export interface ExamineJob {
  readonly kind: 'examine'
  readonly plan: Plan
}
export type Job = RunJob | ShrinkJob | ExamineJob

export interface RunReport {
  readonly kind: 'run'
  readonly suite: string
  readonly index: number
  readonly hash: string
  /** Null: not run twice, or equal. Otherwise the other hash: the harness itself is at fault. */
  readonly otherHash: string | null
  readonly verdict: Verdict
  /** Invariants violated, the first one first. */
  readonly violated: readonly string[]
  readonly simulatedMs: number
  readonly events: number
  readonly convergedAfterMs: number | null
  readonly pending: readonly Pending[]
  /** Fault kind → how often it began. */
  readonly faults: Readonly<Record<string, number>>
  readonly wallMs: number
}
export interface ExamineReport {
  readonly kind: 'examine'
  readonly examined: ReturnType<typeof examine>
}
/** What the user brought along turned out to be wrong. */
export interface BadInput {
  readonly kind: 'bad input'
  readonly where: string
  readonly problem: string
}
export type JobResult = RunReport | Shrunk | ExamineReport | BadInput

/** The module of the user's own controller that a job needs; null: none. */
const moduleOf = (job: Job): string | null => {
  if (job.kind === 'examine') return job.plan.controller?.module ?? null
  return job.suite.kind === 'controller' ? job.suite.module : null
}

export const suiteOf = (choice: SuiteChoice, own: LoadedPlugin | null): Suite => {
  if (choice.kind === 'controller') {
    if (own === null) throw new Error('the suite of a controller needs its module')
    return controllerSuite(own, choice.cluster)
  }
  if (choice.kind === 'manifests') return manifestSuite(choice.manifests, choice.cluster)
  const suite = suiteNamed(choice.name)
  if (suite === undefined) throw new Error(`no suite ${choice.name}`)
  return suite
}

/** The parameters with which fast-check draws the plan of a run: a function of campaign seed, suite and index. */
export const drawing = (suite: string, seed: string, index: number): { seed: number; numRuns: 1; unbiased: true } => ({
  seed: createHash('sha256').update(`${seed}\n${suite}\n${index}`).digest().readInt32BE(0),
  numRuns: 1,
  unbiased: true,
})

export const planOfRun = (suite: Suite, seed: string, index: number): Plan => {
  const [plan] = fc.sample(suite.plans, drawing(suite.name, seed, index))
  if (plan === undefined) throw new Error('fast-check draws one plan when asked for one')
  return plan
}

export const perform = async (job: Job): Promise<JobResult> => {
  try {
    const module = moduleOf(job)
    return performWith(job, module === null ? null : await loadPlugin(module))
  } catch (error) {
    if (!(error instanceof InputError)) throw error
    return { kind: 'bad input', where: error.where, problem: error.problem }
  }
}

const performWith = (job: Job, own: LoadedPlugin | null): JobResult => {
  const invariants = own === null ? INVARIANTS : [...claimsOf(own), ...INVARIANTS]
  switch (job.kind) {
    case 'run':
      return performRun(job, own, invariants)
    case 'shrink':
      return performShrink(job, own, invariants)
    case 'examine':
      return { kind: 'examine', examined: examine(job.plan, simulated(own), invariants) }
  }
}

const performShrink = (job: ShrinkJob, own: LoadedPlugin | null, invariants: readonly Invariant[]): Shrunk => {
  const subject = simulated(own)
  const suite = suiteOf(job.suite, own)
  const asked = invariants.filter((invariant) => invariant.id === job.invariant)
  const plan = planOfRun(suite, job.seed, job.index)
  const first = own === null ? null : examine(plan, subject, asked)
  // What hangs costs as long as is waited for it, each time: all that can be said for sure is what came before.
  const hung = first?.history.find((seen) => seen.kind === 'ProcessEnded' && seen.reason.startsWith('hang'))
  if (hung !== undefined) {
    const actions = plan.actions.filter(({ atMs }) => atMs <= hung.atMs)
    return { kind: 'shrunk', plan: { ...plan, actions }, minimal: false, tries: 1, actionsBefore: plan.actions.length }
  }
  const fails = (tried: Plan): boolean => violatedIds(examine(tried, subject, asked).verdict).length > 0
  return shrink(
    suite.plans,
    drawing(suite.name, job.seed, job.index),
    fails,
    job.triesMost,
    asked.some(({ kind }) => kind === 'convergence'),
  )
}

const performRun = (job: RunJob, own: LoadedPlugin | null, invariants: readonly Invariant[]): RunReport => {
  const began = performance.now()
  const suite = suiteOf(job.suite, own)
  const plan = planOfRun(suite, job.seed, job.index)
  const subject = simulated(own)
  const examined = examine(plan, subject, invariants)
  const other = job.twice ? subject.run(plan).hash : examined.hash
  const faults: Record<string, number> = {}
  for (const seen of examined.history) {
    if (seen.kind !== 'FaultChanged' || seen.outcome !== 'begun') continue
    faults[seen.fault.kind] = (faults[seen.fault.kind] ?? 0) + 1
  }
  return {
    kind: 'run',
    suite: suite.name,
    index: job.index,
    hash: examined.hash,
    otherHash: other === examined.hash ? null : other,
    verdict: examined.verdict,
    violated: violatedIds(examined.verdict),
    simulatedMs: examined.simulatedMs,
    events: examined.events,
    convergedAfterMs: examined.convergedAfterMs,
    pending: examined.pending,
    faults,
    wallMs: performance.now() - began,
  }
}
