/**
 * The pods of a StatefulSet by their ordinals, and what a set asks of them.
 *
 * Source: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/
 */
import type { Pod } from '../state/objects.ts'
import type { StatefulSet } from '../state/stateful.ts'
import { isDeleting, isReady } from './objects.ts'

const ORDINAL = /-(0|[1-9]\d*)$/
/** Of a name that a set gives: 'db-2' is 2. */
export const ordinalOf = (name: string): number => Number(ORDINAL.exec(name)?.[1] ?? -1)
export const startOf = ({ spec }: StatefulSet): number => spec.ordinals?.start ?? 0
export const isInRange = (set: StatefulSet, ordinal: number): boolean =>
  ordinal >= startOf(set) && ordinal < startOf(set) + set.spec.replicas
/** Below it a rolling update leaves pods as they are. */
export const partitionOf = (set: StatefulSet): number => startOf(set) + (set.spec.updateStrategy.rollingUpdate?.partition ?? 0)
/** Pods that may be unavailable in an update: a share rounded down, one at least. */
export const mostUnavailable = ({ spec }: StatefulSet): number => {
  const given = spec.updateStrategy.rollingUpdate?.maxUnavailable ?? 1
  return Math.max(1, typeof given === 'number' ? given : Math.floor((Number.parseFloat(given) * spec.replicas) / 100))
}

/** Running, ready for as long as asked by a clock, and not on its way out. */
export const isAvailable = (pod: Pod, minReadySeconds: number, nowMs: number): boolean => {
  if (isDeleting(pod) || pod.status.phase !== 'Running' || !isReady(pod)) return false
  if (minReadySeconds === 0) return true
  const since = pod.status.conditions?.find(({ type }) => type === 'Ready')?.lastTransitionTime
  return since !== undefined && Date.parse(since) + minReadySeconds * 1000 <= nowMs
}

/** The claims that a pod of this name has of its own. */
export const claimsOf = ({ spec }: StatefulSet, pod: string): readonly string[] =>
  (spec.volumeClaimTemplates ?? []).map(({ metadata }) => `${metadata.name}-${pod}`)
