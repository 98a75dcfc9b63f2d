/** A suite is data: what is drawn, and what the drawn runs are to show. The CLI and the tests run the same list. */
import type fc from 'fast-check'
import type { InvariantId } from '../../model/invariant.ts'
import type { Plan } from '../../model/state/plan.ts'

export interface Suite {
  readonly name: string
  /** What a run of it looks like, for people. */
  readonly sentence: string
  readonly plans: fc.Arbitrary<Plan>
  /** Share of a campaign's runs, relative to the other suites. */
  readonly weight: number
  /** Prefixes of invariant ids that a campaign of this suite must have judged non-vacuously. */
  readonly concerns: readonly InvariantId[]
}
