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
const AVAILABLE = 'NewReplicaSetAvailable'

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
  if (deployment.spec.paused !== true) conditions = withFailure(conditions, sets, newSet)
  if (!hasDeadline(deployment)) return { ...counts, conditions: conditions.filter(({ type }) => type !== 'Progressing') }
  const progress = progressing(deployment, counts, newSet, nowMs)
  if (progress !== null) conditions = withCondition(conditions, progress)
  return { ...counts, conditions }
}

/** That pods cannot be made or deleted is passed on from its sets, the newest first; a paused one tells nothing new. */
const withFailure = (
  conditions: readonly Condition[],
  sets: readonly ReplicaSet[],
  newSet: ReplicaSet | undefined,
): readonly Condition[] => {
  const told = [...(newSet === undefined ? [] : [newSet]), ...sets]
    .map(({ status }) => conditionOf(status.conditions, 'ReplicaFailure'))
    .find((condition) => condition !== undefined)
  if (told === undefined) return conditions.filter(({ type }) => type !== 'ReplicaFailure')
  const before = conditionOf(conditions, 'ReplicaFailure')
  if (before !== undefined && unchanged(before, told)) return conditions
  const { lastTransitionTime: lastUpdateTime } = told
  return withCondition(conditions, lastUpdateTime === undefined ? told : { ...told, lastUpdateTime })
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

type Says = (status: Condition['status'], reason: string, message: string) => Condition
const progressingAt =
  (now: string): Says =>
  (status, reason, message) => ({ type: 'Progressing', status, reason, message, lastTransitionTime: now, lastUpdateTime: now })

/** While it is paused no deadline runs; that it had missed one already is not unsaid. Null: the condition stays as it is. */
const pausing = ({ spec }: Deployment, before: Condition | undefined, says: Says): Condition | null => {
  if (before?.reason === 'ProgressDeadlineExceeded') return null
  const isPaused = before?.reason === 'DeploymentPaused'
  if (spec.paused === true) return isPaused ? null : says('Unknown', 'DeploymentPaused', 'Deployment is paused')
  return isPaused ? says('Unknown', 'DeploymentResumed', 'Deployment is resumed') : null
}

/** Null: the condition stays as it is. */
const progressing = (
  deployment: Deployment,
  counts: Deployment['status'],
  newSet: ReplicaSet | undefined,
  nowMs: number,
): Condition | null => {
  const before = conditionOf(deployment.status.conditions, 'Progressing')
  const says = progressingAt(rfc3339(nowMs))
  const set = `ReplicaSet "${newSet?.metadata.name ?? ''}"`
  const paused = pausing(deployment, before, says)
  if (paused !== null || deployment.spec.paused === true) return paused
  // All pods are of the newest template, and once they were all there: what befalls them now is no rollout.
  if (before?.reason === AVAILABLE && counts.replicas === counts.updatedReplicas) return null
  if (isComplete(deployment, counts)) return says('True', AVAILABLE, `${set} has successfully progressed.`)
  if (before === undefined) return says('True', 'NewReplicaSetCreated', `Created new replica set "${newSet?.metadata.name ?? ''}"`)
  if (progressed(deployment.status, counts)) return says('True', 'ReplicaSetUpdated', `${set} is progressing.`)
  const isLate =
    before.reason !== AVAILABLE && before.reason !== 'ProgressDeadlineExceeded' && deadlineLeftMs(deployment, before, nowMs) <= 0
  return isLate ? says('False', 'ProgressDeadlineExceeded', `${set} has timed out progressing.`) : null
}

/** A rollout to a new set begins: its deadline runs from now. */
export const begun = (deployment: Deployment, setName: string, nowMs: number): Deployment['status'] => {
  if (!hasDeadline(deployment) || deployment.spec.paused === true) return deployment.status
  const condition = progressingAt(rfc3339(nowMs))('True', 'NewReplicaSetCreated', `Created new replica set "${setName}"`)
  return { ...deployment.status, conditions: withCondition(deployment.status.conditions, condition) }
}

const hasDeadline = ({ spec }: Deployment): boolean => spec.progressDeadlineSeconds !== NO_DEADLINE

const deadlineLeftMs = (deployment: Deployment, condition: Condition, nowMs: number): number => {
  const seconds = deployment.spec.progressDeadlineSeconds ?? 600
  return epochMs(condition.lastUpdateTime ?? '1970-01-01T00:00:00Z') + seconds * 1000 - nowMs
}

/** When to look again because the deadline may have passed; null: no deadline runs. */
export const deadlineInMs = (deployment: Deployment, status: Deployment['status'], nowMs: number): number | null => {
  const condition = conditionOf(status.conditions, 'Progressing')
  if (condition === undefined || deployment.spec.paused === true) return null
  if (condition.reason === AVAILABLE || condition.reason === 'ProgressDeadlineExceeded') return null
  return Math.max(1_000, deadlineLeftMs(deployment, condition, nowMs) + 1_000)
}
