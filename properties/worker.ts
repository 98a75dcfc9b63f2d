/**
 * A worker of a campaign: runs jobs in a thread of its own.
 *
 * The seeded bug, if any, is planted before the implementation is imported for the first time; that is why everything
 * that reaches it is imported inside.
 */
import { workerData } from 'node:worker_threads'
import { plant, type Bug } from './bugs/bug.ts'
import type { Job, JobResult } from './job.ts'

/** What the pool hands to each of its threads. */
export interface WorkerSetup {
  readonly bug: Bug | null
}

const given: unknown = Array.isArray(workerData) ? workerData[1] : workerData
const setup = given as WorkerSetup
if (setup.bug !== null) plant(setup.bug)
const { perform } = await import('./job.ts')

export default (job: Job): Promise<JobResult> => perform(job)
