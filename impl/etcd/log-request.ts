/** What goes through the log: clients' requests that change the state, and what members ask of each other by way of it. */
import type { AuthRequest } from '../../model/state/auth.ts'
import type { CompactRequest, KvRequest, LeaseGrantRequest, LeaseId, LeaseRevokeRequest } from '../../model/state/keyspace.ts'
import type { AlarmRequest } from '../../model/state/maintenance.ts'

/** Those that only ask are among them: an administrator's questions are answered at their place in the log. */
export type AuthLogRequest = Exclude<AuthRequest, { kind: 'Authenticate' }>

export type LogRequest =
  | KvRequest
  | CompactRequest
  | LeaseGrantRequest
  | LeaseRevokeRequest
  | AlarmRequest
  | AuthLogRequest
  /** The password was found right: every member is told the token, made complete by its index in the log. */
  | { readonly kind: 'Authenticate'; readonly name: string; readonly token: string }
  /** The leader writes down how many seconds are left of leases. */
  | { readonly kind: 'LeaseCheckpoint'; readonly checkpoints: readonly { readonly id: LeaseId; readonly remainingTtl: number }[] }
