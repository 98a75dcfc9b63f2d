/**
 * The node's own objects: its Node, posted when it changes and every five minutes, and its Lease, renewed all the time.
 *
 * Source: kubernetes/kubernetes pkg/kubelet/kubelet_node_status.go, component-helpers/apimachinery/lease.
 */
import type { Condition, Lease, Node, OwnerReference } from '../../model/state/objects.ts'
import type { NodeShape } from '../../model/state/plan.ts'
import type { Client } from '../client/client.ts'
import { conditionOf, withCondition } from '../objects.ts'
import { sleep, spawn, type Task } from '../task.ts'
import { microTime, rfc3339 } from '../time.ts'
import { same } from '../equal.ts'
import type { ClusterHost } from '../wire.ts'
import type { NodeVolumes } from './node-volumes.ts'

const LEASE_SECONDS = 40
const RENEW_MS = 10_000
const RENEW_RETRY_MS = 200
const RENEW_RETRY_MOST_MS = 7_000
const STATUS_MS = 10_000
const REPORT_MS = 300_000
const NAMESPACE = 'kube-node-lease'
const CONDITIONS: readonly (readonly [string, Condition['status'], string])[] = [
  ['MemoryPressure', 'False', 'KubeletHasSufficientMemory'],
  ['DiskPressure', 'False', 'KubeletHasNoDiskPressure'],
  ['PIDPressure', 'False', 'KubeletHasSufficientPID'],
  ['Ready', 'True', 'KubeletReady'],
]

export class NodeStatus {
  private readonly host: ClusterHost
  private readonly client: Client
  private readonly shape: NodeShape
  private readonly bootId: string
  private readonly volumes: NodeVolumes
  private lease: Lease | null = null
  private postedMs = -Infinity
  private posted: Node | null = null
  /** The last word may not have arrived, and may still. */
  private unsure = false

  constructor(host: ClusterHost, client: Client, shape: NodeShape, bootId: string, volumes: NodeVolumes) {
    this.host = host
    this.client = client
    this.shape = shape
    this.bootId = bootId
    this.volumes = volumes
  }

  /** The node as it last was on the server; null before it is registered. */
  get node(): Node | null {
    return this.posted
  }

  start(registered: () => void): void {
    spawn(this.register(), () => {
      registered()
      spawn(this.statusLoop())
      spawn(this.leaseLoop())
    })
  }

  private *register(): Task<void> {
    for (;;) {
      const created = yield* this.client.create<Node>('nodes', this.newNode())
      if (created.ok) {
        this.posted = created.value
        return
      }
      if (created.status.reason === 'AlreadyExists') {
        const read = yield* this.client.get<Node>({ resource: 'nodes', name: this.shape.name })
        if (read.ok) {
          this.posted = read.value
          return
        }
      }
      yield* sleep(this.host, RENEW_RETRY_MS * 5)
    }
  }

  /** A kubelet that comes back to a machine whose Node was deleted meanwhile says what is still mounted there from the first. */
  private newNode() {
    const { inUse } = this.volumes
    const node = this.object()
    const status = inUse.length === 0 ? node.status : { ...node.status, volumesInUse: inUse }
    return { ...node, status, spec: { taints: this.shape.taints ?? [] } }
  }

  private object() {
    const { shape } = this
    const resources = { cpu: shape.cpu, memory: shape.memory, pods: String(shape.pods) }
    const zone = shape.zone === undefined ? {} : { 'topology.kubernetes.io/zone': shape.zone }
    return {
      apiVersion: 'v1',
      kind: 'Node' as const,
      metadata: {
        name: shape.name,
        labels: { 'kubernetes.io/hostname': shape.name, 'kubernetes.io/os': 'linux', ...zone, ...shape.labels },
      },
      status: { capacity: resources, allocatable: resources, conditions: [], nodeInfo: { bootID: this.bootId, kubeletVersion: 'v1.28.0' } },
    }
  }

  private *statusLoop(): Task<void> {
    for (;;) {
      yield* this.post()
      yield* sleep(this.host, STATUS_MS)
    }
  }

  private *post(): Task<void> {
    const due = this.host.elapsed() - this.postedMs >= REPORT_MS
    const read = yield* this.client.get<Node>({ resource: 'nodes', name: this.shape.name }, '0')
    if (!read.ok) return
    this.posted = read.value
    const { conditions, nodeInfo, volumesInUse: said = [], ...held } = read.value.status
    const { inUse } = this.volumes
    const wrong = CONDITIONS.some(([type, status]) => conditionOf(conditions, type)?.status !== status) || nodeInfo?.bootID !== this.bootId
    if (!wrong && !due && !this.unsure && same(said, inUse)) {
      this.volumes.told(inUse)
      return
    }
    const now = rfc3339(this.host.now())
    let next = conditions
    for (const [type, status, reason] of CONDITIONS) {
      next = withCondition(next, { type, status, reason, lastHeartbeatTime: now, lastTransitionTime: now })
    }
    const status = { ...held, ...this.object().status, conditions: next, ...(inUse.length === 0 ? {} : { volumesInUse: inUse }) }
    const reply = yield* this.client.updateStatus<Node>('nodes', { ...read.value, status })
    this.unsure = !reply.ok && !reply.definite
    if (!reply.ok) return
    this.volumes.told(inUse)
    this.posted = reply.value
    this.postedMs = this.host.elapsed()
  }

  private *leaseLoop(): Task<void> {
    let retryMs = RENEW_RETRY_MS
    for (;;) {
      if (yield* this.renew()) {
        retryMs = RENEW_RETRY_MS
        yield* sleep(this.host, RENEW_MS)
      } else {
        this.lease = null
        yield* sleep(this.host, retryMs)
        retryMs = Math.min(retryMs * 2, RENEW_RETRY_MOST_MS)
      }
    }
  }

  /** The lease goes with its node, and is not made for one that is not there. */
  private *owner(): Task<readonly OwnerReference[] | null> {
    const { name } = this.shape
    const read = yield* this.client.get<Node>({ resource: 'nodes', name })
    return read.ok ? [{ apiVersion: 'v1', kind: 'Node', name, uid: read.value.metadata.uid }] : null
  }

  private *renew(): Task<boolean> {
    const { name } = this.shape
    const spec = { holderIdentity: name, leaseDurationSeconds: LEASE_SECONDS, renewTime: microTime(this.host.now()) }
    if (this.lease === null) {
      const read = yield* this.client.get<Lease>({ resource: 'leases', namespace: NAMESPACE, name })
      if (read.ok) this.lease = read.value
      else if (read.status.code === 404) {
        const ownerReferences = yield* this.owner()
        if (ownerReferences === null) return false
        const metadata = { name, namespace: NAMESPACE, ownerReferences }
        const created = yield* this.client.create<Lease>('leases', { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec })
        if (created.ok) this.lease = created.value
        return created.ok
      } else return false
    }
    const reply = yield* this.client.update<Lease>('leases', { ...this.lease, spec })
    if (reply.ok) this.lease = reply.value
    return reply.ok
  }
}
