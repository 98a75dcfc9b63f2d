/** What can be asked of a cluster of etcd about its members: who they are, who votes, who leads. */
import type { Header, MemberId } from './keyspace.ts'

export interface MemberInfo {
  readonly id: MemberId
  /** Empty: it was added and has never started. */
  readonly name: string
  readonly peerUrls: readonly string[]
  readonly isLearner: boolean
}
export interface MemberAddRequest {
  readonly kind: 'MemberAdd'
  readonly peerUrls: readonly string[]
  readonly isLearner?: boolean
  /** Filled in by the server that takes the request. */
  readonly id?: MemberId
}
export interface MemberRemoveRequest {
  readonly kind: 'MemberRemove'
  readonly id: MemberId
}
/** A learner becomes a voter. */
export interface MemberPromoteRequest {
  readonly kind: 'MemberPromote'
  readonly id: MemberId
}
export interface MemberUpdateRequest {
  readonly kind: 'MemberUpdate'
  readonly id: MemberId
  readonly peerUrls: readonly string[]
}
export interface ConfigurationStep {
  readonly kind: 'AddVoter' | 'AddLearner' | 'Remove'
  readonly member: MemberId
}
/** Several steps at once, through a joint configuration (Raft's ConfChangeV2; etcd's own interface does not offer it). */
export interface ReconfigureRequest {
  readonly kind: 'Reconfigure'
  /** None: leave a joint configuration. */
  readonly steps: readonly ConfigurationStep[]
  /** Whether it goes through a joint configuration, and who ends that: the leader by itself, or whoever asked for it. */
  readonly joint: 'no' | 'auto' | 'explicit'
}
export type MembershipRequest = MemberAddRequest | MemberRemoveRequest | MemberPromoteRequest | MemberUpdateRequest | ReconfigureRequest
export interface MemberListRequest {
  readonly kind: 'MemberList'
}
/** To the leader: hand over to that member. */
export interface MoveLeaderRequest {
  readonly kind: 'MoveLeader'
  readonly target: MemberId
}
export type MembersRequest = MembershipRequest | MemberListRequest | MoveLeaderRequest

export type MembersResponse =
  | {
      readonly kind: 'Members'
      readonly header: Header
      /** Of MemberAdd: the new one. */
      readonly member?: MemberInfo
      readonly members: readonly MemberInfo[]
    }
  | { readonly kind: 'MoveLeader'; readonly header: Header }
