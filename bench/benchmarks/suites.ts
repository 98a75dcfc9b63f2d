/** Runs of each suite as a campaign makes them: drawn, simulated, recorded, judged by all invariants. */
import { examine } from '../../properties/examine.ts'
import { planOfRun } from '../../properties/job.ts'
import { simulated } from '../../properties/subjects/simulated.ts'
import { SUITES } from '../../properties/suites/register.ts'
import { convergence } from '../../properties/suites/convergence.ts'
import type { Suite } from '../../properties/suites/suite.ts'
import type { Benchmark } from '../benchmark.ts'

/** Of a suite of weight 1. */
const RUNS = 20
const PEAK_MEMORY = 1_000
/** Of how many the one in the middle counts. */
const CHOICE = 41

const runsOf = (suite: Suite): Benchmark => ({
  name: `suite-${suite.name}`,
  sentence: suite.sentence,
  units: 'runs',
  baseline: 'the same runs, not judged',
  target: { peakMemory: PEAK_MEMORY },
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

const convergenceRun: Benchmark = {
  name: 'convergence-run',
  sentence: 'of 41 runs of the suite convergence, storm and calm, judged: the one in the middle by what it takes',
  units: 'runs',
  baseline: 'such runs, not judged',
  target: { perSecond: 1_000 / 150 },
  prepare: () => {
    const plans = Array.from({ length: CHOICE }, (_, index) => planOfRun(convergence, 'bench', index))
    const one = (run: () => void) => (): number => {
      run()
      return 1
    }
    return {
      subject: plans.map((plan) => one(() => void examine(plan, simulated()))),
      baseline: plans.map((plan) => one(() => void simulated().run(plan))),
    }
  },
}

export const suites: readonly Benchmark[] = [...SUITES.map(runsOf), convergenceRun]
