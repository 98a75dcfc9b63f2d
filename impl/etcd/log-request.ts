/** What goes through the log: clients' requests that change the state, and what members ask of each other by way of it. */
import type { AuthRequest } from '../../model/state/auth.ts'
import type { CompactRequest, KvRequest, LeaseGrantRequest, LeaseId, LeaseRevokeRequest, MemberId } from '../../model/state/keyspace.ts'
import type { AlarmRequest } from '../../model/state/maintenance.ts'
import type { MembershipRequest } from '../../model/state/membership.ts'

/** Those that only ask are among them: an administrator's questions are answered at their place in the log. */
export type AuthLogRequest = Exclude<AuthRequest, { kind: 'Authenticate' }>

/** A member that was added says that it has started. */
export interface MemberPublish {
  readonly kind: 'MemberPublish'
  readonly id: MemberId
  readonly name: string
}
export type MembersLogRequest = MembershipRequest | MemberPublish

export type LogRequest =
  | KvRequest
  | CompactRequest
  | LeaseGrantRequest
  | LeaseRevokeRequest
  | AlarmRequest
  | AuthLogRequest
  | MembersLogRequest
  /** The password was found right: every member is told the token, made complete by its index in the log. */
  | { readonly kind: 'Authenticate'; readonly name: string; readonly token: string }
  /** The leader writes down how many seconds are left of leases. */
  | { readonly kind: 'LeaseCheckpoint'; readonly checkpoints: readonly { readonly id: LeaseId; readonly remainingTtl: number }[] }
