/** What Raft members say to each other, as datagrams. Every message carries its sender's term. */
import type { EtcdError, EtcdRequest, EtcdResponse } from '../../model/state/keyspace.ts'
import type { AuthInfo } from './auth.ts'
import type { LogRequest } from './log-request.ts'

/** A request on its way through the log. */
export interface Proposal {
  /** Unique for ever: member, incarnation, number. */
  readonly id: string
  readonly request: LogRequest
  readonly author: string
  /** On whose behalf, where users are told apart. */
  readonly auth?: AuthInfo
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
  /** What only the leader can answer, such as how long a lease still lasts. */
  | { readonly kind: 'Ask'; readonly id: string; readonly request: EtcdRequest }
  | { readonly kind: 'Answer'; readonly id: string; readonly response: EtcdResponse | EtcdError }
)
/** A message before its sender has put its term on it. */
export type Unsent = RaftMessage extends infer Message ? (Message extends unknown ? Omit<Message, 'term'> : never) : never
