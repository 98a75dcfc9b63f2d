/**
 * Users, roles and permissions, and what they let a user do.
 *
 * Left out: tokens, how long they live and the revision they were made at. A request is made by a user, or by nobody; who
 * cannot prove who he is makes none. Passwords are left out too, and that a put with a lease needs permission for all keys
 * of the lease.
 * Source: https://etcd.io/docs/v3.6/learning/design-auth-v3/, server/auth/store.go, server/etcdserver/apply/apply_auth.go.
 */
import type { AuthRequest, Permission } from '../state/auth.ts'
import type { EtcdError, Key, KeyRange, KvRequest } from '../state/keyspace.ts'
import { covers } from './etcd-range.ts'
import { refused } from './etcd-refusals.ts'

export interface Auth {
  readonly enabled: boolean
  /** Of each user, the roles, in order. */
  readonly users: ReadonlyMap<string, readonly string[]>
  readonly roles: ReadonlyMap<string, readonly Permission[]>
}
export const NO_USERS: Auth = { enabled: false, users: new Map(), roles: new Map() }

/** Null: nobody. */
export type By = string | null
export type AdminRequest = Exclude<AuthRequest, { readonly kind: 'Authenticate' | 'AuthUserChangePassword' }>

/** What is told beside that it was done. */
export interface Told {
  readonly names?: readonly string[]
  readonly permissions?: readonly Permission[]
  readonly enabled?: boolean
}
export interface AuthAnswered {
  readonly auth: Auth
  readonly told: Told | EtcdError
}

const ROOT = 'root'
const isRoot = ({ users }: Auth, by: By): boolean => by !== null && users.get(by)?.includes(ROOT) === true

// What a user may do

const DENIED = refused('permission denied')

/** Null: he may. Of a transaction he must be allowed all that it says, whatever of it will be done. */
export const forbidden = (auth: Auth, by: By, request: KvRequest): EtcdError | null => {
  if (!auth.enabled) return null
  if (by === null) return refused('user name is empty')
  if (isRoot(auth, by)) return null
  const granted = (auth.users.get(by) ?? []).flatMap((role) => auth.roles.get(role) ?? [])
  return needsOf(request).every(([range, type]) => holdsAll(granted, range, type)) ? null : DENIED
}

type Need = readonly [KeyRange, 'READ' | 'WRITE']

const needsOf = (request: KvRequest): readonly Need[] => {
  switch (request.kind) {
    case 'Range':
      return [[request, 'READ']]
    case 'Put':
      return writing({ key: request.key }, request.prevKv)
    case 'DeleteRange':
      return writing(request, request.prevKv)
    case 'Txn': {
      const compared = request.compare.map((compare): Need => [compare, 'READ'])
      return [...compared, ...[...request.success, ...request.failure].flatMap(needsOf)]
    }
  }
}

/** Who is to be told what was before must be allowed to read it. */
const writing = (range: KeyRange, prevKv = false): readonly Need[] => [[range, 'WRITE'], ...(prevKv ? [[range, 'READ'] as const] : [])]

/** Ranges put together hold a whole one if they hold its first key and every key of it at which one of them ends. */
const holdsAll = (granted: readonly Permission[], asked: KeyRange, type: Need[1]): boolean => {
  const fitting = granted.filter(({ permType }) => permType === type || permType === 'READWRITE')
  const ends = fitting.map(endOf).filter((end) => end !== null && covers(asked, end))
  return [asked.key, ...ends].every((key) => fitting.some((range) => covers(range, key as Key)))
}

/** The first key that is not in it any more; null: none. */
const endOf = ({ key, rangeEnd = '' }: KeyRange): Key | null => (rangeEnd === '' ? `${key}\0` : rangeEnd === '\0' ? null : rangeEnd)

// Who may do what

export const applyAuth = (auth: Auth, by: By, request: AdminRequest): AuthAnswered => {
  const problem = notAdmin(auth, by, request)
  return problem === null ? perform(auth, request) : { auth, told: problem }
}

/** A user may look at himself and at the roles he has. */
const notAdmin = (auth: Auth, by: By, request: AdminRequest): EtcdError | null => {
  if (!auth.enabled || isRoot(auth, by)) return null
  if (by === null) return refused('user name is empty')
  const own =
    (request.kind === 'AuthUserGet' && request.name === by) ||
    (request.kind === 'AuthRoleGet' && auth.users.get(by)?.includes(request.role) === true)
  return own ? null : DENIED
}

const perform = (auth: Auth, request: AdminRequest): AuthAnswered => {
  const { enabled, users, roles } = auth
  const done = (changed: Partial<Auth>): AuthAnswered => ({ auth: { ...auth, ...changed }, told: {} })
  const refuse = (message: string): AuthAnswered => ({ auth, told: refused(message) })
  switch (request.kind) {
    case 'AuthEnable':
      if (enabled) return done({})
      if (!users.has(ROOT)) return refuse('root user does not exist')
      return isRoot(auth, ROOT) ? done({ enabled: true }) : refuse('root user does not have root role')
    case 'AuthDisable':
      return done({ enabled: false })
    case 'AuthStatus':
      return { auth, told: { enabled } }
    case 'AuthUserList':
      return { auth, told: { names: [...users.keys()].toSorted() } }
    case 'AuthRoleList':
      return { auth, told: { names: [...roles.keys()].toSorted() } }
    case 'AuthUserGet': {
      const names = users.get(request.name)
      return names === undefined ? refuse('user name not found') : { auth, told: { names } }
    }
    case 'AuthRoleGet': {
      const held = roles.get(request.role)
      return held === undefined ? refuse('role name not found') : { auth, told: { permissions: held } }
    }
    case 'AuthUserAdd':
      if (request.name === '') return refuse('user name is empty')
      return users.has(request.name) ? refuse('user name already exists') : done({ users: withEntry(users, request.name, []) })
    case 'AuthUserDelete':
      if (enabled && request.name === ROOT) return refuse('invalid auth management')
      return users.has(request.name) ? done({ users: withoutEntry(users, request.name) }) : refuse('user name not found')
    case 'AuthUserGrantRole':
    case 'AuthUserRevokeRole':
      return changeUser(auth, request)
    case 'AuthRoleAdd':
      return roles.has(request.name) ? refuse('role name already exists') : done({ roles: withEntry(roles, request.name, []) })
    case 'AuthRoleDelete': {
      if (enabled && request.role === ROOT) return refuse('invalid auth management')
      if (!roles.has(request.role)) return refuse('role name not found')
      const left = [...users].map(([name, held]) => [name, held.filter((role) => role !== request.role)] as const)
      return done({ roles: withoutEntry(roles, request.role), users: new Map(left) })
    }
    case 'AuthRoleGrantPermission':
    case 'AuthRoleRevokePermission':
      return changeRole(auth, request)
  }
}

/** To grant what is granted already changes nothing. The role root need not exist to be granted. */
const changeUser = (
  auth: Auth,
  request: Extract<AdminRequest, { readonly role: string; readonly kind: `AuthUser${string}` }>,
): AuthAnswered => {
  const { users, roles, enabled } = auth
  const { role } = request
  const name = request.kind === 'AuthUserGrantRole' ? request.user : request.name
  const refuse = (message: string): AuthAnswered => ({ auth, told: refused(message) })
  const held = users.get(name)
  const become = (now: readonly string[]): AuthAnswered => ({ auth: { ...auth, users: withEntry(users, name, now) }, told: {} })
  if (request.kind === 'AuthUserRevokeRole') {
    if (enabled && name === ROOT && role === ROOT) return refuse('invalid auth management')
    if (held === undefined) return refuse('user name not found')
    return held.includes(role) ? become(held.filter((one) => one !== role)) : refuse('role is not granted to the user')
  }
  if (held === undefined) return refuse('user name not found')
  if (role !== ROOT && !roles.has(role)) return refuse('role name not found')
  return become([...new Set([...held, role])].toSorted())
}

const changeRole = (
  auth: Auth,
  request: Extract<AdminRequest, { readonly kind: 'AuthRoleGrantPermission' | 'AuthRoleRevokePermission' }>,
): AuthAnswered => {
  const grants = request.kind === 'AuthRoleGrantPermission'
  const name = grants ? request.name : request.role
  const range = grants ? request.perm : request
  const held = auth.roles.get(name)
  if (held === undefined) return { auth, told: refused('role name not found') }
  const others = held.filter((one) => one.key !== range.key || (one.rangeEnd ?? '') !== (range.rangeEnd ?? ''))
  if (!grants && others.length === held.length) return { auth, told: refused('permission is not granted to the role') }
  const now = (grants ? [...others, request.perm] : others).toSorted((one, other) =>
    one.key < other.key ? -1 : one.key > other.key ? 1 : 0,
  )
  return { auth: { ...auth, roles: withEntry(auth.roles, name, now) }, told: {} }
}

const withEntry = <Item>(map: ReadonlyMap<string, Item>, name: string, item: Item): ReadonlyMap<string, Item> =>
  new Map([...map, [name, item]])
const withoutEntry = <Item>(map: ReadonlyMap<string, Item>, name: string): ReadonlyMap<string, Item> =>
  new Map([...map].filter(([one]) => one !== name))
