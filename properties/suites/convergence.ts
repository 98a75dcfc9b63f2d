/** Everything at once: applications, users, lost nodes, partitions, leader loss; then calm, and it must come back level. */
import fc from 'fast-check'
import type { Manifest, TimedAction, UserAction } from '../../model/state/plan.ts'
import { atRest } from '../generators/at-rest.ts'
import { applied, deployment, deploymentKnobs, service, workloadAction } from '../generators/manifests.ts'
import { disruptionBudget, drain, tenant, tenantAction } from '../generators/policy.ts'
import { accountAction, accounts, changed, deletedAndMadeAgain, ownership, possessions } from '../generators/owners.ts'
import { fillers, inRush, rush, urgent } from '../generators/rush.ts'
import { external, externalAction } from '../generators/external.ts'
import { planOf } from '../generators/plan.ts'
import { clusterTargets, nodes, standardShapes } from '../generators/shapes.ts'
import type { FaultKind } from '../generators/weather.ts'
import type { Suite } from './suite.ts'

const NODES_LEAST = 3
export const ALL_FAULTS: readonly FaultKind[] = [
  'CrashProcess',
  'CrashMachine',
  'PauseProcess',
  'Partition',
  'SlowLink',
  'Clog',
  'StallDisk',
  'JumpClock',
  'CrashUnsynced',
  'DeposeElected',
  'CrashBetweenWrites',
  'FreezeCache',
  'BreakConnections',
  'ExpireWatches',
  'TimeTravel',
]

const OWNERS = [
  { resource: 'deployments', name: 'default/db' },
  { resource: 'services', name: 'default/db' },
  { resource: 'deployments', name: 'default/web' },
  { resource: 'configmaps', name: 'kube-system/settings' },
]
/** A possession belongs to somebody from the start: whoever is its owner later takes it over. */
const OWNED: TimedAction = {
  atMs: 9_000,
  do: {
    kind: 'Own',
    resource: 'configmaps',
    name: 'default/settings',
    owner: { resource: 'deployments', name: 'default/db' },
    blocks: false,
  },
}
const apply = (object: Manifest): UserAction => ({ kind: 'Apply', object })
/** At once: a controller may hear of the token first. */
const ACCOUNTS = accounts.map((object): TimedAction => ({ atMs: 9_500, do: { kind: 'Apply', object } }))
const NODE_NAMES = nodes(NODES_LEAST).map((node) => node.name)

export const convergence: Suite = {
  name: 'convergence',
  sentence:
    'applications under users, want of room, lost nodes, partitions and leader loss; then calm, and everything must come back level, and stay so',
  weight: 2,
  concerns: [
    ...['CL-', 'NODE-', 'EPS-', 'GC-', 'PROXY-', 'PDB-', 'DRAIN-', 'NS-', 'QUOTA-', 'LR-', 'SA-'],
    // Probes and hooks are what the suite containers is for.
    ...['KUBELET-L', 'KUBELET-S15', 'KUBELET-S16', 'KUBELET-S2', 'KUBELET-S3', 'KUBELET-S7', 'KUBELET-S8', 'KUBELET-S9'],
  ],
  plans: fc
    .tuple(deploymentKnobs, deploymentKnobs, fc.option(disruptionBudget('web'), { freq: 2 }), tenant, rush)
    .map(([web, db, budget, shop, hurry]) => ({
      web: deployment('web', web),
      db: deployment('db', urgent(db, hurry)),
      budgets: budget === null ? [] : [budget],
      shop,
      hurry,
    }))
    .chain(({ web, db, budgets, shop, hurry }) =>
      planOf({
        suite: 'convergence',
        cluster: fc.tuple(standardShapes(NODES_LEAST, 5), fc.constantFrom(100, 2)).map(([shape, endpointsPerSlice]) => ({
          ...shape,
          timings: { ...shape.timings, endpointsPerSlice },
        })),
        opening: [
          ...applied([...fillers(hurry), web, service('web'), ...budgets, db, service('db'), ...external, ...possessions, ...shop]),
          OWNED,
          ...ACCOUNTS,
        ],
        users: fc.oneof(
          { weight: 6, arbitrary: workloadAction(['web', 'db', ...inRush(hurry)], NODE_NAMES) },
          { weight: 2, arbitrary: deletedAndMadeAgain([db, service('db'), ...possessions]) },
          { weight: 2, arbitrary: ownership(OWNERS) },
          { weight: 1, arbitrary: drain(NODE_NAMES) },
          { weight: 1, arbitrary: externalAction },
          { weight: 1, arbitrary: changed },
          ...(budgets.length === 0 ? [] : [{ weight: 4, arbitrary: disruptionBudget('web').map(apply) }]),
          ...(shop.length === 0 ? [] : [{ weight: 3, arbitrary: tenantAction(shop) }]),
          { weight: 1, arbitrary: fc.record({ kind: fc.constant('DeleteNode'), node: fc.constantFrom(...NODE_NAMES.slice(1)) }) },
        ),
        usersMost: 12,
        beside: accountAction,
        faultKinds: ALL_FAULTS,
        targets: clusterTargets(NODES_LEAST),
        stormMs: fc.integer({ min: 30_000, max: 180_000 }),
        calmMs: 900_000,
        quietMs: 40_000,
        atRest: atRest(NODE_NAMES, hurry === null),
      }),
    ),
}
