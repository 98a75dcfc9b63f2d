/** Deployments are rolled out, rolled back, scaled and paused while controllers crash between two writes. */
import fc from 'fast-check'
import { applied, deployment, deploymentKnobs, service, workloadAction } from '../generators/manifests.ts'
import { deletedAndMadeAgain } from '../generators/owners.ts'
import { planOf } from '../generators/plan.ts'
import { clusterTargets, nodes, standardShape } from '../generators/shapes.ts'
import type { FaultKind } from '../generators/weather.ts'
import type { Suite } from './suite.ts'

const NODES = 3
const FAULTS: readonly FaultKind[] = [
  'CrashProcess',
  'PauseProcess',
  'CrashBetweenWrites',
  'FreezeCache',
  'BreakConnections',
  'ExpireWatches',
  'TimeTravel',
  'SlowLink',
  'Clog',
  'Partition',
]

const NODE_NAMES = nodes(NODES).map((node) => node.name)

export const rollout: Suite = {
  name: 'rollout',
  sentence: 'deployments are updated, undone, scaled and paused while controllers crash between two writes and caches lag',
  weight: 2,
  concerns: ['DEP-', 'RS-'],
  plans: deploymentKnobs.chain((knobs) =>
    planOf({
      suite: 'rollout',
      cluster: fc.constant(standardShape(nodes(NODES))),
      opening: applied([deployment('web', knobs), service('web')]),
      users: fc.oneof(
        { weight: 10, arbitrary: workloadAction(['web'], NODE_NAMES) },
        { weight: 1, arbitrary: deletedAndMadeAgain([deployment('web', knobs)]) },
        { weight: 1, arbitrary: fc.constant({ kind: 'Apply' as const, object: deployment('web', { ...knobs, broken: true }) }) },
        { weight: 1, arbitrary: fc.constant({ kind: 'Rollback' as const, deployment: 'default/web', revision: 0 }) },
      ),
      usersMost: 12,
      faultKinds: FAULTS,
      targets: clusterTargets(NODES),
      stormMs: fc.integer({ min: 30_000, max: 120_000 }),
      calmMs: 900_000,
      quietMs: 40_000,
    }),
  ),
}
