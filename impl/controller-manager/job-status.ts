/**
 * What a Job says of itself: ends noted before pods are let go, counted after it; how it will end, and that it has.
 *
 * Source: kubernetes/kubernetes pkg/controller/job/job_controller.go, success_policy.go.
 */
import type { Job, JobStatus } from '../../model/state/batch.ts'
import type { Condition, Pod } from '../../model/state/objects.ts'
import { conditionOf, isDeleting, withCondition } from '../objects.ts'
import { hasIndexLimit } from './job-indexes.ts'
import { completedIndexes, formatIndexes, hasFailed, indexOf, isCounted, isIndexed, isSuspended, parseIndexes } from './job-pods.ts'
import type { Round } from './job-round.ts'

const UNCOUNTED_MOST = 500

/** How a Job is to end. */
export interface Finish {
  readonly outcome: 'Complete' | 'Failed'
  readonly reason: string
  readonly message: string
}

export const SUCCESS: Finish = { outcome: 'Complete', reason: 'CompletionsReached', message: 'Reached expected number of succeeded pods' }

/** By its indexes: more have failed for good than it bears, or none is left to be tried and some have failed. */
export const failureOf = ({ job, tracked, failedIndexes }: Round): Finish | null => {
  const { completions = 0, maxFailedIndexes = Infinity } = job.spec
  const failed = failedIndexes.size
  if (failed > maxFailedIndexes) {
    const message = 'Job has exceeded the specified maximal number of failed indexes'
    return { outcome: 'Failed', reason: 'MaxFailedIndexesExceeded', message }
  }
  if (failed === 0 || failed + completedIndexes(job, tracked).size < completions) return null
  return { outcome: 'Failed', reason: 'FailedIndexes', message: 'Job has failed indexes' }
}

/** By the first rule of its success policy that these indexes meet. */
export const successOf = ({ spec }: Job, succeeded: ReadonlySet<number>): Finish | null => {
  const { successPolicy } = spec
  if (successPolicy === undefined || succeeded.size === 0) return null
  const met = successPolicy.rules.findIndex(({ succeededIndexes, succeededCount }) => {
    if (succeededIndexes === undefined) return succeeded.size >= (succeededCount ?? Infinity)
    const named = parseIndexes(succeededIndexes)
    let matched = 0
    for (const index of named) if (succeeded.has(index)) matched++
    return matched >= (succeededCount ?? named.length)
  })
  return met === -1 ? null : { outcome: 'Complete', reason: 'SuccessPolicy', message: `Matched rules at index ${met}` }
}

/** Ends whose finalizers are gone are numbers now. */
export const counted = (status: JobStatus, held: ReadonlySet<string>): JobStatus => {
  const { succeeded = [], failed = [] } = status.uncountedTerminatedPods ?? {}
  const still = (uid: string): boolean => held.has(uid)
  const left = { succeeded: succeeded.filter(still), failed: failed.filter(still) }
  return {
    ...status,
    succeeded: (status.succeeded ?? 0) + succeeded.length - left.succeeded.length,
    failed: (status.failed ?? 0) + failed.length - left.failed.length,
    uncountedTerminatedPods: left,
  }
}

export interface Noted {
  readonly status: JobStatus
  /** Pods to be let go once that is written. */
  readonly release: readonly Pod[]
  /** There are others, which the status has no room for yet. */
  readonly more: boolean
}

/**
 * With the ends noted that are to be counted. Successes of an Indexed Job are counted by their index, at once; failed pods
 * that are to hand on a number wait until they have.
 */
export const notedEnds = (round: Round, tracked: readonly Pod[], status: JobStatus, finish: Finish | null): Noted => {
  const { job, failedIndexes } = round
  const isOver = isDeleting(job) || finish !== null
  const waiting = new Set(isOver ? [] : round.lastFailures.values())
  const { succeeded = [], failed = [] } = status.uncountedTerminatedPods ?? {}
  const noted = { succeeded: [...succeeded], failed: [...failed] }
  const successes: Pod[] = []
  const ends = tracked.filter((pod) => isOver || pod.status.phase === 'Succeeded' || (hasFailed(job, pod) && !waiting.has(pod)))
  const release: Pod[] = []
  for (const pod of ends) {
    if (noted.succeeded.length + noted.failed.length >= UNCOUNTED_MOST) break
    release.push(pod)
    const uid = pod.metadata.uid
    if (noted.failed.includes(uid) || noted.succeeded.includes(uid)) continue
    if (isIndexed(job) && indexOf(job, pod) === null) continue
    if (pod.status.phase === 'Succeeded') {
      if (isIndexed(job)) successes.push(pod)
      else noted.succeeded.push(uid)
      // With a Job that failed all fails that has not ended.
    } else if ((hasFailed(job, pod) || finish?.outcome === 'Failed') && isCounted(job, pod)) noted.failed.push(uid)
  }
  const more = release.length < ends.length
  if (!isIndexed(job)) return { status: { ...status, uncountedTerminatedPods: noted }, release, more }
  const completed = completedIndexes(job, successes)
  const own = {
    completedIndexes: formatIndexes(completed),
    succeeded: completed.size,
    ...(hasIndexLimit(job) ? { failedIndexes: formatIndexes(failedIndexes) } : {}),
  }
  return { status: { ...status, ...own, uncountedTerminatedPods: noted }, release, more }
}

/** That it will end is said before its pods are let go. */
export const announced = (status: JobStatus, { outcome, reason, message }: Finish, now: string): JobStatus => {
  const type = outcome === 'Failed' ? 'FailureTarget' : 'SuccessCriteriaMet'
  if (conditionOf(status.conditions, type)?.status === 'True') return status
  return { ...status, conditions: withCondition(status.conditions, { type, status: 'True', reason, message, lastTransitionTime: now }) }
}

export const finished = (status: JobStatus, { outcome, reason, message }: Finish, now: string): JobStatus => ({
  ...status,
  conditions: withCondition(status.conditions, { type: outcome, status: 'True', reason, message, lastTransitionTime: now }),
  ...(outcome === 'Complete' ? { completionTime: now } : {}),
})

/** The condition Suspended; who is resumed begins anew as far as its deadline goes. */
export const suspension = (job: Job, status: JobStatus, now: string): JobStatus => {
  const before = conditionOf(status.conditions, 'Suspended')?.status
  const next: Condition = isSuspended(job)
    ? { type: 'Suspended', status: 'True', reason: 'JobSuspended', message: 'Job suspended', lastTransitionTime: now }
    : { type: 'Suspended', status: 'False', reason: 'JobResumed', message: 'Job resumed', lastTransitionTime: now }
  if (before === next.status || (before === undefined && next.status === 'False')) return status
  const { startTime: _startTime, ...rest } = status
  const conditions = withCondition(status.conditions, next)
  return next.status === 'False' ? { ...rest, conditions, startTime: now } : { ...rest, conditions }
}
