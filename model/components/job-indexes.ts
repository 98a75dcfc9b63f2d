/**
 * What is said of Jobs whose indexes each have a back-off limit: which have failed for good, and how often one has so far.
 *
 * That number stands on the pods of an index alone, handed on from a failed one to the next; the failed one stays until then.
 * Source: KEP-3850; kubernetes pkg/controller/job/indexed_job_utils.go
 */
import { INDEX_FAILURES, INDEX_FAILURES_IGNORED, type Job } from '../state/batch.ts'
import type { Pod } from '../state/objects.ts'
import { hasFailed, indexesIn, indexOf, ruleOf, succeededIndexes } from './job.ts'
import { isActive } from './objects.ts'

export const isLimitedPerIndex = ({ spec }: Job): boolean => spec.backoffLimitPerIndex !== undefined

export interface Failures {
  readonly counted: number
  readonly ignored: number
}

const wholeNumber = (text: string | undefined): number => (text !== undefined && /^\d+$/.test(text) ? Number(text) : 0)

/** Of its index, before the pod. */
export const failuresBefore = ({ metadata: { annotations } }: Pod): Failures => ({
  counted: wholeNumber(annotations?.[INDEX_FAILURES]),
  ignored: wholeNumber(annotations?.[INDEX_FAILURES_IGNORED]),
})

/** With that of the pod. */
export const failuresAfter = (job: Job, pod: Pod): Failures => {
  const { counted, ignored } = failuresBefore(pod)
  return ruleOf(job, pod)?.action === 'Ignore' ? { counted, ignored: ignored + 1 } : { counted: counted + 1, ignored }
}

/** By a rule that says so, or since it has failed more often than the limit. */
export const failsIndex = (job: Job, pod: Pod): boolean => {
  if (!isLimitedPerIndex(job) || !hasFailed(job, pod)) return false
  const action = ruleOf(job, pod)?.action
  return action === 'FailIndex' || (action !== 'Ignore' && failuresAfter(job, pod).counted > (job.spec.backoffLimitPerIndex ?? 0))
}

/** Ends are those that its status does not speak of yet. An index that has succeeded does not fail any more. */
export const failedIndexes = (job: Job, ends: readonly Pod[]): ReadonlySet<number> => {
  const before = [...indexesIn(job.status.failedIndexes)].filter((index) => index < (job.spec.completions ?? 0))
  const succeeded = succeededIndexes(job, ends)
  const now = ends.filter((pod) => failsIndex(job, pod)).flatMap((pod) => indexOf(job, pod) ?? [])
  return new Set([...before, ...now.filter((index) => !succeeded.has(index))])
}

/** Of the ends of an index those that failed last, by the numbers on them: one of them hands on to the next pod. */
export const lastFailures = (job: Job, ends: readonly Pod[], index: number): readonly Pod[] => {
  const failed = ends.filter((pod) => indexOf(job, pod) === index && hasFailed(job, pod))
  const attempt = (pod: Pod): number => failuresBefore(pod).counted + failuresBefore(pod).ignored
  const most = Math.max(...failed.map(attempt))
  return failed.filter((pod) => attempt(pod) === most)
}

/** When a pod ended: its containers did, it was not ready any more, or it was to go; whichever of these it says. */
const endedMs = ({ metadata, status }: Pod): number => {
  const ends = (status.containerStatuses ?? []).map(({ state }) => Date.parse(state.terminated?.finishedAt ?? ''))
  if (ends.length > 0 && ends.every((ms) => !Number.isNaN(ms))) return Math.max(...ends)
  const ready = status.conditions?.find(({ type, status: is }) => type === 'Ready' && is === 'False')
  if (ready?.lastTransitionTime !== undefined) return Date.parse(ready.lastTransitionTime)
  const { deletionTimestamp, deletionGracePeriodSeconds = 0, creationTimestamp } = metadata
  return deletionTimestamp === undefined
    ? Date.parse(creationTimestamp)
    : Date.parse(deletionTimestamp) - deletionGracePeriodSeconds * 1_000
}

const FIRST_MS = 10_000
const MOST_MS = 600_000
/** When the next pod of its index may be made: twice as long after each failure, counted or not. */
export const nextMs = (pod: Pod): number => {
  const { counted, ignored } = failuresBefore(pod)
  return endedMs(pod) + Math.min(MOST_MS, FIRST_MS * 2 ** (counted + ignored))
}

/** Whether the pod has to stay to hand on: its index is to be tried again, and no other pod of it runs. */
export const handsOn = (job: Job, pods: readonly Pod[], ends: readonly Pod[], pod: Pod): boolean => {
  const index = isLimitedPerIndex(job) ? indexOf(job, pod) : null
  if (index === null || !lastFailures(job, ends, index).includes(pod)) return false
  const runs = pods.some((other) => isActive(other) && indexOf(job, other) === index)
  return !runs && !succeededIndexes(job, ends).has(index) && !failedIndexes(job, ends).has(index)
}

/** Why a Job fails by its indexes; null: it goes on. */
export const failsByIndexes = (job: Job, ends: readonly Pod[]): 'MaxFailedIndexesExceeded' | 'FailedIndexes' | null => {
  if (!isLimitedPerIndex(job)) return null
  const failed = failedIndexes(job, ends).size
  if (failed > (job.spec.maxFailedIndexes ?? Infinity)) return 'MaxFailedIndexesExceeded'
  return failed > 0 && failed + succeededIndexes(job, ends).size >= (job.spec.completions ?? 0) ? 'FailedIndexes' : null
}
