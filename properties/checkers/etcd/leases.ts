/**
 * Leases: not before their time, and not kept alive after it.
 *
 * When a lease ended is not seen, only what shows that it had: its keys were deleted, a member said so, a request was told
 * that there is no such lease. The first such sign is no earlier than the end, so a sign that is too early proves a defect.
 */
import type { Seen } from '../../../model/state/history.ts'
import type { EtcdRequest, LeaseId } from '../../../model/state/keyspace.ts'
import { DRIFT } from '../../../model/invariants/define.ts'
import type { Calls } from './calls.ts'
import type { Findings } from './findings.ts'

interface Renewal {
  readonly call: number
  readonly sentMs: number
  readonly ttlMs: number
}
interface Sign {
  readonly atMs: number
  readonly text: string
}

export class Leases {
  private readonly renewals = new Map<LeaseId, Renewal[]>()
  private readonly signs = new Map<LeaseId, Sign[]>()
  private readonly revokedMs = new Map<LeaseId, number>()

  invoke(request: EtcdRequest, atMs: number): void {
    if (request.kind !== 'LeaseRevoke') return
    const { id } = request
    this.revokedMs.set(id, Math.min(atMs, this.revokedMs.get(id) ?? Infinity))
  }

  reply(call: number, calls: Calls, { outcome, atMs }: Seen<'Reply'>): void {
    const request = calls.requests[call]
    if (request === undefined) return
    if (outcome.kind === 'done') {
      const { response } = outcome
      if (response?.kind !== 'LeaseGrant' && response?.kind !== 'LeaseKeepAlive' && response?.kind !== 'LeaseTimeToLive') return
      const { id, ttlSeconds } = response
      // A whole second less than what is left: 0 is a lease that lives for part of a second more, -1 one that there is not.
      const ended = response.kind === 'LeaseTimeToLive' ? ttlSeconds < 0 : ttlSeconds <= 0
      if (ended && response.kind !== 'LeaseGrant') this.sign(id, atMs, `${calls.text(call)} was told that it has ended`)
      else if (response.kind !== 'LeaseTimeToLive')
        push(this.renewals, id, { call, sentMs: calls.invokedMs.at(call), ttlMs: ttlSeconds * 1000 })
      return
    }
    if (outcome.kind !== 'refused' || !outcome.reason.includes('requested lease not found')) return
    const id =
      request.kind === 'Put'
        ? request.lease
        : request.kind === 'LeaseGrant' ||
            request.kind === 'LeaseRevoke' ||
            request.kind === 'LeaseKeepAlive' ||
            request.kind === 'LeaseTimeToLive'
          ? request.id
          : undefined
    if (id !== undefined && id !== 0) this.sign(id, atMs, `${calls.text(call)} was told that there is no such lease`)
  }

  sign(lease: LeaseId, atMs: number, text: string): void {
    push(this.signs, lease, { atMs, text })
  }

  judge(calls: Calls, findings: Findings): void {
    for (const [lease, renewals] of this.renewals) {
      const signs = (this.signs.get(lease) ?? []).toSorted((one, other) => one.atMs - other.atMs)
      // Once somebody has asked to revoke it, it may end at any time.
      const free = this.revokedMs.get(lease) ?? Infinity
      const [sign] = signs
      if (sign === undefined || sign.atMs >= free) {
        findings.holds('ETCD-S11', false)
        continue
      }
      const wrong = renewals.find(({ sentMs, ttlMs }) => sign.atMs < sentMs + ttlMs * (1 - DRIFT))
      if (wrong === undefined) findings.holds('ETCD-S11', renewals.length > 1)
      else findings.violated('ETCD-S11', calls.because(tooEarly(lease, sign, wrong, calls), wrong.call))
    }
  }
}

const tooEarly = (lease: LeaseId, { atMs, text }: Sign, { sentMs, ttlMs, call }: Renewal, calls: Calls): string =>
  atMs < sentMs
    ? `lease ${lease} had ended by ${atMs} ms (${text}), and ${calls.text(call)}, sent at ${sentMs} ms, was told that it lives`
    : `lease ${lease} had ended by ${atMs} ms (${text}), though ${calls.text(call)}, sent at ${sentMs} ms, had been given ${ttlMs} ms`

const push = <Key, Item>(map: Map<Key, Item[]>, key: Key, item: Item): void => {
  const list = map.get(key)
  if (list === undefined) map.set(key, [item])
  else list.push(item)
}
