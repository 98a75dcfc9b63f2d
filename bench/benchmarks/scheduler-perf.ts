/**
 * What Kubernetes' own scheduler_perf measures: many pods on many nodes through store, API server and scheduler, without kubelets.
 *
 * Source of the nodes and pods: kubernetes/kubernetes test/integration/scheduler_perf/config (SchedulingBasic, TopologySpreading,
 * SchedulingPreferredPodAffinity).
 */
import { Cluster } from '../../impl/cluster.ts'
import type { ApiClient, Controller, Result } from '../../impl/client/api.ts'
import { runControllers } from '../../impl/client/controller.ts'
import { spawn, type Task } from '../../impl/task.ts'
import type { Message, Sighting } from '../../impl/wire.ts'
import type { Node, Pod } from '../../model/state/objects.ts'
import type { ClusterShape } from '../../model/state/plan.ts'
import { CALM_WEATHER } from '../../properties/generators/plan.ts'
import { World } from '../../sim/world.ts'
import type { Benchmark, Target } from '../benchmark.ts'
import { nodeOf } from '../objects.ts'

const ZONES = 3
const NODE_CPU = 4
const NODE_MEMORY_MEBI = 32 * 1024
const NODE_PODS = 110
/** Requests that the loading client has under way at once. */
const AT_ONCE = 100
const STEP_MS = 100
const SIMULATED_MOST_MS = 3_600_000

const SHAPE: ClusterShape = {
  members: 1,
  apiservers: 1,
  controllerManagers: 0,
  schedulers: 1,
  nodes: [],
  etcdClients: 0,
  timings: {},
}

type PodSpecPart = Partial<Pod['spec']>
interface Kind {
  readonly labels: Readonly<Record<string, string>>
  readonly spec: PodSpecPart
}

const PLAIN: Kind = { labels: {}, spec: {} }
const SPREAD: Kind = {
  labels: { color: 'blue' },
  spec: {
    topologySpreadConstraints: [
      {
        maxSkew: 5,
        topologyKey: 'topology.kubernetes.io/zone',
        whenUnsatisfiable: 'DoNotSchedule',
        labelSelector: { matchLabels: { color: 'blue' } },
      },
    ],
  },
}
const PREFERRED_AFFINITY: Kind = {
  labels: { color: 'red' },
  spec: {
    affinity: {
      podAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          {
            weight: 1,
            podAffinityTerm: { labelSelector: { matchLabels: { color: 'red' } }, topologyKey: 'kubernetes.io/hostname' },
          },
        ],
      },
    },
  },
}

const node = (index: number): Node => {
  const made = nodeOf(`node-${String(index).padStart(5, '0')}`, NODE_CPU, NODE_MEMORY_MEBI, NODE_PODS)
  const labels = { ...made.metadata.labels, 'topology.kubernetes.io/zone': `zone-${index % ZONES}` }
  return { ...made, metadata: { ...made.metadata, labels } }
}

/** No controller is there to find out that it is ready, and to take the taint of a new node away. */
const ready = function* (client: ApiClient, index: number): Task<Result<Node>> {
  const made = yield* client.create<Node>('nodes', node(index))
  if (!made.ok) return made
  return yield* client.update<Node>('nodes', { ...made.value, spec: { ...made.value.spec, taints: [] } })
}

const pod = (index: number, { labels, spec }: Kind): Pod =>
  ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `pod-${String(index).padStart(6, '0')}`, namespace: 'default', labels },
    spec: {
      containers: [{ name: 'pause', image: 'registry.example/pause:1', resources: { requests: { cpu: '100m', memory: '500Mi' } } }],
      ...spec,
    },
  }) as unknown as Pod

const ACCOUNT = { apiVersion: 'v1', kind: 'ServiceAccount' as const, metadata: { name: 'default', namespace: 'default' } }

/** A cluster without machines for pods, and a client that fills it. */
class Bench {
  private readonly world: World<Message, Sighting>
  private client: ApiClient | undefined
  private made = 0
  bound = 0

  constructor() {
    const watch: Controller = (context) => {
      this.client = context.client
      const pods = context.informer<Pod>('pods')
      return {
        name: 'loader',
        start: () =>
          pods.onChange((before, after) => {
            if (after !== null && (after.spec.nodeName ?? '') !== '' && (before?.spec.nodeName ?? '') === '') this.bound++
          }),
      }
    }
    this.world = new World<Message, Sighting>({
      seed: 'scheduler-perf',
      network: CALM_WEATHER,
      tornWrites: false,
      observe: () => {},
      lifeChanged: () => {},
    })
    const cluster = new Cluster(this.world, SHAPE, CALM_WEATHER)
    this.world.addMachine('load', { offsetMs: 0, driftPpm: 0, diskSyncMs: CALM_WEATHER.diskSyncMs })
    this.world.addProcess('load', 'load', (host) =>
      runControllers(host, { endpoints: cluster.apiservers, timings: {}, lease: null, controllers: [watch] }),
    )
    cluster.start()
    this.world.runUntil(10_000)
    // Nobody else is there to make the account that pods run as.
    this.fill(1, (loader) => loader.create('serviceaccounts', ACCOUNT))
  }

  addNodes(count: number): void {
    this.fill(count, ready)
  }

  /** Returns when all of them are bound. */
  schedule(count: number, kind: Kind): void {
    const first = this.made
    this.made += count
    this.fill(count, (client, index) => client.create('pods', pod(first + index, kind)))
    this.until(() => this.bound === this.made)
  }

  private fill(count: number, create: (client: ApiClient, index: number) => Task<{ readonly ok: boolean }>): void {
    const { client } = this
    if (client === undefined) throw new Error('the client has not started')
    let next = 0
    let done = 0
    const lane = function* (): Task<void> {
      while (next < count) {
        const reply = yield* create(client, next++)
        if (!reply.ok) throw new Error(`a request was refused: ${JSON.stringify(reply)}`)
        done++
      }
    }
    for (let started = 0; started < AT_ONCE; started++) spawn(lane())
    this.until(() => done === count)
  }

  private until(reached: () => boolean): void {
    while (!reached()) {
      if (this.world.now > SIMULATED_MOST_MS) throw new Error(`${this.bound} pods are bound after an hour`)
      this.world.runUntil(this.world.now + STEP_MS)
    }
  }
}

/** A run of which only what comes after the nodes are there counts. */
const benchmark = (name: string, sentence: string, nodes: number, pods: number, kind: Kind, target: Target): Benchmark => {
  const withNodes = (): Bench => {
    const bench = new Bench()
    bench.addNodes(nodes)
    return bench
  }
  return {
    name: `scheduler-perf-${name}`,
    sentence: `${nodes} nodes, ${pods} ${sentence}: store, API server and scheduler, until all are bound`,
    units: 'pods',
    baseline: 'the same cluster and its nodes, without pods; taken off',
    besides: true,
    target,
    prepare: () => ({
      subject: () => {
        withNodes().schedule(pods, kind)
        return pods
      },
      baseline: () => {
        withNodes()
        return pods
      },
    }),
  }
}

export const schedulerPerf: readonly Benchmark[] = [
  benchmark('500', 'plain pods', 500, 10_000, PLAIN, { perSecond: 3_000 }),
  benchmark('5000', 'plain pods', 5_000, 10_000, PLAIN, { perSecond: 3_000 }),
  benchmark('50000', 'plain pods', 5_000, 50_000, PLAIN, { peakMemory: 1_500 }),
  benchmark('spread', 'pods that have to be spread over zones', 5_000, 5_000, SPREAD, { perSecond: 1_500 }),
  benchmark('affinity', 'pods that prefer to be where others of them are', 5_000, 5_000, PREFERRED_AFFINITY, { perSecond: 700 }),
]
