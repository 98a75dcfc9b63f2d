/**
 * What a client of etcd can ask of its users, roles and permissions.
 *
 * Source: api/etcdserverpb/rpc.proto, api/authpb/auth.proto; names are theirs. Passwords are texts compared as they are:
 * how a server hides them is not what is looked at.
 */
import type { Header, KeyRange } from './keyspace.ts'

export type PermissionType = 'READ' | 'WRITE' | 'READWRITE'
export interface Permission extends KeyRange {
  readonly permType: PermissionType
}

export type AuthRequest =
  /** AuthEnable needs a user root that has the role root. */
  | { readonly kind: 'AuthEnable' | 'AuthDisable' | 'AuthStatus' | 'AuthUserList' | 'AuthRoleList' }
  /** Answered with a token, which later requests carry. */
  | { readonly kind: 'Authenticate'; readonly name: string; readonly password: string }
  | { readonly kind: 'AuthUserAdd'; readonly name: string; readonly password: string; readonly noPassword?: boolean }
  | { readonly kind: 'AuthUserChangePassword'; readonly name: string; readonly password: string }
  | { readonly kind: 'AuthUserGet'; readonly name: string }
  | { readonly kind: 'AuthUserDelete'; readonly name: string }
  | { readonly kind: 'AuthUserGrantRole'; readonly user: string; readonly role: string }
  | { readonly kind: 'AuthUserRevokeRole'; readonly name: string; readonly role: string }
  | { readonly kind: 'AuthRoleAdd'; readonly name: string }
  | { readonly kind: 'AuthRoleGet'; readonly role: string }
  | { readonly kind: 'AuthRoleDelete'; readonly role: string }
  | { readonly kind: 'AuthRoleGrantPermission'; readonly name: string; readonly perm: Permission }
  | ({ readonly kind: 'AuthRoleRevokePermission'; readonly role: string } & KeyRange)

export interface AuthResponse {
  readonly kind: AuthRequest['kind']
  readonly header: Header
  /** Of Authenticate. */
  readonly token?: string
  /** Of AuthStatus. */
  readonly enabled?: boolean
  readonly authRevision?: number
  /** Of AuthUserGet and AuthRoleList. */
  readonly roles?: readonly string[]
  /** Of AuthUserList. */
  readonly users?: readonly string[]
  /** Of AuthRoleGet. */
  readonly perm?: readonly Permission[]
}
