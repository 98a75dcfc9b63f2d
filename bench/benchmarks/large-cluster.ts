/** Clusters of the size people run: a hundred nodes at their daily work, and the death of a node that was full. */
import type { NodeShape, Plan, TimedAction } from '../../model/state/plan.ts'
import { applied, deployment, service, type DeploymentKnobs } from '../../properties/generators/manifests.ts'
import { CALM_WEATHER } from '../../properties/generators/plan.ts'
import { nodes, standardShape } from '../../properties/generators/shapes.ts'
import { simulated } from '../../properties/subjects/simulated.ts'
import type { Benchmark } from '../benchmark.ts'
import { heapLoop } from '../heap-loop.ts'

const large = (count: number): readonly NodeShape[] => nodes(count, { cpu: '32', memory: '64Gi', pods: 300 })

const knobs = (replicas: number): DeploymentKnobs => ({
  replicas,
  cpu: '50m',
  graceSeconds: 5,
  minReadySeconds: 0,
  strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
  podReplacementPolicy: 'TerminationStarted',
})

const planOf = (count: number, applications: number, replicas: number, stormMs: number, actions: readonly TimedAction[]): Plan => {
  const names = Array.from({ length: applications }, (_, index) => `app-${index}`)
  return {
    format: 1,
    suite: 'convergence',
    seed: '00000001',
    cluster: standardShape(large(count)),
    weather: CALM_WEATHER,
    actions: [...applied(names.flatMap((name) => [deployment(name, knobs(replicas)), service(name)])), ...actions],
    stormMs,
    calmMs: 900_000,
    quietMs: 10_000,
  }
}

const HUNDRED = planOf(100, 40, 50, 300_000, [
  { atMs: 100_000, do: { kind: 'SetImage', deployment: 'default/app-1', image: 'registry.example/app:2' } },
  { atMs: 150_000, do: { kind: 'CrashMachine', target: 'node-1', restartMs: 60_000 } },
])

const hundredNodes: Benchmark = {
  name: 'hundred-nodes',
  sentence: '100 nodes, 2,000 pods in 40 applications: applied, one rolled out, a node lost; recorded, not judged',
  units: 'simulated seconds',
  baseline: 'a hand-written heap loop over as many events',
  target: { perSecond: 20 },
  prepare: () => {
    const { events, simulatedMs } = simulated().run(HUNDRED)
    return {
      subject: () => simulated().run(HUNDRED).simulatedMs / 1_000,
      baseline: () => {
        heapLoop(events)
        return simulatedMs / 1_000
      },
    }
  },
}

const DEATH_MS = 60_000
const SPREAD: readonly [number, number, number] = [4, 4, 200]
const ALIVE = planOf(...SPREAD, DEATH_MS, [])
const DEAD = planOf(...SPREAD, DEATH_MS + 1, [{ atMs: DEATH_MS, do: { kind: 'CrashMachine', target: 'node-1', restartMs: null } }])

const nodeDeath: Benchmark = {
  name: 'node-death',
  sentence: 'one of 4 nodes dies with 200 pods on it: noticed, tainted, evicted, replaced elsewhere, at rest again',
  units: 'deaths',
  baseline: 'the same cluster without the death',
  besides: true,
  target: { perSecond: 1 },
  prepare: () => ({
    subject: () => {
      if (simulated().run(DEAD).convergedAfterMs === null) throw new Error('the cluster did not come back level')
      return 1
    },
    baseline: () => {
      simulated().run(ALIVE)
      return 1
    },
  }),
}

export const largeClusters: readonly Benchmark[] = [hundredNodes, nodeDeath]
