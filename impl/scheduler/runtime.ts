/**
 * A profile at work: runs the plugins of each point in order and puts together what they say.
 *
 * Source: kubernetes/kubernetes pkg/scheduler/framework/runtime/framework.go.
 */
import type { Pod } from '../../model/state/objects.ts'
import { CycleState, isSkip, type Cycle, type Plugin, type Queued, type Snapshot, type Status, type WeightedPlugin } from './framework.ts'
import { WaitingPodsMap } from './permit.ts'
import { priorityOf, type NodeInfo, type NodeState, type PodInfo } from './node-info.ts'
import { likenessOf } from './likeness.ts'
import { Memory } from './remembered.ts'
import type { Random } from '../../sim/random.ts'

/** Places as in the nodes that were scored. */
export interface Scores {
  readonly totals: readonly number[]
  /** Plugin → its normalized scores, before its weight. */
  readonly byPlugin: ReadonlyMap<string, readonly number[]>
}

/** Which pods are to be given room on a node, though they are not there yet. */
export interface Nominations {
  readonly size: number
  on(node: string): readonly PodInfo[]
}
const NOBODY: Nominations = { size: 0, on: () => [] }

export class Framework {
  readonly name: string
  readonly plugins: readonly WeightedPlugin[]
  nominations: Nominations = NOBODY
  readonly waiting = new WaitingPodsMap()
  private readonly preFilters: readonly Plugin[]
  private readonly filters: readonly Plugin[]
  /** Filters that come first and are local, and the others: the answers of the former are remembered. */
  private readonly localFilters: readonly Plugin[]
  private readonly otherFilters: readonly Plugin[]
  private readonly memory = new Memory()
  private readonly preScores: readonly Plugin[]
  private readonly scorers: readonly WeightedPlugin[]
  private readonly sorter: Plugin | undefined
  /** Whether any plugin may hold a pod back that has a node. */
  readonly permits: boolean

  constructor(name: string, plugins: readonly WeightedPlugin[]) {
    this.name = name
    this.plugins = plugins
    const all = plugins.map(({ plugin }) => plugin)
    this.preFilters = all.filter((plugin) => plugin.preFilter !== undefined)
    this.filters = all.filter((plugin) => plugin.filter !== undefined)
    const firstOther = this.filters.findIndex(({ local }) => local !== true)
    this.localFilters = firstOther < 0 ? this.filters : this.filters.slice(0, firstOther)
    this.otherFilters = firstOther < 0 ? [] : this.filters.slice(firstOther)
    this.preScores = all.filter((plugin) => plugin.preScore !== undefined)
    this.scorers = plugins.filter(({ plugin, weight }) => plugin.score !== undefined && weight !== 0)
    this.permits = all.some((plugin) => plugin.permit !== undefined)
    this.sorter = all.find((plugin) => plugin.queueSort !== undefined)
  }

  cycle(snapshot: Snapshot, random: Random): Cycle {
    return { state: new CycleState(), snapshot, random, waiting: this.waiting }
  }

  preEnqueue(pod: Pod): Status | null {
    for (const { plugin } of this.plugins) {
      const status = plugin.preEnqueue?.(pod) ?? null
      if (status !== null) return { ...status, plugin: plugin.name }
    }
    return null
  }

  queueSort(one: Queued, other: Queued): number {
    return this.sorter?.queueSort?.(one, other) ?? one.sinceMs - other.sinceMs
  }

  /** A status: no node will do. Otherwise the names of those that may, null for all. */
  preFilter(cycle: Cycle, pod: PodInfo): Status | { readonly nodeNames: ReadonlySet<string> | null } {
    cycle.state.remembered = this.memory.of(likenessOf(pod).spec)
    let nodeNames: ReadonlySet<string> | null = null
    for (const plugin of this.preFilters) {
      const result = plugin.preFilter?.(cycle, pod) ?? null
      if (result === null) continue
      if (isSkip(result)) cycle.state.skipFilter.add(plugin.name)
      else if ('code' in result) return { ...result, plugin: plugin.name }
      else {
        const { nodeNames: own } = result
        nodeNames = nodeNames === null ? own : nodeNames.intersection(own)
      }
    }
    const { skipFilter } = cycle.state
    cycle.state.filters = this.otherFilters.filter(({ name }) => !skipFilter.has(name))
    return { nodeNames }
  }

  filter(cycle: Cycle, pod: PodInfo, node: NodeInfo): Status | null {
    const { remembered } = cycle.state
    if (remembered === null || node.place < 0) return this.ask(this.filters, cycle, pod, node)
    let status = remembered.status(node)
    if (status === undefined) {
      status = this.ask(this.localFilters, cycle, pod, node)
      remembered.remember(node, status)
    }
    return status ?? this.ask(cycle.state.filters ?? this.otherFilters, cycle, pod, node)
  }

  private ask(filters: readonly Plugin[], cycle: Cycle, pod: PodInfo, node: NodeInfo): Status | null {
    const { skipFilter } = cycle.state
    for (const plugin of filters) {
      if (skipFilter.size > 0 && skipFilter.has(plugin.name)) continue
      const status = plugin.filter?.(cycle, pod, node) ?? null
      if (status !== null) return status.plugin === plugin.name ? status : { ...status, plugin: plugin.name }
    }
    return null
  }

  /** Must fit both with and without the pods of its rank or above that are promised room there. */
  filterWithNominated(cycle: Cycle, pod: PodInfo, node: NodeInfo): Status | null {
    if (this.nominations.size === 0) return this.filter(cycle, pod, node)
    const promised = this.nominations
      .on(node.name)
      .filter((other) => priorityOf(other.pod) >= priorityOf(pod.pod) && other.pod.metadata.uid !== pod.pod.metadata.uid)
    if (promised.length > 0) {
      const trial: Cycle = { ...cycle, state: cycle.state.copy() }
      const crowded = (node as NodeState).copy()
      for (const other of promised) {
        crowded.add(other)
        this.addPod(trial, pod, other, crowded)
      }
      const status = this.filter(trial, pod, crowded)
      if (status !== null) return status
    }
    return this.filter(cycle, pod, node)
  }

  addPod(cycle: Cycle, pod: PodInfo, other: PodInfo, node: NodeInfo): void {
    for (const plugin of this.preFilters) {
      if (!cycle.state.skipFilter.has(plugin.name)) plugin.addPod?.(cycle, pod, other, node)
    }
  }

  removePod(cycle: Cycle, pod: PodInfo, other: PodInfo, node: NodeInfo): void {
    for (const plugin of this.preFilters) {
      if (!cycle.state.skipFilter.has(plugin.name)) plugin.removePod?.(cycle, pod, other, node)
    }
  }

  postFilter(cycle: Cycle, pod: PodInfo): void {
    for (const { plugin } of this.plugins) plugin.postFilter?.(cycle, pod)
  }

  /** Null: it may go. A status: it may not. Otherwise which plugins it has to wait for, and how long at most. */
  permit(cycle: Cycle, pod: PodInfo, node: string): Status | ReadonlyMap<string, number> | null {
    const timeouts = new Map<string, number>()
    for (const { plugin } of this.plugins) {
      if (plugin.permit === undefined) continue
      const { status, timeoutMs } = plugin.permit(cycle, pod, node)
      if (status?.code === 'Wait') timeouts.set(plugin.name, timeoutMs)
      else if (status !== null) return { ...status, plugin: plugin.name }
    }
    return timeouts.size === 0 ? null : timeouts
  }

  score(cycle: Cycle, pod: PodInfo, nodes: readonly NodeInfo[]): Scores {
    const { skipScore, remembered } = cycle.state
    for (const plugin of this.preScores) if (isSkip(plugin.preScore?.(cycle, pod, nodes))) skipScore.add(plugin.name)
    const scorers = this.scorers.filter(({ plugin }) => !skipScore.has(plugin.name))
    const local = scorers.flatMap(({ plugin }) => (plugin.local === true ? [plugin] : []))
    remembered?.score(local, cycle, pod, nodes)
    const places = nodes.map(({ place }) => place)
    const totals = nodes.map(() => 0)
    const byPlugin = new Map<string, readonly number[]>()
    for (const { plugin, weight } of scorers) {
      const scores =
        plugin.local === true && remembered !== null
          ? remembered.scoresOf(plugin.name, places)
          : nodes.map((node) => plugin.score?.(cycle, pod, node) ?? 0)
      plugin.normalize?.(cycle, pod, scores, nodes)
      byPlugin.set(plugin.name, scores)
      for (let index = 0; index < scores.length; index++) totals[index] = (totals[index] as number) + (scores[index] as number) * weight
    }
    return { totals, byPlugin }
  }
}
