/** What a run is measured by. Shares are of 1; times are virtual milliseconds, but for decisions a second. */
import { mean, quantile, standardDeviation } from 'simple-statistics'
import type { SchedulerCache } from '../../impl/scheduler/cache.ts'
import type { Status } from '../../impl/scheduler/framework.ts'
import type { NodeInfo } from '../../impl/scheduler/node-info.ts'
import { amountOf, requestsOf, type Amounts } from '../../impl/scheduler/request.ts'
import type { Node, Pod } from '../../model/state/objects.ts'
import { GPU_MILLI, loadOf, mainResource } from './workload.ts'

/** At some arrived load: allocated share by resource. */
export interface CurvePoint {
  readonly load: number
  readonly allocated: Readonly<Record<string, number>>
}

export interface RunMetrics {
  readonly curve: readonly CurvePoint[]
  /** Resource → share of the capacity allocated: at the end if pods stay, otherwise over the second half of the arrivals. */
  readonly allocated: Readonly<Record<string, number>>
  /** Share of what is free of the main resource that a typical pod could not use. */
  readonly fragmentation: number
  /** Standard deviation of the nodes' used share of the main resource. */
  readonly imbalance: number
  readonly nodesUsed: number
  readonly pending: number
  readonly droppedShare: number
  /** Why pods found no node: reason → pods that heard it. */
  readonly reasons: Readonly<Record<string, number>>
  readonly timeToBindMs: { readonly mean: number; readonly p99: number }
  readonly preemptions: number
  readonly decisionsPerSecond: number
  readonly violations: readonly string[]
}

const CURVE_STEP = 0.02
const TYPICAL_SHARE = 0.95
const VIOLATIONS_KEPT = 5

export class Metrics {
  private readonly main: string
  private readonly capacity = new Map<string, number>()
  private readonly classes: readonly { readonly requests: Amounts; readonly share: number }[]
  private readonly curve: CurvePoint[] = []
  private readonly waits: number[] = []
  private readonly reasons = new Map<string, number>()
  private readonly violations: string[] = []
  private load = 0
  private arrivals = 0
  private drops = 0
  private preemptions = 0
  private decisions = 0
  private decidingMs = 0

  constructor(nodes: readonly Node[], typical: readonly Pod[]) {
    this.main = mainResource(nodes)
    for (const { status } of nodes) {
      for (const [name, quantity] of Object.entries(status.allocatable)) {
        if (name === 'cpu' || name === 'memory' || name === GPU_MILLI)
          this.capacity.set(name, (this.capacity.get(name) ?? 0) + amountOf(name, quantity))
      }
    }
    this.classes = classesOf(typical)
  }

  arrived(pod: Pod): void {
    this.arrivals++
    this.load += loadOf(pod, this.main) / (this.capacity.get(this.main) ?? 1)
  }

  dropped(statuses: ReadonlyMap<string, Status>): void {
    this.drops++
    const heard = new Set<string>()
    for (const { reasons } of statuses.values()) for (const reason of reasons) heard.add(reason)
    for (const reason of heard) this.reasons.set(reason, (this.reasons.get(reason) ?? 0) + 1)
  }

  decided(ms: number): void {
    this.decisions++
    this.decidingMs += ms
  }

  bound(waitMs: number): void {
    this.waits.push(waitMs)
  }

  preempted(victims: number): void {
    this.preemptions += victims
  }

  violated(why: string): void {
    if (this.violations.length < VIOLATIONS_KEPT) this.violations.push(why)
  }

  sample(cache: SchedulerCache): void {
    if (this.load < this.curve.length * CURVE_STEP) return
    this.curve.push({ load: this.load, allocated: this.allocated(cache) })
  }

  private allocated(cache: SchedulerCache): Readonly<Record<string, number>> {
    const sums = new Map<string, number>()
    for (const { requested } of cache.nodes) {
      for (const name of this.capacity.keys()) sums.set(name, (sums.get(name) ?? 0) + (requested.get(name) ?? 0))
    }
    return Object.fromEntries([...this.capacity].map(([name, capacity]) => [name, (sums.get(name) ?? 0) / capacity]))
  }

  end(cache: SchedulerCache, pending: number): RunMetrics {
    const { nodes } = cache
    const shares = nodes.flatMap((node) => {
      const capacity = node.allocatable.get(this.main) ?? 0
      return capacity === 0 ? [] : [(node.requested.get(this.main) ?? 0) / capacity]
    })
    return {
      curve: this.curve,
      allocated: this.overall(cache),
      fragmentation: this.fragmentation(nodes),
      imbalance: shares.length === 0 ? 0 : standardDeviation(shares),
      nodesUsed: nodes.filter((node) => node.pods.size > 0).length,
      pending,
      droppedShare: this.arrivals === 0 ? 0 : this.drops / this.arrivals,
      reasons: Object.fromEntries([...this.reasons].toSorted(([one], [other]) => (one < other ? -1 : 1))),
      timeToBindMs: this.waits.length === 0 ? { mean: 0, p99: 0 } : { mean: mean(this.waits), p99: quantile(this.waits, 0.99) },
      preemptions: this.preemptions,
      decisionsPerSecond: this.decidingMs === 0 ? 0 : (this.decisions / this.decidingMs) * 1000,
      violations: this.violations,
    }
  }

  private overall(cache: SchedulerCache): Readonly<Record<string, number>> {
    const still = this.allocated(cache)
    if (Object.values(still).some((share) => share > 0)) return still
    const half = this.curve.slice(Math.floor(this.curve.length / 2))
    if (half.length === 0) return still
    return Object.fromEntries([...this.capacity.keys()].map((name) => [name, mean(half.map(({ allocated }) => allocated[name] ?? 0))]))
  }

  /** After the FGD measure of Weng et al., by sums per node instead of per GPU. */
  private fragmentation(nodes: readonly NodeInfo[]): number {
    let free = 0
    let useless = 0
    for (const node of nodes) {
      const left = (node.allocatable.get(this.main) ?? 0) - (node.requested.get(this.main) ?? 0)
      if (left <= 0) continue
      free += left
      for (const { requests, share } of this.classes) {
        const fits = [...requests].every(([name, amount]) => amount <= (node.allocatable.get(name) ?? 0) - (node.requested.get(name) ?? 0))
        if (!fits || (requests.get(this.main) ?? 0) === 0) useless += left * share
      }
    }
    return free === 0 ? 0 : useless / free
  }
}

/** The most frequent requests until they cover most pods. */
const classesOf = (typical: readonly Pod[]): readonly { readonly requests: Amounts; readonly share: number }[] => {
  const counts = new Map<string, { requests: Amounts; count: number }>()
  for (const pod of typical) {
    const requests = requestsOf(pod)
    const key = JSON.stringify([...requests])
    const held = counts.get(key) ?? { requests, count: 0 }
    held.count++
    counts.set(key, held)
  }
  const kept: { requests: Amounts; count: number }[] = []
  let covered = 0
  for (const one of [...counts.values()].toSorted((a, b) => b.count - a.count)) {
    if (covered >= typical.length * TYPICAL_SHARE) break
    kept.push(one)
    covered += one.count
  }
  return kept.map(({ requests, count }) => ({ requests, share: count / covered }))
}
