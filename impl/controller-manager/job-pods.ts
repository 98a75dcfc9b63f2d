/**
 * What a Job's controller reads off its pods: which index one is for, whether it failed, when, and what the rules say of that.
 *
 * Source: kubernetes/kubernetes pkg/controller/job/{indexed_job_utils,pod_failure_policy,backoff_utils}.go.
 */
import { COMPLETION_INDEX, TRACKING_FINALIZER, type Job, type PodFailureRule } from '../../model/state/batch.ts'
import type { Pod } from '../../model/state/objects.ts'
import { conditionOf, isDeleting } from '../objects.ts'
import { epochMs } from '../time.ts'

export const isTracked = (pod: Pod): boolean => pod.metadata.finalizers?.includes(TRACKING_FINALIZER) === true

export const isSuspended = (job: Job): boolean => job.spec.suspend
export const isIndexed = (job: Job): boolean => job.spec.completionMode === 'Indexed'
export const holds = (job: Job, condition: string): boolean => conditionOf(job.status.conditions, condition)?.status === 'True'
export const isFinished = (job: Job): boolean => holds(job, 'Complete') || holds(job, 'Failed')
/** Replaces a pod only when it has ended, not when it begins to end. */
export const waitsForEnds = (job: Job): boolean => job.spec.podReplacementPolicy === 'Failed'

/** Counts as a failure: also one that is deleted, unless the Job waits to see how it ends. */
export const hasFailed = (job: Job, pod: Pod): boolean =>
  pod.status.phase === 'Failed' || (!waitsForEnds(job) && isDeleting(pod) && pod.status.phase !== 'Succeeded')

// Indexes

/** Of an Indexed Job's pod; null: it has none that counts. */
export const indexOf = (job: Job, pod: Pod): number | null => {
  const text = pod.metadata.annotations?.[COMPLETION_INDEX]
  if (text === undefined || !/^\d+$/.test(text)) return null
  const index = Number(text)
  return index < (job.spec.completions ?? 0) ? index : null
}

/** '0-2,5' → 0, 1, 2, 5 */
export const parseIndexes = (text: string | undefined): readonly number[] =>
  (text ?? '')
    .split(',')
    .filter((part) => part !== '')
    .flatMap((part) => {
      const [first = 0, last = first] = part.split('-').map(Number)
      return Array.from({ length: last - first + 1 }, (_, offset) => first + offset)
    })

/** 0, 1, 2, 5 → '0-2,5'. Two in a row are two, as upstream writes them. */
export const formatIndexes = (indexes: Iterable<number>): string => {
  const runs: [number, number][] = []
  for (const index of [...new Set(indexes)].toSorted((one, other) => one - other)) {
    const run = runs.at(-1)
    if (run !== undefined && run[1] === index - 1) run[1] = index
    else runs.push([index, index])
  }
  return runs.map(([first, last]) => (last === first ? `${first}` : `${first}${last === first + 1 ? ',' : '-'}${last}`)).join(',')
}

/** Those that a text of its status names, as far as the Job still has them. */
export const ownIndexes = (job: Job, text: string | undefined): readonly number[] =>
  parseIndexes(text).filter((index) => index < (job.spec.completions ?? 0))

/** With the successes among pods that are still to be counted. What has failed for good stays so. */
export const completedIndexes = (job: Job, tracked: readonly Pod[]): ReadonlySet<number> => {
  const failed = new Set(ownIndexes(job, job.status.failedIndexes))
  const now = tracked.filter((pod) => pod.status.phase === 'Succeeded').flatMap((pod) => indexOf(job, pod) ?? [])
  return new Set([...ownIndexes(job, job.status.completedIndexes), ...now.filter((index) => !failed.has(index))])
}

// What a failure means

const matchesCodes = ({ containerName, operator, values }: NonNullable<PodFailureRule['onExitCodes']>, pod: Pod): boolean =>
  [...(pod.status.initContainerStatuses ?? []), ...(pod.status.containerStatuses ?? [])].some(({ name, state }) => {
    const exitCode = state.terminated?.exitCode ?? 0
    if (exitCode === 0 || (containerName !== undefined && containerName !== name)) return false
    return values.includes(exitCode) === (operator === 'In')
  })

/** The first rule that speaks of how it failed; undefined: none does, and it is counted. */
export const ruleFor = (job: Job, pod: Pod): PodFailureRule | undefined =>
  (job.spec.podFailurePolicy?.rules ?? []).find(({ onExitCodes, onPodConditions }) =>
    onExitCodes === undefined
      ? (onPodConditions ?? []).some(({ type, status }) => conditionOf(pod.status.conditions, type)?.status === status)
      : pod.status.phase === 'Failed' && matchesCodes(onExitCodes, pod),
  )

export const isCounted = (job: Job, pod: Pod): boolean => ruleFor(job, pod)?.action !== 'Ignore'

export const restartsOf = (pods: readonly Pod[]): number =>
  pods
    .filter(({ status }) => status.phase === 'Running' || status.phase === 'Pending')
    .flatMap(({ status }) => [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])])
    .reduce((sum, { restartCount }) => sum + restartCount, 0)

// Back-off

/** Failures in a row, and when the last of them was. */
export interface BackOff {
  readonly failures: number
  readonly lastMs: number
}
export const NO_BACK_OFF: BackOff = { failures: 0, lastMs: 0 }
const BACK_OFF_LEAST_MS = 10_000
const BACK_OFF_MOST_MS = 600_000

/** When it ended, as far as its status says. */
export const endedMs = (pod: Pod): number => {
  const ends = (pod.status.containerStatuses ?? []).map(({ state }) => state.terminated?.finishedAt)
  if (ends.length > 0 && ends.every((end) => end !== undefined)) return Math.max(...ends.map((end) => epochMs(end)))
  const ready = conditionOf(pod.status.conditions, 'Ready')
  if (ready?.status === 'False' && ready.lastTransitionTime !== undefined) return epochMs(ready.lastTransitionTime)
  const { deletionTimestamp, deletionGracePeriodSeconds = 0, creationTimestamp } = pod.metadata
  return deletionTimestamp === undefined ? epochMs(creationTimestamp) : epochMs(deletionTimestamp) - deletionGracePeriodSeconds * 1000
}

/** With pods that have ended since: a success forgets the failures before it. */
export const backOffAfter = (before: BackOff, succeeded: readonly Pod[], failed: readonly Pod[]): BackOff => {
  const successMs = Math.max(...succeeded.map(endedMs), -Infinity)
  const since = failed.map(endedMs).filter((ms) => ms > successMs)
  const failures = (succeeded.length > 0 ? 0 : before.failures) + since.length
  if (failures === 0) return NO_BACK_OFF
  return { failures, lastMs: since.length === 0 ? before.lastMs : Math.max(...since) }
}

/** Milliseconds to wait before the next pod. */
export const backOffLeftMs = ({ failures, lastMs }: BackOff, nowMs: number): number => {
  if (failures === 0) return 0
  const ms = Math.min(BACK_OFF_MOST_MS, BACK_OFF_LEAST_MS * 2 ** Math.min(failures - 1, 10))
  return Math.max(0, lastMs + ms - nowMs)
}
