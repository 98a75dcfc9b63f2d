/** Runs of each suite as a campaign makes them: drawn, simulated, recorded, judged by all invariants. */
import { examine } from '../../properties/examine.ts'
import { planOfRun } from '../../properties/job.ts'
import { simulated } from '../../properties/subjects/simulated.ts'
import { SUITES } from '../../properties/suites/register.ts'
import type { Suite } from '../../properties/suites/suite.ts'
import type { Benchmark } from '../benchmark.ts'

/** Of a suite of weight 1. */
const RUNS = 20
const PEAK_MEMORY = 1_000
/** A run of storm and calm takes 150 ms at most, asked of the mean. */
const PER_SECOND: Readonly<Record<string, number>> = { convergence: 1_000 / 150 }

const runsOf = (suite: Suite): Benchmark => ({
  name: `suite-${suite.name}`,
  sentence: suite.sentence,
  units: 'runs',
  baseline: 'the same runs, not judged',
  target: { peakMemory: PEAK_MEMORY, ...(suite.name in PER_SECOND ? { perSecond: PER_SECOND[suite.name] } : {}) },
  prepare: () => {
    const runs = RUNS * suite.weight
    const plans = Array.from({ length: runs }, (_, index) => planOfRun(suite, 'bench', index))
    return {
      subject: () => {
        for (const plan of plans) examine(plan, simulated())
        return runs
      },
      baseline: () => {
        for (const plan of plans) simulated().run(plan)
        return runs
      },
    }
  },
})

export const suites: readonly Benchmark[] = SUITES.map(runsOf)
