/**
 * Something that claims to be etcd, asked one request at a time.
 *
 * The specification, the implementation in a simulated world and a real server all stand behind this one face.
 */
import type { StoreRequest, StoreResponse } from '../../model/components/etcd-store.ts'
import type { EtcdError, Revision, WatchCreateRequest, WatchEvent } from '../../model/state/keyspace.ts'

export type Answer = StoreResponse | EtcdError

export interface Ended {
  readonly reason: string
  /** It started too far back: the compacted revision; otherwise 0. */
  readonly compactRevision: Revision
}

export interface Stream {
  /** What has come so far. */
  readonly events: readonly WatchEvent[]
  /** Why nothing more will come; null: more may. */
  readonly ended: Ended | null
  /** Waits for that many events, or for its end, or for too long; and then for what is under way beside. */
  settle(events: number): Promise<void>
  close(): void
}

export interface Machine {
  readonly name: string
  /** Nothing is left in it but the revision it then is at, which is also the compacted one. */
  reset(): Promise<Revision>
  ask(request: StoreRequest): Answer | Promise<Answer>
  /** Whether a member says that its space is exhausted. */
  alarm(raised: boolean): Promise<void>
  /** Resolves when the watch stands: it is owed what is written from now on. */
  watch(request: WatchCreateRequest): Promise<Stream>
  stop(): Promise<void>
}
