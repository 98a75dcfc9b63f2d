/**
 * One run: pods arrive, are placed by a policy, and leave; in virtual time, with the reference scheduler's own cache, queue
 * and cycle. What is placed is judged by the specification's plain definition of what fits.
 */
import { SchedulerCache } from '../../impl/scheduler/cache.ts'
import { choose, preempt, search, type NodeOrder, type Search } from '../../impl/scheduler/cycle.ts'
import type { ClusterEvent, Queued, Status } from '../../impl/scheduler/framework.ts'
import { listersOf } from '../../impl/scheduler/listers.ts'
import { podInfoOf, type PodInfo } from '../../impl/scheduler/node-info.ts'
import { SchedulingQueue } from '../../impl/scheduler/queue.ts'
import { infeasible, OF_THE_NODE } from '../../model/components/feasible.ts'
import type { Node, Pod } from '../../model/state/objects.ts'
import { EventQueue } from '../../sim/queue.ts'
import type { Random } from '../../sim/random.ts'
import { Metrics, type RunMetrics } from './metrics.ts'
import type { Policy } from './policy.ts'
import type { Arrival } from './workload.ts'

export interface RunOptions {
  readonly policy: Policy
  readonly nodes: readonly Node[]
  readonly arrivals: readonly Arrival[]
  readonly typical: readonly Pod[]
  readonly random: Random
  /** Draws the order of nodes that decides between equals. */
  readonly orderRandom: Random
  /** A pod that finds no node is dropped; otherwise it waits. */
  readonly drop: boolean
  /** Nodes that fail, at even spans over the run, and come back after a tenth of it. */
  readonly nodeFailures: number
}

interface Happening {
  at: number
  sequence: number
  cancelled: boolean
  readonly run: () => void
}

const NOTHING = listersOf(
  () => undefined,
  () => [],
)

const tiesOf = ({ policy, nodes, orderRandom }: RunOptions): 'random' | NodeOrder => {
  switch (policy.ties) {
    case 'random':
      return 'random'
    case 'first-name':
      return (one, other) => (one.name < other.name ? -1 : 1)
    case 'first-drawn': {
      const names = orderRandom.shuffle(nodes.map(({ metadata }) => metadata.name))
      const ranks = new Map(names.map((name, rank) => [name, rank]))
      return (one, other) => (ranks.get(one.name) as number) - (ranks.get(other.name) as number)
    }
    default:
      return policy.ties satisfies never
  }
}

export const play = (options: RunOptions): RunMetrics => new Run(options).play()

class Run {
  private readonly options: RunOptions
  private readonly cache = new SchedulerCache(NOTHING)
  private readonly queue: SchedulingQueue
  private readonly ties: 'random' | NodeOrder
  private readonly events = new EventQueue<Happening>()
  private readonly metrics: Metrics
  private readonly arrivals = new Map<string, Arrival & { readonly pod: Pod }>()
  private readonly boundTo = new Map<string, { readonly node: string; readonly info: PodInfo; readonly placement: number }>()
  private sequence = 0
  private placements = 0
  private nextStart = 0
  private now = 0

  constructor(options: RunOptions) {
    this.options = options
    const { framework } = options.policy.profile
    this.metrics = new Metrics(options.nodes, options.typical)
    this.queue = new SchedulingQueue({
      preEnqueue: (pod) => framework.preEnqueue(pod),
      queueSort: (one, other) => framework.queueSort(one, other),
      mayHelp: (pod, rejectedBy, event) =>
        framework.plugins.some(({ plugin }) => rejectedBy.has(plugin.name) && (plugin.mayHelp?.(pod, event) ?? true)),
    })
    this.ties = tiesOf(options)
    for (const node of options.nodes) this.cache.setNode(node)
    for (const arrival of options.arrivals) this.at(arrival.atMs, () => this.arrive(arrival))
    this.planFailures()
  }

  play(): RunMetrics {
    for (;;) {
      const event = this.events.pop()
      if (event === undefined) break
      this.now = event.at
      event.run()
    }
    return this.metrics.end(this.cache, this.queue.size)
  }

  private at(atMs: number, run: () => void): void {
    this.events.push({ at: atMs, sequence: this.sequence++, cancelled: false, run })
  }

  private planFailures(): void {
    const { nodeFailures, arrivals, nodes, random } = this.options
    const end = arrivals.at(-1)?.atMs ?? 0
    for (const [index, node] of random.shuffle(nodes).slice(0, nodeFailures).entries()) {
      const atMs = Math.floor((end * (index + 1)) / (nodeFailures + 1))
      this.at(atMs, () => this.fail(node))
      this.at(atMs + Math.floor(end / 10), () => {
        this.cache.setNode(node)
        this.happened({ resource: 'Node', action: 'Add', before: null, after: node })
      })
    }
  }

  private fail(node: Node): void {
    this.cache.removeNode(node.metadata.name)
    for (const [uid, bound] of this.boundTo) if (bound.node === node.metadata.name) this.evict(uid, bound.info)
    this.work()
  }

  private arrive(arrival: Arrival): void {
    const { pod } = arrival
    this.arrivals.set(pod.metadata.uid, arrival)
    this.metrics.arrived(pod)
    if (this.options.drop) {
      const statuses = this.place(podInfoOf(pod))
      if (statuses !== null) this.metrics.dropped(statuses)
    } else {
      this.queue.add(pod, this.now)
      this.work()
    }
    this.metrics.sample(this.cache)
  }

  private work(): void {
    this.queue.flush(this.now)
    for (;;) {
      const queued = this.queue.pop()
      if (queued === undefined) break
      this.attempt(queued)
    }
    const next = this.queue.nextMs()
    if (next !== null && this.boundTo.size > 0 && next > this.now) this.at(next, () => this.queue.nextMs() === next && this.work())
  }

  private attempt(queued: Queued): void {
    const info = podInfoOf(queued.pod)
    const { moment } = this.queue
    const statuses = this.place(info)
    if (statuses === null) return
    const plugins = new Set([...statuses.values()].flatMap(({ plugin }) => plugin ?? []))
    this.queue.park(queued, plugins, moment, this.now)
  }

  /** Null: it was placed. Otherwise why each node would not do. */
  private place(info: PodInfo): ReadonlyMap<string, Status> | null {
    const { policy, random } = this.options
    const { profile } = policy
    const began = performance.now()
    const found = search(profile, this.cache, info, this.nextStart, random)
    this.nextStart = this.cache.nodes.length === 0 ? 0 : (this.nextStart + found.examined) % this.cache.nodes.length
    if (found.feasible.length === 0) {
      this.metrics.decided(performance.now() - began)
      return this.makeRoom(found, info) ? null : found.statuses
    }
    const { name } = choose(profile, found, info, this.ties)
    this.metrics.decided(performance.now() - began)
    this.bind(found, info, name)
    return null
  }

  private makeRoom(found: Search, info: PodInfo): boolean {
    const candidate = preempt(this.options.policy.profile, found, info)
    if (!candidate) return false
    for (const victim of candidate.victims) this.evict(victim.metadata.uid, podInfoOf(victim))
    this.metrics.preempted(candidate.victims.length)
    this.bind(found, info, candidate.node)
    return true
  }

  private bind(found: Search, info: PodInfo, name: string): void {
    const { plugins } = this.options.policy.profile.framework
    for (const { plugin } of plugins) plugin.reserve?.(found.cycle, info, name)
    const { uid } = info.pod.metadata
    this.judge(info.pod, name)
    this.cache.assume(info, name)
    const placement = this.placements++
    this.boundTo.set(uid, { node: name, info, placement })
    const arrival = this.arrivals.get(uid)
    if (arrival === undefined) return
    this.metrics.bound(this.now - arrival.atMs)
    if (arrival.lifetimeMs !== null) this.at(this.now + arrival.lifetimeMs, () => this.depart(uid, placement))
  }

  /** The specification's own word on what may be where: a policy that breaks it is caught, not ranked. */
  private judge(pod: Pod, name: string): void {
    const node = this.cache.node(name)
    if (node === undefined) return
    const scene = { nodes: [node.node], pods: [...node.pods.values()].map((other) => other.pod), others: [] }
    const reason = infeasible(scene, pod, node.node, OF_THE_NODE)
    if (reason !== null) this.metrics.violated(`${pod.metadata.name} on ${name}: ${reason}`)
  }

  private depart(uid: string, placement: number): void {
    const bound = this.boundTo.get(uid)
    if (bound?.placement !== placement) return
    this.release(uid, bound.info, bound.node)
    this.happened({ resource: 'AssignedPod', action: 'Delete', before: bound.info.pod, after: null })
  }

  private release(uid: string, info: PodInfo, node: string): void {
    this.boundTo.delete(uid)
    this.cache.dropPod(uid)
    const { framework } = this.options.policy.profile
    const cycle = framework.cycle(this.cache, this.options.random)
    for (const { plugin } of framework.plugins) plugin.unreserve?.(cycle, info, node)
  }

  /** It has to find another node. */
  private evict(uid: string, info: PodInfo): void {
    const bound = this.boundTo.get(uid)
    if (bound === undefined) return
    this.release(uid, info, bound.node)
    const arrival = this.arrivals.get(uid)
    if (arrival !== undefined && !this.options.drop) this.queue.add(arrival.pod, this.now)
  }

  private happened(event: ClusterEvent): void {
    this.queue.happened(event, this.now)
    this.work()
  }
}
