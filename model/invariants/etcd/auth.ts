/** Who may do what, by the users, roles and permissions in force when it was done. SEMANTICS 2.1. */
import type { Invariant } from '../../invariant.ts'
import type { AuthRequest, Permission } from '../../state/auth.ts'
import type { EtcdRequest, KeyRange } from '../../state/keyspace.ts'
import { watching } from '../define.ts'

const ROOT = 'root'

/** Users and roles, rebuilt from what was done to them. */
class Rights {
  enabled = false
  /** User → roles. */
  private readonly users = new Map<string, Set<string>>()
  private readonly roles = new Map<string, readonly Permission[]>()

  heed(request: EtcdRequest): void {
    const { kind } = request as AuthRequest
    switch (kind) {
      case 'AuthEnable':
      case 'AuthDisable':
        this.enabled = kind === 'AuthEnable'
        return
      default:
        this.change(request as AuthRequest)
    }
  }

  private change(request: AuthRequest): void {
    switch (request.kind) {
      case 'AuthUserAdd':
        this.users.set(request.name, new Set())
        return
      case 'AuthUserDelete':
        this.users.delete(request.name)
        return
      case 'AuthUserGrantRole':
        this.users.get(request.user)?.add(request.role)
        return
      case 'AuthUserRevokeRole':
        this.users.get(request.name)?.delete(request.role)
        return
      case 'AuthRoleAdd':
        this.roles.set(request.name, [])
        return
      case 'AuthRoleDelete':
        this.roles.delete(request.role)
        for (const roles of this.users.values()) roles.delete(request.role)
        return
      case 'AuthRoleGrantPermission':
        this.roles.set(request.name, [...this.without(request.name, request.perm), request.perm])
        return
      case 'AuthRoleRevokePermission':
        this.roles.set(request.role, this.without(request.role, request))
        return
      default:
    }
  }

  private without(role: string, { key, rangeEnd }: KeyRange): readonly Permission[] {
    return (this.roles.get(role) ?? []).filter((held) => held.key !== key || (held.rangeEnd ?? '') !== (rangeEnd ?? ''))
  }

  mayWrite(user: string | undefined, key: string): boolean {
    const roles = user === undefined ? undefined : this.users.get(user)
    if (roles === undefined) return false
    if (roles.has(ROOT)) return true
    const held = [...roles].flatMap((role) => this.roles.get(role) ?? [])
    return held.some((permission) => permission.permType !== 'READ' && covers(permission, key))
  }
}

const covers = ({ key: from, rangeEnd }: KeyRange, key: string): boolean => {
  if (rangeEnd === undefined || rangeEnd === '') return key === from
  return key >= from && (rangeEnd === '\0' || key < rangeEnd)
}

const permitted: Invariant = watching(
  {
    id: 'ETCD-S25',
    sentence: 'while users are asked for, whatever is written is written by one who may write that key when it takes effect',
    source: 'https://etcd.io/docs/v3.6/learning/design-auth-v3/; etcd-io/etcd#14571',
    kind: 'history',
    strength: 'safety',
    sometimes: 'the user is not root',
  },
  ['AuthChanged', 'Commit'],
  () => {
    const rights = new Rights()
    return {
      observe(next) {
        if (next.kind === 'AuthChanged') {
          rights.heed(next.request)
          return 'vacuous'
        }
        // What a lease takes with it when its time is up, nobody asked for.
        if (next.kind !== 'Commit' || !rights.enabled || next.author === 'lessor') return 'vacuous'
        const { user, key, revision } = next
        if (rights.mayWrite(user, key)) return user === ROOT ? 'holds' : 'notable'
        return { why: `${key} was written at revision ${revision} by ${user ?? 'nobody that is known'}, who may not write it` }
      },
    }
  },
)

export const AUTH: readonly Invariant[] = [permitted]
