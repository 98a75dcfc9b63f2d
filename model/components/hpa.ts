/**
 * How many replicas a load asks for, and how fast a number of them may change, as the documentation has it.
 *
 * Source: https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#algorithm-details
 */
import type { HorizontalPodAutoscaler, MetricSpec, ScalingRules, Usage } from '../state/autoscaling.ts'
import type { Pod } from '../state/objects.ts'
import { thousandths } from '../state/quantity.ts'
import { isDeleting } from './objects.ts'

const TOLERANCE = 0.1
const STARTS_MS = 300_000
const COMES_UP_MS = 30_000

export const asks = ({ spec }: Pick<Pod, 'spec'>): number => {
  let sum = 0
  for (const { resources } of spec.containers) sum += thousandths(resources?.requests?.['cpu'] ?? '0')
  return sum
}

const isComingUp = ({ status }: Pod, nowMs: number): boolean => {
  const ready = status.conditions?.find(({ type }) => type === 'Ready')
  if (status.phase === 'Pending' || status.startTime === undefined || ready === undefined) return true
  if (ready.status !== 'False') return false
  const sinceMs = nowMs - Date.parse(status.startTime)
  const readyMs = Date.parse(ready.lastTransitionTime ?? status.startTime) - Date.parse(status.startTime)
  return sinceMs < STARTS_MS || readyMs < COMES_UP_MS
}

export const within = (ratio: number): boolean => Math.abs(1 - ratio) <= TOLERANCE

/** In hundredths, without a remainder, as the metrics client rounds. */
export const share = (used: number, asked: number): number => Math.floor((used * 100) / asked)

/** Undefined: this metric is missing. */
const replicasFor = (metric: MetricSpec, current: number, pods: readonly Pod[], usage: Usage, nowMs: number): number | undefined => {
  const target = metric.type === 'Resource' && metric.resource?.name === 'cpu' ? metric.resource.target.averageUtilization : undefined
  const living = pods.filter((pod) => !isDeleting(pod) && pod.status.phase !== 'Failed')
  if (target === undefined || living.some((pod) => asks(pod) === 0)) return undefined
  const comingUp = living.filter((pod) => isComingUp(pod, nowMs))
  const settled = living.filter((pod) => !comingUp.includes(pod))
  const measured = settled.filter((pod) => usage[pod.metadata.uid] !== undefined)
  if (measured.length === 0) return undefined
  const used = (some: readonly Pod[]): number => some.reduce((sum, pod) => sum + (usage[pod.metadata.uid] ?? 0), 0)
  const asked = (some: readonly Pod[]): number => some.reduce((sum, pod) => sum + asks(pod), 0)
  const first = share(used(measured), asked(measured)) / target
  const unmeasured = settled.filter((pod) => !measured.includes(pod))
  const idle = first > 1 ? comingUp : []
  if (unmeasured.length + idle.length === 0) return within(first) ? current : Math.ceil(first * measured.length)
  // Who is not measured does all that is expected of him before there are fewer, and nothing before there are more.
  const assumed = first < 1 ? (asked(unmeasured) * target) / 100 : 0
  const all = [...measured, ...unmeasured, ...idle]
  const second = share(used(measured) + assumed, asked(all)) / target
  if (within(second) || (first < 1 && second > 1) || (first > 1 && second < 1)) return current
  const replicas = Math.ceil(second * all.length)
  return (second < 1 && replicas > current) || (second > 1 && replicas < current) ? current : replicas
}

/** Null: no metric tells, or one is missing and the others ask for fewer. */
export const recommended = (
  { spec }: HorizontalPodAutoscaler,
  current: number,
  pods: readonly Pod[],
  usage: Usage,
  nowMs: number,
): number | null => {
  const each = spec.metrics.map((metric) => replicasFor(metric, current, pods, usage, nowMs))
  const told = each.filter((one) => one !== undefined)
  if (told.length === 0) return null
  const most = Math.max(...told)
  return told.length < each.length && most < current ? null : most
}

export interface Change {
  readonly atMs: number
  readonly by: number
}

/** The number that the policies allow to be reached from `current` after these changes. */
export const limitOf = (
  { selectPolicy, policies }: ScalingRules,
  current: number,
  changes: readonly Change[],
  nowMs: number,
  up: boolean,
): number => {
  if (selectPolicy === 'Disabled') return current
  const limits = policies.map(({ type, value, periodSeconds }) => {
    let start = current
    for (const { atMs, by } of changes) if (nowMs - atMs < periodSeconds * 1000 && by > 0 === up) start -= by
    const step = type === 'Pods' ? value : (start * value) / 100
    return up ? Math.ceil(start + step) : Math.trunc(start - step)
  })
  // The policy that changes most is chosen, unless the least is asked for.
  return up === (selectPolicy === 'Max') ? Math.max(...limits) : Math.min(...limits)
}
