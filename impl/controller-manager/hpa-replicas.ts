/**
 * How many pods a load asks for: from what they use and what they ask for themselves.
 *
 * Pods without a sample count as idle when there are to be more, and as fully used when there are to be fewer.
 * Source: kubernetes/kubernetes pkg/controller/podautoscaler/{replica_calculator,metrics/utilization}.go.
 */
import type { MetricSpec, Usage } from '../../model/state/autoscaling.ts'
import type { Pod } from '../../model/state/objects.ts'
import { conditionOf, isDeleting } from '../objects.ts'
import { milli } from '../quantity.ts'
import { epochMs } from '../time.ts'

export const TOLERANCE = 0.1
const CPU_INITIALIZATION_MS = 300_000
const INITIAL_READINESS_MS = 30_000

export interface Recommendation {
  readonly replicas: number
  /** Hundredths of what is asked for. */
  readonly utilization: number
}

const requested = (pod: Pod): number =>
  pod.spec.containers.reduce((sum, { resources }) => sum + milli(resources?.requests?.['cpu'] ?? '0'), 0)

/** It says nothing yet of how busy it is: it has not run, or is still coming up. */
const isUnready = (pod: Pod, nowMs: number): boolean => {
  if (pod.status.phase === 'Pending') return true
  const ready = conditionOf(pod.status.conditions, 'Ready')
  const { startTime } = pod.status
  if (ready === undefined || startTime === undefined) return true
  const startedMs = epochMs(startTime)
  if (startedMs + CPU_INITIALIZATION_MS > nowMs) return ready.status === 'False'
  return ready.status === 'False' && startedMs + INITIAL_READINESS_MS > epochMs(ready.lastTransitionTime ?? startTime)
}

interface Sample {
  readonly used: number
  readonly requested: number
}
const ratioOf = (samples: readonly Sample[], target: number): { readonly ratio: number; readonly utilization: number } => {
  const used = samples.reduce((sum, one) => sum + one.used, 0)
  const asked = samples.reduce((sum, one) => sum + one.requested, 0)
  const utilization = Math.floor((used * 100) / asked)
  return { ratio: utilization / target, utilization }
}

const near = (ratio: number): boolean => Math.abs(1 - ratio) <= TOLERANCE

/** Null: the metric cannot be told. */
export const recommend = (
  metric: MetricSpec,
  current: number,
  pods: readonly Pod[],
  usage: Usage,
  nowMs: number,
): Recommendation | null => {
  const target = metric.resource?.target.averageUtilization
  if (metric.type !== 'Resource' || metric.resource?.name !== 'cpu' || target === undefined) return null
  const counted = pods.filter((pod) => !isDeleting(pod) && pod.status.phase !== 'Failed')
  if (counted.some((pod) => requested(pod) === 0)) return null
  const unready = counted.filter((pod) => isUnready(pod, nowMs))
  const others = counted.filter((pod) => !unready.includes(pod))
  const missing = others.filter((pod) => usage[pod.metadata.uid] === undefined)
  const measured = others.filter((pod) => !missing.includes(pod))
  if (measured.length === 0) return null
  const samples = measured.map((pod): Sample => ({ used: usage[pod.metadata.uid] ?? 0, requested: requested(pod) }))
  const { ratio, utilization } = ratioOf(samples, target)
  const rebalances = unready.length > 0 && ratio > 1
  if (!rebalances && missing.length === 0) return { replicas: near(ratio) ? current : Math.ceil(ratio * measured.length), utilization }
  const assumed = (pod: Pod, share: number): Sample => ({ used: (requested(pod) * share) / 100, requested: requested(pod) })
  const idle = rebalances ? unready.map((pod) => assumed(pod, 0)) : []
  const all = [...samples, ...missing.map((pod) => assumed(pod, ratio < 1 ? target : 0)), ...idle]
  const again = ratioOf(all, target).ratio
  const turned = (ratio < 1 && again > 1) || (ratio > 1 && again < 1)
  const replicas = Math.ceil(again * all.length)
  const backwards = (again < 1 && replicas > current) || (again > 1 && replicas < current)
  return { replicas: near(again) || turned || backwards ? current : replicas, utilization }
}

export interface Combined {
  /** Null: no metric could be told. */
  readonly replicas: number | null
  readonly utilization: number | undefined
}

/** The most that any metric asks for; with one of them missing never fewer than there are. */
export const combined = (recommendations: readonly (Recommendation | null)[], current: number): Combined => {
  const told = recommendations.filter((one) => one !== null)
  const most = Math.max(...told.map(({ replicas }) => replicas))
  const utilization = told[0]?.utilization
  if (told.length === 0) return { replicas: null, utilization }
  if (told.length < recommendations.length && most < current) return { replicas: null, utilization }
  return { replicas: most, utilization }
}
