/**
 * Leader election by a Lease: one of several processes works, the others stand by.
 *
 * Only changes of the record over its own monotonic clock count; the times in it are for people. There is no fencing: a
 * process that was paused may act for a moment beside its successor. Source: client-go/tools/leaderelection.
 */
import type { Lease } from '../../model/state/objects.ts'
import type { Timings } from '../../model/state/plan.ts'
import { sleep, spawn, type Task } from '../task.ts'
import { microTime } from '../time.ts'
import type { ClusterHost } from '../wire.ts'
import type { Client } from './client.ts'

const LEASE_MS = 15_000
const RENEW_DEADLINE_MS = 10_000
const RETRY_MS = 2_000
const JITTER_PER_MILLE = 1_200
const RESTART_MS = 1_000
const NAMESPACE = 'kube-system'

export class LeaderElector {
  private readonly host: ClusterHost
  private readonly client: Client
  private readonly name: string
  private readonly onLeading: () => void
  private readonly leaseMs: number
  private readonly renewDeadlineMs: number
  private readonly retryMs: number
  /** The record as last seen, and when on the own clock it was first seen so. */
  private seen: Lease | null = null
  private seenAtMs = 0

  constructor(host: ClusterHost, client: Client, name: string, timings: Timings, onLeading: () => void) {
    this.host = host
    this.client = client
    this.name = name
    this.onLeading = onLeading
    this.leaseMs = timings.leaseDurationMs ?? LEASE_MS
    this.renewDeadlineMs = timings.renewDeadlineMs ?? RENEW_DEADLINE_MS
    this.retryMs = timings.retryPeriodMs ?? RETRY_MS
  }

  start(): void {
    spawn(this.run())
  }

  private *run(): Task<void> {
    const random = this.host.random('retry')
    while (!(yield* this.tryOnce(this.renewDeadlineMs))) {
      yield* sleep(this.host, Math.floor((this.retryMs * random.between(1_000, JITTER_PER_MILLE)) / 1_000))
    }
    this.host.observe({ kind: 'Leading', process: this.host.name, lease: this.name })
    let renewedMs = this.host.elapsed()
    // Watched apart from the renewals, which may hang.
    const watchdog = (): void => {
      if (this.host.elapsed() - renewedMs >= this.renewDeadlineMs) this.lose()
      else this.host.after(this.renewDeadlineMs - (this.host.elapsed() - renewedMs), watchdog)
    }
    watchdog()
    this.onLeading()
    for (;;) {
      yield* sleep(this.host, this.retryMs)
      const asked = this.host.elapsed()
      if (yield* this.tryOnce(this.renewDeadlineMs / 2)) renewedMs = this.host.elapsed()
      else if (this.seen !== null && this.seen.spec.holderIdentity !== this.host.name && this.seenAtMs >= asked) this.lose()
    }
  }

  private lose(): void {
    this.host.observe({ kind: 'StoppedLeading', process: this.host.name, lease: this.name })
    this.host.exit('leader election lost', RESTART_MS)
  }

  /** Acquires or renews. True: this process leads. */
  private *tryOnce(timeoutMs: number): Task<boolean> {
    const read = yield* this.client.get<Lease>({ resource: 'leases', namespace: NAMESPACE, name: this.name })
    if (!read.ok) {
      if (read.status.code !== 404) return false
      const created = yield* this.client.create<Lease>('leases', {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: { name: this.name, namespace: NAMESPACE },
        spec: this.record(null),
      })
      if (created.ok) this.note(created.value)
      return created.ok
    }
    const held = read.value
    if (this.seen?.metadata.resourceVersion !== held.metadata.resourceVersion) this.note(held)
    const mine = held.spec.holderIdentity === this.host.name
    const free = (held.spec.holderIdentity ?? '') === '' || this.host.elapsed() - this.seenAtMs >= this.leaseMs
    if (!mine && !free) return false
    const written = yield* this.client.update<Lease>('leases', { ...held, spec: this.record(held) }, timeoutMs)
    if (written.ok) this.note(written.value)
    return written.ok
  }

  private note(lease: Lease): void {
    this.seen = lease
    this.seenAtMs = this.host.elapsed()
  }

  private record(held: Lease | null): Lease['spec'] {
    const now = microTime(this.host.now())
    const mine = held?.spec.holderIdentity === this.host.name
    const transitions = held?.spec.leaseTransitions ?? 0
    return {
      holderIdentity: this.host.name,
      leaseDurationSeconds: Math.ceil(this.leaseMs / 1000),
      acquireTime: mine ? (held?.spec.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions: held === null || mine ? transitions : transitions + 1,
    }
  }
}
