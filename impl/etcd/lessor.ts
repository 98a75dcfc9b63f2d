/**
 * Leases: who holds which is decided by the log; when one ends is decided by the leader alone, on its own clock.
 *
 * A new leader grants every lease its full time again, since it cannot know when it was last renewed.
 * Source: server/lease/lessor.go.
 */
import type { LeaseId } from '../../model/state/keyspace.ts'

interface Held {
  readonly ttlSeconds: number
  /** Local monotonic time; only the leader's means anything. */
  expiresMs: number
  /** Its revocation is on the way: it cannot be renewed any more. */
  expiring: boolean
}

export class Lessor {
  private readonly leases = new Map<LeaseId, Held>()
  private primary = false
  private readonly ttlLeastSeconds: number

  constructor(electionMs: number) {
    this.ttlLeastSeconds = Math.ceil((1.5 * electionMs) / 1000)
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
    this.leases.set(lease, { ttlSeconds: granted, expiresMs: nowMs + granted * 1000, expiring: false })
    return granted
  }

  revoke(lease: LeaseId): boolean {
    return this.leases.delete(lease)
  }

  /** Every lease with its full time to live, as an image of the state keeps them. */
  held(): readonly (readonly [LeaseId, number])[] {
    return [...this.leases].map(([lease, { ttlSeconds }]) => [lease, ttlSeconds])
  }

  /** Instead of all leases so far. Nobody knows when they were last renewed: each has its full time again. */
  restore(held: readonly (readonly [LeaseId, number])[], nowMs: number): void {
    this.leases.clear()
    for (const [lease, ttlSeconds] of held) this.leases.set(lease, { ttlSeconds, expiresMs: nowMs + ttlSeconds * 1000, expiring: false })
  }

  promote(nowMs: number): void {
    this.primary = true
    for (const held of this.leases.values()) {
      held.expiresMs = nowMs + held.ttlSeconds * 1000
      held.expiring = false
    }
  }

  demote(): void {
    this.primary = false
  }

  /** Full time again; null: no such lease, or too late. */
  renew(lease: LeaseId, nowMs: number): number | null {
    const held = this.leases.get(lease)
    if (!this.primary || held === undefined || held.expiring) return null
    held.expiresMs = nowMs + held.ttlSeconds * 1000
    return held.ttlSeconds
  }

  /** Seconds left, rounded down; -1: no such lease. */
  remaining(lease: LeaseId, nowMs: number): number {
    const held = this.leases.get(lease)
    return held === undefined ? -1 : Math.max(0, Math.floor((held.expiresMs - nowMs) / 1000))
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

  /** When the next lease ends; null: none is held, or not by this member to decide. */
  nextExpiryMs(): number | null {
    if (!this.primary) return null
    let next: number | null = null
    for (const held of this.leases.values()) {
      if (!held.expiring && (next === null || held.expiresMs < next)) next = held.expiresMs
    }
    return next
  }
}
