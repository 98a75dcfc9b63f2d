/** Leases of etcd: never too early, all keys at once, never for ever. SEMANTICS 2.1. */
import type { Invariant } from '../invariant.ts'
import type { Seen } from '../state/history.ts'
import { each, watching } from './define.ts'

const LESSOR = 'etcd server/lease/lessor.go'
/** Clocks drift by less than this share. */
const DRIFT = 0.002

const notTooEarly: Invariant = watching(
  {
    id: 'ETCD-S11',
    sentence: 'a lease does not expire before its time to live has passed since the last renewal that was acknowledged',
    source: LESSOR,
    kind: 'history',
    strength: 'safety',
    sometimes: 'the lease had been renewed',
    allows: ['ALLOW-24'],
  },
  ['Invoke', 'Reply', 'LeaseRevoked'],
  () => {
    const asked = new Map<string, Seen<'Invoke'>>()
    const renewed = new Map<number, { sentMs: number; ttlMs: number; times: number }>()
    const expired = new Map<number, number>()
    return {
      observe(next) {
        if (next.kind === 'Invoke') {
          if (next.request.kind === 'LeaseGrant' || next.request.kind === 'LeaseKeepAlive') asked.set(next.call, next)
          return 'vacuous'
        }
        if (next.kind === 'Reply') {
          const invoke = asked.get(next.call)
          const response = next.outcome.kind === 'done' ? next.outcome.response : undefined
          if (invoke === undefined || (response?.kind !== 'LeaseGrant' && response?.kind !== 'LeaseKeepAlive')) return 'vacuous'
          const ttlMs = response.ttlSeconds * 1000
          renewed.set(response.id, { sentMs: invoke.atMs, ttlMs, times: (renewed.get(response.id)?.times ?? 0) + 1 })
          const gone = expired.get(response.id)
          const least = invoke.atMs + ttlMs * (1 - DRIFT)
          return gone !== undefined && gone < least
            ? {
                why: `lease ${response.id} expired at ${gone} ms, though a renewal sent at ${invoke.atMs} ms for ${ttlMs} ms was acknowledged`,
              }
            : 'vacuous'
        }
        if (next.kind !== 'LeaseRevoked' || !next.expired) return 'vacuous'
        expired.set(next.lease, next.atMs)
        const held = renewed.get(next.lease)
        if (held === undefined) return 'vacuous'
        const least = held.sentMs + held.ttlMs * (1 - DRIFT)
        if (next.atMs < least)
          return {
            why: `lease ${next.lease} expired at ${next.atMs} ms, ${Math.ceil(least - next.atMs)} ms before its time to live of ${held.ttlMs} ms had passed`,
          }
        return held.times > 1 ? 'notable' : 'holds'
      },
    }
  },
)

const renewedWhileThere: Invariant = watching(
  {
    id: 'ETCD-S11b',
    sentence: 'a renewal succeeds only of a lease that has not ended before it was asked',
    source: `${LESSOR}; etcd-io/etcd#20615`,
    kind: 'history',
    strength: 'safety',
    sometimes: 'a renewal is asked of a lease that has ended',
  },
  ['Invoke', 'Reply', 'LeaseRevoked'],
  () => {
    const ended = new Set<number>()
    /** Call → whether its lease had ended when it was asked. */
    const asked = new Map<string, boolean>()
    return {
      observe(next) {
        if (next.kind === 'LeaseRevoked') ended.add(next.lease)
        else if (next.kind === 'Invoke') {
          if (next.request.kind === 'LeaseKeepAlive') asked.set(next.call, ended.has(next.request.id))
        } else if (next.kind === 'Reply') {
          const late = asked.get(next.call)
          if (late === undefined || next.outcome.kind === 'unknown') return 'vacuous'
          if (next.outcome.kind === 'refused') return late ? 'notable' : 'holds'
          return late ? { why: `call ${next.call} was told that its lease is renewed, which had ended before it was asked` } : 'holds'
        }
        return 'vacuous'
      },
    }
  },
)

const allKeysAtOnce: Invariant = each(
  {
    id: 'ETCD-S12',
    sentence: 'when a lease ends all its keys go with it, in one revision',
    source: LESSOR,
    kind: 'step',
    strength: 'safety',
    sometimes: 'it expires by itself',
  },
  'LeaseRevoked',
  ({ lease, expired }, { cluster }) => {
    for (const [key, stored] of cluster.store)
      if (stored.lease === lease) return { why: `lease ${lease} has ended and ${key} is still attached to it` }
    return expired ? 'notable' : 'holds'
  },
)

const notForEver: Invariant = watching(
  {
    id: 'ETCD-L4',
    sentence: 'a lease that is not renewed ends, at the latest a full time to live after the last change of leader',
    source: LESSOR,
    kind: 'convergence',
    strength: 'liveness',
    sometimes: 'a lease ran out in the calm',
    allows: ['ALLOW-24'],
  },
  ['LeaseGranted', 'LeaseRevoked', 'Elected', 'Reply', 'PhaseBegan'],
  () => {
    const SLACK_MS = 5_000
    const granted = new Map<number, number>()
    let lastMs = 0
    return {
      observe(next) {
        switch (next.kind) {
          case 'LeaseGranted':
            granted.set(next.lease, next.ttlMs)
            lastMs = next.atMs
            return 'vacuous'
          case 'LeaseRevoked':
            granted.delete(next.lease)
            return 'vacuous'
          case 'Elected':
            lastMs = next.atMs
            return 'vacuous'
          case 'Reply':
            if (next.outcome.kind === 'done' && next.outcome.response?.kind === 'LeaseKeepAlive') lastMs = next.atMs
            return 'vacuous'
          default: {
            if (next.kind !== 'PhaseBegan') return 'vacuous'
            if (next.phase === 'calm') lastMs = Math.max(lastMs, next.atMs)
            if (next.phase !== 'end') return 'vacuous'
            const over = [...granted].find(([, ttlMs]) => next.atMs - lastMs > ttlMs * (1 + DRIFT) + SLACK_MS)
            if (over !== undefined)
              return {
                why: `lease ${over[0]} of ${over[1]} ms still holds ${next.atMs - lastMs} ms after anybody renewed it or began to lead`,
              }
            return lastMs > 0 ? 'notable' : 'vacuous'
          }
        }
      },
    }
  },
)

export const LEASE: readonly Invariant[] = [notTooEarly, renewedWhileThere, allKeysAtOnce, notForEver]
