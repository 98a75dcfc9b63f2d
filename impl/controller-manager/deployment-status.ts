/**
 * A Deployment's status: counts from its sets, and whether it is available and getting on.
 *
 * Source: kubernetes/kubernetes pkg/controller/deployment/{progress.go,sync.go}.
 */
import type { Condition, Deployment, ReplicaSet } from '../../model/state/objects.ts'
import { epochMs, rfc3339 } from '../time.ts'
import { conditionOf, withCondition } from '../objects.ts'
import { availableOf, bounds, isComplete, sum } from './rollout.ts'

const NO_DEADLINE = 2_147_483_647

export const statusOf = (
  deployment: Deployment,
  sets: readonly ReplicaSet[],
  newSet: ReplicaSet | undefined,
  nowMs: number,
): Deployment['status'] => {
  const replicas = sum(sets, (set) => set.status.replicas)
  const available = availableOf(sets)
  const { collisionCount } = deployment.status
  const counts: Deployment['status'] = {
    observedGeneration: deployment.metadata.generation ?? 0,
    replicas,
    updatedReplicas: newSet?.status.replicas ?? 0,
    readyReplicas: sum(sets, (set) => set.status.readyReplicas ?? 0),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, sum(sets, (set) => set.spec.replicas) - available),
    terminatingReplicas: sum(sets, (set) => set.status.terminatingReplicas ?? 0),
    ...(collisionCount === undefined ? {} : { collisionCount }),
    ...(deployment.status.conditions === undefined ? {} : { conditions: deployment.status.conditions }),
  }
  const now = rfc3339(nowMs)
  let conditions = withCondition(counts.conditions, availability(deployment, available, now))
  const progress = progressing(deployment, counts, newSet, nowMs)
  if (progress !== null) conditions = withCondition(conditions, progress)
  return { ...counts, conditions }
}

const unchanged = (before: Condition | undefined, next: Condition): boolean =>
  before?.status === next.status && before.reason === next.reason

const availability = (deployment: Deployment, available: number, now: string): Condition => {
  const enough = available >= deployment.spec.replicas - bounds(deployment).unavailable
  const next: Condition = {
    type: 'Available',
    status: enough ? 'True' : 'False',
    reason: enough ? 'MinimumReplicasAvailable' : 'MinimumReplicasUnavailable',
    message: enough ? 'Deployment has minimum availability.' : 'Deployment does not have minimum availability.',
    lastTransitionTime: now,
    lastUpdateTime: now,
  }
  const before = conditionOf(deployment.status.conditions, 'Available')
  return before !== undefined && unchanged(before, next) ? before : next
}

/** More of the new, fewer of the old, more ready or more available than when it was last looked at. */
const progressed = (before: Deployment['status'], now: Deployment['status']): boolean => {
  const old = (status: Deployment['status']): number => (status.replicas ?? 0) - (status.updatedReplicas ?? 0)
  return (
    (now.updatedReplicas ?? 0) > (before.updatedReplicas ?? 0) ||
    old(now) < old(before) ||
    (now.readyReplicas ?? 0) > (before.readyReplicas ?? 0) ||
    (now.availableReplicas ?? 0) > (before.availableReplicas ?? 0)
  )
}

/** Null: the condition stays as it is. */
const progressing = (
  deployment: Deployment,
  counts: Deployment['status'],
  newSet: ReplicaSet | undefined,
  nowMs: number,
): Condition | null => {
  const before = conditionOf(deployment.status.conditions, 'Progressing')
  const now = rfc3339(nowMs)
  const make = (status: Condition['status'], reason: string, message: string): Condition => ({
    type: 'Progressing',
    status,
    reason,
    message,
    lastTransitionTime: now,
    lastUpdateTime: now,
  })
  const { name } = deployment.metadata
  const set = newSet?.metadata.name ?? ''
  if (deployment.spec.paused === true) {
    return before?.reason === 'DeploymentPaused' ? null : make('Unknown', 'DeploymentPaused', 'Deployment is paused')
  }
  if (before?.reason === 'DeploymentPaused') return make('Unknown', 'DeploymentResumed', 'Deployment is resumed')
  if (isComplete(deployment, counts)) {
    const reason = 'NewReplicaSetAvailable'
    return before?.reason === reason ? null : make('True', reason, `ReplicaSet "${set}" has successfully progressed.`)
  }
  if (before === undefined || progressed(deployment.status, counts)) {
    const reason = before === undefined ? 'NewReplicaSetCreated' : 'ReplicaSetUpdated'
    return make('True', reason, before === undefined ? `Created new replica set "${set}"` : `ReplicaSet "${set}" is progressing.`)
  }
  if (before.reason === 'NewReplicaSetAvailable') return make('True', 'ReplicaSetUpdated', `ReplicaSet "${set}" is progressing.`)
  if (before.reason !== 'ProgressDeadlineExceeded' && deadlineLeftMs(deployment, before, nowMs) <= 0) {
    return make('False', 'ProgressDeadlineExceeded', `ReplicaSet "${set}" has timed out progressing. (${name})`)
  }
  return null
}

const deadlineLeftMs = (deployment: Deployment, condition: Condition, nowMs: number): number => {
  const seconds = deployment.spec.progressDeadlineSeconds ?? 600
  if (seconds === NO_DEADLINE) return Infinity
  return epochMs(condition.lastUpdateTime ?? '1970-01-01T00:00:00Z') + seconds * 1000 - nowMs
}

/** When to look again because the deadline may have passed; null: no deadline runs. */
export const deadlineInMs = (deployment: Deployment, status: Deployment['status'], nowMs: number): number | null => {
  const condition = conditionOf(status.conditions, 'Progressing')
  if (condition === undefined || deployment.spec.paused === true) return null
  if (condition.reason === 'NewReplicaSetAvailable' || condition.reason === 'ProgressDeadlineExceeded') return null
  const left = deadlineLeftMs(deployment, condition, nowMs)
  return left === Infinity ? null : Math.max(1_000, left + 1_000)
}
