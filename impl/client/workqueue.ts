/**
 * A queue of keys to reconcile: a key is in at most one worker at a time, and comes once more if added meanwhile.
 *
 * Source: client-go/util/workqueue (default controller rate limiter: 5 ms × 2 → 1000 s a key, 10/s and burst 100 overall).
 */
import { spawn, type Task } from '../task.ts'
import type { ClusterHost } from '../wire.ts'
import type { WorkQueue } from './api.ts'

const BACK_OFF_LEAST_MS = 5
const BACK_OFF_MOST_MS = 1_000_000
const BUCKET_MOST = 100
const TOKEN_MS = 100

export class RateLimitedQueue implements WorkQueue {
  private readonly host: ClusterHost
  private readonly workers: number
  private readonly sync: (key: string) => Task<'done' | 'retry'>
  private readonly waiting = new Set<string>()
  private readonly working = new Set<string>()
  private readonly again = new Set<string>()
  private readonly failures = new Map<string, number>()
  private readonly delayed = new Map<string, number>()
  private tokens = BUCKET_MOST
  private tokensAtMs = 0
  private busy = 0

  constructor(host: ClusterHost, workers: number, sync: (key: string) => Task<'done' | 'retry'>) {
    this.host = host
    this.workers = workers
    this.sync = sync
  }

  add(key: string): void {
    if (this.working.has(key)) {
      this.again.add(key)
      return
    }
    if (this.waiting.has(key)) return
    this.waiting.add(key)
    // Whoever adds goes on first: a key added in the middle of a batch of events sees all of it.
    this.host.after(0, () => this.next())
  }

  addAfter(key: string, ms: number): void {
    if (ms <= 0) {
      this.add(key)
      return
    }
    const due = this.host.elapsed() + ms
    const before = this.delayed.get(key)
    if (before !== undefined && before <= due) return
    this.delayed.set(key, due)
    this.host.after(ms, () => {
      if (this.delayed.get(key) !== due) return
      this.delayed.delete(key)
      this.add(key)
    })
  }

  addRateLimited(key: string): void {
    const failures = this.failures.get(key) ?? 0
    this.failures.set(key, failures + 1)
    const own = Math.min(BACK_OFF_MOST_MS, BACK_OFF_LEAST_MS * 2 ** Math.min(failures, 30))
    this.addAfter(key, Math.max(own, this.takeToken()))
  }

  /** Milliseconds to wait for a token of the overall bucket. */
  private takeToken(): number {
    const now = this.host.elapsed()
    this.tokens = Math.min(BUCKET_MOST, this.tokens + (now - this.tokensAtMs) / TOKEN_MS)
    this.tokensAtMs = now
    this.tokens -= 1
    return this.tokens >= 0 ? 0 : Math.ceil(-this.tokens * TOKEN_MS)
  }

  forget(key: string): void {
    this.failures.delete(key)
  }

  retries(key: string): number {
    return this.failures.get(key) ?? 0
  }

  private next(): void {
    while (this.busy < this.workers) {
      const key = this.waiting.values().next().value
      if (key === undefined) return
      this.waiting.delete(key)
      this.working.add(key)
      this.busy++
      spawn(this.sync(key), (outcome) => this.finished(key, outcome))
    }
  }

  private finished(key: string, outcome: 'done' | 'retry'): void {
    this.busy--
    this.working.delete(key)
    if (outcome === 'retry') this.addRateLimited(key)
    else this.forget(key)
    if (this.again.delete(key)) this.add(key)
    this.host.after(0, () => this.next())
  }
}
