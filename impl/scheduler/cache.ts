/**
 * The scheduler's picture of the nodes: what is bound, and what it has decided and not seen bound yet.
 *
 * Sums are kept as pods come and go; lists for a cycle are made anew only when something changed.
 * Source: kubernetes/kubernetes pkg/scheduler/internal/cache/{cache,snapshot}.go.
 */
import type { Node, Pod } from '../../model/state/objects.ts'
import { same } from '../equal.ts'
import type { Change, Moment, Snapshot } from './framework.ts'
import type { Listers } from './listers.ts'
import { boundTo, hasAffinity, NodeState, podInfoOf, type NodeInfo, type PodInfo } from './node-info.ts'
import { normalizedImage } from './plugins/image-locality.ts'

interface Lists {
  readonly nodes: readonly NodeInfo[]
  readonly images: ReadonlyMap<string, number>
}
interface AffinityLists {
  readonly any: readonly NodeInfo[]
  readonly anti: readonly NodeInfo[]
}

/** Changes that are remembered for those who follow them. */
const CHANGES_MOST = 8_192

export class SchedulerCache implements Snapshot {
  readonly objects: Listers
  private readonly slots = new Map<string, NodeState>()
  private lists: Lists | null = null
  private affinity: AffinityLists | null = null
  /** Pod uid → node it counts on. */
  private readonly placed = new Map<string, string>()
  private readonly assumed = new Map<string, { readonly uid: string; readonly node: string }>()
  affinityPods = 0
  antiAffinityPods = 0
  private places = 0
  /** The latest changes, and how many there were before them. */
  private changes: Change[] = []
  private changesBefore = 0
  private nodesVersion = 0

  constructor(objects: Listers) {
    this.objects = objects
  }

  private slot(name: string): NodeState {
    let slot = this.slots.get(name)
    if (slot === undefined) {
      slot = new NodeState({ metadata: { name } } as Node, this.places++)
      this.slots.set(name, slot)
    }
    return slot
  }

  setNode(node: Node): void {
    const slot = this.slot(node.metadata.name)
    const still = slot.known && sameToPods(slot.node, node)
    slot.describe(node)
    if (!still) this.forgetLists()
  }

  removeNode(name: string): void {
    const slot = this.slots.get(name)
    if (slot === undefined) return
    slot.known = false
    this.forgetLists()
    if (slot.pods.size === 0) this.slots.delete(name)
  }

  private forgetLists(): void {
    this.nodesVersion++
    this.lists = null
    this.affinity = null
  }

  // As a snapshot

  /** In order of name. */
  get nodes(): readonly NodeInfo[] {
    return this.listed.nodes
  }

  node(name: string): NodeInfo | undefined {
    const slot = this.slots.get(name)
    return slot?.known === true ? slot : undefined
  }

  imageNodes(name: string): number {
    return this.listed.images.get(name) ?? 0
  }

  get hasImages(): boolean {
    return this.listed.images.size > 0
  }

  get withAffinity(): readonly NodeInfo[] {
    return this.affinityLists.any
  }

  get withRequiredAntiAffinity(): readonly NodeInfo[] {
    return this.affinityLists.anti
  }

  private get listed(): Lists {
    this.lists ??= this.list()
    return this.lists
  }

  private list(): Lists {
    const nodes = [...this.slots.values()].filter((slot) => slot.known).toSorted((one, other) => (one.name < other.name ? -1 : 1))
    const images = new Map<string, number>()
    for (const { node } of nodes) {
      const names = new Set((node.status.images ?? []).flatMap((image) => image.names ?? []).map(normalizedImage))
      for (const name of names) images.set(name, (images.get(name) ?? 0) + 1)
    }
    return { nodes, images }
  }

  private get affinityLists(): AffinityLists {
    this.affinity ??= {
      any: this.nodes.filter((node) => node.affinityPods > 0),
      anti: this.nodes.filter((node) => node.antiAffinityPods > 0),
    }
    return this.affinity
  }

  get moment(): Moment {
    return { nodes: this.nodesVersion, changes: this.changesBefore + this.changes.length }
  }

  replay(since: Moment, follow: (change: Change) => boolean): Moment | null {
    if (since.nodes !== this.nodesVersion || since.changes < this.changesBefore) return null
    for (let index = since.changes - this.changesBefore; index < this.changes.length; index++)
      if (!follow(this.changes[index] as Change)) return null
    return this.moment
  }

  private affinityChanged({ requiredAntiAffinity }: PodInfo, by: 1 | -1): void {
    this.affinity = null
    this.affinityPods += by
    if (requiredAntiAffinity.length > 0) this.antiAffinityPods += by
  }

  private changed(info: PodInfo, node: NodeInfo, by: 1 | -1): void {
    if (this.changes.length >= CHANGES_MOST) {
      this.changes = this.changes.slice(CHANGES_MOST / 2)
      this.changesBefore += CHANGES_MOST / 2
    }
    this.changes.push({ info, node, by })
  }

  // Pods

  /** A pod that holds resources on its node; what was assumed of it is confirmed or corrected. */
  setPod(pod: Pod): void {
    this.place(podInfoOf(pod))
  }

  private place(info: PodInfo): void {
    const { uid } = info.pod.metadata
    this.dropPod(uid)
    const node = info.pod.spec.nodeName ?? ''
    const slot = this.slot(node)
    slot.add(info)
    this.changed(info, slot, 1)
    if (hasAffinity(info)) this.affinityChanged(info, 1)
    this.placed.set(uid, node)
  }

  dropPod(uid: string): void {
    this.assumed.delete(uid)
    const node = this.placed.get(uid)
    if (node === undefined) return
    this.placed.delete(uid)
    const slot = this.slots.get(node)
    const info = slot?.pods.get(uid)
    if (slot === undefined || info === undefined) return
    slot.remove(info.pod)
    this.changed(info, slot, -1)
    if (hasAffinity(info)) this.affinityChanged(info, -1)
    if (slot.pods.size === 0 && !slot.known) this.slots.delete(node)
  }

  /** From now on the pod counts on the node, though nobody else knows yet. */
  assume(info: PodInfo, node: string): void {
    this.place(boundTo(info, node))
    const { uid } = info.pod.metadata
    this.assumed.set(uid, { uid, node })
  }

  isAssumed(uid: string): boolean {
    return this.assumed.has(uid)
  }

  assumptions(): readonly { readonly uid: string; readonly node: string }[] {
    return [...this.assumed.values()]
  }
}

/** Whether nothing is new about a node but what its status says: heartbeats, mostly. Images are looked up by node lists. */
const sameToPods = (before: Node, after: Node): boolean =>
  same(before.metadata.labels, after.metadata.labels) && same(before.spec, after.spec) && same(before.status.images, after.status.images)
