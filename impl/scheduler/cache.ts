/**
 * The scheduler's picture of the nodes: what is bound, and what it has decided and not seen bound yet.
 *
 * Sums are kept as pods come and go. Source: kubernetes/kubernetes pkg/scheduler/internal/cache/cache.go.
 */
import type { Node, Pod } from '../../model/state/objects.ts'
import { milli } from '../quantity.ts'
import type { NodeInfo } from './framework.ts'
import { requestOf } from './request.ts'

class Slot implements NodeInfo {
  node: Node
  readonly pods = new Map<string, Pod>()
  readonly requested = new Map<string, number>()
  readonly requestedNonZero = { cpu: 0, memory: 0 }
  allocatable: ReadonlyMap<string, number> = new Map()
  podsMost = 0
  /** False: only pods are known of it, or it is gone. */
  known = false

  constructor(node: Node) {
    this.node = node
  }

  describe(node: Node): void {
    this.node = node
    this.known = true
    const { allocatable } = node.status
    this.allocatable = new Map(Object.entries(allocatable).map(([name, quantity]) => [name, milli(quantity)]))
    this.podsMost = Math.floor((this.allocatable.get('pods') ?? 0) / 1000)
  }

  change(pod: Pod, sign: 1 | -1): void {
    const { resources, nonZero } = requestOf(pod)
    for (const [name, amount] of resources) this.requested.set(name, (this.requested.get(name) ?? 0) + sign * amount)
    this.requestedNonZero.cpu += sign * nonZero.cpu
    this.requestedNonZero.memory += sign * nonZero.memory
    if (sign === 1) this.pods.set(pod.metadata.uid, pod)
    else this.pods.delete(pod.metadata.uid)
  }
}

export class SchedulerCache {
  private readonly slots = new Map<string, Slot>()
  private list: readonly NodeInfo[] | null = null
  /** Pod uid → node it counts on. */
  private readonly placed = new Map<string, string>()
  private readonly assumed = new Map<string, string>()

  private slot(name: string): Slot {
    let slot = this.slots.get(name)
    if (slot === undefined) {
      slot = new Slot({ metadata: { name } } as Node)
      this.slots.set(name, slot)
    }
    return slot
  }

  setNode(node: Node): void {
    this.slot(node.metadata.name).describe(node)
    this.list = null
  }

  removeNode(name: string): void {
    const slot = this.slots.get(name)
    if (slot === undefined) return
    slot.known = false
    this.list = null
    if (slot.pods.size === 0) this.slots.delete(name)
  }

  /** In order of name. */
  nodes(): readonly NodeInfo[] {
    this.list ??= [...this.slots]
      .filter(([, slot]) => slot.known)
      .toSorted(([one], [other]) => (one < other ? -1 : 1))
      .map(([, slot]) => slot)
    return this.list
  }

  /** A pod that holds resources on its node; what was assumed of it is confirmed or corrected. */
  setPod(pod: Pod): void {
    const { uid } = pod.metadata
    this.dropPod(uid)
    const node = pod.spec.nodeName ?? ''
    this.slot(node).change(pod, 1)
    this.placed.set(uid, node)
  }

  dropPod(uid: string): void {
    this.assumed.delete(uid)
    const node = this.placed.get(uid)
    if (node === undefined) return
    this.placed.delete(uid)
    const slot = this.slots.get(node)
    const pod = slot?.pods.get(uid)
    if (slot === undefined || pod === undefined) return
    slot.change(pod, -1)
    if (slot.pods.size === 0 && !slot.known) this.slots.delete(node)
  }

  /** From now on the pod counts on the node, though nobody else knows yet. */
  assume(pod: Pod, node: string): void {
    this.setPod({ ...pod, spec: { ...pod.spec, nodeName: node } })
    this.assumed.set(pod.metadata.uid, node)
  }

  isAssumed(uid: string): boolean {
    return this.assumed.has(uid)
  }

  assumptions(): readonly { readonly uid: string; readonly node: string }[] {
    return [...this.assumed].map(([uid, node]) => ({ uid, node }))
  }
}
