/**
 * CronJobs: one Job for each time that is due, named after that time, so that nobody starts it twice.
 *
 * What was started last is read live before a start: a Job that has come and gone leaves no name behind. Its active Jobs are
 * those it owns that have not ended, also when a crash kept them from its status.
 * Source: kubernetes/kubernetes pkg/controller/cronjob/{cronjob_controllerv2,utils}.go.
 */
import { SCHEDULED_AT, type CronJob, type Job } from '../../model/state/batch.ts'
import { minutesEast } from '../../model/state/time-zones.ts'
import type { Controller, ControllerContext, Creation, Informer, WorkQueue } from '../client/api.ts'
import { nameOf } from '../client/informer.ts'
import { lastDue, nextDue } from '../cron.ts'
import { same } from '../equal.ts'
import { controllerOf, controllerRef, isDeleting, refOf } from '../objects.ts'
import type { Task } from '../task.ts'
import { epochMs, rfc3339 } from '../time.ts'
import { holds, isFinished } from './job-pods.ts'

const WORKERS = 5
/** Who looks right when it is due may be early by its own clock. */
const LATER_MS = 100

export const cronJobController: Controller = (context) => {
  const controller = new CronJobs(context)
  return { name: 'cronjob', start: () => controller.start() }
}

type Status = CronJob['status']
type Active = NonNullable<Status['active']>

class CronJobs {
  private readonly context: ControllerContext
  private readonly cronJobs: Informer<CronJob>
  private readonly jobs: Informer<Job>
  private readonly queue: WorkQueue

  constructor(context: ControllerContext) {
    this.context = context
    this.queue = context.queue(WORKERS, (key) => this.sync(key))
    this.cronJobs = context.informer('cronjobs')
    this.jobs = context.informer('jobs')
  }

  start(): void {
    this.cronJobs.onChange((_before, after) => {
      if (after !== null) this.queue.add(nameOf(after))
    })
    this.jobs.onChange((before, after) => {
      const job = after ?? before
      const owner = job === null ? undefined : controllerOf(job)
      if (owner?.kind === 'CronJob') this.queue.add(`${job?.metadata.namespace}/${owner.name}`)
    })
  }

  private *sync(key: string): Task<'done' | 'retry'> {
    const cronJob = this.cronJobs.get(key)
    if (cronJob === undefined) return 'done'
    const jobs = this.jobs.ownedBy(cronJob.metadata.uid).toSorted((one, other) => (one.metadata.name < other.metadata.name ? -1 : 1))
    const active = yield* this.activeOf(cronJob, jobs)
    if (active === null) return 'retry'
    let status: Status = { ...cronJob.status, active, ...lastSuccess(cronJob, jobs) }
    let complete = yield* this.trim(cronJob, jobs)
    if (!isDeleting(cronJob) && !cronJob.spec.suspend) {
      const started = yield* this.startDue(key, { ...cronJob, status }, jobs)
      if (started === null) complete = false
      else status = started
    }
    if (same(cronJob.status, status)) return complete ? 'done' : 'retry'
    const reply = yield* this.context.client.updateStatus<CronJob>('cronjobs', { ...cronJob, status })
    return complete && (reply.ok || reply.status.code === 404) ? 'done' : 'retry'
  }

  /** Its own Jobs that have not ended, and those it knows of and does not see yet. Null: nobody knows. */
  private *activeOf(cronJob: CronJob, jobs: readonly Job[]): Task<Active | null> {
    const active = jobs.filter((job) => !isFinished(job) && !isDeleting(job)).map(entryOf)
    for (const known of cronJob.status.active ?? []) {
      if (jobs.some((job) => job.metadata.uid === known.uid)) continue
      const read = yield* this.context.client.get<Job>({ resource: 'jobs', namespace: known.namespace, name: known.name })
      if (!read.ok && read.status.code !== 404) return null
      if (read.ok && read.value.metadata.uid === known.uid && !isFinished(read.value)) active.push(known)
    }
    return active
  }

  /** Starts what is due, and comes back for what is due next. Null: it has to be tried again. */
  private *startDue(key: string, cronJob: CronJob, jobs: readonly Job[]): Task<Status | null> {
    const { schedule, timeZone = 'UTC', startingDeadlineSeconds = Infinity, concurrencyPolicy } = cronJob.spec
    const { status } = cronJob
    const east = minutesEast(timeZone)
    if (east === undefined) return status
    const nowMs = this.context.now()
    const next = nextDue(schedule, east, nowMs)
    if (next !== null) this.queue.addAfter(key, next - nowMs + LATER_MS)
    const dueMs = lastDue(schedule, east, nowMs)
    const lastMs = epochMs(status.lastScheduleTime ?? cronJob.metadata.creationTimestamp)
    if (dueMs === null || dueMs <= lastMs || nowMs - dueMs > startingDeadlineSeconds * 1000) return status
    // The one for that time may have been started, by who did not come to say so: it is not in the way of itself.
    const others = (status.active ?? []).filter((one) => one.name !== jobNameOf(cronJob, dueMs))
    if (concurrencyPolicy === 'Forbid' && others.length > 0) return status
    const { namespace, name } = cronJob.metadata
    const read = yield* this.context.client.get<CronJob>({ resource: 'cronjobs', namespace, name })
    if (!read.ok || read.value.metadata.uid !== cronJob.metadata.uid) return null
    // Somebody else was faster, or its user changed it.
    if (read.value.metadata.resourceVersion !== cronJob.metadata.resourceVersion) return null
    if (concurrencyPolicy === 'Replace' && !(yield* this.replace(cronJob, others))) return null
    const late = this.context.now() - dueMs > startingDeadlineSeconds * 1000
    return late ? status : yield* this.startJob(cronJob, jobs, dueMs)
  }

  private *startJob(cronJob: CronJob, jobs: readonly Job[], dueMs: number): Task<Status | null> {
    const { client } = this.context
    const { status, spec } = cronJob
    const name = jobNameOf(cronJob, dueMs)
    const job = jobOf(cronJob, name, dueMs)
    const view = { ...this.context.view('jobs'), cronjobs: Number(cronJob.metadata.resourceVersion) }
    client.decide(view, { kind: 'StartJob', owner: refOf('cronjobs', cronJob), name, dueMs, nowMs: this.context.now() })
    const created = yield* client.create<Job>('jobs', job)
    const lastScheduleTime = rfc3339(dueMs)
    const others = spec.concurrencyPolicy === 'Replace' ? [] : (status.active ?? [])
    if (created.ok) return { ...status, lastScheduleTime, active: [...others, entryOf(created.value)] }
    if (created.status.reason !== 'AlreadyExists') return null
    // Whoever made it did not come to say so.
    const seen = jobs.find((one) => one.metadata.name === name)
    if (seen !== undefined) return { ...status, lastScheduleTime }
    const read = yield* client.get<Job>({ resource: 'jobs', namespace: cronJob.metadata.namespace, name })
    if (!read.ok) return null
    const own = controllerOf(read.value)?.uid === cronJob.metadata.uid && !isFinished(read.value)
    return { ...status, lastScheduleTime, active: own ? [...others, entryOf(read.value)] : others }
  }

  private *replace(cronJob: CronJob, active: Active): Task<boolean> {
    const { client } = this.context
    for (const { name, namespace, uid } of active) {
      const job = { resource: 'jobs', namespace, name, uid }
      client.decide(this.context.view('jobs', 'cronjobs'), { kind: 'ReplaceJob', owner: refOf('cronjobs', cronJob), job })
      const reply = yield* client.delete(job, { preconditions: { uid }, propagationPolicy: 'Background' })
      if (!reply.ok && reply.status.code !== 404 && reply.status.code !== 409) return false
    }
    return true
  }

  /** Keeps the newest of those that have ended, as many as its limits say. */
  private *trim(cronJob: CronJob, jobs: readonly Job[]): Task<boolean> {
    const { successfulJobsHistoryLimit, failedJobsHistoryLimit } = cronJob.spec
    const succeeded = jobs.filter((job) => holds(job, 'Complete'))
    const failed = jobs.filter((job) => holds(job, 'Failed'))
    const old = [...beyond(succeeded, successfulJobsHistoryLimit), ...beyond(failed, failedJobsHistoryLimit)]
    let complete = true
    for (const { metadata } of old.filter((job) => !isDeleting(job))) {
      const { namespace, name, uid } = metadata
      const reply = yield* this.context.client.delete(
        { resource: 'jobs', namespace, name },
        { preconditions: { uid }, propagationPolicy: 'Background' },
      )
      if (!reply.ok && reply.status.code !== 404 && reply.status.code !== 409) complete = false
    }
    return complete
  }
}

const beyond = (jobs: readonly Job[], kept: number): readonly Job[] => {
  const startOf = ({ status, metadata }: Job): string => status.startTime ?? metadata.creationTimestamp
  return jobs.toSorted((one, other) => (startOf(one) < startOf(other) ? -1 : 1)).slice(0, Math.max(0, jobs.length - kept))
}

const jobNameOf = ({ metadata }: CronJob, dueMs: number): string => `${metadata.name}-${Math.floor(dueMs / 60_000)}`

const entryOf = ({ metadata }: Job): Active[number] => ({ name: metadata.name, namespace: metadata.namespace ?? '', uid: metadata.uid })

const lastSuccess = ({ status }: CronJob, jobs: readonly Job[]): Pick<Status, 'lastSuccessfulTime'> => {
  const times = jobs.flatMap((job) => (holds(job, 'Complete') ? (job.status.completionTime ?? []) : []))
  const last = [status.lastSuccessfulTime ?? '', ...times].toSorted().at(-1) ?? ''
  return last === '' ? {} : { lastSuccessfulTime: last }
}

const jobOf = (cronJob: CronJob, name: string, dueMs: number): Creation<Job> => {
  const { namespace } = cronJob.metadata
  const { metadata, spec } = cronJob.spec.jobTemplate
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      labels: { ...metadata?.labels },
      annotations: { ...metadata?.annotations, [SCHEDULED_AT]: rfc3339(dueMs) },
      ownerReferences: [controllerRef(cronJob)],
    },
    spec,
  }
}
