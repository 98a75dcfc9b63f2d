/**
 * Pods that wait to be placed: to be tried now, after a back-off, or when something changes that could help them.
 *
 * Source: kubernetes/kubernetes pkg/scheduler/internal/queue/scheduling_queue.go.
 */
import type { Pod } from '../../model/state/objects.ts'
import type { Profile, Queued } from './framework.ts'

const BACK_OFF_LEAST_MS = 1_000
const BACK_OFF_MOST_MS = 10_000
const FLUSH_MS = 300_000

interface Parked {
  readonly queued: Queued
  readonly parkedMs: number
}

export class SchedulingQueue {
  private readonly profile: Profile
  private readonly active = new Map<string, Queued>()
  private readonly backingOff = new Map<string, { readonly queued: Queued; readonly dueMs: number }>()
  private readonly unschedulable = new Map<string, Parked>()
  /** Counts events that may help a pod: one that came while a pod was being tried sends it to back off, not to park. */
  private moves = 0

  constructor(profile: Profile) {
    this.profile = profile
  }

  get moment(): number {
    return this.moves
  }

  add(pod: Pod, nowMs: number): void {
    const { uid } = pod.metadata
    const held = this.find(uid)
    this.remove(uid)
    if (this.profile.preEnqueue(pod) !== null) {
      const queued = { pod, sinceMs: held?.sinceMs ?? nowMs, attempts: held?.attempts ?? 0 }
      this.unschedulable.set(uid, { queued, parkedMs: nowMs })
      return
    }
    this.active.set(uid, { pod, sinceMs: held?.sinceMs ?? nowMs, attempts: held?.attempts ?? 0 })
  }

  /** The pod as it is now, without moving it. */
  refresh(pod: Pod): void {
    const { uid } = pod.metadata
    const update = (queued: Queued): Queued => ({ ...queued, pod })
    const active = this.active.get(uid)
    if (active !== undefined) this.active.set(uid, update(active))
    const waiting = this.backingOff.get(uid)
    if (waiting !== undefined) this.backingOff.set(uid, { ...waiting, queued: update(waiting.queued) })
    const parked = this.unschedulable.get(uid)
    if (parked !== undefined) this.unschedulable.set(uid, { ...parked, queued: update(parked.queued) })
  }

  has(uid: string): boolean {
    return this.find(uid) !== undefined
  }

  private find(uid: string): Queued | undefined {
    return this.active.get(uid) ?? this.backingOff.get(uid)?.queued ?? this.unschedulable.get(uid)?.queued
  }

  remove(uid: string): void {
    this.active.delete(uid)
    this.backingOff.delete(uid)
    this.unschedulable.delete(uid)
  }

  /** The pod to be tried next, counted as tried once more. */
  pop(): Queued | undefined {
    let first: Queued | undefined
    for (const queued of this.active.values()) {
      if (first === undefined || this.profile.queueSort(queued, first) < 0) first = queued
    }
    if (first === undefined) return undefined
    this.active.delete(first.pod.metadata.uid)
    first.attempts++
    return first
  }

  /** No node was found. sinceMoment: what `moment` was when it was popped. */
  park(queued: Queued, sinceMoment: number, nowMs: number): void {
    if (this.moves > sinceMoment) this.backOff(queued, nowMs)
    else this.unschedulable.set(queued.pod.metadata.uid, { queued, parkedMs: nowMs })
  }

  backOff(queued: Queued, nowMs: number): void {
    const ms = Math.min(BACK_OFF_MOST_MS, BACK_OFF_LEAST_MS * 2 ** Math.min(queued.attempts - 1, 10))
    this.backingOff.set(queued.pod.metadata.uid, { queued, dueMs: nowMs + Math.max(BACK_OFF_LEAST_MS, ms) })
  }

  /** Something changed that may help pods that found no node. */
  moveAll(nowMs: number): void {
    this.moves++
    for (const [uid, { queued }] of this.unschedulable) {
      if (this.profile.preEnqueue(queued.pod) !== null) continue
      this.unschedulable.delete(uid)
      this.backOff(queued, nowMs)
    }
  }

  /** Whose back-off has ended, and who has been parked for too long whatever happened. */
  flush(nowMs: number): void {
    for (const [uid, { queued, dueMs }] of this.backingOff) {
      if (dueMs > nowMs) continue
      this.backingOff.delete(uid)
      this.active.set(uid, queued)
    }
    for (const [uid, { queued, parkedMs }] of this.unschedulable) {
      if (parkedMs + FLUSH_MS > nowMs || this.profile.preEnqueue(queued.pod) !== null) continue
      this.unschedulable.delete(uid)
      this.active.set(uid, queued)
    }
  }

  /** When `flush` would move something; null: never. */
  nextMs(): number | null {
    let next: number | null = null
    for (const { dueMs } of this.backingOff.values()) next = next === null ? dueMs : Math.min(next, dueMs)
    for (const { parkedMs } of this.unschedulable.values()) {
      next = next === null ? parkedMs + FLUSH_MS : Math.min(next, parkedMs + FLUSH_MS)
    }
    return next
  }

  get waiting(): boolean {
    return this.active.size > 0
  }
}
