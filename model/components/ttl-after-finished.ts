/**
 * A Job that is to stay for some time after its end is deleted with its pods when that is over: as the store has it then.
 *
 * Source: kubernetes pkg/controller/ttlafterfinished/ttlafterfinished_controller.go
 */
import type { Job } from '../state/batch.ts'
import { isDeleting } from './objects.ts'
import { isFinished } from './job.ts'
import { asks, client, MANAGER, refOf, removal } from './request.ts'
import { seen } from './view.ts'

/** How long it still stays, by a clock that says so much. Null: it has not ended, or it stays for ever. */
export const staysMs = ({ spec, status }: Job, nowMs: number): number | null => {
  const end = status.conditions?.find(({ type, status: is }) => (type === 'Complete' || type === 'Failed') && is === 'True')
  const { ttlSecondsAfterFinished: seconds } = spec
  return end === undefined || seconds === undefined ? null : Date.parse(end.lastTransitionTime ?? '') + seconds * 1000 - nowMs
}

export const ttlAfterFinished = client('ttl-after-finished', (system) => {
  const isOver = (job: Job): boolean => !isDeleting(job) && isFinished(job) && (staysMs(job, system.nowMs) ?? 1) <= 0
  return seen<Job>(system, MANAGER, 'jobs').flatMap(({ key, version, value: cached }) => {
    const job = system.keyspace.kvs.get(key)?.value as Job | undefined
    if (!isOver(cached) || job === undefined || !isOver(job)) return []
    const choice = { kind: 'ExpireJob' as const, job: refOf(job), nowMs: system.nowMs }
    return [{ ...asks(MANAGER, choice, removal({ key, version, value: job }, 'Foreground')), reads: 'jobs' as const }]
  })
})
