/** Ends work that would never end by itself, from outside of it: its thread is interrupted, wherever it is. */
import { runInNewContext } from 'node:vm'

/** A run takes well under a second of this. */
export const HANG_MS = 30_000

/** False: it did not come to its end in time, and was stopped in the middle. */
export const ends = (work: () => void, withinMs: number): boolean => {
  try {
    runInNewContext('work()', { work }, { timeout: withinMs })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return false
    throw error
  }
}
