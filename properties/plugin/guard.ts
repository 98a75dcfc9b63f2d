/**
 * Keeps watch over the code of a user's own controller: says what it was doing when it throws, and ends what has no end.
 *
 * What it asks of the cluster is counted in virtual time, so that the same plan ends the same way. A loop that asks nothing
 * only the wall clock can end (see watchdog.ts); it is not to be hit otherwise.
 */
import type { Controller, ControllerContext, Informer, WorkQueue } from '../../impl/client/api.ts'
import type { Task } from '../../impl/task.ts'
import type { ApiObject } from '../../model/state/objects.ts'

/** Far above what a client without a limit of its own asks for (controller-runtime's own limit is 20 a second). */
const REQUESTS_A_SECOND = 2_000
const CALLS_AT_ONCE = 100_000

/** What its code does right now: null when it is not running. */
export class Activity {
  current: { readonly process: string; readonly doing: string } | null = null

  /** Runs a piece of its code; what it throws is said to be thrown there. */
  during<T>(process: string, doing: string, run: () => T): T {
    const before = this.current
    this.current = { process, doing }
    const result = attempt(run, doing)
    this.current = before
    return result
  }
}

class Told extends Error {}

const attempt = <T>(run: () => T, doing: string): T => {
  try {
    return run()
  } catch (error) {
    if (error instanceof Told) throw error
    throw new Told(`${doing}: ${error instanceof Error ? `${error.name}: ${error.message}` : `threw ${String(error)}`}`)
  }
}

/** The controllers of a process, each watched. */
export const guarded = (process: string, controllers: readonly Controller[], activity: Activity): readonly Controller[] =>
  controllers.map((controller): Controller => (context) => {
    const watched = new Guard(process, context, activity).context()
    const made = activity.during(process, 'setting up', () => controller(watched))
    return { name: made.name, start: () => activity.during(process, `starting ${made.name}`, () => made.start()) }
  })

class Guard {
  private readonly process: string
  private readonly inner: ControllerContext
  private readonly activity: Activity
  private atMs = -1
  private calls = 0
  private sinceMs = 0
  private requests = 0

  constructor(process: string, inner: ControllerContext, activity: Activity) {
    this.process = process
    this.inner = inner
    this.activity = activity
  }

  context(): ControllerContext {
    const { inner } = this
    return {
      ...inner,
      client: this.counted(inner.client, (name) => (name === 'decide' ? this.call() : this.request())),
      informer: <T extends ApiObject>(resource: string): Informer<T> => this.informer(inner.informer<T>(resource)),
      queue: (workers, sync) => this.queue(workers, sync),
      after: (ms, run) => {
        this.call()
        inner.after(ms, () => this.during('in a timer', run))
      },
    }
  }

  private during<T>(doing: string, run: () => T): T {
    return this.activity.during(this.process, doing, run)
  }

  private call(): void {
    const now = this.inner.elapsed()
    if (now !== this.atMs) {
      this.atMs = now
      this.calls = 0
    }
    if (++this.calls > CALLS_AT_ONCE) throw new Error(`it goes on for ever: ${CALLS_AT_ONCE} calls in one moment`)
  }

  private request(): void {
    this.call()
    const now = this.inner.elapsed()
    if (now - this.sinceMs >= 1_000) {
      this.sinceMs = now
      this.requests = 0
    }
    if (++this.requests > REQUESTS_A_SECOND) throw new Error(`it goes on for ever: ${REQUESTS_A_SECOND} requests within a second`)
  }

  private counted<T extends object>(target: T, count: (name: string) => void): T {
    return new Proxy(target, {
      get: (own, name) => {
        const value: unknown = Reflect.get(own, name, own)
        if (typeof value !== 'function') return value
        return (...given: unknown[]): unknown => {
          count(String(name))
          return Reflect.apply(value, own, given) as unknown
        }
      },
    })
  }

  private informer<T extends ApiObject>(informer: Informer<T>): Informer<T> {
    const told = (handler: Parameters<Informer<T>['onChange']>[0]): void =>
      informer.onChange((before, after) => this.during(`hearing of ${informer.resource}`, () => handler(before, after)))
    return new Proxy(informer, {
      get: (own, name) => {
        if (name === 'onChange') return told
        const value: unknown = Reflect.get(own, name, own)
        return typeof value === 'function' ? (value.bind(own) as unknown) : value
      },
    })
  }

  private queue(workers: number, sync: (key: string) => Task<'done' | 'retry'>): WorkQueue {
    const queue = this.inner.queue(workers, (key) => this.driven(`reconciling ${key}`, () => sync(key)))
    return this.counted(queue, () => this.call())
  }

  /** Each step of a task by itself: between them others run. */
  private *driven<T>(doing: string, begin: () => Task<T>): Task<T> {
    const task = this.during(doing, begin)
    let input: unknown
    for (;;) {
      const step = this.during(doing, () => task.next(input))
      if (step.done === true) return step.value
      input = yield step.value
    }
  }
}
