/**
 * A back-off limit for each index: how often one has failed stands on its pods, and is handed on from each to the next.
 *
 * So that it is not lost, the last failed pod of an index that is to be tried again keeps its finalizer until the next one
 * is in sight. An index that has completed does not fail any more, nor the other way round: upstream's API refuses that.
 * Source: kubernetes/kubernetes pkg/controller/job/{indexed_job_utils,backoff_utils}.go; KEP-3850.
 */
import { INDEX_FAILURES, INDEX_FAILURES_IGNORED, type Job } from '../../model/state/batch.ts'
import type { Labels, Pod } from '../../model/state/objects.ts'
import { completedIndexes, endedMs, hasFailed, indexOf, isCounted, NO_BACK_OFF, ownIndexes, ruleFor, type BackOff } from './job-pods.ts'

export const hasIndexLimit = (job: Job): boolean => job.spec.backoffLimitPerIndex !== undefined

/** Users may write anything there. */
const numberOn = (pod: Pod, annotation: string): number => {
  const text = pod.metadata.annotations?.[annotation] ?? ''
  return /^\d{1,9}$/.test(text) ? Number(text) : 0
}
const failuresBefore = (pod: Pod): number => numberOn(pod, INDEX_FAILURES)
const attemptsBefore = (pod: Pod): number => failuresBefore(pod) + numberOn(pod, INDEX_FAILURES_IGNORED)

/** Its index is not tried again after it. */
const endsIndex = (job: Job, pod: Pod): boolean => {
  if (!hasFailed(job, pod)) return false
  if (ruleFor(job, pod)?.action === 'FailIndex') return true
  return isCounted(job, pod) && failuresBefore(pod) >= (job.spec.backoffLimitPerIndex ?? Infinity)
}

/** With those that fail by pods that are still to be counted. */
export const failedIndexes = (job: Job, tracked: readonly Pod[]): ReadonlySet<number> => {
  if (!hasIndexLimit(job)) return new Set()
  const completed = completedIndexes(job, tracked)
  const now = tracked.filter((pod) => endsIndex(job, pod)).flatMap((pod) => indexOf(job, pod) ?? [])
  return new Set([...ownIndexes(job, job.status.failedIndexes), ...now.filter((index) => !completed.has(index))])
}

/** The last failed pod of each index that is to be tried again. */
export const lastFailures = (job: Job, active: readonly Pod[], tracked: readonly Pod[]): ReadonlyMap<number, Pod> => {
  const last = new Map<number, Pod>()
  if (!hasIndexLimit(job)) return last
  const running = active.flatMap((pod) => indexOf(job, pod) ?? [])
  const settled = new Set([...completedIndexes(job, tracked), ...failedIndexes(job, tracked), ...running])
  for (const pod of tracked) {
    const index = indexOf(job, pod)
    if (index === null || settled.has(index) || !hasFailed(job, pod)) continue
    const other = last.get(index)
    if (other === undefined || isLater(pod, other)) last.set(index, pod)
  }
  return last
}

const isLater = (pod: Pod, other: Pod): boolean => {
  const more = attemptsBefore(pod) - attemptsBefore(other)
  return more === 0 ? endedMs(pod) >= endedMs(other) : more > 0
}

/** What the next pod of an index says of those before. */
export const failuresAfter = (job: Job, last: Pod | undefined): Labels => {
  if (last === undefined) return { [INDEX_FAILURES]: '0' }
  const one = isCounted(job, last) ? 1 : 0
  const ignored = numberOn(last, INDEX_FAILURES_IGNORED) + 1 - one
  return {
    [INDEX_FAILURES]: String(failuresBefore(last) + one),
    ...(ignored === 0 ? {} : { [INDEX_FAILURES_IGNORED]: String(ignored) }),
  }
}

export const indexBackOff = (last: Pod | undefined): BackOff =>
  last === undefined ? NO_BACK_OFF : { failures: attemptsBefore(last) + 1, lastMs: endedMs(last) }
