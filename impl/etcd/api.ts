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
      readonly token?: string
    }
  /** `watch` is chosen by the client, unique on its connection. */
  | { readonly kind: 'WatchCreate'; readonly watch: number; readonly create: WatchCreateRequest; readonly token?: string }
  | { readonly kind: 'WatchCancel'; readonly watch: number }
  /** Asks for a progress notice for all watches of the connection. */
  | { readonly kind: 'WatchProgress' }
  /** So many more responses have been read: there is room for as many. */
  | { readonly kind: 'WatchReceived'; readonly responses: number }

/** In a progress notice: all watches of the connection. */
export const ALL_WATCHES = -1

export type EtcdServerMessage =
  | { readonly kind: 'EtcdReply'; readonly id: number; readonly response: EtcdResponse | EtcdError }
  /** window: how many responses may be on their way on this connection before the client has read them. */
  | { readonly kind: 'WatchCreated'; readonly watch: number; readonly revision: Revision; readonly window: number }
  /** events empty: a progress notice at `revision`. All events of one revision are in one response, but for fragments. */
  | {
      readonly kind: 'WatchEvents'
      readonly watch: number
      readonly revision: Revision
      readonly events: readonly WatchEvent[]
      /** The response goes on in the next. */
      readonly fragment?: boolean
    }
  /** compactRevision is set when what it was to begin with, or to go on with, has been compacted. */
  | { readonly kind: 'WatchCanceled'; readonly watch: number; readonly reason: string; readonly compactRevision?: Revision }
