/**
 * A CronJob starts one Job for each time that is due, says so, and clears away old ones that have ended.
 *
 * It starts only what it is sure not to have started: as the store has it, it must be as its view shows it. To start a Job
 * and to say so are two steps; a name that is taken is as good as started. To replace a Job is to wait until it is seen to go:
 * narrower than upstream, which deletes and starts at once. Left out: zones, and the time of the last success.
 * Source: kubernetes pkg/controller/cronjob/{cronjob_controllerv2,utils}.go
 */
import { SCHEDULED_AT, type CronJob, type Job } from '../state/batch.ts'
import { keyOf } from '../state/resources.ts'
import type { Request, System } from '../state/system.ts'
import { momentOf } from './clock.ts'
import { lastDue } from './cron.ts'
import { jobNameOf, runningOf } from './cronjob.ts'
import { isFinished } from './job.ts'
import { conditionOf, controllerOf, isDeleting, sameValue } from './objects.ts'
import { asks, client, MANAGER, ownedBy, refOf, removal } from './request.ts'
import { seen, type Held } from './view.ts'

type Status = CronJob['status']
type Active = NonNullable<Status['active']>

const entryOf = ({ metadata: { name, namespace = '', uid } }: Job): Active[number] => ({ name, namespace, uid })

const liveJob = ({ keyspace }: System, namespace: string | undefined, name: string): Job | undefined =>
  keyspace.kvs.get(keyOf('jobs', namespace, name))?.value as Job | undefined

/** Those that it sees run, and those that it knows of, does not see, and finds when it asks. */
const activeOf = (system: System, cronJob: CronJob, jobs: readonly Held<Job>[]): Active => {
  const values = jobs.map(({ value }) => value)
  const unseen = (cronJob.status.active ?? []).filter(({ name, namespace, uid }) => {
    const live = values.some((job) => job.metadata.uid === uid) ? undefined : liveJob(system, namespace, name)
    return live?.metadata.uid === uid && !isFinished(live)
  })
  return [...runningOf(cronJob.metadata.uid, values).map(entryOf), ...unseen]
}

/** Of those that have ended in one way all but the newest. */
const old = (jobs: readonly Held<Job>[], condition: string, kept: number): readonly Held<Job>[] => {
  const ended = jobs.filter(({ value }) => conditionOf(value.status.conditions, condition) === 'True')
  return ended.slice(0, Math.max(0, ended.length - kept)).filter(({ value }) => !isDeleting(value))
}

/** When it was due last and has not been started for yet; null: it was not, or it is too late. */
const missedBy = ({ nowMs }: System, { metadata, spec, status }: CronJob): number | null => {
  const dueMs = lastDue(spec.schedule, 0, Date.parse(status.lastScheduleTime ?? metadata.creationTimestamp), nowMs)
  return dueMs === null || nowMs - dueMs > (spec.startingDeadlineSeconds ?? Infinity) * 1000 ? null : dueMs
}

const jobOf = (cronJob: CronJob, name: string, dueMs: number): Job => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: {
    name,
    namespace: cronJob.metadata.namespace ?? '',
    uid: '',
    creationTimestamp: '',
    annotations: { [SCHEDULED_AT]: momentOf(dueMs) },
    ownerReferences: [ownedBy(cronJob)],
  },
  // Here its pods are told by their owner alone: the selector that the API adds is left out.
  spec: { ...cronJob.spec.jobTemplate.spec, selector: { matchLabels: {} } },
  status: {},
})

const tells = ({ value: cronJob, version }: Held<CronJob>, status: Status): readonly Request[] =>
  sameValue(status, cronJob.status) ? [] : [asks(MANAGER, null, { verb: 'status', value: { ...cronJob, status }, version })]

/** Whether what it has seen of a CronJob is still so. */
type IsLatest = (system: System, held: Held<CronJob>) => boolean

/** What comes first: it is due, and nothing of its own keeps it from starting. */
const starts = (
  system: System,
  held: Held<CronJob>,
  jobs: readonly Held<Job>[],
  active: Active,
  isLatest: IsLatest,
): readonly Request[] | null => {
  const { value: cronJob } = held
  const { concurrencyPolicy, suspend } = cronJob.spec
  const dueMs = suspend || isDeleting(cronJob) ? null : missedBy(system, cronJob)
  if (dueMs === null) return null
  const name = jobNameOf(cronJob.metadata.name, dueMs)
  // The one for that time may have been started and not been told.
  const others = active.filter((entry) => entry.name !== name)
  if (concurrencyPolicy === 'Forbid' && others.length > 0) return null
  if (!isLatest(system, held)) return []
  const owner = refOf(cronJob)
  if (concurrencyPolicy === 'Replace' && others.length > 0)
    return jobs
      .filter(({ value }) => others.some(({ uid }) => uid === value.metadata.uid))
      .map((job) => asks(MANAGER, { kind: 'ReplaceJob', owner, job: refOf(job.value) }, removal(job)))
  const live = liveJob(system, cronJob.metadata.namespace, name)
  if (live === undefined) {
    const choice = { kind: 'StartJob' as const, owner, name, dueMs, nowMs: system.nowMs }
    return [asks(MANAGER, choice, { verb: 'create', value: jobOf(cronJob, name, dueMs) })]
  }
  const runs = controllerOf(live) === owner.uid && !isFinished(live) && active.every(({ uid }) => uid !== live.metadata.uid)
  return tells(held, { ...cronJob.status, lastScheduleTime: momentOf(dueMs), active: runs ? [...active, entryOf(live)] : active })
}

export const startingBy = (isLatest: IsLatest): ReturnType<typeof client> =>
  client('cronjob', (system) =>
    seen<CronJob>(system, MANAGER, 'cronjobs').flatMap((held) => {
      const { metadata, spec, status } = held.value
      const jobs = seen<Job>(system, MANAGER, 'jobs').filter(({ value }) => controllerOf(value) === metadata.uid)
      const active = activeOf(system, held.value, jobs)
      const gone = [...old(jobs, 'Complete', spec.successfulJobsHistoryLimit), ...old(jobs, 'Failed', spec.failedJobsHistoryLimit)]
      if (gone.length > 0) return gone.map((job) => asks(MANAGER, null, removal(job)))
      return starts(system, held, jobs, active, isLatest) ?? tells(held, { ...status, active })
    }),
  )

export const cronJob = startingBy(({ keyspace }, { key, version }) => keyspace.kvs.get(key)?.modRevision === version)
