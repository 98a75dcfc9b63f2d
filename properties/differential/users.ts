/**
 * Users and permissions: the specification's answers beside those of others. Of a request to the store it matters here only
 * whether it was permitted.
 */
import { applyAuth, forbidden, NO_USERS, type AdminRequest, type Auth, type By } from '../../model/components/etcd-auth.ts'
import type { Permission } from '../../model/state/auth.ts'
import type { EtcdError, KeyRange, KvRequest } from '../../model/state/keyspace.ts'
import { sayRequest } from './say.ts'
import type { Difference } from './run.ts'

export type UserRequest = AdminRequest | KvRequest

/** Something that claims to know etcd's users. A user's password follows from his name. */
export interface UserMachine {
  readonly name: string
  /** No users, no roles, everything is permitted to everybody. */
  resetUsers(): Promise<void>
  /** In words: what it was told, that it was permitted, or the error. */
  askAs(by: By, request: UserRequest): Promise<string>
  stop(): Promise<void>
}

export interface Called {
  readonly by: By
  readonly request: UserRequest
}
export interface UserSequence {
  /** While everything is permitted. */
  readonly before: readonly UserRequest[]
  /** What the roles of the two users permit, before it is looked at. */
  readonly granted: readonly AdminRequest[]
  readonly after: readonly Called[]
}

export const passwordOf = (name: string): string => `password of ${name}`

/** What it takes to have users at all, and to have them be anybody. */
const enabling = (granted: readonly AdminRequest[]): readonly UserRequest[] => [
  ...['root', 'u1', 'u2'].map((name) => ({ kind: 'AuthUserAdd' as const, name, password: passwordOf(name) })),
  { kind: 'AuthUserGrantRole', user: 'root', role: 'root' },
  ...(granted.length === 0 ? [] : [...ROLES, ...granted]),
  { kind: 'AuthEnable' },
]
const ROLES: readonly AdminRequest[] = [
  { kind: 'AuthRoleAdd', name: 'r1' },
  { kind: 'AuthRoleAdd', name: 'r2' },
  { kind: 'AuthUserGrantRole', user: 'u1', role: 'r1' },
  { kind: 'AuthUserGrantRole', user: 'u2', role: 'r2' },
]

export const isAdmin = (request: UserRequest): request is AdminRequest => request.kind.startsWith('Auth')

const ranged = ({ key: from, rangeEnd }: KeyRange): string =>
  rangeEnd === undefined || rangeEnd === '' ? from : `${from}..${rangeEnd === '\0' ? '' : rangeEnd}`
export const sayPermissions = (permissions: readonly Permission[]): string =>
  permissions.map((one) => `${one.permType} ${ranged(one)}`).join(', ')

const sayUserRequest = (by: By, request: UserRequest): string => {
  const words = isAdmin(request)
    ? `${request.kind} ${JSON.stringify({ ...request, kind: undefined, password: undefined })}`
    : sayRequest(request)
  return `${by === null ? '' : `--user ${by} `}${words}`
}

const NOT_KNOWN = 'Error: etcdserver: authentication failed, invalid user ID or password'
const error = ({ message }: EtcdError): string => `Error: ${message}`

/** What the specification says, and what it goes on from. */
export const specified = (auth: Auth, by: By, request: UserRequest): { readonly auth: Auth; readonly said: string } => {
  if (auth.enabled && by !== null && !auth.users.has(by)) return { auth, said: NOT_KNOWN }
  if (!isAdmin(request)) {
    const problem = forbidden(auth, by, request)
    return { auth, said: problem === null ? 'permitted' : error(problem) }
  }
  const { auth: after, told } = applyAuth(auth, by, request)
  if ('kind' in told) return { auth: after, said: error(told) }
  return { auth: after, said: `OK ${told.names?.join(',') ?? ''}${sayPermissions(told.permissions ?? [])}` }
}

/**
 * Released versions do not look at what a put inside a transaction tells of before (CVE-2026-44283, mended in 3.4.44, 3.5.30
 * and 3.6.11), nor into transactions inside transactions: not asked of a real server.
 */
const isOverlooked = (request: UserRequest): boolean =>
  request.kind === 'Txn' &&
  [...request.success, ...request.failure].some((part) => part.kind === 'Txn' || (part.kind === 'Put' && part.prevKv === true))

export interface UserTally {
  requests: number
  /** Of those to the store by others than root. */
  permitted: number
  denied: number
}

export const runUsers = async (
  { before, granted, after }: UserSequence,
  machines: readonly { readonly machine: UserMachine; readonly real: boolean }[],
  tally: UserTally,
): Promise<Difference | null> => {
  for (const { machine } of machines) await machine.resetUsers()
  let auth = NO_USERS
  const steps: string[] = []
  const prepared = [...before, ...enabling(granted)]
  const calls: readonly Called[] = [...prepared.map((request) => ({ by: null, request })), ...after]
  for (const called of calls) {
    // Nobody is asked who he is while everything is permitted; what was drawn for before may have enabled it already.
    const by = auth.enabled ? (called.by ?? (steps.length < prepared.length ? 'root' : null)) : null
    const { request } = called
    const expected = specified(auth, by, request)
    auth = expected.auth
    tally.requests++
    if (auth.enabled && by !== 'root' && !isAdmin(request)) tally[expected.said === 'permitted' ? 'permitted' : 'denied']++
    steps.push(sayUserRequest(by, request))
    const asked = machines.filter(({ real }) => !(real && auth.enabled && isOverlooked(request)))
    const said = await Promise.all(asked.map(({ machine }) => machine.askAs(by, request)))
    if (said.every((one) => one === expected.said)) continue
    const others = asked.map(({ machine }, index) => ({ machine: machine.name, said: said[index] ?? '' }))
    return { steps, answers: [{ machine: 'specification', said: expected.said }, ...others] }
  }
  return null
}
