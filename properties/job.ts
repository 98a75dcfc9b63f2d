/** What a worker is asked to do: one run of a suite, or the shrinking of one failure. */
import fc from 'fast-check'
import type { Pending } from '../model/invariant.ts'
import { INVARIANTS } from '../model/register.ts'
import type { ClusterShape, Manifest, Plan } from '../model/state/plan.ts'
import { createHash } from 'node:crypto'
import { examine, violatedIds } from './examine.ts'
import type { Verdict } from './judge.ts'
import { shrink, type Shrunk } from './shrink.ts'
import { simulated } from './subjects/simulated.ts'
import { manifestSuite } from './suites/manifests.ts'
import { suiteNamed } from './suites/register.ts'
import type { Suite } from './suites/suite.ts'

/** Which suite: one of the register, or the user's manifests on a cluster. */
export type SuiteChoice =
  | { readonly kind: 'register'; readonly name: string }
  | { readonly kind: 'manifests'; readonly manifests: readonly Manifest[]; readonly cluster: ClusterShape }

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
export type JobResult = RunReport | Shrunk | ExamineReport

export const suiteOf = (choice: SuiteChoice): Suite => {
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

export const perform = (job: Job): JobResult => {
  const subject = simulated()
  switch (job.kind) {
    case 'run':
      return performRun(job)
    case 'shrink': {
      const suite = suiteOf(job.suite)
      const asked = INVARIANTS.filter((invariant) => invariant.id === job.invariant)
      const fails = (plan: Plan): boolean => violatedIds(examine(plan, subject, asked).verdict).length > 0
      return shrink(suite.plans, drawing(suite.name, job.seed, job.index), fails, job.triesMost)
    }
    case 'examine':
      return { kind: 'examine', examined: examine(job.plan, subject) }
  }
}

const performRun = (job: RunJob): RunReport => {
  const began = performance.now()
  const suite = suiteOf(job.suite)
  const plan = planOfRun(suite, job.seed, job.index)
  const examined = examine(plan, simulated())
  const other = job.twice ? simulated().run(plan).hash : examined.hash
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
