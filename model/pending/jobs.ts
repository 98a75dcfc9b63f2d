/** Jobs and CronJobs: what keeps each from its end, and pods from being let go once their end is counted. */
import { isEndingUp, isFinished, isTracked, succeededOf } from '../components/job.ts'
import type { Pending } from '../invariant.ts'
import { lastDue } from '../components/cron.ts'
import { recurs } from '../components/cronjob.ts'
import type { CronJob, Job } from '../state/batch.ts'
import type { Pod } from '../state/objects.ts'
import { minutesEast } from '../state/time-zones.ts'
import { all, beingDeleted, controllerOf, isEnding, isLost, isTerminal, label, podsOf, type Picture, type Waiting } from './picture.ts'
import { refused } from './refused.ts'

/** A Job that is to stay for longer than this after its end is not waited for. */
const STAY_SECONDS = 300

export const jobsPending: Waiting = (picture) => {
  const jobs = all<Job>(picture, 'jobs')
  const counting = new Set(jobs.filter((job) => !isFinished(job)).map((job) => job.metadata.uid))
  const held = picture.pods.filter((pod) => isTracked(pod) && !counting.has(controllerOf(pod) ?? '') && !recurs(picture.cluster, pod))
  return [
    ...jobs.flatMap((job) => jobPending(picture, job).filter((row) => row.blocked || !recurs(picture.cluster, job))),
    ...held.map((pod): Pending => ({
      object: label(pod),
      waitsFor: 'its tracking finalizer to go: no Job counts it any more',
      blocked: false,
    })),
  ]
}

/** Also of a Job that comes and goes by the clock. */
export const jobPending = (picture: Picture, job: Job): readonly Pending[] => {
  const { spec, status } = job
  const pods = podsOf(picture, job)
  const open = pods.filter((pod) => !isTerminal(pod))
  if (isEnding(job)) return [beingDeleted(picture, job, pods)]
  if (isFinished(job)) return expiry(job)
  const stuck = open.find((pod) => isEnding(pod) && isLost(picture, pod.spec.nodeName ?? ''))
  const waitsForPods = open.some((pod) => picture.blocked.get(pod.metadata.uid) === true)
  const row = (waitsFor: string, waitsForNode: boolean): readonly Pending[] => [
    {
      object: label(job),
      waitsFor: waitsForNode && stuck !== undefined ? `${waitsFor} (${endless(stuck)})` : waitsFor,
      blocked: waitsForPods || (waitsForNode && stuck !== undefined),
      derived: waitsForPods,
    },
  ]
  if (isEndingUp(job)) return row('the end of its pods', true)
  if (spec.suspend) {
    const active = open.filter((pod) => !isEnding(pod))
    const told = status.conditions?.some(({ type, status: is }) => type === 'Suspended' && is === 'True') === true
    if (active.length > 0) return row(`its pods to be deleted: it is suspended, ${active.length} are left`, false)
    return told ? [] : row('its controller to say that it is suspended', false)
  }
  // It was told to run nothing.
  if (spec.parallelism === 0 && open.length === 0) return []
  const succeeded = succeededOf(job, [])
  const counted = spec.podReplacementPolicy === 'Failed' ? open : open.filter((pod) => !isEnding(pod))
  const why = counted.length < spec.parallelism ? refused(picture, spec.template, job) : null
  if (why !== null) return [{ object: label(job), waitsFor: why, blocked: true }]
  const failed = status.failedIndexes === undefined || status.failedIndexes === '' ? '' : `, index ${status.failedIndexes} has failed`
  const wants =
    spec.completions === undefined ? 'one of its pods to succeed' : `${spec.completions} pods to succeed: ${succeeded} have${failed}`
  return row(wants, spec.podReplacementPolicy === 'Failed')
}

const endless = (pod: Pod): string => `${pod.metadata.name} cannot end: ${pod.spec.nodeName} is lost`

const expiry = (job: Job): readonly Pending[] => {
  const { ttlSecondsAfterFinished } = job.spec
  if (ttlSecondsAfterFinished === undefined || ttlSecondsAfterFinished > STAY_SECONDS) return []
  return [{ object: label(job), waitsFor: `its deletion ${ttlSecondsAfterFinished} s after its end`, blocked: false }]
}

/** A CronJob that is soon due for the first time is waited for: from then on it only goes on. */
export const cronJobsPending: Waiting = (picture) =>
  all<CronJob>(picture, 'cronjobs').flatMap((cronJob): readonly Pending[] => {
    const { metadata, spec, status } = cronJob
    const jobs = all<Job>(picture, 'jobs').filter((job) => controllerOf(job) === metadata.uid)
    if (isEnding(cronJob)) {
      return [
        beingDeleted(
          picture,
          cronJob,
          jobs.flatMap((job) => podsOf(picture, job)),
        ),
      ]
    }
    const createdMs = Date.parse(metadata.creationTimestamp)
    const dueMs = lastDue(spec.schedule, minutesEast(spec.timeZone ?? 'UTC') ?? 0, createdMs, createdMs + STAY_SECONDS * 1000)
    if (spec.suspend || status.lastScheduleTime !== undefined || jobs.length > 0 || dueMs === null) return []
    return [{ object: label(cronJob), waitsFor: 'its first Job to be started', blocked: false }]
  })
