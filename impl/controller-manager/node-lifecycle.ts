/**
 * Nodes that are not heard of any more: declared unknown, tainted, and trusted again when they come back.
 *
 * Only changes of the heartbeat over the controller's own clock count. Source: kubernetes/kubernetes
 * pkg/controller/nodelifecycle/node_lifecycle_controller.go.
 */
import type { Condition, Lease, Node, Pod, Taint } from '../../model/state/objects.ts'
import type { Timings } from '../../model/state/plan.ts'
import type { Controller, ControllerContext, Informer } from '../client/api.ts'
import { same } from '../equal.ts'
import { spawn, type Task } from '../task.ts'
import { rfc3339 } from '../time.ts'
import { conditionOf, isReady, isTerminal, withCondition } from '../objects.ts'
import { NOT_READY, UNREACHABLE, UNSCHEDULABLE } from '../taints.ts'

const PERIOD_MS = 5_000
const GRACE_MS = 40_000
const STARTUP_GRACE_MS = 60_000
const WATCHED = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure']
/** Zones: how many nodes may be given up how fast. */
const PARTIAL_SHARE = 0.55
const PARTIAL_LEAST = 3
const LARGE_ZONE = 50
const RATE_MS = 10_000
const RATE_PARTIAL_MS = 100_000
const ZONE = 'topology.kubernetes.io/zone'

type ZoneState = 'normal' | 'partial' | 'full'

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
  /** By zone: when the next node may be given up. */
  private readonly nextMs = new Map<string, number>()

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
    for (const name of this.health.keys()) if (this.nodes.get(name) === undefined) this.health.delete(name)
    const ready = new Map<Node, Condition['status']>()
    for (const node of nodes) ready.set(node, yield* this.check(node))
    const zones = zoneStates(ready)
    const allDown = [...zones.values()].every((state) => state === 'full')
    for (const [node, status] of ready) {
      // The copy that was read at the start of the round may have been written meanwhile.
      const now = this.nodes.get(node.metadata.name)
      if (now !== undefined) yield* this.taint(now, status, zones.get(zoneOf(now)) ?? 'normal', allDown)
      if (now !== undefined && status !== 'True') yield* this.markPods(now)
    }
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

  private *taint(node: Node, status: Condition['status'], zone: ZoneState, allDown: boolean): Task<void> {
    const held = node.spec.taints ?? []
    const lost = (taint: Taint): boolean => taint.key === NOT_READY || taint.key === UNREACHABLE
    const key = status === 'Unknown' ? UNREACHABLE : NOT_READY
    const keep = (taint: Taint): boolean => {
      if (taint.key === UNSCHEDULABLE) return node.spec.unschedulable === true
      return !lost(taint) || (status !== 'True' && taint.key === key)
    }
    const taints = held.filter(keep)
    const has = (wanted: Taint): boolean => taints.some((taint) => taint.key === wanted.key && taint.effect === wanted.effect)
    const timeAdded = rfc3339(this.context.now())
    const add = (taint: Taint): void => {
      if (!has(taint)) taints.push(taint)
    }
    if (node.spec.unschedulable === true) add({ key: UNSCHEDULABLE, effect: 'NoSchedule', timeAdded })
    if (status !== 'True') {
      add({ key, effect: 'NoSchedule', timeAdded })
      const evict: Taint = { key, effect: 'NoExecute', timeAdded }
      const was = held.find((taint) => lost(taint) && taint.effect === 'NoExecute')
      // A node whose loss only changes its name needs no new permission to be given up.
      if (was !== undefined && !has(evict)) taints.push(evict)
      else if (!has(evict) && this.mayGiveUp(node, zone, allDown)) taints.push(evict)
    }
    if (same(held, taints)) return
    const spec = { ...node.spec, taints }
    yield* this.context.client.update<Node>('nodes', { ...node, spec })
  }

  private mayGiveUp(node: Node, zone: ZoneState, allDown: boolean): boolean {
    // All zones gone looks like the controller's own network: nobody is given up.
    if (allDown) return false
    const name = zoneOf(node)
    const size = this.nodes.list().filter((other) => zoneOf(other) === name).length
    if (zone === 'partial' && size <= LARGE_ZONE) return false
    const nowMs = this.context.elapsed()
    if (nowMs < (this.nextMs.get(name) ?? 0)) return false
    this.nextMs.set(name, nowMs + (zone === 'partial' ? RATE_PARTIAL_MS : RATE_MS))
    return true
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

const zoneStates = (ready: ReadonlyMap<Node, Condition['status']>): ReadonlyMap<string, ZoneState> => {
  const counts = new Map<string, { up: number; down: number }>()
  for (const [node, status] of ready) {
    const zone = zoneOf(node)
    const count = counts.get(zone) ?? { up: 0, down: 0 }
    if (status === 'True') count.up++
    else count.down++
    counts.set(zone, count)
  }
  return new Map(
    [...counts].map(([zone, { up, down }]) => {
      if (up === 0) return [zone, 'full']
      return [zone, down >= PARTIAL_LEAST && down / (up + down) >= PARTIAL_SHARE ? 'partial' : 'normal']
    }),
  )
}
