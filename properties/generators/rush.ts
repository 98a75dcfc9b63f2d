/** More is asked for than there is room: what is urgent takes the place of what is not, also of what a budget speaks of. */
import fc from 'fast-check'
import type { Manifest } from '../../model/state/plan.ts'
import { deployment, priorityClass, type DeploymentKnobs } from './manifests.ts'
import { disruptionBudget } from './policy.ts'

/** What fills the cluster and may have to go, and how much of it the urgent ones ask for each. */
export interface Rush {
  readonly replicas: number
  readonly cpu: string
  readonly budget: Manifest | null
}

const FILLER = 'filler'
const URGENT = 'urgent'

/** In a fifth of the runs. */
export const rush: fc.Arbitrary<Rush | null> = fc.oneof(
  { weight: 4, arbitrary: fc.constant(null) },
  {
    weight: 1,
    arbitrary: fc.record({
      replicas: fc.integer({ min: 4, max: 10 }),
      cpu: fc.constantFrom('1500m', '2500m'),
      budget: fc.option(disruptionBudget(FILLER), { freq: 1 }),
    }),
  },
)

/** Applications beside the urgent one. */
export const inRush = (drawn: Rush | null): readonly string[] => (drawn === null ? [] : [FILLER])

export const fillers = (drawn: Rush | null): readonly Manifest[] => {
  if (drawn === null) return []
  const knobs: DeploymentKnobs = {
    replicas: drawn.replicas,
    cpu: '1500m',
    graceSeconds: 5,
    minReadySeconds: 0,
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } },
    podReplacementPolicy: 'TerminationStarted',
  }
  const budget = drawn.budget === null ? [] : [drawn.budget]
  return [priorityClass(URGENT, 1_000, 'PreemptLowerPriority'), deployment(FILLER, knobs), ...budget]
}

export const urgent = (knobs: DeploymentKnobs, drawn: Rush | null): DeploymentKnobs =>
  drawn === null ? knobs : { ...knobs, cpu: drawn.cpu, priorityClass: URGENT }
