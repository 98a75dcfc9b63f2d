/** The standard cluster at its daily work: three applications, of ten or twenty pods each, are applied, rolled out and scaled; a node fails. */
import type { Plan, TimedAction } from '../../model/state/plan.ts'
import { applied, deployment, service, type DeploymentKnobs } from '../../properties/generators/manifests.ts'
import { CALM_WEATHER } from '../../properties/generators/plan.ts'
import { nodes, standardShape } from '../../properties/generators/shapes.ts'
import { simulated } from '../../properties/subjects/simulated.ts'
import type { Benchmark } from '../benchmark.ts'
import { heapLoop } from '../heap-loop.ts'

const NODES = 5
const APPLICATIONS = ['web', 'api', 'db'] as const
const STORM_MS = 600_000

const KNOBS: Omit<DeploymentKnobs, 'replicas'> = {
  cpu: '250m',
  graceSeconds: 5,
  minReadySeconds: 0,
  strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
  podReplacementPolicy: 'TerminationStarted',
}

const actions = (replicas: number): readonly TimedAction[] => [
  ...applied(APPLICATIONS.flatMap((name) => [deployment(name, { ...KNOBS, replicas }), service(name)])),
  { atMs: 60_000, do: { kind: 'SetImage', deployment: 'default/web', image: 'registry.example/web:2' } },
  { atMs: 120_000, do: { kind: 'Scale', resource: 'deployments', name: 'default/db', replicas: 4 } },
  { atMs: 180_000, do: { kind: 'Scale', resource: 'deployments', name: 'default/db', replicas } },
  { atMs: 240_000, do: { kind: 'CrashMachine', target: 'node-1', restartMs: 60_000 } },
]

const planOf = (replicas: number): Plan => ({
  format: 1,
  suite: 'convergence',
  seed: '00000001',
  cluster: standardShape(nodes(NODES)),
  weather: CALM_WEATHER,
  actions: actions(replicas),
  stormMs: STORM_MS,
  calmMs: 120_000,
  quietMs: 40_000,
})

const benchmark = (name: string, replicas: number, perSecond: number): Benchmark => ({
  name,
  sentence: `3 members, 2 API servers, 5 nodes, ${APPLICATIONS.length * replicas} pods: applied, rolled out, scaled, a node lost; recorded, not judged`,
  units: 'simulated seconds',
  baseline: 'a hand-written heap loop over as many events',
  target: { perSecond },
  prepare: () => {
    const plan = planOf(replicas)
    const { events, simulatedMs } = simulated().run(plan)
    return {
      subject: () => simulated().run(plan).simulatedMs / 1_000,
      baseline: () => {
        heapLoop(events)
        return simulatedMs / 1_000
      },
    }
  },
})

export const standardCluster = benchmark('standard-cluster', 10, 1_000)
export const sixtyPods = benchmark('sixty-pods', 20, 600)
