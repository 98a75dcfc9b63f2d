/**
 * Jobs that are to be gone some time after their end: deleted with their pods, after one more look whether it is still so.
 *
 * Source: kubernetes/kubernetes pkg/controller/ttlafterfinished/ttlafterfinished_controller.go.
 */
import type { Job } from '../../model/state/batch.ts'
import type { Controller, ControllerContext, Informer, WorkQueue } from '../client/api.ts'
import { nameOf } from '../client/informer.ts'
import { conditionOf, isDeleting, refOf } from '../objects.ts'
import type { Task } from '../task.ts'
import { epochMs } from '../time.ts'
import { isFinished } from './job-pods.ts'

const WORKERS = 5

export const ttlAfterFinishedController: Controller = (context) => {
  const controller = new TtlAfterFinished(context)
  return { name: 'ttl-after-finished', start: () => controller.start() }
}

class TtlAfterFinished {
  private readonly context: ControllerContext
  private readonly jobs: Informer<Job>
  private readonly queue: WorkQueue

  constructor(context: ControllerContext) {
    this.context = context
    this.jobs = context.informer('jobs')
    this.queue = context.queue(WORKERS, (key) => this.process(key))
  }

  start(): void {
    this.jobs.onChange((_before, after) => {
      if (after !== null && expiresMs(after) !== null) this.queue.add(nameOf(after))
    })
  }

  private *process(key: string): Task<'done' | 'retry'> {
    const { client } = this.context
    const cached = this.jobs.get(key)
    if (cached === undefined || !this.hasExpired(key, cached)) return 'done'
    const { namespace, name } = cached.metadata
    const read = yield* client.get<Job>({ resource: 'jobs', namespace, name })
    if (!read.ok) return read.status.code === 404 ? 'done' : 'retry'
    if (!this.hasExpired(key, read.value)) return 'done'
    const { uid, resourceVersion } = read.value.metadata
    const view = { jobs: Number(resourceVersion) }
    client.decide(view, { kind: 'ExpireJob', job: refOf('jobs', read.value), nowMs: this.context.now() })
    const reply = yield* client.delete({ resource: 'jobs', namespace, name }, { preconditions: { uid }, propagationPolicy: 'Foreground' })
    return reply.ok || reply.status.code === 404 ? 'done' : 'retry'
  }

  /** Comes back when it has not yet. */
  private hasExpired(key: string, job: Job): boolean {
    const atMs = expiresMs(job)
    if (atMs === null) return false
    const leftMs = atMs - this.context.now()
    if (leftMs > 0) this.queue.addAfter(key, leftMs)
    return leftMs <= 0
  }
}

/** Null: it does not. */
const expiresMs = (job: Job): number | null => {
  const { ttlSecondsAfterFinished } = job.spec
  if (ttlSecondsAfterFinished === undefined || isDeleting(job) || !isFinished(job)) return null
  const { conditions } = job.status
  const end = conditionOf(conditions, 'Complete') ?? conditionOf(conditions, 'Failed')
  return epochMs(end?.lastTransitionTime ?? job.metadata.creationTimestamp) + ttlSecondsAfterFinished * 1000
}
