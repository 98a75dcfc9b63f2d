/**
 * Coroutines without promises: a task is a generator that yields what it waits for.
 *
 * A reconcile loop reads top to bottom (`const reply = yield* client.create(pod)`) and is still sans-I/O: it only
 * moves when its process is handed a message or a timer, and a crash simply drops it.
 */
import type { ClusterHost } from './wire.ts'

/** Starts something and calls `resume` once, later, with its result. Never calls it before returning. */
export type Waiting = (resume: (result: never) => void) => void
export type Task<Result> = Generator<Waiting, Result, unknown>

/** Runs a task until it waits for the first time; `done` is called with its result. */
export const spawn = <Result>(task: Task<Result>, done: (result: Result) => void = () => {}): void => {
  const resume = (result: unknown): void => {
    const step = task.next(result)
    if (step.done === true) done(step.value)
    else step.value(resume)
  }
  resume(undefined)
}

/** Waits for what `start` will hand to its callback. */
export function* wait<Result>(start: (resume: (result: Result) => void) => void): Task<Result> {
  return (yield start as Waiting) as Result
}

/** Waits `ms` of the machine's monotonic clock. */
export const sleep = (host: ClusterHost, ms: number): Task<void> =>
  wait<void>((resume) => {
    host.after(ms, () => resume())
  })
