/**
 * What is said of Jobs and their pods: whose end is still to be counted, how many have succeeded, how many are wanted.
 *
 * Source: kubernetes pkg/controller/job/job_controller.go; KEP-2307, KEP-2214, KEP-3329, KEP-3998
 */
import { COMPLETION_INDEX, TRACKING_FINALIZER, type Job, type PodFailureRule } from '../state/batch.ts'
import type { Pod } from '../state/objects.ts'
import { conditionOf, isDeleting } from './objects.ts'

export const isTracked = (pod: Pod): boolean => pod.metadata.finalizers?.includes(TRACKING_FINALIZER) === true
export const isIndexed = ({ spec }: Job): boolean => spec.completionMode === 'Indexed'
export const isFinished = ({ status }: Job): boolean =>
  conditionOf(status.conditions, 'Complete') === 'True' || conditionOf(status.conditions, 'Failed') === 'True'
/** Whether it succeeds or fails is settled, though not all of its pods are counted. */
export const isEndingUp = ({ status }: Job): boolean =>
  conditionOf(status.conditions, 'SuccessCriteriaMet') === 'True' || conditionOf(status.conditions, 'FailureTarget') === 'True'

/** Null: the pod stands for no index of the Job. */
export const indexOf = ({ spec }: Job, pod: Pod): number | null => {
  const index = Number(pod.metadata.annotations?.[COMPLETION_INDEX] ?? Number.NaN)
  return Number.isInteger(index) && index >= 0 && index < (spec.completions ?? 0) ? index : null
}

/** The whole numbers that a text such as '0-2,5' names. */
export const indexesIn = (text: string | undefined): ReadonlySet<number> => {
  const found = new Set<number>()
  for (const [, first = '', last = first] of (text ?? '').matchAll(/(\d+)(?:-(\d+))?/g))
    for (let index = Number(first); index <= Number(last); index++) found.add(index)
  return found
}

/** A deleted pod is a failed one, unless the Job replaces pods only when they have ended. */
export const hasFailed = ({ spec }: Job, pod: Pod): boolean =>
  pod.status.phase === 'Failed' ||
  (spec.podReplacementPolicy === 'TerminatingOrFailed' && isDeleting(pod) && pod.status.phase !== 'Succeeded')

/** The first rule of the pod failure policy that fits. */
export const ruleOf = ({ spec }: Job, pod: Pod): PodFailureRule | undefined => {
  const ends = [...(pod.status.initContainerStatuses ?? []), ...(pod.status.containerStatuses ?? [])]
  const fits = ({ onExitCodes, onPodConditions = [] }: PodFailureRule): boolean => {
    if (onExitCodes === undefined) return onPodConditions.some(({ type, status }) => conditionOf(pod.status.conditions, type) === status)
    const { containerName, operator, values } = onExitCodes
    const codes = ends.filter(({ name }) => containerName === undefined || name === containerName)
    const failures = codes.flatMap(({ state }) => state.terminated?.exitCode ?? 0).filter((code) => code !== 0)
    return pod.status.phase === 'Failed' && failures.some((code) => values.includes(code) === (operator === 'In'))
  }
  return spec.podFailurePolicy?.rules.find(fits)
}

const noted = ({ status }: Job): readonly string[] => [
  ...(status.uncountedTerminatedPods?.succeeded ?? []),
  ...(status.uncountedTerminatedPods?.failed ?? []),
]

/** Ends that its status does not speak of yet. `counted`: uids that it once noted. */
export const unnoted = (job: Job, pods: readonly Pod[], counted: ReadonlySet<string> = new Set()): readonly Pod[] =>
  pods.filter((pod) => {
    const { uid } = pod.metadata
    return isTracked(pod) && !noted(job).includes(uid) && !counted.has(uid) && (pod.status.phase === 'Succeeded' || hasFailed(job, pod))
  })

export const succeededOf = (job: Job, ends: readonly Pod[]): number => {
  const successes = ends.filter((pod) => pod.status.phase === 'Succeeded')
  const { succeeded = 0, uncountedTerminatedPods } = job.status
  if (!isIndexed(job)) return succeeded + (uncountedTerminatedPods?.succeeded ?? []).length + successes.length
  return succeededIndexes(job, ends).size
}
/** An index that has failed for good does not succeed any more. */
export const succeededIndexes = (job: Job, ends: readonly Pod[]): ReadonlySet<number> => {
  const before = [...indexesIn(job.status.completedIndexes)].filter((index) => index < (job.spec.completions ?? 0))
  const failed = indexesIn(job.status.failedIndexes)
  const successes = ends.filter((pod) => pod.status.phase === 'Succeeded').flatMap((pod) => indexOf(job, pod) ?? [])
  return new Set([...before, ...successes.filter((index) => !failed.has(index))])
}
/** Whether a rule of its success policy is met: by the indexes that it names, or by as many of them (or of all) as it says. */
export const meetsPolicy = (job: Job, ends: readonly Pod[]): boolean => {
  const { successPolicy, completions = 0 } = job.spec
  if (successPolicy === undefined) return false
  const succeeded = succeededIndexes(job, ends)
  return successPolicy.rules.some(({ succeededIndexes: named, succeededCount }) => {
    const among = named === undefined ? Array.from({ length: completions }, (_, index) => index) : [...indexesIn(named)]
    return among.filter((index) => succeeded.has(index)).length >= (succeededCount ?? among.length)
  })
}
export const failedOf = (job: Job, ends: readonly Pod[]): number => {
  const { failed = 0, uncountedTerminatedPods } = job.status
  const failures = ends.filter((pod) => pod.status.phase !== 'Succeeded' && ruleOf(job, pod)?.action !== 'Ignore')
  return failed + (uncountedTerminatedPods?.failed ?? []).length + failures.length
}

/** How many pods it wants at a time, of those that it has active. */
export const wanted = (job: Job, active: number, succeeded: number): number => {
  const { suspend, completions, parallelism } = job.spec
  if (suspend || isEndingUp(job) || isFinished(job)) return 0
  if (completions === undefined) return succeeded > 0 ? active : parallelism
  return Math.max(0, Math.min(parallelism, completions - succeeded))
}
