/** CronJobs: one Job for each time that is due, none before it, as many at a time as the policy allows. SEMANTICS 2.7. */
import { isDue, lastDue } from '../components/cron.ts'
import { jobNameOf, recurs, runningOf } from '../components/cronjob.ts'
import { isFinished } from '../components/job.ts'
import type { Context, Invariant } from '../invariant.ts'
import { SCHEDULED_AT, type CronJob, type Job } from '../state/batch.ts'
import type { Seen } from '../state/history.ts'
import { prefixOf, resourceOfKey } from '../state/resources.ts'
import { minutesEast } from '../state/time-zones.ts'
import { deciding, keyOfRef, listed, objectOf, safety, viewed, watching, type Deciding } from './define.ts'

const CRONJOB = 'kubernetes pkg/controller/cronjob/cronjob_controllerv2.go'
const MINUTE_MS = 60_000
/** The clocks of two controllers in a row, and jumps of them, are this far apart at most. */
const CLOCKS_APART_MS = 300_000
/** A Job that comes and goes is over by then, failures and all. */
const JOB_MOST_MS = 600_000

const zoneOf = ({ spec }: CronJob): number => minutesEast(spec.timeZone ?? 'UTC') ?? 0
const label = ({ metadata }: CronJob): string => `CronJob ${metadata.namespace}/${metadata.name}`

const startedOnce: Invariant = watching(
  {
    id: 'CJ-S1',
    sentence:
      'for each time that a CronJob is due it has one Job, named after that time; another only if the first was gone before it was noted as started',
    source: CRONJOB,
    sometimes: 'one is started after another',
    allows: ['ALLOW-5'],
    ...safety,
    kind: 'history',
  },
  ['Commit', 'Decision'],
  () => {
    /** 'cronjob uid/time' → the uid of the Job that was made first. */
    const made = new Map<string, string>()
    /** Job's name → when it was due, and whether who decided it had seen it noted as started. */
    const decided = new Map<string, { readonly noted: boolean }>()
    /** 'cronjob uid/time' → who noted it first. */
    const notedBy = new Map<string, string>()
    const starters = new Set<string>()
    return {
      observe(next, { cluster, history }) {
        if (next.kind === 'Decision') {
          if (next.choice.kind !== 'StartJob') return 'vacuous'
          const { owner, name, dueMs } = next.choice
          const cronJob = viewed<CronJob>(history, next.view, owner)
          const isNoted = (one: CronJob | undefined): boolean => Date.parse(one?.status.lastScheduleTime ?? '') >= dueMs
          // What it noted itself it cannot have missed when it looked.
          const live = objectOf<CronJob>(cluster.store.get(keyOfRef(owner)))
          const own = isNoted(live) && notedBy.get(`${owner.uid}/${dueMs}`) === next.process
          decided.set(`${next.process}/${name}`, { noted: isNoted(cronJob) || own })
          return 'vacuous'
        }
        const { key, before, after, author } = next as Seen<'Commit'>
        const cronJob = resourceOfKey(key) === 'cronjobs' ? objectOf<CronJob>(after) : undefined
        if (cronJob !== undefined) {
          const when = `${cronJob.metadata.uid}/${Date.parse(cronJob.status.lastScheduleTime ?? '')}`
          if (!notedBy.has(when)) notedBy.set(when, author)
        }
        const job = resourceOfKey(key) === 'jobs' && before === null ? objectOf<Job>(after) : undefined
        const owner = job?.metadata.ownerReferences?.find((one) => one.controller === true && one.kind === 'CronJob')
        if (job === undefined || owner === undefined) return 'vacuous'
        const at = Date.parse(job.metadata.annotations?.[SCHEDULED_AT] ?? '')
        const { name, uid } = job.metadata
        if (name !== jobNameOf(owner.name, at))
          return {
            why: `${author} starts ${name} for ${new Date(at).toISOString()}: the name does not say so, and another may start it again`,
          }
        const time = `${owner.uid}/${at}`
        const first = made.get(time)
        made.set(time, first ?? uid)
        if (first !== undefined && decided.get(`${author}/${name}`)?.noted !== false)
          return { why: `${author} starts ${name} again, which it had seen started` }
        if (starters.has(owner.uid)) return 'notable'
        starters.add(owner.uid)
        return 'holds'
      },
    }
  },
)

const policyKept: Invariant = watching(
  {
    id: 'CJ-S2',
    sentence:
      'with Forbid a CronJob starts a Job only when it sees none of its own running; with Replace those are deleted first, if they are for other times',
    source: 'https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#concurrency-policy',
    sometimes: 'one that runs is replaced',
    ...safety,
    kind: 'history',
  },
  ['Decision'],
  () => {
    const replaced = new Set<string>()
    /** process/cronjob uid → names of those that it has deleted to start the next. */
    const before = new Map<string, Set<string>>()
    return {
      observe(next, { history }) {
        const { choice, view, process } = next as Seen<'Decision'>
        if (choice.kind !== 'StartJob' && choice.kind !== 'ReplaceJob') return 'vacuous'
        const place = `${process}/${choice.owner.uid}`
        if (choice.kind === 'ReplaceJob') {
          replaced.add(choice.job.uid)
          before.set(place, new Set([...(before.get(place) ?? []), choice.job.name]))
          return 'notable'
        }
        const isItself = before.get(place)?.has(choice.name) === true
        before.delete(place)
        if (isItself) return { why: `${process} replaces ${choice.name} by itself: it had been started for that time` }
        const cronJob = viewed<CronJob>(history, view, choice.owner)
        if (cronJob === undefined || cronJob.spec.concurrencyPolicy === 'Allow') return 'vacuous'
        const own = runningOf(choice.owner.uid, listed<Job>(history, view, 'jobs'))
        const running = own.find(({ metadata }) => !replaced.has(metadata.uid) && metadata.name !== choice.name)
        if (running === undefined) return 'holds'
        return {
          why: `${process} starts ${choice.name} while ${running.metadata.name} runs, which ${cronJob.spec.concurrencyPolicy} does not allow`,
        }
      },
    }
  },
)

const startedWhenDue = deciding(
  {
    id: 'CJ-S3',
    sentence:
      'a CronJob starts a Job for a time at which its schedule is due, not before it and not later than its deadline, by the clock of its controller',
    source: CRONJOB,
    sometimes: 'there is a deadline',
    ...safety,
  },
  ['StartJob'],
  ({ choice, view, process }: Deciding<'StartJob'>, { history }) => {
    const cronJob = viewed<CronJob>(history, view, choice.owner)
    if (cronJob === undefined || cronJob.metadata.uid !== choice.owner.uid)
      return { why: `${process} starts ${choice.name} of a CronJob that was not in its view` }
    const { schedule, startingDeadlineSeconds, suspend } = cronJob.spec
    const { dueMs, nowMs, name } = choice
    if (suspend) return { why: `${process} starts ${name} of ${label(cronJob)}, which is suspended` }
    if (!isDue(schedule, zoneOf(cronJob), dueMs))
      return { why: `${process} starts ${name} for ${new Date(dueMs).toISOString()}, which '${schedule}' does not name` }
    if (dueMs > nowMs) return { why: `${process} starts ${name} ${dueMs - nowMs} ms before it is due` }
    if (startingDeadlineSeconds === undefined) return 'holds'
    const lateMs = nowMs - dueMs - startingDeadlineSeconds * 1000
    return lateMs > 0 ? { why: `${process} starts ${name} ${lateMs} ms after its deadline` } : 'notable'
  },
)

/** By the API server's clock, from when it made the CronJob. */
const startsGoOn = (cronJob: CronJob, key: string, { cluster, history }: Context): string | null => {
  const { metadata, spec, status } = cronJob
  const born = history.versions(key).find(({ after }) => objectOf<CronJob>(after)?.metadata.uid === metadata.uid)
  const changed = history.versions(key).findLast(({ after }) => JSON.stringify(objectOf<CronJob>(after)?.spec) !== JSON.stringify(spec))
  const createdMs = Date.parse(metadata.creationTimestamp)
  const nowMs = createdMs + cluster.nowMs - (born?.atMs ?? 0)
  const sinceMs = changed === undefined ? createdMs : createdMs + changed.atMs - (born?.atMs ?? 0)
  const dueMs = lastDue(spec.schedule, zoneOf(cronJob), Math.max(createdMs, sinceMs), nowMs - CLOCKS_APART_MS)
  if (dueMs === null || Date.parse(status.lastScheduleTime ?? metadata.creationTimestamp) >= dueMs) return null
  return `${label(cronJob)} was due at ${new Date(dueMs).toISOString()} and started nothing since ${status.lastScheduleTime ?? 'it was made'}`
}

const goesOn: Invariant = watching(
  {
    id: 'CJ-L1',
    sentence: 'a CronJob that is not suspended starts what is due, and what it starts ends',
    source: 'https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/',
    kind: 'convergence',
    strength: 'liveness',
    sometimes: 'it has started one',
    allows: ['ALLOW-5', 'ALLOW-21'],
  },
  ['PhaseBegan'],
  () => ({
    observe(next, context) {
      if (next.kind !== 'PhaseBegan' || next.phase !== 'end') return 'vacuous'
      const { cluster, history } = context
      const row = context.pending().find(({ object, blocked }) => object.startsWith('CronJob ') && !blocked)
      if (row !== undefined) return { why: `${row.object} still waits for ${row.waitsFor}` }
      let started = false
      for (const key of history.keys(prefixOf('cronjobs'))) {
        const cronJob = objectOf<CronJob>(cluster.store.get(key))
        if (cronJob === undefined || cronJob.spec.suspend) continue
        started ||= cronJob.status.lastScheduleTime !== undefined
        const late = cronJob.spec.concurrencyPolicy === 'Allow' ? startsGoOn(cronJob, key, context) : null
        if (late !== null) return { why: late }
      }
      for (const key of history.keys(prefixOf('jobs'))) {
        const job = objectOf<Job>(cluster.store.get(key))
        if (job === undefined || isFinished(job) || job.spec.suspend || !recurs(cluster, job)) continue
        const made = history.versions(key).find(({ after }) => objectOf<Job>(after)?.metadata.uid === job.metadata.uid)
        const blocked = context.pending().some((one) => one.object === `Job ${job.metadata.namespace}/${job.metadata.name}` && one.blocked)
        if (!blocked && cluster.nowMs - (made?.atMs ?? cluster.nowMs) > JOB_MOST_MS)
          return { why: `Job ${job.metadata.name} of a CronJob has not ended ${JOB_MOST_MS / MINUTE_MS} minutes after it was started` }
      }
      return started ? 'notable' : 'vacuous'
    },
  }),
)

export const CRONJOBS: readonly Invariant[] = [startedOnce, policyKept, startedWhenDue, goesOn]
