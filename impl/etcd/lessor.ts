/**
 * Leases: who holds which is decided by the log; when one ends is decided by the leader alone, on its own clock.
 *
 * A new leader grants every lease its full time again, since it cannot know when it was last renewed; where leases are
 * checkpointed, only what the log last said was left of it.
 * Source: server/lease/lessor.go.
 */
import type { LeaseId } from '../../model/state/keyspace.ts'

interface Held {
  readonly ttlSeconds: number
  /** What a new leader grants, as last written to the log; 0: the full time. */
  remainingSeconds: number
  /** Local monotonic time; only the leader's means anything. */
  expiresMs: number
  /** When the leader next writes down what is left. */
  checkpointMs: number
  /** Its revocation is on the way: it cannot be renewed any more. */
  expiring: boolean
}
/** [lease, time to live, what is left of it by the last checkpoint or 0] */
export type LeaseImage = readonly [LeaseId, number, number]

/** Seconds. */
export const TTL_MOST = 9_000_000_000

export class Lessor {
  private readonly leases = new Map<LeaseId, Held>()
  private primary = false
  private readonly electionMs: number
  private readonly ttlLeastSeconds: number
  private readonly checkpointEveryMs: number

  /** checkpointEveryMs: Infinity where leases are not checkpointed. */
  constructor(electionMs: number, checkpointEveryMs = Infinity) {
    this.electionMs = electionMs
    this.ttlLeastSeconds = Math.ceil((1.5 * electionMs) / 1000)
    this.checkpointEveryMs = checkpointEveryMs
  }

  has(lease: LeaseId): boolean {
    return this.leases.has(lease)
  }

  get ids(): readonly LeaseId[] {
    return [...this.leases.keys()]
  }

  /** The time to live that is granted: at least one and a half election timeouts. */
  grant(lease: LeaseId, ttlSeconds: number, nowMs: number): number {
    const granted = Math.max(ttlSeconds, this.ttlLeastSeconds)
    this.hold(lease, granted, 0, nowMs)
    return granted
  }

  private hold(lease: LeaseId, ttlSeconds: number, remainingSeconds: number, nowMs: number): void {
    const held: Held = { ttlSeconds, remainingSeconds, expiresMs: 0, checkpointMs: Infinity, expiring: false }
    this.leases.set(lease, held)
    this.refresh(held, ttlSeconds * 1000, nowMs)
  }

  private refresh(held: Held, leftMs: number, nowMs: number): void {
    held.expiresMs = nowMs + leftMs
    held.checkpointMs = leftMs > this.checkpointEveryMs ? nowMs + this.checkpointEveryMs : Infinity
  }

  revoke(lease: LeaseId): boolean {
    return this.leases.delete(lease)
  }

  image(): readonly LeaseImage[] {
    return [...this.leases].map(([lease, { ttlSeconds, remainingSeconds }]) => [lease, ttlSeconds, remainingSeconds])
  }

  /** Instead of all leases so far. Nobody here knows when they were last renewed: each has its full time again. */
  restore(image: readonly LeaseImage[], nowMs: number): void {
    this.leases.clear()
    for (const [lease, ttlSeconds, remainingSeconds] of image) this.hold(lease, ttlSeconds, remainingSeconds, nowMs)
  }

  promote(nowMs: number): void {
    this.primary = true
    for (const held of this.leases.values()) {
      held.expiring = false
      this.refresh(held, (held.remainingSeconds || held.ttlSeconds) * 1000 + this.electionMs, nowMs)
    }
  }

  demote(): void {
    this.primary = false
  }

  /** The lease as it is held now, to be renewed later: it may be revoked meanwhile. Null: there is none. */
  find(lease: LeaseId): Held | null {
    return this.leases.get(lease) ?? null
  }

  /** Full time again; null: it has been revoked since it was found, or is not this member's to renew. */
  renew(lease: LeaseId, found: Held, nowMs: number): number | null {
    if (!this.primary || found.expiring) return null
    if (this.leases.get(lease) !== found) return null
    this.refresh(found, found.ttlSeconds * 1000, nowMs)
    return found.ttlSeconds
  }

  /** Seconds left, rounded down; -1: no such lease. */
  remaining(lease: LeaseId, nowMs: number): number {
    const held = this.leases.get(lease)
    return held === undefined ? -1 : Math.max(0, Math.floor((held.expiresMs - nowMs) / 1000))
  }

  /** The time to live it was granted; 0: no such lease. */
  granted(lease: LeaseId): number {
    return this.leases.get(lease)?.ttlSeconds ?? 0
  }

  /** Leases whose time is up, each named once. */
  expired(nowMs: number): readonly LeaseId[] {
    if (!this.primary) return []
    const due: LeaseId[] = []
    for (const [lease, held] of this.leases) {
      if (held.expiring || held.expiresMs > nowMs) continue
      held.expiring = true
      due.push(lease)
    }
    return due
  }

  /** What is left of the leases whose time to be written down has come. */
  checkpoints(nowMs: number): readonly { readonly id: LeaseId; readonly remainingTtl: number }[] {
    if (!this.primary) return []
    const due: { id: LeaseId; remainingTtl: number }[] = []
    for (const [id, held] of this.leases) {
      if (held.expiring || held.checkpointMs > nowMs) continue
      held.checkpointMs = nowMs + this.checkpointEveryMs
      due.push({ id, remainingTtl: Math.ceil((held.expiresMs - nowMs) / 1000) })
    }
    return due
  }

  /** The log says what is left of a lease; 0: its full time. */
  checkpoint(lease: LeaseId, remainingSeconds: number): void {
    const held = this.leases.get(lease)
    if (held !== undefined) held.remainingSeconds = Math.max(0, remainingSeconds)
  }

  /** When the next lease ends or is to be written down; null: none is held, or not by this member to decide. */
  nextDueMs(): number | null {
    if (!this.primary) return null
    let next: number | null = null
    for (const held of this.leases.values()) {
      if (held.expiring) continue
      const due = Math.min(held.expiresMs, held.checkpointMs)
      if (next === null || due < next) next = due
    }
    return next
  }
}
