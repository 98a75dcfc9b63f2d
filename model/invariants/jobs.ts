/** Jobs: every end counted once, never more pods than wanted, an end that is final. SEMANTICS 2.7. */
import {
  failedOf,
  hasFailed,
  indexesIn,
  indexOf,
  isEndingUp,
  isFinished,
  isIndexed,
  isTracked,
  ruleOf,
  succeededOf,
  unnoted,
  wanted,
} from '../components/job.ts'
import { conditionOf, controllerOf, isActive, isDeleting, isTerminal } from '../components/objects.ts'
import { staysMs } from '../components/ttl-after-finished.ts'
import type { Context, Invariant, Judgement } from '../invariant.ts'
import type { Job } from '../state/batch.ts'
import type { Cluster, StoreHistory } from '../state/cluster.ts'
import type { Seen } from '../state/history.ts'
import type { Pod } from '../state/objects.ts'
import { prefixOf, resourceOfKey } from '../state/resources.ts'
import { deciding, had, keyOfRef, listed, objectOf, safety, settles, viewed, watching, type Deciding } from './define.ts'
import { Expected } from './expected.ts'

const JOB = 'kubernetes pkg/controller/job/job_controller.go'
const TRACKING = 'KEP-2307 (https://github.com/kubernetes/enhancements/tree/master/keps/sig-apps/2307-job-tracking-without-lingering-pods)'

const SORTS = ['succeeded', 'failed'] as const
const uncounted = ({ status }: Job, sort: (typeof SORTS)[number]): readonly string[] => status.uncountedTerminatedPods?.[sort] ?? []
const noted = (job: Job): readonly string[] => SORTS.flatMap((sort) => uncounted(job, sort))
export const nameOf = (job: Job): string => `Job ${job.metadata.namespace}/${job.metadata.name}`

/** The Job before and after a commit that leaves it the same one. */
export const change = ({ key, before, after }: Seen<'Commit'>): readonly [Job, Job] | null => {
  if (resourceOfKey(key) !== 'jobs' || after === null) return null
  const is = objectOf<Job>(after) as Job
  const was = objectOf<Job>(before)
  return was === undefined || was.metadata.uid !== is.metadata.uid ? null : [was, is]
}

/** Uids that Jobs have noted so far. */
class Notes {
  private readonly byJob = new Map<string, Set<string>>()

  of(job: Job): ReadonlySet<string> {
    return this.byJob.get(job.metadata.uid) ?? new Set()
  }

  add(job: Job): void {
    const uids = noted(job)
    if (uids.length === 0) return
    const all = this.byJob.get(job.metadata.uid) ?? new Set()
    for (const uid of uids) all.add(uid)
    this.byJob.set(job.metadata.uid, all)
  }
}

const countedOnce: Invariant = watching(
  {
    id: 'JOB-S1',
    sentence: 'the end of a pod is counted once: it is noted once, and what a Job says has succeeded or failed grows by those it had noted',
    source: TRACKING,
    sometimes: 'an end that was noted is counted',
    ...safety,
    kind: 'history',
  },
  ['Commit'],
  () => {
    const notes = new Notes()
    return {
      observe(next) {
        const pair = change(next as Seen<'Commit'>)
        if (pair === null) return 'vacuous'
        const [was, is] = pair
        const again = noted(is).find((uid) => !noted(was).includes(uid) && notes.of(is).has(uid))
        if (again !== undefined) return { why: `${nameOf(is)} notes the end of pod ${again} again, which it had counted` }
        notes.add(is)
        let grew = false
        for (const sort of SORTS) {
          const before = was.status[sort] ?? 0
          const now = is.status[sort] ?? 0
          const left = uncounted(was, sort).filter((uid) => !uncounted(is, sort).includes(uid)).length
          grew ||= now > before
          if (isIndexed(is) && sort === 'succeeded') continue
          if (now < before) return { why: `${nameOf(is)} had ${before} ${sort} and now has ${now}` }
          if (now - before !== left) return { why: `${nameOf(is)} counts ${now - before} more ${sort}, where ${left} had been noted` }
        }
        return grew ? 'notable' : 'holds'
      },
    }
  },
)

const countedBeforeReleased: Invariant = watching(
  {
    id: 'JOB-S2',
    sentence: 'a pod loses its tracking finalizer only when its Job has noted its end, or will never have to',
    source: TRACKING,
    sometimes: 'its Job had noted it',
    ...safety,
    kind: 'history',
  },
  ['Commit', 'Decision'],
  () => {
    const notes = new Notes()
    /** Pods that a Job wants no more: they are deleted without being counted. */
    const unwanted = new Set<string>()
    /** Uid of a Job that succeeded → who saw that, and up to which revision of its pods. */
    const succeeded = new Map<string, { readonly process: string; readonly revision: number }>()
    return {
      observe(next, { cluster, history }) {
        if (next.kind === 'Decision') {
          const { choice, process, view } = next
          if (choice.kind === 'FinishJob' && choice.outcome === 'Complete')
            succeeded.set(choice.owner.uid, { process, revision: view['pods'] ?? 0 })
          if (choice.kind === 'DeleteJobPod' && choice.because !== 'finished') unwanted.add(choice.pod.uid)
          return 'vacuous'
        }
        const commit = next as Seen<'Commit'>
        if (resourceOfKey(commit.key) === 'jobs' && commit.after !== null) notes.add(objectOf<Job>(commit.after) as Job)
        const found = untracking(commit, cluster)
        if (found === null) return 'vacuous'
        const { pod, job } = found
        if (job === undefined || isDeleting(job) || isFinished(job)) return 'holds'
        if (notes.of(job).has(pod.metadata.uid)) return 'notable'
        const success = succeeded.get(job.metadata.uid)
        // Of a Job that has succeeded those are let go uncounted that had not ended when that was seen.
        const then = success === undefined ? pod : objectOf<Pod>(history.at(commit.key, success.revision))
        const ran = success?.process !== commit.author || then === undefined || !isTerminal(then)
        const isLetGo = ran && conditionOf(job.status.conditions, 'SuccessCriteriaMet') === 'True'
        return isLetGo || excused(job, pod) || unwanted.has(pod.metadata.uid)
          ? 'holds'
          : { why: `${commit.author} takes the tracking finalizer from ${pod.metadata.name}, which ${nameOf(job)} has not noted` }
      },
    }
  },
)

/** A pod that a controller takes the tracking finalizer from, and its Job if that is there. */
export const untracking = (
  { key, before, after, author }: Seen<'Commit'>,
  { store }: Cluster,
): { pod: Pod; job: Job | undefined } | null => {
  if (resourceOfKey(key) !== 'pods') return null
  const pod = objectOf<Pod>(before)
  const left = objectOf<Pod>(after)
  if (pod === undefined || !isTracked(pod) || (left !== undefined && isTracked(left)) || author.startsWith('user')) return null
  const owner = pod.metadata.ownerReferences?.find((ref) => ref.controller === true && ref.kind === 'Job')
  const job = objectOf<Job>(store.get(`${prefixOf('jobs', pod.metadata.namespace)}${owner?.name}`))
  return { pod, job: job?.metadata.uid === owner?.uid ? job : undefined }
}

/** Its end is never noted: counted by index, or ignored by a rule. */
const excused = (job: Job, pod: Pod): boolean => {
  const index = isIndexed(job) ? indexOf(job, pod) : undefined
  if (index === null) return true
  if (index !== undefined && pod.status.phase === 'Succeeded') return indexesIn(job.status.completedIndexes).has(index)
  // With a Job that fails all is judged that has not ended, too.
  const isJudged = hasFailed(job, pod) || conditionOf(job.status.conditions, 'FailureTarget') === 'True'
  return isJudged && ruleOf(job, pod)?.action === 'Ignore'
}

const ENDS = ['Complete', 'Failed', 'SuccessCriteriaMet', 'FailureTarget']

const endIsFinal: Invariant = watching(
  {
    id: 'JOB-S3',
    sentence: 'a Job succeeds or fails, not both, and for ever; once it sees that, its controller makes no more pods for it',
    source: JOB,
    sometimes: 'one ends',
    ...safety,
    kind: 'history',
  },
  ['Commit', 'Decision'],
  () => ({
    observe(next, { history }) {
      if (next.kind === 'Decision') {
        if (next.choice.kind !== 'CreateJobPod') return 'vacuous'
        const job = viewed<Job>(history, next.view, next.choice.owner)
        const over = job !== undefined && job.metadata.uid === next.choice.owner.uid && (isFinished(job) || isEndingUp(job))
        return over ? { why: `${next.process} makes a pod for ${nameOf(job)}, which it saw end` } : 'holds'
      }
      const pair = change(next as Seen<'Commit'>)
      if (pair === null) return 'vacuous'
      const [was, is] = pair
      const holds = (job: Job, type: string): boolean => conditionOf(job.status.conditions, type) === 'True'
      const undone = ENDS.find((type) => holds(was, type) && !holds(is, type))
      if (undone !== undefined) return { why: `${nameOf(is)} was ${undone} and is not any more` }
      if ((holds(is, 'Complete') || holds(is, 'SuccessCriteriaMet')) && (holds(is, 'Failed') || holds(is, 'FailureTarget')))
        return { why: `${nameOf(is)} both succeeds and fails` }
      return isFinished(is) && !isFinished(was) ? 'notable' : 'holds'
    },
  }),
)

/** The Job as it was decided on, its own pods, and of them those whose end it had still to note. */
export const scene = ({ choice, view }: Deciding<'CreateJobPod' | 'DeleteJobPod' | 'FinishJob'>, history: StoreHistory) => {
  const job = viewed<Job>(history, view, choice.owner)
  if (job === undefined || job.metadata.uid !== choice.owner.uid) return null
  const pods = listed<Pod>(history, view, 'pods').filter((pod) => controllerOf(pod) === job.metadata.uid)
  // The view of its pods may be older than that of the Job: what the Job had noted by then is no news.
  const counted = new Set<string>()
  for (const { revision, after } of history.versions(keyOfRef(choice.owner))) {
    const version = objectOf<Job>(after)
    if (version?.metadata.uid !== job.metadata.uid || revision > (view['jobs'] ?? 0)) continue
    for (const uid of noted(version)) counted.add(uid)
  }
  return { job, pods, active: pods.filter(isActive).length, ends: unnoted(job, pods, counted) }
}

const noMoreThanWanted: Invariant = watching(
  {
    id: 'JOB-S4',
    sentence:
      'a Job has no more pods made than it wants at a time, counting those it has made and not seen yet; none while it is suspended',
    source: JOB,
    sometimes: 'pods it made are not in its view yet',
    allows: ['ALLOW-5'],
    ...safety,
    kind: 'history',
  },
  ['Decision', 'Commit', 'ProcessEnded', 'StoppedLeading'],
  () => {
    const expected = new Expected()
    const judge = (next: Deciding<'CreateJobPod' | 'DeleteJobPod'>, { history }: Context): Judgement => {
      const { choice, view, process, atMs } = next
      const seen = scene(next, history)
      if (seen === null) return { why: `${process} decided ${choice.kind} for ${choice.owner.name}, which was not in its view` }
      const { job, pods, active, ends } = seen
      const wants = wanted(job, active, succeededOf(job, ends))
      if (choice.kind === 'DeleteJobPod') {
        if (choice.because === 'suspended')
          return job.spec.suspend ? 'holds' : { why: `${process} suspends ${nameOf(job)}, which is not to be` }
        const fits = choice.because === 'finished' || isIndexed(job) || active > wants
        return fits ? 'holds' : { why: `${process} deletes ${choice.pod.name} of ${nameOf(job)}, which wants ${wants} and had ${active}` }
      }
      const { uid } = choice.owner
      const shown = view['pods'] ?? 0
      expected.asks(process, uid, shown)
      const unseen = expected.unseen(process, uid, shown, atMs)
      if (unseen === null) return 'vacuous'
      const ending = job.spec.podReplacementPolicy === 'Failed' ? pods.filter((pod) => isDeleting(pod) && !isTerminal(pod)).length : 0
      if (active + ending + unseen + 1 > wants)
        return {
          why: `${process} makes a pod for ${nameOf(job)}, which wants ${wants}: it saw ${active + ending} and had made ${unseen} more`,
        }
      return unseen > 0 ? 'notable' : 'holds'
    }
    return {
      observe(next, context) {
        if (next.kind === 'ProcessEnded' || next.kind === 'StoppedLeading') {
          expected.ends(next)
          return 'vacuous'
        }
        if (next.kind === 'Commit') {
          expected.commits(next)
          return 'vacuous'
        }
        if (next.kind !== 'Decision' || (next.choice.kind !== 'CreateJobPod' && next.choice.kind !== 'DeleteJobPod')) return 'vacuous'
        return judge(next as Deciding<'CreateJobPod' | 'DeleteJobPod'>, context)
      },
    }
  },
)

const restartsOf = (pods: readonly Pod[]): number =>
  pods
    .filter((pod) => pod.status.phase === 'Running' || pod.status.phase === 'Pending')
    .flatMap(({ status }) => [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])])
    .reduce((sum, { restartCount }) => sum + restartCount, 0)

const enoughSeen = deciding(
  {
    id: 'JOB-S5',
    sentence:
      'a Job fails for its back-off limit only when more of its pods failed than that, or were restarted as often, and succeeds only when enough have',
    source: `${JOB} (pastBackoffLimitOnFailure)`,
    sometimes: 'it fails for its limit',
    ...safety,
  },
  ['FinishJob'],
  (next, { history }) => {
    const seen = scene(next, history)
    if (seen === null) return 'vacuous'
    const { job, pods, ends } = seen
    const { backoffLimit, completions = 1, template } = job.spec
    if (next.choice.outcome === 'Complete') {
      if (next.choice.reason === 'SuccessPolicy') return 'vacuous'
      const succeeded = succeededOf(job, ends)
      return succeeded >= completions ? 'holds' : { why: `${nameOf(job)} succeeds with ${succeeded} of ${completions} pods` }
    }
    if (next.choice.reason !== 'BackoffLimitExceeded') return 'vacuous'
    const failed = failedOf(job, ends)
    const restarts = template.spec.restartPolicy === 'OnFailure' ? restartsOf(pods) : 0
    if (failed > backoffLimit || (restarts > 0 && restarts >= backoffLimit)) return 'notable'
    return { why: `${nameOf(job)} fails for its limit of ${backoffLimit} with ${failed} failures and ${restarts} restarts` }
  },
)

const indexesEarned: Invariant = watching(
  {
    id: 'JOB-S6',
    sentence: 'an index is completed only when a pod of it ended with exit code 0, lies within the completions, and stays completed',
    source: 'KEP-2214 (https://github.com/kubernetes/enhancements/tree/master/keps/sig-apps/2214-indexed-job)',
    sometimes: 'an index is completed',
    ...safety,
    kind: 'history',
  },
  ['Commit', 'ContainerExited'],
  () => {
    /** Uids of pods with a program that ended well. */
    const ended = new Set<string>()
    /** job uid/index → uids of its pods. */
    const pods = new Map<string, string[]>()
    return {
      observe(next) {
        if (next.kind === 'ContainerExited') {
          if (next.exitCode === 0) ended.add(next.pod)
          return 'vacuous'
        }
        const commit = next as Seen<'Commit'>
        const pod = resourceOfKey(commit.key) === 'pods' && commit.before === null ? objectOf<Pod>(commit.after) : undefined
        const at = pod?.metadata.annotations?.['batch.kubernetes.io/job-completion-index']
        if (pod !== undefined && at !== undefined) {
          const key = `${controllerOf(pod)}/${at}`
          pods.set(key, [...(pods.get(key) ?? []), pod.metadata.uid])
        }
        const pair = change(commit)
        if (pair === null || !isIndexed(pair[1])) return 'vacuous'
        const [was, is] = pair
        const before = indexesIn(was.status.completedIndexes)
        const now = indexesIn(is.status.completedIndexes)
        const { completions = 0 } = is.spec
        const lost = [...before].find((index) => index < completions && !now.has(index))
        if (lost !== undefined) return { why: `${nameOf(is)} had completed index ${lost} and has not any more` }
        if (now.size !== (is.status.succeeded ?? 0) && now.size !== before.size)
          return { why: `${nameOf(is)} has completed ${now.size} indexes and says ${is.status.succeeded ?? 0}` }
        const fresh = [...now].filter((index) => !before.has(index))
        const wrong = fresh.find(
          (index) => index >= completions || (pods.get(`${is.metadata.uid}/${index}`) ?? []).every((uid) => !ended.has(uid)),
        )
        if (wrong !== undefined) return { why: `${nameOf(is)} completes index ${wrong}, of which no pod has ended with exit code 0` }
        return fresh.length > 0 ? 'notable' : 'holds'
      },
    }
  },
)

const policyKept: Invariant = watching(
  {
    id: 'JOB-S7',
    sentence:
      'the first rule of the pod failure policy that fits decides: who is ignored is not counted, and a Job fails by a rule when and only when one says so',
    source: 'KEP-3329 (https://github.com/kubernetes/enhancements/tree/master/keps/sig-apps/3329-retriable-and-non-retriable-failures)',
    sometimes: 'a rule fits',
    ...safety,
    kind: 'history',
  },
  ['Commit', 'Decision'],
  () => ({
    observe(next, { history }) {
      if (next.kind === 'Decision') {
        if (next.choice.kind !== 'FinishJob') return 'vacuous'
        const seen = scene(next as Deciding<'FinishJob'>, history)
        if (seen === null || seen.job.spec.podFailurePolicy === undefined) return 'vacuous'
        const fatal = seen.pods.find((pod) => hasFailed(seen.job, pod) && ruleOf(seen.job, pod)?.action === 'FailJob')
        if (next.choice.reason === 'PodFailurePolicy')
          return fatal === undefined ? { why: `${nameOf(seen.job)} fails by a rule that fits none of its pods` } : 'notable'
        return fatal === undefined ? 'holds' : { why: `${nameOf(seen.job)} ends though ${fatal.metadata.name} failed as it must not` }
      }
      const pair = change(next as Seen<'Commit'>)
      if (pair === null || pair[1].spec.podFailurePolicy === undefined) return 'vacuous'
      const [was, is] = pair
      const fresh = uncounted(is, 'failed').filter((uid) => !uncounted(was, 'failed').includes(uid))
      // With a Job that fails all is counted that has not ended, whatever becomes of it.
      if (fresh.length === 0 || conditionOf(is.status.conditions, 'FailureTarget') === 'True') return 'vacuous'
      for (const key of history.keys(prefixOf('pods', is.metadata.namespace))) {
        const end = history.versions(key).find(({ after }) => {
          const pod = objectOf<Pod>(after)
          return pod !== undefined && fresh.includes(pod.metadata.uid) && pod.status.phase === 'Failed'
        })
        const pod = objectOf<Pod>(end?.after)
        if (pod !== undefined && ruleOf(is, pod)?.action === 'Ignore')
          return { why: `${nameOf(is)} counts ${pod.metadata.name} as failed, which its policy says to ignore` }
      }
      return 'holds'
    },
  }),
)

const withinDeadline = deciding(
  {
    id: 'JOB-S8',
    sentence: 'after its deadline, by the clock of its controller, a Job has no more pods made; and only then it fails for it',
    source: `${JOB} (pastActiveDeadline)`,
    sometimes: 'it fails for its deadline',
    ...safety,
  },
  ['CreateJobPod', 'FinishJob'],
  ({ choice, view, process }, { history }) => {
    const job = viewed<Job>(history, view, choice.owner)
    const { activeDeadlineSeconds: seconds } = job?.spec ?? {}
    const start = job?.status.startTime
    if (job === undefined || seconds === undefined || start === undefined) return 'vacuous'
    const leftMs = Date.parse(start) + seconds * 1000 - choice.nowMs
    if (choice.kind === 'CreateJobPod')
      return leftMs > 0 ? 'holds' : { why: `${process} makes a pod for ${nameOf(job)} ${-leftMs} ms after its deadline` }
    if (choice.reason !== 'DeadlineExceeded') return 'vacuous'
    return leftMs <= 0 ? 'notable' : { why: `${nameOf(job)} fails for its deadline ${leftMs} ms before it` }
  },
)

const expiresInTime = deciding(
  {
    id: 'TTL-S1',
    sentence: 'a Job is deleted for its age only when it has ended, and as long ago as it was to stay, by the clock of its controller',
    source: 'kubernetes pkg/controller/ttlafterfinished/ttlafterfinished_controller.go',
    sometimes: 'one is',
    ...safety,
  },
  ['ExpireJob'],
  ({ choice, view, process }, { history }) => {
    const job = viewed<Job>(history, view, choice.job)
    const leftMs = job?.metadata.uid === choice.job.uid ? staysMs(job, choice.nowMs) : null
    if (job === undefined || leftMs === null) return { why: `${process} deletes Job ${choice.job.name}, which is not to be` }
    return leftMs <= 0 ? 'notable' : { why: `${process} deletes ${nameOf(job)} ${leftMs} ms too early` }
  },
)

export const JOBS: readonly Invariant[] = [
  countedOnce,
  countedBeforeReleased,
  endIsFinal,
  noMoreThanWanted,
  enoughSeen,
  indexesEarned,
  policyKept,
  withinDeadline,
  expiresInTime,
  settles(
    {
      id: 'JOB-L1',
      sentence:
        'a Job whose pods end ends too; then nothing is left to be counted, and no pod keeps a tracking finalizer, also when the Job is deleted midway',
      source: TRACKING,
      sometimes: 'there was one',
      allows: ['ALLOW-21'],
    },
    (object, waitsFor) => object.startsWith('Job ') || waitsFor.includes('tracking finalizer'),
    had('jobs'),
  ),
]
