/** A controller of one's own in a simulated cluster: its users, and the faults that such controllers are known to break under. */
import fc from 'fast-check'
import type { ClusterShape, Fault, Plan, TimedAction, UserAction } from '../../model/state/plan.ts'
import { fault, type Targets } from '../generators/faults.ts'
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
const PATTERNS: readonly FaultKind[] = ['CrashBetweenWrites', 'TimeTravel', 'ExpireWatches']

const targetsOf = ({ name, kinds, watches }: ControllerPlugin, nodes: number): Targets => {
  const shared = clusterTargets(nodes)
  const leader = `${name}:leader`
  const own = kinds.map(resourceOf)
  return {
    ...shared,
    // What a node that never comes back holds up is no doing of this controller.
    expendable: [],
    processes: [...shared.processes, leader, leader, `${name}-0`, `${name}-1`],
    writers: [...shared.writers, ...shared.writers.map(() => leader)],
    resources: { own, others: watches.filter((resource) => !own.includes(resource)) },
  }
}

export const controllerSuite = (loaded: LoadedPlugin, cluster: ClusterShape): Suite => {
  const { plugin, module, hash } = loaded
  const { name } = plugin
  const targets = targetsOf(plugin, cluster.nodes.length)
  return {
    name,
    sentence: `${module} in a cluster with two API servers, under its users, crashes, stale caches and missed events`,
    weight: 1,
    concerns: ['CL-', 'OWN-', ...plugin.invariants.map(({ id }) => id), plugin.convergence.id],
    plans: fc
      .tuple(storms(loaded, cluster, targets), finale(plugin, targets))
      .map(([plan, last]): Plan => withFinale({ ...plan, controller: { name, module, hash } }, last)),
  }
}

const storms = ({ plugin }: LoadedPlugin, cluster: ClusterShape, targets: Targets): fc.Arbitrary<Plan> =>
  planOf({
    suite: plugin.name,
    cluster: fc.constant({ ...cluster, operators: PROCESSES }),
    opening: openingOf(plugin),
    users: usersOf(plugin),
    usersMost: 12,
    // Faults strike while something is being done.
    usersInSqualls: true,
    faultKinds: [...ALL_FAULTS, ...PATTERNS, ...PATTERNS, ...PATTERNS, ...PATTERNS],
    targets,
    stormMs: fc.integer({ min: 40_000, max: 120_000 }),
    calmMs: 900_000,
    quietMs: 40_000,
  })

/** A pattern by itself, and what one user does in it: what went wrong before the calm is then not covered up by what follows. */
interface Finale {
  readonly fault: Fault
  readonly user: UserAction
  readonly afterMs: number
}

const FINALE_MS = 65_000

const finale = (plugin: ControllerPlugin, targets: Targets): fc.Arbitrary<Finale | null> =>
  fc.option(
    fc.record({
      fault: fault(PATTERNS, { ...targets, writers: [`${plugin.name}:leader`] }),
      user: ownActions(plugin),
      afterMs: fc.integer({ min: 0, max: 3_000 }),
    }),
    {
      freq: 3,
    },
  )

const withFinale = (plan: Plan, last: Finale | null): Plan => {
  if (last === null) return plan
  const { stormMs, actions } = plan
  const added: readonly TimedAction[] = [
    { atMs: stormMs, do: last.fault },
    { atMs: stormMs + last.afterMs, do: last.user },
  ]
  return { ...plan, actions: [...actions, ...added], stormMs: stormMs + FINALE_MS }
}

/** First what it serves, then what is there to begin with. */
export const openingOf = (plugin: ControllerPlugin): readonly TimedAction[] =>
  inOrder([...applied(plugin.kinds.map(definitionOf)), ...applied(plugin.manifests, SERVED_MS)])

const ownActions = ({ actions }: ControllerPlugin): fc.Arbitrary<UserAction> => (isList(actions) ? fc.constantFrom(...actions) : actions)

const usersOf = (plugin: ControllerPlugin): fc.Arbitrary<UserAction> =>
  fc.oneof(
    { weight: 8, arbitrary: ownActions(plugin) },
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
