/**
 * Nodes and pods as the scheduler sees them: with sums and parsed terms that are kept, not counted anew for each pod.
 *
 * Source: kubernetes/kubernetes pkg/scheduler/framework/types.go.
 */
import type { Node, Pod, PodAffinityTerm } from '../../model/state/objects.ts'
import type { Likeness } from './likeness.ts'
import { amountsOf, hostPortsOf, requestsOf, usualRequestsOf, type Amounts, type HostPort } from './request.ts'

export interface WeightedTerm {
  readonly weight: number
  readonly term: PodAffinityTerm
}

export interface PodInfo {
  readonly pod: Pod
  readonly requests: Amounts
  readonly usualRequests: Amounts
  readonly hostPorts: readonly HostPort[]
  readonly requiredAffinity: readonly PodAffinityTerm[]
  readonly requiredAntiAffinity: readonly PodAffinityTerm[]
  readonly preferredAffinity: readonly WeightedTerm[]
  readonly preferredAntiAffinity: readonly WeightedTerm[]
  /** Null: nobody has asked yet. */
  likeness: Likeness | null
}

const known = new WeakMap<Pod, PodInfo>()

export const podInfoOf = (pod: Pod): PodInfo => {
  let info = known.get(pod)
  if (info === undefined) {
    info = describe(pod)
    known.set(pod, info)
  }
  return info
}

/** The same pod on a node: what it asks for stays as it was. */
export const boundTo = (info: PodInfo, node: string): PodInfo => {
  const pod: Pod = { ...info.pod, spec: { ...info.pod.spec, nodeName: node } }
  const bound = { ...info, pod }
  known.set(pod, bound)
  return bound
}

const describe = (pod: Pod): PodInfo => {
  const { podAffinity, podAntiAffinity } = pod.spec.affinity ?? {}
  const weighted = (terms: typeof podAffinity): readonly WeightedTerm[] =>
    (terms?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(({ weight, podAffinityTerm }) => ({ weight, term: podAffinityTerm }))
  return {
    pod,
    requests: requestsOf(pod),
    usualRequests: usualRequestsOf(pod),
    hostPorts: hostPortsOf(pod),
    requiredAffinity: podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [],
    requiredAntiAffinity: podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [],
    preferredAffinity: weighted(podAffinity),
    preferredAntiAffinity: weighted(podAntiAffinity),
    likeness: null,
  }
}

export const hasAffinity = (info: PodInfo): boolean =>
  info.requiredAffinity.length + info.requiredAntiAffinity.length + info.preferredAffinity.length + info.preferredAntiAffinity.length > 0

export const priorityOf = (pod: Pod): number => pod.spec.priority ?? 0

export interface NodeInfo {
  readonly node: Node
  readonly name: string
  /** By uid, in the order in which they came. */
  readonly pods: ReadonlyMap<string, PodInfo>
  readonly allocatable: Amounts
  readonly requested: Amounts
  readonly usualRequested: { readonly cpu: number; readonly memory: number }
  readonly podsMost: number
  /** How many of its pods have any affinity term, any required anti-affinity term, any host port. */
  readonly affinityPods: number
  readonly antiAffinityPods: number
  readonly portPods: number
  /** A place for it in arrays by node; -1: it is a copy to try things on. */
  readonly place: number
  /** Another number after each change: what is derived from a node may be kept under it. */
  readonly generation: number
}

let generations = 0

/** Who holds pods without a uid, as in tests, is told apart by name. */
const keyOf = ({ metadata }: Pod): string => metadata.uid ?? `${metadata.namespace}/${metadata.name}`

export class NodeState implements NodeInfo {
  node: Node
  readonly pods = new Map<string, PodInfo>()
  readonly requested = new Map<string, number>()
  readonly usualRequested = { cpu: 0, memory: 0 }
  allocatable: Amounts = new Map()
  podsMost = 0
  affinityPods = 0
  antiAffinityPods = 0
  portPods = 0
  generation = ++generations
  readonly place: number
  /** False: only pods are known of it, or it is gone. */
  known = false

  constructor(node: Node, place = -1) {
    this.node = node
    this.place = place
  }

  get name(): string {
    return this.node.metadata.name
  }

  describe(node: Node): void {
    this.node = node
    this.known = true
    this.generation = ++generations
    this.allocatable = amountsOf(node.status.allocatable)
    this.podsMost = this.allocatable.get('pods') ?? 0
  }

  add(info: PodInfo): void {
    this.change(info, 1)
    this.pods.set(keyOf(info.pod), info)
  }

  /** Undefined: it was not here. */
  remove(pod: Pod): PodInfo | undefined {
    const key = keyOf(pod)
    const info = this.pods.get(key)
    if (info === undefined) return undefined
    this.pods.delete(key)
    this.change(info, -1)
    return info
  }

  private change(info: PodInfo, sign: 1 | -1): void {
    this.generation = ++generations
    for (const [name, amount] of info.requests) this.requested.set(name, (this.requested.get(name) ?? 0) + sign * amount)
    this.usualRequested.cpu += sign * (info.usualRequests.get('cpu') ?? 0)
    this.usualRequested.memory += sign * (info.usualRequests.get('memory') ?? 0)
    if (hasAffinity(info)) this.affinityPods += sign
    if (info.requiredAntiAffinity.length > 0) this.antiAffinityPods += sign
    if (info.hostPorts.length > 0) this.portPods += sign
  }

  copy(): NodeState {
    const copy = new NodeState(this.node)
    copy.describe(this.node)
    for (const info of this.pods.values()) copy.add(info)
    return copy
  }
}
