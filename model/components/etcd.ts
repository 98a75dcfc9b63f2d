/**
 * etcd as one machine: clients' requests take effect one at a time, watches deliver what changed, leases expire.
 *
 * Left out: members, terms and who leads. Time is left out too: a lease that is not revoked may expire at any moment.
 * What a request does is in etcd-store.ts, what a watch is owed in etcd-watch.ts.
 * Source: https://etcd.io/docs/v3.6/learning/api/, https://etcd.io/docs/v3.6/learning/api_guarantees/
 */
import type { EtcdError, KvRequest, KvResponse, LeaseId, Revision, WatchCreateRequest, WatchEvent } from '../state/keyspace.ts'
import type { Component, Keyspace } from '../state/system.ts'
import { applyRequest, endLease } from './etcd-store.ts'
import { eventsAt } from './etcd-watch.ts'

export { applyRequest, EMPTY, stateAt } from './etcd-store.ts'
export { grantLease } from './etcd-lease.ts'

export interface Watching {
  readonly request: WatchCreateRequest
  /** The next revision it is owed. */
  readonly next: Revision
  readonly seen: readonly WatchEvent[]
}
export interface EtcdState {
  readonly keyspace: Keyspace
  /** Of each client, what it has not asked yet. */
  readonly clients: readonly (readonly KvRequest[])[]
  readonly answers: readonly (KvResponse | EtcdError)[]
  readonly watches: readonly Watching[]
}
export type EtcdAction =
  | { readonly kind: 'Serve'; readonly client: number }
  | { readonly kind: 'Deliver'; readonly watch: number }
  | { readonly kind: 'Expire'; readonly lease: LeaseId }

export const etcd: Component<EtcdState, EtcdAction> = {
  name: 'etcd',

  enabled: ({ keyspace, clients, watches }) => [
    ...clients.flatMap((requests, client) => (requests.length > 0 ? [{ kind: 'Serve' as const, client }] : [])),
    ...watches.flatMap(({ next }, watch) => (next <= keyspace.revision ? [{ kind: 'Deliver' as const, watch }] : [])),
    ...[...keyspace.leases.keys()].map((lease) => ({ kind: 'Expire' as const, lease })),
  ],

  next(state, action) {
    const { keyspace, clients, answers, watches } = state
    switch (action.kind) {
      case 'Serve': {
        const [request, ...rest] = clients[action.client] as readonly [KvRequest, ...KvRequest[]]
        const applied = applyRequest(keyspace, request)
        return { ...state, keyspace: applied.keyspace, clients: clients.with(action.client, rest), answers: [...answers, applied.response] }
      }
      case 'Deliver': {
        const { request, next, seen } = watches[action.watch] as Watching
        const watch = { request, next: next + 1, seen: [...seen, ...eventsAt(keyspace, request, next)] }
        return { ...state, watches: watches.with(action.watch, watch) }
      }
      case 'Expire':
        return { ...state, keyspace: endLease(keyspace, action.lease) }
    }
  },
}
