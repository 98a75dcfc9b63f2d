/**
 * Pods that wait to be placed: to be tried now, after a back-off, or when something changes that could help them.
 *
 * Source: kubernetes/kubernetes pkg/scheduler/internal/queue/scheduling_queue.go.
 */
import TinyQueue from 'tinyqueue'
import type { Pod } from '../../model/state/objects.ts'
import type { ClusterEvent, Queued, Status } from './framework.ts'

/** What the profiles say about pods that wait. */
export interface QueueRules {
  preEnqueue(pod: Pod): Status | null
  queueSort(one: Queued, other: Queued): number
  /** Whether an event may help a pod that these plugins turned away. */
  mayHelp(pod: Pod, rejectedBy: ReadonlySet<string>, event: ClusterEvent): boolean
}

const BACK_OFF_LEAST_MS = 1_000
const BACK_OFF_MOST_MS = 10_000
const FLUSH_MS = 300_000

interface Parked {
  readonly queued: Queued
  readonly parkedMs: number
}

export class SchedulingQueue {
  private readonly rules: QueueRules
  private readonly active = new Map<string, Queued>()
  /** The same in the order in which they come; what has left `active` or was replaced there is passed over. */
  private readonly order: TinyQueue<Queued>
  private readonly backingOff = new Map<string, { readonly queued: Queued; readonly dueMs: number }>()
  private readonly unschedulable = new Map<string, Parked>()
  /** Counts events that may help a pod: one that came while a pod was being tried sends it to back off, not to park. */
  private moves = 0

  constructor(rules: QueueRules) {
    this.rules = rules
    this.order = new TinyQueue<Queued>([], (one, other) => rules.queueSort(one, other))
  }

  get moment(): number {
    return this.moves
  }

  add(pod: Pod, nowMs: number): void {
    const { uid } = pod.metadata
    const held = this.find(uid)
    this.remove(uid)
    if (this.rules.preEnqueue(pod) !== null) {
      const queued = { pod, sinceMs: held?.sinceMs ?? nowMs, attempts: held?.attempts ?? 0 }
      this.unschedulable.set(uid, { queued, parkedMs: nowMs })
      return
    }
    this.activate({ pod, sinceMs: held?.sinceMs ?? nowMs, attempts: held?.attempts ?? 0 })
  }

  private activate(queued: Queued): void {
    this.active.set(queued.pod.metadata.uid, queued)
    this.order.push(queued)
  }

  /**
   * To be tried at once, whatever event it waits for. A back-off is sat out, unlike upstream: there two pods that call each
   * other and reject each other go round as fast as the machine can.
   */
  activateNow(uid: string): void {
    const queued = this.unschedulable.get(uid)?.queued
    if (queued === undefined || this.rules.preEnqueue(queued.pod) !== null) return
    this.unschedulable.delete(uid)
    this.activate(queued)
  }

  /** The pod as it is now, without moving it. */
  refresh(pod: Pod): void {
    const { uid } = pod.metadata
    const update = (queued: Queued): Queued => ({ ...queued, pod })
    const active = this.active.get(uid)
    if (active !== undefined) this.activate(update(active))
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
    for (;;) {
      const first = this.order.pop()
      if (first === undefined) return undefined
      if (this.active.get(first.pod.metadata.uid) !== first) continue
      this.active.delete(first.pod.metadata.uid)
      first.attempts++
      return first
    }
  }

  /** No node was found, for these plugins' sake. sinceMoment: what `moment` was when it was popped. */
  park(queued: Queued, rejectedBy: ReadonlySet<string>, sinceMoment: number, nowMs: number): void {
    if (this.moves > sinceMoment) this.backOff(queued, nowMs)
    else this.unschedulable.set(queued.pod.metadata.uid, { queued: { ...queued, rejectedBy }, parkedMs: nowMs })
  }

  backOff(queued: Queued, nowMs: number): void {
    const ms = Math.min(BACK_OFF_MOST_MS, BACK_OFF_LEAST_MS * 2 ** Math.min(queued.attempts - 1, 10))
    this.backingOff.set(queued.pod.metadata.uid, { queued, dueMs: nowMs + Math.max(BACK_OFF_LEAST_MS, ms) })
  }

  /** Something changed: wakes the pods that found no node and that it may help. */
  happened(event: ClusterEvent, nowMs: number): void {
    this.moves++
    for (const [uid, { queued }] of this.unschedulable) {
      if (this.rules.preEnqueue(queued.pod) !== null) continue
      const { rejectedBy } = queued
      if (rejectedBy !== undefined && !this.rules.mayHelp(queued.pod, rejectedBy, event)) continue
      this.unschedulable.delete(uid)
      this.backOff(queued, nowMs)
    }
  }

  /** Whose back-off has ended, and who has been parked for too long whatever happened. */
  flush(nowMs: number): void {
    for (const [uid, { queued, dueMs }] of this.backingOff) {
      if (dueMs > nowMs) continue
      this.backingOff.delete(uid)
      this.activate(queued)
    }
    for (const [uid, { queued, parkedMs }] of this.unschedulable) {
      if (parkedMs + FLUSH_MS > nowMs || this.rules.preEnqueue(queued.pod) !== null) continue
      this.unschedulable.delete(uid)
      this.activate(queued)
    }
  }

  /** When the first back-off ends; null: nobody backs off. */
  nextBackOffMs(): number | null {
    let next: number | null = null
    for (const { dueMs } of this.backingOff.values()) next = next === null ? dueMs : Math.min(next, dueMs)
    return next
  }

  /** When `flush` would move something; null: never. */
  nextMs(): number | null {
    let next = this.nextBackOffMs()
    for (const { parkedMs } of this.unschedulable.values()) {
      next = next === null ? parkedMs + FLUSH_MS : Math.min(next, parkedMs + FLUSH_MS)
    }
    return next
  }

  /** Pods that wait in any way. */
  get size(): number {
    return this.active.size + this.backingOff.size + this.unschedulable.size
  }

  get waiting(): boolean {
    return this.active.size > 0
  }
}
