/** One look at a Job and its pods: how many it wants, which it has too many, which it misses. */
import { COMPLETION_INDEX, TRACKING_FINALIZER, type Job } from '../../model/state/batch.ts'
import type { View } from '../../model/state/history.ts'
import type { Pod } from '../../model/state/objects.ts'
import type { Creation } from '../client/api.ts'
import { controllerRef } from '../objects.ts'
import { epochMs } from '../time.ts'
import { failuresAfter, hasIndexLimit } from './job-indexes.ts'
import { completedIndexes, indexOf, isIndexed, isSuspended, type BackOff } from './job-pods.ts'
import { ranked } from './rank.ts'

/** One look at a Job and its pods. */
export interface Round {
  readonly key: string
  readonly job: Job
  readonly view: View
  readonly pods: readonly Pod[]
  readonly active: readonly Pod[]
  /** Those whose end is still to be counted, or is noted and not counted yet. */
  readonly tracked: readonly Pod[]
  readonly succeeded: number
  readonly failed: number
  readonly backOff: BackOff
  /** Those that have failed for good. */
  readonly failedIndexes: ReadonlySet<number>
  /** Of indexes that have a limit of their own and are to be tried again. */
  readonly lastFailures: ReadonlyMap<number, Pod>
  /** Uids noted in its status of which its view cannot tell whether their finalizers are gone. */
  readonly unclear: ReadonlySet<string>
  /** Pods that may have been counted though it sees them tracked. */
  readonly doubtful: readonly Pod[]
}

/** Infinity: it has none, or its time does not run. */
export const deadlineLeftMs = (job: Job, startTime: string | undefined, nowMs: number): number => {
  const { activeDeadlineSeconds } = job.spec
  if (activeDeadlineSeconds === undefined || isSuspended(job) || startTime === undefined) return Infinity
  return epochMs(startTime) + activeDeadlineSeconds * 1000 - nowMs
}

export const wantedActive = ({ job, active, succeeded }: Round): number => {
  const { completions, parallelism } = job.spec
  if (completions === undefined) return succeeded > 0 ? active.length : parallelism
  return Math.max(0, Math.min(parallelism, completions - succeeded))
}

export const isDone = ({ job, succeeded }: Round, active: readonly Pod[]): boolean =>
  active.length === 0 && succeeded >= (job.spec.completions ?? 1)

/** The lowest indexes for which there is no pod, and which have neither completed nor failed for good. */
export const pendingIndexes = (round: Round, ending: readonly Pod[], count: number): readonly number[] => {
  const { job, active, tracked } = round
  const running = [...active, ...ending].flatMap((pod) => indexOf(job, pod) ?? [])
  const taken = new Set([...completedIndexes(job, tracked), ...round.failedIndexes, ...running])
  const free: number[] = []
  for (let index = 0; index < (job.spec.completions ?? 0) && free.length < count; index++) if (!taken.has(index)) free.push(index)
  return free
}

/** Pods of an index that has another, or that is none; then as many more as there are too many. */
export const excessOf = (job: Job, active: readonly Pod[], count: number, nowMs: number): readonly Pod[] => {
  const order = ranked(active, () => 0, nowMs)
  const doubles = order.filter((pod, position) => {
    if (!isIndexed(job)) return false
    const index = indexOf(job, pod)
    return index === null || order.slice(position + 1).some((other) => indexOf(job, other) === index)
  })
  return [...doubles, ...order.filter((pod) => !doubles.includes(pod))].slice(0, Math.max(count, doubles.length))
}

/** last: the failed pod of its index that it is to replace, where the index has a limit of its own. */
export const podOf = (job: Job, index: number | null, last: Pod | undefined): Creation<Pod> => {
  const { template } = job.spec
  const { namespace, name } = job.metadata
  const base = {
    ...(namespace === undefined ? {} : { namespace }),
    ownerReferences: [controllerRef(job)],
    finalizers: [TRACKING_FINALIZER],
  }
  const own = { apiVersion: 'v1', kind: 'Pod' as const }
  if (index === null) return { ...own, metadata: { ...template.metadata, ...base, generateName: `${name}-` }, spec: template.spec }
  const mark = { [COMPLETION_INDEX]: String(index) }
  const { labels, annotations } = template.metadata
  return {
    ...own,
    metadata: {
      ...base,
      labels: { ...labels, ...mark },
      annotations: { ...annotations, ...mark, ...(hasIndexLimit(job) ? failuresAfter(job, last) : {}) },
      generateName: `${name}-${index}-`,
    },
    spec: { ...template.spec, hostname: `${name}-${index}` },
  }
}
