/**
 * Which pods go first when a controller has too many.
 *
 * Source: kubernetes/kubernetes pkg/controller/controller_utils.go (ActivePodsWithRanks).
 */
import type { Pod } from '../../model/state/objects.ts'
import { epochMs } from '../time.ts'
import { conditionOf, isReady } from '../objects.ts'

const PHASES: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 }
const COST = 'controller.kubernetes.io/pod-deletion-cost'

const assigned = (pod: Pod): number => ((pod.spec.nodeName ?? '') === '' ? 0 : 1)
const cost = (pod: Pod): number => Number(pod.metadata.annotations?.[COST] ?? 0)
const restarts = (pod: Pod): number => (pod.status.containerStatuses ?? []).reduce((sum, status) => sum + status.restartCount, 0)
const readySince = (pod: Pod): number =>
  epochMs(conditionOf(pod.status.conditions, 'Ready')?.lastTransitionTime ?? pod.metadata.creationTimestamp)

/** How old, on a scale of doublings: differences within one step do not count. */
const bucket = (sinceMs: number, nowMs: number): number => {
  let age = Math.max(1, Math.floor((nowMs - sinceMs) / 1000))
  let steps = 0
  while (age > 1) {
    age = Math.floor(age / 2)
    steps++
  }
  return steps
}

/** In order of deletion. `sharing`: how many pods of the same workload run on a node. */
export const ranked = (pods: readonly Pod[], sharing: (node: string) => number, nowMs: number): readonly Pod[] => {
  const criteria: ((pod: Pod) => number)[] = [
    assigned,
    (pod) => PHASES[pod.status.phase] ?? 0,
    (pod) => (isReady(pod) ? 1 : 0),
    cost,
    (pod) => -sharing(pod.spec.nodeName ?? ''),
    (pod) => (isReady(pod) ? bucket(readySince(pod), nowMs) : 0),
    (pod) => -restarts(pod),
    (pod) => bucket(epochMs(pod.metadata.creationTimestamp), nowMs),
  ]
  return pods.toSorted((one, other) => {
    for (const criterion of criteria) {
      const difference = criterion(one) - criterion(other)
      if (difference !== 0) return difference
    }
    return one.metadata.uid < other.metadata.uid ? -1 : 1
  })
}
