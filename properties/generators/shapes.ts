/** Clusters to run plans on, and what faults may strike in them. */
import fc from 'fast-check'
import type { ClusterShape, NodeShape, Timings } from '../../model/state/plan.ts'
import type { Targets } from './faults.ts'

export interface NodeSize {
  readonly cpu: string
  readonly memory: string
  readonly pods: number
}
export const NODE_SIZE: NodeSize = { cpu: '4', memory: '8Gi', pods: 110 }

export const nodes = (count: number, size: NodeSize = NODE_SIZE): readonly NodeShape[] =>
  Array.from({ length: count }, (_, index) => ({ name: `node-${index}`, ...size, zone: `zone-${index % 3}` }))

/**
 * Three members, two of everything that is elected, as kubeadm sets up a stacked control plane. Pods leave a lost
 * node after 30 s instead of Kubernetes' 300 s: the plan says so, and the bounds follow it.
 */
export const standardShape = (nodeShapes: readonly NodeShape[], timings: Timings = { defaultTolerationMs: 30_000 }): ClusterShape => ({
  members: 3,
  apiservers: 2,
  controllerManagers: 2,
  schedulers: 2,
  nodes: nodeShapes,
  etcdClients: 0,
  timings,
})

export const standardShapes = (least: number, most: number): fc.Arbitrary<ClusterShape> =>
  fc.integer({ min: least, max: most }).map((count) => standardShape(nodes(count)))

/** etcd's defaults; and elections that follow each other faster, down to the Raft paper's 150 ms: more of them in a storm. */
const ELECTIONS: readonly Timings[] = [{}, { etcdHeartbeatMs: 50, etcdElectionMs: 400 }, { etcdHeartbeatMs: 20, etcdElectionMs: 150 }]

const sometimes = <T>(value: T): fc.Arbitrary<T | undefined> => fc.constantFrom(undefined, undefined, undefined, value)
/** Small limits, so that they are met: etcd's own are made for weeks. */
const limits: fc.Arbitrary<Timings> = fc
  .record({
    etcdLeaseCheckpointMs: sometimes(1_000),
    etcdCompactionBatch: fc.constantFrom(undefined, 1, 3),
    etcdQuotaBytes: fc.constantFrom(undefined, undefined, undefined, 1_200, 2_400),
    etcdWatchWindow: fc.constantFrom(undefined, 1, 2),
    etcdWatchBatch: fc.constantFrom(undefined, 1, 3),
    etcdProgressNotifyMs: fc.constantFrom(1_000, 5_000),
    etcdCorruptCheckMs: sometimes(2_000),
    etcdSnapshotCount: fc.constantFrom(undefined, 3, 3, 10),
    etcdCatchUpEntries: fc.constantFrom(0, 0, 2, 10),
    etcdInflightMessages: fc.constantFrom(undefined, 1, 4),
  })
  .map((drawn) => Object.fromEntries(Object.entries(drawn).filter(([, value]) => value !== undefined)))

/** A store and its clients, without Kubernetes above it. */
export const etcdShape: fc.Arbitrary<ClusterShape> = fc
  .record({
    members: fc.constantFrom(3, 1, 3, 3, 5, 5),
    // Beyond five they have nothing to do but what all are asked for at once.
    clients: fc.integer({ min: 3, max: 7 }),
    entries: fc.constantFrom(256, 1, 4, 1),
    elections: fc.constantFrom(...ELECTIONS),
    limits,
  })
  .map(({ members, clients, entries, elections, limits: drawn }) => ({
    members,
    apiservers: 0,
    controllerManagers: 0,
    schedulers: 0,
    nodes: [],
    etcdClients: clients,
    timings: { etcdAppendEntries: entries, ...elections, ...drawn },
  }))

const MEMBERS = ['etcd-0', 'etcd-1', 'etcd-2']
const CONTROL_PLANE = ['control-plane-0', 'control-plane-1', 'control-plane-2']

/** Roles and the members that every shape of the etcd suite has; the driver says when a target is not there. */
export const etcdTargets: Targets = {
  processes: ['etcd:leader', 'etcd:follower', ...MEMBERS],
  machines: ['etcd:leader', 'etcd:follower', ...CONTROL_PLANE],
  expendable: [],
  apiservers: [],
  durable: ['etcd:leader', 'etcd:follower', ...MEMBERS],
  writers: [],
}

/** With `nodesLeast` nodes for sure; the last of them may be lost for good. */
export const clusterTargets = (nodesLeast: number): Targets => {
  const workers = Array.from({ length: nodesLeast }, (_, index) => `node-${index}`)
  const elected = ['kube-controller-manager:leader', 'kube-scheduler:leader']
  const apiservers = ['kube-apiserver-0', 'kube-apiserver-1']
  const kubelets = workers.map((name) => `kubelet-${name}`)
  const proxies = workers.map((name) => `kube-proxy-${name}`)
  return {
    processes: ['etcd:leader', 'etcd:follower', ...apiservers, ...elected, ...kubelets, ...proxies],
    machines: [...CONTROL_PLANE, ...workers],
    expendable: workers.slice(-1),
    apiservers,
    durable: ['etcd:leader', 'etcd:follower'],
    writers: [...elected, ...kubelets, ...proxies],
  }
}
