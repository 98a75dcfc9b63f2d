/** Jobs with a back-off limit for each index: one that fails is given up alone. SEMANTICS 2.7, KEP-3850. */
import {
  failedIndexes,
  failsByIndexes,
  failsIndex,
  failuresAfter,
  failuresBefore,
  isLimitedPerIndex,
  lastFailures,
  nextMs,
} from '../components/job-indexes.ts'
import { hasFailed, indexesIn, indexOf, isEndingUp, isFinished, isTracked } from '../components/job.ts'
import { controllerOf, isActive, isDeleting } from '../components/objects.ts'
import type { Invariant } from '../invariant.ts'
import type { Job } from '../state/batch.ts'
import type { StoreHistory } from '../state/cluster.ts'
import type { Seen } from '../state/history.ts'
import type { Pod } from '../state/objects.ts'
import { keyOf, prefixOf, resourceOfKey } from '../state/resources.ts'
import { deciding, objectOf, safety, watching, type Deciding } from './define.ts'
import { change, nameOf, scene, untracking } from './jobs.ts'

const KEP = 'KEP-3850 (https://github.com/kubernetes/enhancements/tree/master/keps/sig-apps/3850-backoff-limits-per-index-for-indexed-jobs)'

/** A pod of the index that was seen to fail so that the index does. */
const isEarned = (job: Job, index: number, history: StoreHistory): boolean =>
  history.keys(prefixOf('pods', job.metadata.namespace)).some((key) =>
    history.versions(key).some(({ after }) => {
      const pod = objectOf<Pod>(after)
      return pod !== undefined && controllerOf(pod) === job.metadata.uid && indexOf(job, pod) === index && failsIndex(job, pod)
    }),
  )

const failedForGood: Invariant = watching(
  {
    id: 'JOB-S10',
    sentence:
      'an index fails for good when a pod of it has failed more often than its limit, or as a rule says, not before; it stays failed, is not completed as well, and no pod is made for it any more',
    source: KEP,
    sometimes: 'one fails',
    ...safety,
    kind: 'history',
  },
  ['Commit', 'Decision'],
  () => ({
    observe(next, { history }) {
      if (next.kind === 'Decision') {
        if (next.choice.kind !== 'CreateJobPod' || next.choice.index === null) return 'vacuous'
        const seen = scene(next as Deciding<'CreateJobPod'>, history)
        if (seen === null || !isLimitedPerIndex(seen.job)) return 'vacuous'
        const { index } = next.choice
        return failedIndexes(seen.job, seen.ends).has(index)
          ? { why: `${next.process} makes a pod for index ${index} of ${nameOf(seen.job)}, which has failed for good` }
          : 'holds'
      }
      const pair = change(next as Seen<'Commit'>)
      if (pair === null || !isLimitedPerIndex(pair[1])) return 'vacuous'
      const [was, is] = pair
      const before = indexesIn(was.status.failedIndexes)
      const now = indexesIn(is.status.failedIndexes)
      const lost = [...before].find((index) => index < (is.spec.completions ?? 0) && !now.has(index))
      if (lost !== undefined) return { why: `index ${lost} of ${nameOf(is)} had failed for good and has not any more` }
      const both = [...now].find((index) => indexesIn(is.status.completedIndexes).has(index))
      if (both !== undefined) return { why: `index ${both} of ${nameOf(is)} has completed and failed` }
      const fresh = [...now].filter((index) => !before.has(index))
      const wrong = fresh.find((index) => !isEarned(is, index, history))
      if (wrong !== undefined)
        return { why: `${nameOf(is)} gives up index ${wrong}, of which no pod has failed so often, nor as a rule says` }
      return fresh.length > 0 ? 'notable' : 'holds'
    },
  }),
)

const failsAtTheEnd = deciding(
  {
    id: 'JOB-S11',
    sentence:
      'a Job fails for its indexes when none is left to be tried and some have failed for good, or when more have than it bears, not before; from then on it makes no more pods',
    source: KEP,
    sometimes: 'it fails for its indexes',
    ...safety,
  },
  ['FinishJob', 'CreateJobPod'],
  (next, { history }) => {
    const { choice, process } = next
    const seen = scene(next, history)
    if (seen === null || !isLimitedPerIndex(seen.job)) return 'vacuous'
    const { job, ends } = seen
    const fails = failsByIndexes(job, ends)
    if (choice.kind === 'CreateJobPod') {
      if (isEndingUp(job)) return 'vacuous'
      return fails === null ? 'holds' : { why: `${process} makes a pod for ${nameOf(job)}, which has failed for its indexes (${fails})` }
    }
    if (choice.outcome === 'Complete')
      return choice.reason === 'SuccessPolicy' || failedIndexes(job, ends).size === 0
        ? 'holds'
        : { why: `${nameOf(job)} succeeds though some of its indexes have failed for good` }
    if (choice.reason !== 'FailedIndexes' && choice.reason !== 'MaxFailedIndexesExceeded') return 'vacuous'
    const failed = failedIndexes(job, ends).size
    return choice.reason === fails
      ? 'notable'
      : { why: `${nameOf(job)} fails for its indexes (${choice.reason}) with ${failed} of them failed` }
  },
)

const handedOn: Invariant = watching(
  {
    id: 'JOB-S12',
    sentence:
      'a pod that is made for an index with a limit of its own says how often the index has failed, as the failed pod that it replaces does with its own failure, and comes no sooner than its back-off allows',
    source: KEP,
    sometimes: 'it replaces one',
    ...safety,
    kind: 'history',
  },
  ['Decision', 'Commit'],
  () => {
    /** process/owner/index → what it may write on a pod, by each of its decisions that has led to none: a request may take long. */
    const open = new Map<string, (readonly string[])[]>()
    const words = ({ counted, ignored }: ReturnType<typeof failuresBefore>): string => `${counted} failures and ${ignored} ignored`
    return {
      observe(next, { cluster, history }) {
        if (next.kind === 'Decision') {
          const { choice, process } = next
          if (choice.kind !== 'CreateJobPod' || choice.index === null) return 'vacuous'
          const seen = scene(next as Deciding<'CreateJobPod'>, history)
          if (seen === null || !isLimitedPerIndex(seen.job)) return 'vacuous'
          const { job, ends } = seen
          const { index, nowMs } = choice
          // Where its view of the pods is the older one it asks which of them are still to be counted.
          const isHeld = ({ metadata: { namespace, name, uid } }: Pod): boolean => {
            const pod = objectOf<Pod>(cluster.store.get(keyOf('pods', namespace, name)))
            return pod?.metadata.uid === uid && isTracked(pod)
          }
          const lasts = [lastFailures(job, ends, index), lastFailures(job, ends.filter(isHeld), index)]
          const first = words({ counted: 0, ignored: 0 })
          const texts = lasts.flatMap((last) => (last.length === 0 ? [first] : last.map((pod) => words(failuresAfter(job, pod)))))
          const place = `${process}/${choice.owner.uid}/${index}`
          open.set(place, [...(open.get(place) ?? []), texts])
          const dueMs = lasts.map((last) => (last.length === 0 ? -Infinity : Math.min(...last.map(nextMs))))
          const earlyMs = Math.min(...dueMs) - nowMs
          return earlyMs <= 0
            ? 'vacuous'
            : { why: `${process} makes a pod for index ${index} of ${nameOf(job)} ${earlyMs} ms before its back-off is over` }
        }
        const { key, before, after, author } = next as Seen<'Commit'>
        const pod = before === null && resourceOfKey(key) === 'pods' ? objectOf<Pod>(after) : undefined
        if (pod === undefined) return 'vacuous'
        const index = pod.metadata.annotations?.['batch.kubernetes.io/job-completion-index']
        const decisions = open.get(`${author}/${controllerOf(pod)}/${index}`)
        if (decisions === undefined || decisions.length === 0) return 'vacuous'
        const said = failuresBefore(pod)
        const led = decisions.findLastIndex((texts) => texts.includes(words(said)))
        if (led === -1)
          return {
            why: `${pod.metadata.name} says ${words(said)} of its index, where ${author} saw ${(decisions.at(-1) ?? []).join(' or ')}`,
          }
        decisions.splice(led, 1)
        return said.counted + said.ignored > 0 ? 'notable' : 'holds'
      },
    }
  },
)

const keptToHandOn: Invariant = watching(
  {
    id: 'JOB-S13',
    sentence:
      'a failed pod whose index has a limit of its own keeps its tracking finalizer until there is another pod of the index, or the index or the Job is to end',
    source: KEP,
    sometimes: 'there is another',
    ...safety,
    kind: 'history',
  },
  ['Decision', 'Commit'],
  () => {
    /** Pods that are wanted no more: they hand nothing on. */
    const unwanted = new Set<string>()
    return {
      observe(next, { cluster, history }) {
        if (next.kind === 'Decision') {
          if (next.choice.kind === 'DeleteJobPod') unwanted.add(next.choice.pod.uid)
          return 'vacuous'
        }
        const commit = next as Seen<'Commit'>
        const found = untracking(commit, cluster)
        if (found?.job === undefined || unwanted.has(found.pod.metadata.uid)) return 'vacuous'
        const { job, pod } = found
        const index = indexOf(job, pod)
        if (!isLimitedPerIndex(job) || index === null || !hasFailed(job, pod)) return 'vacuous'
        const ended = [job.status.failedIndexes, job.status.completedIndexes].some((text) => indexesIn(text).has(index))
        if (ended || isDeleting(job) || isFinished(job) || isEndingUp(job)) return 'holds'
        return hasAnother(job, index, pod, history)
          ? 'notable'
          : {
              why: `${commit.author} lets go of ${pod.metadata.name}, which is to hand on how often index ${index} of ${nameOf(job)} has failed`,
            }
      },
    }
  },
)

/** Another pod of the index that was active when this one failed, or since. */
const hasAnother = (job: Job, index: number, pod: Pod, history: StoreHistory): boolean => {
  const failedAt = history.versions(keyOf('pods', pod.metadata.namespace, pod.metadata.name)).find(({ after }) => {
    const version = objectOf<Pod>(after)
    return version?.metadata.uid === pod.metadata.uid && hasFailed(job, version)
  })
  return history.keys(prefixOf('pods', pod.metadata.namespace)).some((key) => {
    const then = history.at(key, failedAt?.revision ?? 0)
    const since = history.versions(key).filter(({ revision }) => revision > (failedAt?.revision ?? 0))
    return [then, ...since.map(({ after }) => after)].some((stored) => {
      const other = objectOf<Pod>(stored)
      const isOfIt = other !== undefined && controllerOf(other) === job.metadata.uid && indexOf(job, other) === index
      return isOfIt && other.metadata.uid !== pod.metadata.uid && isActive(other)
    })
  })
}

export const JOB_INDEXES: readonly Invariant[] = [failedForGood, failsAtTheEnd, handedOn, keptToHandOn]
