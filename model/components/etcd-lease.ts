/**
 * Leases: keys that go together when their holder stops renewing.
 *
 * Left out: time. A lease that is not revoked may expire at any moment, and then does what a revocation does.
 * Source: server/lease/lessor.go.
 */
import type {
  EtcdError,
  Key,
  LeaseGrantRequest,
  LeaseId,
  LeaseLeasesRequest,
  LeaseRequest,
  LeaseTimeToLiveRequest,
} from '../state/keyspace.ts'
import type { Keyspace } from '../state/system.ts'
import { refused } from './etcd-refusals.ts'

/** With etcd's own election timeout of one second: one and a half of it, in whole seconds. */
const TTL_LEAST_SECONDS = 2
const TTL_MOST_SECONDS = 9_000_000_000

export type AnyLeaseRequest = LeaseGrantRequest | LeaseRequest | LeaseTimeToLiveRequest | LeaseLeasesRequest

/** Null: it is done. */
export const leaseProblem = ({ leases }: Keyspace, request: AnyLeaseRequest): EtcdError | null => {
  switch (request.kind) {
    case 'LeaseGrant':
      if (request.ttlSeconds > TTL_MOST_SECONDS) return refused('too large lease TTL')
      return leases.has(request.id) ? refused('lease already exists') : null
    case 'LeaseRevoke':
    case 'LeaseKeepAlive':
      return leases.has(request.id) ? null : refused('requested lease not found')
    case 'LeaseTimeToLive':
    case 'LeaseLeases':
      return null
  }
}

export const grantLease = (keyspace: Keyspace, id: LeaseId, ttlSeconds: number): Keyspace => ({
  ...keyspace,
  leases: new Map([...keyspace.leases, [id, { ttlSeconds: Math.max(ttlSeconds, TTL_LEAST_SECONDS) }]]),
})

/** In order. */
export const keysOf = ({ kvs }: Keyspace, id: LeaseId): readonly Key[] =>
  [...kvs]
    .filter(([, { lease }]) => lease === id)
    .map(([key]) => key)
    .toSorted()
