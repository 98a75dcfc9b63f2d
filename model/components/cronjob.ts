/**
 * What a CronJob starts again and again: its Jobs and their pods come and go while all is as it was asked for.
 *
 * Source: https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/
 */
import type { CronJob, Job } from '../state/batch.ts'
import type { Cluster } from '../state/cluster.ts'
import type { ApiObject } from '../state/objects.ts'
import { keyOf } from '../state/resources.ts'
import { isFinished } from './job.ts'
import { controllerOf, isDeleting } from './objects.ts'

const MINUTE_MS = 60_000
/** Of the Job for a time that is due: nobody starts it twice. */
export const jobNameOf = (cronJob: string, dueMs: number): string => `${cronJob}-${Math.floor(dueMs / MINUTE_MS)}`

/** Of these Jobs its own that are not over. */
export const runningOf = (uid: string, jobs: readonly Job[]): readonly Job[] =>
  jobs.filter((job) => controllerOf(job) === uid && !isFinished(job) && !isDeleting(job))

const goesOn = ({ store }: Cluster, namespace: string | undefined, name: string): boolean => {
  const cronJob = store.get(keyOf('cronjobs', namespace, name))?.value as CronJob | undefined
  return cronJob !== undefined && !cronJob.spec.suspend
}

/** Made by a CronJob that goes on, or for a Job of one: by its name, since the Job itself may be gone. */
export const recurs = (cluster: Cluster, { metadata }: ApiObject): boolean => {
  const owner = metadata.ownerReferences?.find((one) => one.controller === true)
  if (owner?.kind === 'CronJob') return goesOn(cluster, metadata.namespace, owner.name)
  const [, name] = owner?.kind === 'Job' ? (/^(.+)-\d+$/.exec(owner.name) ?? []) : []
  return name !== undefined && goesOn(cluster, metadata.namespace, name)
}

/** A pod of one. */
export const podRecurs = (cluster: Cluster, uid: string): boolean => {
  for (const [key, { value }] of cluster.store) {
    if (key.startsWith('/registry/pods/') && (value as ApiObject).metadata.uid === uid) return recurs(cluster, value as ApiObject)
  }
  return false
}
