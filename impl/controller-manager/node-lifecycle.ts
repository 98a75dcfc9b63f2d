/**
 * Nodes that are not heard of any more: declared unknown, tainted, and trusted again when they come back.
 *
 * Only changes of the heartbeat over the controller's own clock count. Source: kubernetes/kubernetes
 * pkg/controller/nodelifecycle/node_lifecycle_controller.go.
 */
import type { View } from '../../model/state/history.ts'
import type { Condition, Lease, Node, Pod, Taint } from '../../model/state/objects.ts'
import type { Timings } from '../../model/state/plan.ts'
import type { Controller, ControllerContext, Informer } from '../client/api.ts'
import { same } from '../equal.ts'
import { spawn, type Task } from '../task.ts'
import { rfc3339 } from '../time.ts'
import { conditionOf, isReady, isTerminal, withCondition } from '../objects.ts'
import { NOT_READY, UNREACHABLE, UNSCHEDULABLE } from '../taints.ts'
import { Zones, type ZoneCount } from './zones.ts'

const PERIOD_MS = 5_000
const GRACE_MS = 40_000
const STARTUP_GRACE_MS = 60_000
const WATCHED = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure']
/** Between two looks at who may be given up, at least. */
const PASS_LEAST_MS = 100
const ZONE = 'topology.kubernetes.io/zone'

export const nodeLifecycleController =
  (timings: Timings): Controller =>
  (context) => {
    const controller = new NodeLifecycle(context, timings)
    return { name: 'node-lifecycle', start: () => controller.start() }
  }

interface Health {
  heartbeat: string
  /** On the controller's own clock: when the heartbeat was last seen to change. */
  changedMs: number
  readonly isNew: boolean
}

class NodeLifecycle {
  private readonly context: ControllerContext
  private readonly nodes: Informer<Node>
  private readonly leases: Informer<Lease>
  private readonly pods: Informer<Pod>
  private readonly graceMs: number
  private readonly periodMs: number
  private readonly health = new Map<string, Health>()
  private readonly zones = new Zones()
  /** What the zones were counted from. */
  private counted: View = {}
  private passDue = false

  constructor(context: ControllerContext, timings: Timings) {
    this.context = context
    this.nodes = context.informer('nodes')
    this.leases = context.informer('leases')
    this.pods = context.informer('pods')
    this.graceMs = timings.nodeMonitorGraceMs ?? GRACE_MS
    this.periodMs = timings.nodeMonitorPeriodMs ?? PERIOD_MS
  }

  start(): void {
    const round = (): void => {
      spawn(this.monitor(), () => this.context.after(this.periodMs, round))
    }
    round()
  }

  private *monitor(): Task<void> {
    const nodes = this.nodes.list()
    const view = this.context.view('nodes')
    for (const name of this.health.keys()) if (this.nodes.get(name) === undefined) this.health.delete(name)
    const ready = new Map<Node, Condition['status']>()
    for (const node of nodes) ready.set(node, yield* this.check(node))
    const nowMs = this.context.elapsed()
    const change = this.zones.counted(countsOf(ready), nowMs)
    this.counted = view
    // Whoever was silent while the controller itself was cut off gets a full grace period.
    if (change === 'back') for (const health of this.health.values()) health.changedMs = nowMs
    for (const [node, status] of ready) {
      // The copy that was read at the start of the round may have been written meanwhile.
      const now = this.nodes.get(node.metadata.name)
      if (now === undefined) {
        this.zones.remove(zoneOf(node), node.metadata.name)
        continue
      }
      yield* this.taint(now, status, change === 'lost')
      if (status !== 'True') yield* this.markPods(now)
    }
    yield* this.giveUpDue()
  }

  /** Whether the node is ready, as far as this controller can tell. */
  private *check(node: Node): Task<Condition['status']> {
    const { name } = node.metadata
    const lease = this.leases.get(`kube-node-lease/${name}`)
    const condition = conditionOf(node.status.conditions, 'Ready')
    const unknown = condition?.reason === 'NodeStatusUnknown'
    const heartbeat = `${lease?.spec.renewTime ?? ''}|${unknown ? '' : (condition?.lastHeartbeatTime ?? '')}`
    const nowMs = this.context.elapsed()
    let health = this.health.get(name)
    if (health === undefined) {
      health = { heartbeat, changedMs: nowMs, isNew: condition === undefined }
      this.health.set(name, health)
    } else if (health.heartbeat !== heartbeat && !(unknown && lease === undefined)) {
      health.heartbeat = heartbeat
      health.changedMs = nowMs
    }
    const sinceMs = nowMs - health.changedMs
    if (sinceMs < (health.isNew ? Math.max(STARTUP_GRACE_MS, this.graceMs) : this.graceMs)) return condition?.status ?? 'Unknown'
    if (condition?.status === 'Unknown') return 'Unknown'
    yield* this.markUnknown(node, sinceMs)
    return 'Unknown'
  }

  private *markUnknown(node: Node, sinceMs: number): Task<void> {
    const now = rfc3339(this.context.now())
    let { conditions } = node.status
    for (const type of WATCHED) {
      const before = conditionOf(conditions, type)
      conditions = withCondition(conditions, {
        type,
        status: 'Unknown',
        reason: before === undefined ? 'NodeStatusNeverUpdated' : 'NodeStatusUnknown',
        message: 'Kubelet stopped posting node status.',
        lastTransitionTime: now,
        ...(before?.lastHeartbeatTime === undefined ? {} : { lastHeartbeatTime: before.lastHeartbeatTime }),
      })
    }
    this.context.client.decide(this.context.view('nodes', 'leases'), { kind: 'MarkUnknown', node: node.metadata.name, sinceMs })
    yield* this.context.client.updateStatus<Node>('nodes', { ...node, status: { ...node.status, conditions } })
  }

  // Taints

  /** What keeps pods away is put on and taken off at once; what drives them out waits for its turn (`giveUpDue`). */
  private *taint(node: Node, status: Condition['status'], allLost: boolean): Task<void> {
    const held = node.spec.taints ?? []
    const { unschedulable } = node.spec
    const key = lostKey(status)
    const wanted: { readonly key: string; readonly effect: Taint['effect'] }[] = []
    if (unschedulable === true) wanted.push({ key: UNSCHEDULABLE, effect: 'NoSchedule' })
    if (status === 'True' || allLost) this.zones.remove(zoneOf(node), node.metadata.name)
    if (status !== 'True') {
      wanted.push({ key, effect: 'NoSchedule' })
      const givenUp = held.some((taint) => isLost(taint) && taint.effect === 'NoExecute')
      // A node whose loss only changes its name needs no new permission to be given up.
      if (givenUp && !allLost) wanted.push({ key, effect: 'NoExecute' })
      else if (!givenUp) this.zones.add(zoneOf(node), node.metadata.name)
    }
    yield* this.write(node, wanted)
  }

  /** Of the taints that are this controller's own exactly those that are wanted. */
  private *write(node: Node, wanted: readonly Pick<Taint, 'key' | 'effect'>[]): Task<boolean> {
    const held = node.spec.taints ?? []
    const isWanted = (taint: Taint): boolean => wanted.some(({ key, effect }) => key === taint.key && effect === taint.effect)
    const kept = held.filter((taint) => (!isLost(taint) && taint.key !== UNSCHEDULABLE) || isWanted(taint))
    const has = ({ key, effect }: Pick<Taint, 'key' | 'effect'>): boolean =>
      kept.some((taint) => taint.key === key && taint.effect === effect)
    const timeAdded = rfc3339(this.context.now())
    const taints = [...kept, ...wanted.filter((one) => !has(one)).map((one) => ({ ...one, timeAdded }))]
    if (same(held, taints)) return true
    const reply = yield* this.context.client.update<Node>('nodes', { ...node, spec: { ...node.spec, taints } })
    return reply.ok
  }

  private nextDue(): string | null {
    return this.zones.next(this.context.elapsed())
  }

  /** Those whose turn it is get the taint that drives pods out. */
  private *giveUpDue(): Task<void> {
    for (let name = this.nextDue(); name !== null; name = this.nextDue()) {
      const node = this.nodes.get(name)
      const status = conditionOf(node?.status.conditions, 'Ready')?.status
      if (node === undefined || status === undefined || status === 'True') continue
      this.context.client.decide(this.counted, { kind: 'GiveUpNode', node: name, zones: Object.fromEntries(this.zones.counts) })
      const key = lostKey(status)
      const own = (node.spec.taints ?? []).filter((taint) => taint.key === UNSCHEDULABLE || taint.key === key)
      if (!(yield* this.write(node, [...own, { key, effect: 'NoExecute' }]))) this.zones.add(zoneOf(node), name)
    }
    const nextMs = this.zones.nextInMs(this.context.elapsed())
    if (nextMs === null || this.passDue) return
    this.passDue = true
    this.context.after(Math.max(PASS_LEAST_MS, nextMs), () => {
      this.passDue = false
      spawn(this.giveUpDue())
    })
  }

  /** Endpoints drop the pods of a node that is not ready. */
  private *markPods(node: Node): Task<void> {
    const now = rfc3339(this.context.now())
    for (const pod of this.pods.list()) {
      if (pod.spec.nodeName !== node.metadata.name || isTerminal(pod) || !isReady(pod)) continue
      const conditions = withCondition(pod.status.conditions, {
        type: 'Ready',
        status: 'False',
        reason: 'NodeNotReady',
        lastTransitionTime: now,
      })
      yield* this.context.client.updateStatus<Pod>('pods', { ...pod, status: { ...pod.status, conditions } })
    }
  }
}

const zoneOf = (node: Node): string => node.metadata.labels?.[ZONE] ?? ''

const isLost = ({ key }: Taint): boolean => key === NOT_READY || key === UNREACHABLE
const lostKey = (status: Condition['status']): string => (status === 'Unknown' ? UNREACHABLE : NOT_READY)

const countsOf = (ready: ReadonlyMap<Node, Condition['status']>): ReadonlyMap<string, ZoneCount> => {
  const counts = new Map<string, ZoneCount>()
  for (const [node, status] of ready) {
    const zone = zoneOf(node)
    const count = counts.get(zone) ?? { ready: 0, unready: 0 }
    counts.set(zone, status === 'True' ? { ...count, ready: count.ready + 1 } : { ...count, unready: count.unready + 1 })
  }
  return counts
}
