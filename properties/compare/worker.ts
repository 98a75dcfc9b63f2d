/** A worker of a comparison. What is wrong with the input comes back as data: errors lose their class between threads. */
import { InputError } from '../input.ts'
import { performRun, type CompareJob, type WorkerAnswer } from './compare.ts'

export default async (job: CompareJob): Promise<WorkerAnswer> => {
  try {
    return { metrics: await performRun(job) }
  } catch (error) {
    if (error instanceof InputError) return { where: error.where, problem: error.problem }
    throw error
  }
}
