/**
 * Jobs: as many pods at a time as asked for, until enough have succeeded or too many failed, each end counted once.
 *
 * Which end was counted stands in the store alone: a pod's uid is noted in the Job's status, then its finalizer goes, then
 * the number grows. Left out: adoption and release (selectors name the Job's own uid).
 * Source: kubernetes/kubernetes pkg/controller/job/job_controller.go; KEP-2307, KEP-2214, KEP-3329, KEP-3850, KEP-3939, KEP-3998.
 */
import { TRACKING_FINALIZER, type Job, type JobStatus } from '../../model/state/batch.ts'
import type { Choice } from '../../model/state/history.ts'
import type { Pod } from '../../model/state/objects.ts'
import type { Controller, ControllerContext, Informer, Result, WorkQueue } from '../client/api.ts'
import { nameOf } from '../client/informer.ts'
import { same } from '../equal.ts'
import { conditionOf, controllerOf, isActive, isDeleting, isReady, isTerminal, refOf } from '../objects.ts'
import type { Task } from '../task.ts'
import { rfc3339 } from '../time.ts'
import { Expectations } from './expectations.ts'
import { failedIndexes, hasIndexLimit, indexBackOff, lastFailures } from './job-indexes.ts'
import {
  backOffAfter,
  backOffLeftMs,
  completedIndexes,
  hasFailed,
  indexOf,
  isCounted,
  isFinished,
  isIndexed,
  isSuspended,
  isTracked,
  NO_BACK_OFF,
  restartsOf,
  ruleFor,
  waitsForEnds,
  type BackOff,
} from './job-pods.ts'
import { deadlineLeftMs, excessOf, isDone, pendingIndexes, podOf, wantedActive, type Round } from './job-round.ts'
import { announced, counted, failureOf, finished, notedEnds, SUCCESS, successOf, suspension, type Finish } from './job-status.ts'

const WORKERS = 5
const BURST = 500
/** Changes of pods are gathered for so long. */
const BATCH_MS = 1_000

export const jobController: Controller = (context) => {
  const controller = new Jobs(context)
  return { name: 'job', start: () => controller.start() }
}

const uidOf = (pod: Pod): string => pod.metadata.uid
const place = (object: Job | Pod) => ({ namespace: object.metadata.namespace, name: object.metadata.name })

class Jobs {
  private readonly context: ControllerContext
  private readonly jobs: Informer<Job>
  private readonly pods: Informer<Pod>
  private readonly expectations = new Expectations()
  private readonly backOffs = new Map<string, BackOff>()
  /** The version that its own last write made of each Job. */
  private readonly written = new Map<string, number>()
  /** Pods whose finalizer it has taken away and still sees. */
  private readonly released = new Set<string>()
  private readonly queue: WorkQueue
  private readonly orphans: WorkQueue

  constructor(context: ControllerContext) {
    this.context = context
    this.jobs = context.informer('jobs')
    this.pods = context.informer('pods')
    this.queue = context.queue(WORKERS, (key) => this.sync(key))
    this.orphans = context.queue(1, (key) => this.release(key))
  }

  start(): void {
    this.jobs.onChange((before, after) => this.jobChanged(before, after))
    this.pods.onChange((before, after) => this.podChanged(before, after))
  }

  private jobChanged(before: Job | null, after: Job | null): void {
    const job = after ?? before
    if (job === null) return
    const key = nameOf(job)
    if (after === null) this.forget(key)
    const told = before !== null && after !== null && before.metadata.generation === after.metadata.generation
    if (told) this.queue.addAfter(key, BATCH_MS)
    else this.queue.add(key)
    if (after !== null && !isFinished(after)) return
    for (const pod of this.pods.ownedBy(job.metadata.uid)) if (isTracked(pod)) this.orphans.add(nameOf(pod))
  }

  private podChanged(before: Pod | null, after: Pod | null): void {
    const pod = after ?? before
    if (pod === null) return
    if (after === null || !isTracked(after)) this.released.delete(uidOf(pod))
    const owner = controllerOf(pod)
    if (owner?.kind === 'Job') {
      const key = `${pod.metadata.namespace}/${owner.name}`
      if (before === null) this.expectations.creationSeen(key)
      if (after === null || isDeleting(after)) this.expectations.deletionSeen(key, uidOf(pod))
      this.queue.addAfter(key, BATCH_MS)
    }
    if (after !== null && isTracked(after) && !this.isCountedBy(after)) this.orphans.add(nameOf(after))
  }

  private forget(key: string): void {
    this.expectations.forget(key)
    this.backOffs.delete(key)
    this.written.delete(key)
  }

  // Pods that no Job will count

  /** As far as it sees there is a Job that will take the finalizer away. */
  private isCountedBy(pod: Pod): boolean {
    const owner = controllerOf(pod)
    if (owner === undefined) return false
    if (owner.kind !== 'Job') return true
    const job = this.jobs.get(`${pod.metadata.namespace}/${owner.name}`)
    return job !== undefined && job.metadata.uid === owner.uid && !isFinished(job)
  }

  private *release(key: string): Task<'done' | 'retry'> {
    const pod = this.pods.get(key)
    if (pod === undefined || !isTracked(pod) || this.isCountedBy(pod)) return 'done'
    const owner = controllerOf(pod)
    if (owner !== undefined) {
      // A Job that is not in sight may only be too new: its pods have to be counted.
      const read = yield* this.context.client.get<Job>({ resource: 'jobs', namespace: pod.metadata.namespace, name: owner.name })
      if (!read.ok && read.status.code !== 404) return 'retry'
      if (read.ok && read.value.metadata.uid === owner.uid && !isFinished(read.value)) return 'retry'
    }
    return (yield* this.untrack(pod)) ? 'done' : 'retry'
  }

  /** False: nobody knows whether the finalizer is gone. */
  private *untrack(pod: Pod): Task<boolean> {
    const patch = { metadata: { uid: uidOf(pod), '$deleteFromPrimitiveList/finalizers': [TRACKING_FINALIZER] } }
    this.released.add(uidOf(pod))
    const reply = yield* this.context.client.patch<Pod>({ resource: 'pods', ...place(pod) }, patch)
    if (reply.ok || reply.status.code === 404 || reply.status.code === 409) return true
    this.released.delete(uidOf(pod))
    return false
  }

  // One Job

  private *sync(key: string): Task<'done' | 'retry'> {
    const job = this.jobs.get(key)
    if (job === undefined || isFinished(job)) {
      this.backOffs.delete(key)
      return 'done'
    }
    // What it wrote last has to be in sight: pods that are counted there may already be gone from its view.
    if (Number(job.metadata.resourceVersion) < (this.written.get(key) ?? 0)) return 'done'
    const waitMs = this.expectations.waitMs(key, this.context.elapsed())
    if (waitMs > 0) this.queue.addAfter(key, waitMs)
    const round = yield* this.look(key, job)
    if (round === null) return 'retry'
    const now = rfc3339(this.context.now())
    let status: JobStatus = { ...job.status, startTime: job.status.startTime ?? now }
    if (isSuspended(job) && job.status.startTime === undefined) status = job.status
    let finish = this.finishOf(round, status)
    let left = round.active
    let complete = true
    if (finish !== null) {
      left = yield* this.deleteAll(round, round.active, 'finished')
      complete = left.length === 0
      // Pods it does not see may be left: then it is too early to say so.
      if (!complete || waitMs > 0) finish = null
    } else {
      const manages = waitMs === 0 && !isDeleting(job)
      if (manages) {
        const managed = yield* this.manage(round)
        left = managed.active
        complete = managed.complete
      }
      if (isDone(round, left)) finish = SUCCESS
      else if (manages) status = suspension(job, status, now)
    }
    const deleted = round.active.filter((pod) => !left.includes(pod)).length
    status = {
      ...status,
      active: left.length,
      ready: left.filter(isReady).length,
      terminating: round.pods.filter((pod) => isDeleting(pod) && !isTerminal(pod)).length + deleted,
    }
    const told = yield* this.track(round, status, finish)
    return complete && told ? 'done' : 'retry'
  }

  /** Null: what it has to know could not be read. */
  private *look(key: string, job: Job): Task<Round | null> {
    const view = this.context.view('jobs', 'pods')
    const pods = this.pods.ownedBy(job.metadata.uid).toSorted((one, other) => (one.metadata.name < other.metadata.name ? -1 : 1))
    const noted = [...(job.status.uncountedTerminatedPods?.succeeded ?? []), ...(job.status.uncountedTerminatedPods?.failed ?? [])]
    // An older view of the pods than of the Job may show finalizers of pods that are counted already.
    const behind = this.pods.revision < Number(job.metadata.resourceVersion)
    const shown = pods.filter((pod) => isTracked(pod) && !this.released.has(uidOf(pod)))
    const ended = (pod: Pod): boolean => pod.status.phase === 'Succeeded' || hasFailed(job, pod)
    const doubtful = behind ? shown.filter((pod) => !noted.includes(uidOf(pod))) : []
    const gone = yield* this.untrackedOf(doubtful.filter(ended))
    if (gone === null) return null
    const tracked = shown.filter((pod) => !gone.has(uidOf(pod)))
    const seen = new Set(pods.map(uidOf))
    const unclear = new Set(behind ? noted.filter((uid) => !seen.has(uid) && !this.released.has(uid)) : [])
    if (unclear.size > 0) this.queue.addAfter(key, BATCH_MS)
    const fresh = tracked.filter((pod) => !noted.includes(uidOf(pod)) && (!isIndexed(job) || indexOf(job, pod) !== null))
    const newlySucceeded = fresh.filter((pod) => pod.status.phase === 'Succeeded')
    const newlyFailed = fresh.filter((pod) => hasFailed(job, pod))
    const { uncountedTerminatedPods: uncounted } = job.status
    const active = pods.filter(isActive)
    return {
      key,
      job,
      view,
      pods,
      active,
      tracked,
      succeeded: isIndexed(job)
        ? completedIndexes(job, tracked).size
        : (job.status.succeeded ?? 0) + (uncounted?.succeeded ?? []).length + newlySucceeded.length,
      failed: (job.status.failed ?? 0) + (uncounted?.failed ?? []).length + newlyFailed.filter((pod) => isCounted(job, pod)).length,
      backOff: hasIndexLimit(job) ? NO_BACK_OFF : backOffAfter(this.backOffs.get(key) ?? NO_BACK_OFF, newlySucceeded, newlyFailed),
      failedIndexes: failedIndexes(job, tracked),
      lastFailures: lastFailures(job, active, tracked),
      unclear,
      doubtful,
    }
  }

  /** The uids of those that a live read shows without their finalizer. Null: nobody knows. */
  private *untrackedOf(pods: readonly Pod[]): Task<ReadonlySet<string> | null> {
    const gone = new Set<string>()
    for (const pod of pods) {
      const read = yield* this.context.client.get<Pod>({ resource: 'pods', ...place(pod) })
      if (!read.ok && read.status.code !== 404) return null
      if (!read.ok || read.value.metadata.uid !== uidOf(pod) || !isTracked(read.value)) gone.add(uidOf(pod))
    }
    return gone
  }

  // How it ends

  /** Null: it goes on. Brings it back when a deadline is over. */
  private finishOf(round: Round, { startTime }: JobStatus): Finish | null {
    const { key, job, pods, failed } = round
    const success = conditionOf(job.status.conditions, 'SuccessCriteriaMet')
    if (success?.status === 'True') return { outcome: 'Complete', reason: success.reason ?? '', message: success.message ?? '' }
    const target = conditionOf(job.status.conditions, 'FailureTarget')
    if (target?.status === 'True') return { outcome: 'Failed', reason: target.reason ?? '', message: target.message ?? '' }
    const fatal = pods.find((pod) => hasFailed(job, pod) && ruleFor(job, pod)?.action === 'FailJob')
    if (fatal !== undefined) {
      const message = `Pod ${nameOf(fatal)} failed as a rule of the pod failure policy says that the Job must not`
      return { outcome: 'Failed', reason: 'PodFailurePolicy', message }
    }
    const { backoffLimit, template } = job.spec
    const restarts = template.spec.restartPolicy === 'OnFailure' ? restartsOf(pods) : 0
    if (failed > backoffLimit || (restarts > 0 && restarts >= backoffLimit)) {
      return { outcome: 'Failed', reason: 'BackoffLimitExceeded', message: 'Job has reached the specified backoff limit' }
    }
    const leftMs = deadlineLeftMs(job, startTime, this.context.now())
    if (leftMs <= 0) return { outcome: 'Failed', reason: 'DeadlineExceeded', message: 'Job was active longer than specified deadline' }
    if (leftMs !== Infinity) this.queue.addAfter(key, leftMs)
    return failureOf(round) ?? successOf(job, completedIndexes(job, round.tracked))
  }

  // Creating and deleting

  private *manage(round: Round): Task<{ readonly active: readonly Pod[]; readonly complete: boolean }> {
    const { key, job, pods, active } = round
    if (isSuspended(job)) {
      const left = yield* this.deleteAll(round, active, 'suspended')
      return { active: left, complete: left.length === 0 }
    }
    const wanted = wantedActive(round)
    const excess = excessOf(job, active, Math.max(0, active.length - wanted), this.context.now()).slice(0, BURST)
    if (excess.length > 0) {
      const left = yield* this.deleteAll(round, excess, 'excess')
      return { active: active.filter((pod) => !excess.includes(pod) || left.includes(pod)), complete: left.length === 0 }
    }
    const ending = waitsForEnds(job) ? pods.filter((pod) => isDeleting(pod) && !isTerminal(pod)) : []
    const missing = Math.min(wanted - active.length - ending.length, BURST)
    if (missing <= 0) return { active, complete: true }
    const indexes = isIndexed(job) ? pendingIndexes(round, ending, missing) : Array.from({ length: missing }, () => null)
    const due = indexes.filter((index) => this.waitMs(round, index) === 0)
    const waits = indexes.map((index) => this.waitMs(round, index)).filter((ms) => ms > 0)
    if (waits.length > 0) this.queue.addAfter(key, Math.max(BATCH_MS, Math.min(...waits)))
    if (due.length === 0) return { active, complete: true }
    const made = yield* this.createPods(round, due)
    return { active: [...active, ...made], complete: made.length === due.length }
  }

  /** Until the next pod, of this index where each has a limit of its own. */
  private waitMs({ job, backOff, lastFailures: last }: Round, index: number | null): number {
    return backOffLeftMs(hasIndexLimit(job) ? indexBackOff(last.get(index ?? -1)) : backOff, this.context.now())
  }

  /** One after another: a Job whose pods are refused does not ask for all of them. */
  private *createPods(round: Round, indexes: readonly (number | null)[]): Task<readonly Pod[]> {
    const { key, job } = round
    this.expectations.expect(key, indexes.length, [], this.context.elapsed())
    const made: Pod[] = []
    for (const index of indexes) {
      // Those before may have taken long to be made.
      const late = deadlineLeftMs(job, job.status.startTime, this.context.now()) <= 0
      const reply = late ? null : yield* this.createPod(round, index)
      if (reply === null || !reply.ok) {
        // What was not tried, and what certainly failed, will not be seen.
        const unseen = indexes.length - made.length - (reply === null || reply.definite ? 0 : 1)
        for (let skipped = unseen; skipped > 0; skipped--) this.expectations.creationSeen(key)
        break
      }
      made.push(reply.value)
    }
    return made
  }

  private createPod({ job, view, lastFailures: last }: Round, index: number | null): Task<Result<Pod>> {
    const pod = podOf(job, index, last.get(index ?? -1))
    const name = pod.metadata.generateName ?? ''
    const { client } = this.context
    client.decide(view, { kind: 'CreateJobPod', owner: refOf('jobs', job), name, index, nowMs: this.context.now() })
    return client.create<Pod>('pods', pod)
  }

  /**
   * Returns those that could not be deleted. Of a Job that goes on they are let go without being counted; of one that
   * ends they are counted first.
   */
  private *deleteAll(
    round: Round,
    pods: readonly Pod[],
    because: Extract<Choice, { kind: 'DeleteJobPod' }>['because'],
  ): Task<readonly Pod[]> {
    const { key, job, view } = round
    if (because !== 'finished' && pods.length > 0) this.expectations.expect(key, 0, pods.map(uidOf), this.context.elapsed())
    const left: Pod[] = []
    for (const pod of pods) {
      this.context.client.decide(view, { kind: 'DeleteJobPod', owner: refOf('jobs', job), pod: refOf('pods', pod), because })
      const untracked = because === 'finished' || !isTracked(pod) || (yield* this.untrack(pod))
      const reply = untracked
        ? yield* this.context.client.delete({ resource: 'pods', ...place(pod) }, { preconditions: { uid: uidOf(pod) } })
        : null
      if (reply?.ok === true || reply?.status.code === 404) continue
      if (reply === null || reply.definite) this.expectations.deletionSeen(key, uidOf(pod))
      left.push(pod)
    }
    return left
  }

  // Counting

  /** Notes ends, takes finalizers away, counts, and says so when all is over. False: it has to be tried again. */
  private *track(round: Round, status: JobStatus, finish: Finish | null): Task<boolean> {
    const { key, job, unclear, doubtful } = round
    // With a Job that fails all is counted that has not ended.
    const gone = finish?.outcome === 'Failed' ? yield* this.untrackedOf(doubtful) : new Set<string>()
    if (gone === null) return false
    const tracked = round.tracked.filter((pod) => !gone.has(uidOf(pod)))
    const held = new Set([...tracked.map(uidOf), ...unclear])
    const noted = notedEnds(round, tracked, counted(status, held), finish)
    let next = finish === null ? noted.status : announced(noted.status, finish, rfc3339(this.context.now()))
    if (finish !== null && next !== noted.status) {
      const { outcome, reason } = finish
      const choice: Choice = { kind: 'FinishJob', owner: refOf('jobs', job), outcome, reason, nowMs: this.context.now() }
      this.context.client.decide(round.view, choice)
    }
    let current = job
    if (!same(job.status, next)) {
      const written = yield* this.write(key, { ...job, status: next })
      if (written === null) return false
      current = written
      this.backOffs.set(key, round.backOff)
    }
    let complete = true
    for (const pod of noted.release) {
      if (yield* this.untrack(pod)) held.delete(uidOf(pod))
      else complete = false
    }
    next = counted(next, held)
    const { succeeded = [], failed = [] } = next.uncountedTerminatedPods ?? {}
    const over = succeeded.length + failed.length === 0 && (next.terminating ?? 0) === 0 && !noted.more
    if (finish !== null && complete && over) next = finished(next, finish, rfc3339(this.context.now()))
    if (same(current.status, next)) return complete
    return (yield* this.write(key, { ...current, status: next })) !== null && complete
  }

  private *write(key: string, job: Job): Task<Job | null> {
    const reply = yield* this.context.client.updateStatus<Job>('jobs', job)
    if (!reply.ok) return null
    this.written.set(key, Number(reply.value.metadata.resourceVersion))
    return reply.value
  }
}
