/**
 * Users, roles and permissions. Every change of them has a revision of its own: who was told he may do something by an
 * older one is asked to come again, so that the check and what it allowed agree.
 *
 * Source: server/auth/store.go, server/etcdserver/apply/apply_auth.go.
 */
import type { AuthRequest, AuthResponse, Permission } from '../../model/state/auth.ts'
import type { EtcdError, Header, KeyRange, KvRequest } from '../../model/state/keyspace.ts'
import {
  AUTH_NOT_ENABLED,
  AUTHENTICATION_FAILED,
  INVALID_MANAGEMENT,
  NO_ROLE,
  NO_ROOT_ROLE,
  NO_ROOT_USER,
  NO_USER,
  OLD_AUTH_REVISION,
  PERMISSION_DENIED,
  PERMISSION_NOT_GRANTED,
  ROLE_EMPTY,
  ROLE_EXISTS,
  ROLE_NOT_GRANTED,
  USER_EMPTY,
  USER_EXISTS,
} from './errors.ts'
import type { AuthLogRequest } from './log-request.ts'
import { covers } from './permission.ts'

/** On whose behalf a request is made, as known at the auth revision at which it was let in. */
export interface AuthInfo {
  readonly user: string
  readonly revision: number
}
interface User {
  readonly password: string
  readonly noPassword: boolean
  /** In order. */
  readonly roles: readonly string[]
}
/** All users, roles and permissions. Immutable. */
export interface AuthImage {
  readonly enabled: boolean
  readonly revision: number
  readonly users: readonly (readonly [string, User])[]
  readonly roles: readonly (readonly [string, readonly Permission[]])[]
}

type UserChange = `AuthUser${'Add' | 'Delete' | 'ChangePassword' | 'GrantRole' | 'RevokeRole'}`
type RoleChange = `AuthRole${'Add' | 'Delete' | 'GrantPermission' | 'RevokePermission'}`

const ROOT = 'root'

export class AuthStore {
  enabled = false
  revision = 1
  private users = new Map<string, User>()
  private roles = new Map<string, readonly Permission[]>()

  image(): AuthImage {
    return { enabled: this.enabled, revision: this.revision, users: [...this.users], roles: [...this.roles] }
  }

  restore({ enabled, revision, users, roles }: AuthImage): void {
    this.enabled = enabled
    this.revision = revision
    this.users = new Map(users)
    this.roles = new Map(roles)
  }

  // May he?

  isAdmin(info: AuthInfo | undefined): EtcdError | null {
    if (!this.enabled) return null
    if (info === undefined) return USER_EMPTY
    const user = this.users.get(info.user)
    if (user === undefined) return NO_USER
    return user.roles.includes(ROOT) ? null : PERMISSION_DENIED
  }

  isPermitted(info: AuthInfo | undefined, range: KeyRange, wanted: 'READ' | 'WRITE'): EtcdError | null {
    if (!this.enabled) return null
    if (info === undefined) return USER_EMPTY
    if (info.revision < this.revision) return OLD_AUTH_REVISION
    const user = this.users.get(info.user)
    if (user === undefined) return PERMISSION_DENIED
    if (user.roles.includes(ROOT)) return null
    const granted = user.roles.flatMap((role) => this.roles.get(role) ?? [])
    const permitted = granted.filter(({ permType }) => permType === wanted || permType === 'READWRITE')
    return covers(permitted, range) ? null : PERMISSION_DENIED
  }

  /** Whether all of a request is permitted, also of the branches of a transaction that are not taken. */
  check(info: AuthInfo | undefined, request: KvRequest): EtcdError | null {
    if (!this.enabled) return null
    const may = (range: KeyRange, wanted: 'READ' | 'WRITE'): EtcdError | null => this.isPermitted(info, range, wanted)
    switch (request.kind) {
      case 'Range':
        return may(request, 'READ')
      case 'Put': {
        const key = { key: request.key }
        return may(key, 'WRITE') ?? (request.prevKv === true ? may(key, 'READ') : null)
      }
      case 'DeleteRange':
        return may(request, 'WRITE') ?? (request.prevKv === true ? may(request, 'READ') : null)
      case 'Txn':
        for (const compare of request.compare) {
          const problem = may(compare, 'READ')
          if (problem !== null) return problem
        }
        for (const operation of [...request.success, ...request.failure]) {
          const problem = this.check(info, operation)
          if (problem !== null) return problem
        }
        return null
    }
  }

  /** Null: it is his password, as of the current revision. */
  checkPassword(name: string, password: string): EtcdError | null {
    if (!this.enabled) return AUTH_NOT_ENABLED
    const user = this.users.get(name)
    return user !== undefined && !user.noPassword && user.password === password ? null : AUTHENTICATION_FAILED
  }

  // Changing

  /** What an administrator asked for. Authenticate is not among it: it changes nothing here. */
  apply(request: AuthLogRequest, info: AuthInfo | undefined, header: Header): AuthResponse | EtcdError {
    const forbidden = this.isAdmin(info)
    const own =
      (request.kind === 'AuthUserGet' && request.name === info?.user) ||
      (request.kind === 'AuthRoleGet' && this.users.get(info?.user ?? '')?.roles.includes(request.role) === true)
    if (forbidden !== null && !own) return forbidden
    const result = this.perform(request)
    return 'kind' in result ? result : { kind: request.kind, header, ...result }
  }

  private perform(request: AuthLogRequest): EtcdError | Omit<AuthResponse, 'kind' | 'header'> {
    const { users, roles } = this
    switch (request.kind) {
      case 'AuthEnable': {
        if (this.enabled) return {}
        const root = users.get(ROOT)
        if (root === undefined) return NO_ROOT_USER
        if (!root.roles.includes(ROOT)) return NO_ROOT_ROLE
        this.enabled = true
        return {}
      }
      case 'AuthDisable':
        if (this.enabled) this.revision++
        this.enabled = false
        return {}
      case 'AuthStatus':
        return { enabled: this.enabled, authRevision: this.revision }
      case 'AuthUserList':
        return { users: [...users.keys()].toSorted() }
      case 'AuthRoleList':
        return { roles: [...roles.keys()].toSorted() }
      case 'AuthUserGet': {
        const user = users.get(request.name)
        return user === undefined ? NO_USER : { roles: user.roles }
      }
      case 'AuthRoleGet': {
        const perm = roles.get(request.role)
        return perm === undefined ? NO_ROLE : { perm }
      }
      case 'AuthUserAdd':
      case 'AuthUserDelete':
      case 'AuthUserChangePassword':
      case 'AuthUserGrantRole':
      case 'AuthUserRevokeRole':
        return this.changed(this.changeUser(request))
      case 'AuthRoleAdd':
      case 'AuthRoleDelete':
      case 'AuthRoleGrantPermission':
      case 'AuthRoleRevokePermission':
        return this.changed(this.changeRole(request))
    }
  }

  private changed(result: EtcdError | 'done' | 'nothing to do'): EtcdError | Record<string, never> {
    if (typeof result === 'object') return result
    if (result === 'done') this.revision++
    return {}
  }

  private changeUser(request: Extract<AuthRequest, { kind: UserChange }>): EtcdError | 'done' | 'nothing to do' {
    const { users, roles } = this
    switch (request.kind) {
      case 'AuthUserAdd': {
        const { name, password, noPassword = false } = request
        if (name === '') return USER_EMPTY
        if (users.has(name)) return USER_EXISTS
        users.set(name, { password, noPassword, roles: [] })
        return 'done'
      }
      case 'AuthUserDelete':
        if (this.enabled && request.name === ROOT) return INVALID_MANAGEMENT
        return users.delete(request.name) ? 'done' : NO_USER
      case 'AuthUserChangePassword': {
        const user = users.get(request.name)
        if (user === undefined) return NO_USER
        users.set(request.name, { ...user, password: request.password })
        return 'done'
      }
      case 'AuthUserGrantRole': {
        const user = users.get(request.user)
        if (user === undefined) return NO_USER
        if (request.role !== ROOT && !roles.has(request.role)) return NO_ROLE
        if (user.roles.includes(request.role)) return 'nothing to do'
        users.set(request.user, { ...user, roles: [...user.roles, request.role].toSorted() })
        return 'done'
      }
      case 'AuthUserRevokeRole': {
        if (this.enabled && request.name === ROOT && request.role === ROOT) return INVALID_MANAGEMENT
        const user = users.get(request.name)
        if (user === undefined) return NO_USER
        if (!user.roles.includes(request.role)) return ROLE_NOT_GRANTED
        users.set(request.name, without(user, request.role))
        return 'done'
      }
    }
  }

  private changeRole(request: Extract<AuthRequest, { kind: RoleChange }>): EtcdError | 'done' {
    const { users, roles } = this
    switch (request.kind) {
      case 'AuthRoleAdd':
        if (request.name === '') return ROLE_EMPTY
        if (roles.has(request.name)) return ROLE_EXISTS
        roles.set(request.name, [])
        return 'done'
      case 'AuthRoleDelete':
        if (this.enabled && request.role === ROOT) return INVALID_MANAGEMENT
        if (!roles.delete(request.role)) return NO_ROLE
        for (const [name, user] of users) if (user.roles.includes(request.role)) users.set(name, without(user, request.role))
        return 'done'
      case 'AuthRoleGrantPermission': {
        const held = roles.get(request.name)
        if (held === undefined) return NO_ROLE
        const others = held.filter((perm) => !sameRange(perm, request.perm))
        roles.set(
          request.name,
          [...others, request.perm].toSorted((one, other) => (one.key < other.key ? -1 : one.key > other.key ? 1 : 0)),
        )
        return 'done'
      }
      case 'AuthRoleRevokePermission': {
        const held = roles.get(request.role)
        if (held === undefined) return NO_ROLE
        const others = held.filter((perm) => !sameRange(perm, request))
        if (others.length === held.length) return PERMISSION_NOT_GRANTED
        roles.set(request.role, others)
        return 'done'
      }
    }
  }
}

const without = (user: User, role: string): User => ({ ...user, roles: user.roles.filter((one) => one !== role) })
const sameRange = (one: KeyRange, other: KeyRange): boolean => one.key === other.key && (one.rangeEnd ?? '') === (other.rangeEnd ?? '')
