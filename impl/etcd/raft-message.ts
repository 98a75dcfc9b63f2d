/** What Raft members say to each other, as datagrams. Every message carries its sender's term. */
import type { EtcdError, EtcdRequest, EtcdResponse } from '../../model/state/keyspace.ts'
import type { AuthInfo } from './auth.ts'
import type { ConfigurationChange } from './configuration.ts'
import type { LogRequest } from './log-request.ts'
import type { Snapshot } from './snapshot.ts'

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
  /** It changes who the members are. */
  readonly change?: ConfigurationChange
}

export interface Entry {
  readonly index: number
  readonly term: number
  /** Null: the empty entry with which a leader begins its term. */
  readonly proposal: Proposal | null
}

export type RaftMessage = { readonly term: number } &
  /** transfer: the leader asked for this election itself; nobody waits for its sake. */
  (
    | {
        readonly kind: 'VoteRequest'
        readonly pre: boolean
        readonly lastIndex: number
        readonly lastTerm: number
        readonly transfer: boolean
      }
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
    /** Instead of entries that are compacted away. Answered like an Append. */
    | { readonly kind: 'Install'; readonly snapshot: Snapshot }
    /** context '': a plain heartbeat. Otherwise the leader asks whether it still leads, for reads. */
    | { readonly kind: 'Heartbeat'; readonly commit: number; readonly context: string }
    | { readonly kind: 'HeartbeatReply'; readonly context: string }
    /** A follower asks the leader up to which index a linearizable read has to wait. */
    | { readonly kind: 'ReadIndex'; readonly context: string }
    | { readonly kind: 'ReadIndexReply'; readonly context: string; readonly index: number }
    | { readonly kind: 'Propose'; readonly proposals: readonly Proposal[] }
    /** To the leader: hand over to that member. */
    | { readonly kind: 'TransferLeader'; readonly to: string }
    /** From the leader: stand for election now. */
    | { readonly kind: 'TimeoutNow' }
    /** What only the leader can answer, such as how long a lease still lasts. */
    | { readonly kind: 'Ask'; readonly id: string; readonly request: EtcdRequest }
    | { readonly kind: 'Answer'; readonly id: string; readonly response: EtcdResponse | EtcdError }
  )
/** On its way between members, by their ids: a process may have been one before, under another id. */
export interface RaftLetter {
  readonly kind: 'Raft'
  readonly from: string
  readonly to: string
  readonly message: RaftMessage
}
