/**
 * Messages between etcd and its clients, on one connection per client and member.
 *
 * A client may have any number of requests and watches in flight. Replies carry the id of their request.
 */
import type { EtcdError, EtcdRequest, EtcdResponse, Revision, WatchCreateRequest, WatchEvent } from '../../model/state/keyspace.ts'

export type EtcdClientMessage =
  | {
      readonly kind: 'EtcdRequest'
      readonly id: number
      readonly request: EtcdRequest
      /** On whose behalf a write is done: the author in the history. */
      readonly author: string
    }
  /** `watch` is chosen by the client, unique on its connection. */
  | { readonly kind: 'WatchCreate'; readonly watch: number; readonly create: WatchCreateRequest }
  | { readonly kind: 'WatchCancel'; readonly watch: number }
  /** Asks for a progress notice on all watches of the connection. */
  | { readonly kind: 'WatchProgress' }

export type EtcdServerMessage =
  | { readonly kind: 'EtcdReply'; readonly id: number; readonly response: EtcdResponse | EtcdError }
  | { readonly kind: 'WatchCreated'; readonly watch: number; readonly revision: Revision }
  /** events empty: a progress notice at `revision`. All events of one revision are in one response. */
  | { readonly kind: 'WatchEvents'; readonly watch: number; readonly revision: Revision; readonly events: readonly WatchEvent[] }
  /** compactRevision is set when the start revision had been compacted. */
  | { readonly kind: 'WatchCanceled'; readonly watch: number; readonly reason: string; readonly compactRevision?: Revision }
