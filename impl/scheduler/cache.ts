/**
 * The scheduler's picture of the nodes: what is bound, and what it has decided and not seen bound yet.
 *
 * Sums are kept as pods come and go; lists for a cycle are made anew only when something changed.
 * Source: kubernetes/kubernetes pkg/scheduler/internal/cache/{cache,snapshot}.go.
 */
import type { Node, Pod } from '../../model/state/objects.ts'
import type { Snapshot } from './framework.ts'
import type { Listers } from './listers.ts'
import { boundTo, NodeState, podInfoOf, type NodeInfo, type PodInfo } from './node-info.ts'
import { normalizedImage } from './plugins/image-locality.ts'

interface Lists {
  readonly nodes: readonly NodeInfo[]
  readonly images: ReadonlyMap<string, number>
}
interface AffinityLists {
  readonly any: readonly NodeInfo[]
  readonly anti: readonly NodeInfo[]
}

export class SchedulerCache implements Snapshot {
  readonly objects: Listers
  private readonly slots = new Map<string, NodeState>()
  private lists: Lists | null = null
  private affinity: AffinityLists | null = null
  /** Pod uid → node it counts on. */
  private readonly placed = new Map<string, string>()
  private readonly assumed = new Map<string, string>()

  constructor(objects: Listers) {
    this.objects = objects
  }

  private slot(name: string): NodeState {
    let slot = this.slots.get(name)
    if (slot === undefined) {
      slot = new NodeState({ metadata: { name } } as Node)
      this.slots.set(name, slot)
    }
    return slot
  }

  setNode(node: Node): void {
    this.slot(node.metadata.name).describe(node)
    this.forgetLists()
  }

  removeNode(name: string): void {
    const slot = this.slots.get(name)
    if (slot === undefined) return
    slot.known = false
    this.forgetLists()
    if (slot.pods.size === 0) this.slots.delete(name)
  }

  private forgetLists(): void {
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
    const before = slot.affinityPods
    slot.add(info)
    if (slot.affinityPods !== before) this.affinity = null
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
    const before = slot.affinityPods
    slot.remove(info.pod)
    if (slot.affinityPods !== before) this.affinity = null
    if (slot.pods.size === 0 && !slot.known) this.slots.delete(node)
  }

  /** From now on the pod counts on the node, though nobody else knows yet. */
  assume(info: PodInfo, node: string): void {
    this.place(boundTo(info, node))
    this.assumed.set(info.pod.metadata.uid, node)
  }

  isAssumed(uid: string): boolean {
    return this.assumed.has(uid)
  }

  assumptions(): readonly { readonly uid: string; readonly node: string }[] {
    return [...this.assumed].map(([uid, node]) => ({ uid, node }))
  }
}
