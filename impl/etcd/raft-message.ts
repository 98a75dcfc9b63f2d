/** What Raft members say to each other, as datagrams. Every message carries its sender's term. */
import type { EtcdRequest } from '../../model/state/keyspace.ts'

/** A request on its way through the log. */
export interface Proposal {
  /** Unique for ever: member, incarnation, number. */
  readonly id: string
  readonly request: EtcdRequest
  readonly author: string
  /** The client process that asked. */
  readonly via: string
}

export interface Entry {
  readonly index: number
  readonly term: number
  /** Null: the empty entry with which a leader begins its term. */
  readonly proposal: Proposal | null
}

export type RaftMessage = { readonly term: number } & (
  | { readonly kind: 'VoteRequest'; readonly pre: boolean; readonly lastIndex: number; readonly lastTerm: number }
  | { readonly kind: 'VoteReply'; readonly pre: boolean; readonly granted: boolean }
  | {
      readonly kind: 'Append'
      readonly prevIndex: number
      readonly prevTerm: number
      readonly entries: readonly Entry[]
      readonly commit: number
    }
  /** rejected: hint is the follower's best guess where the logs agree. */
  | { readonly kind: 'AppendReply'; readonly rejected: boolean; readonly match: number; readonly hint: number; readonly hintTerm: number }
  /** context 0: a plain heartbeat. Otherwise the leader asks whether it still leads, for reads. */
  | { readonly kind: 'Heartbeat'; readonly commit: number; readonly context: number }
  | { readonly kind: 'HeartbeatReply'; readonly context: number }
  /** A follower asks the leader up to which index a linearizable read has to wait. */
  | { readonly kind: 'ReadIndex'; readonly context: number }
  | { readonly kind: 'ReadIndexReply'; readonly context: number; readonly index: number }
  | { readonly kind: 'Propose'; readonly proposals: readonly Proposal[] }
  /** Lease keep-alives are answered by the leader alone. */
  | { readonly kind: 'KeepAlive'; readonly id: string; readonly lease: number }
  | { readonly kind: 'KeepAliveReply'; readonly id: string; readonly lease: number; readonly ttlSeconds: number }
)
/** A message before its sender has put its term on it. */
export type Unsent = RaftMessage extends infer Message ? (Message extends unknown ? Omit<Message, 'term'> : never) : never
