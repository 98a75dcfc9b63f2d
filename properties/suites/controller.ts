/** A controller of one's own in a simulated cluster: its users, and the faults that such controllers are known to break under. */
import fc from 'fast-check'
import type { ClusterShape, Plan, TimedAction, UserAction } from '../../model/state/plan.ts'
import { applied } from '../generators/manifests.ts'
import { inOrder, planOf } from '../generators/plan.ts'
import { clusterTargets } from '../generators/shapes.ts'
import type { FaultKind } from '../generators/weather.ts'
import type { LoadedPlugin } from '../plugin/load.ts'
import { definitionOf, resourceOf, type ControllerPlugin } from '../plugin/plugin.ts'
import { ALL_FAULTS } from './convergence.ts'
import type { Suite } from './suite.ts'

/** When the definitions of its kinds have been established. */
const SERVED_MS = 12_000
const PROCESSES = 2

/**
 * The three patterns of Sun et al., Automatic Reliability Testing for Cluster Management Controllers (OSDI 2022): a crash
 * between two writes leaves an intermediate state, a lagging API server shows a stale one, a missed event leaves one
 * unobserved. Drawn more often than others.
 */
export const PATTERNS: readonly FaultKind[] = ['CrashBetweenWrites', 'TimeTravel', 'MissEvents']

export const controllerSuite = (loaded: LoadedPlugin, cluster: ClusterShape): Suite => {
  const { plugin, module, hash } = loaded
  const { name } = plugin
  const shared = clusterTargets(cluster.nodes.length)
  const leader = `${name}:leader`
  return {
    name,
    sentence: `${module} in a cluster with two API servers, under its users, crashes, stale caches and missed events`,
    weight: 1,
    concerns: ['CL-', 'OWN-', ...plugin.invariants.map(({ id }) => id), plugin.convergence.id],
    plans: planOf({
      suite: name,
      cluster: fc.constant({ ...cluster, operators: PROCESSES }),
      opening: openingOf(plugin),
      users: usersOf(plugin),
      usersMost: 12,
      faultKinds: [...ALL_FAULTS, ...PATTERNS, ...PATTERNS],
      targets: {
        ...shared,
        processes: [...shared.processes, leader, leader, `${name}-0`, `${name}-1`],
        writers: [...shared.writers, ...Array.from({ length: shared.writers.length }, () => leader)],
        operators: [leader],
        watched: [...new Set([...plugin.kinds.map(resourceOf), ...plugin.watches])],
      },
      stormMs: fc.integer({ min: 40_000, max: 120_000 }),
      calmMs: 900_000,
      quietMs: 40_000,
    }).map((plan): Plan => ({ ...plan, controller: { name, module, hash } })),
  }
}

/** First what it serves, then what is there to begin with. */
export const openingOf = (plugin: ControllerPlugin): readonly TimedAction[] =>
  inOrder([...applied(plugin.kinds.map(definitionOf)), ...applied(plugin.manifests, SERVED_MS)])

const usersOf = ({ actions }: ControllerPlugin): fc.Arbitrary<UserAction> =>
  fc.oneof(
    { weight: 8, arbitrary: isList(actions) ? fc.constantFrom(...actions) : actions },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('DeletePod'), nth: fc.integer({ min: 0, max: 20 }), force: fc.constant(false) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('ExitContainer'), nth: fc.integer({ min: 0, max: 20 }), exitCode: fc.constantFrom(0, 1) }),
    },
  )

const isList = (actions: ControllerPlugin['actions']): actions is readonly UserAction[] => Array.isArray(actions)
