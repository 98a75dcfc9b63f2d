/** The users of the reference implementation. A token that is not good any more is asked for again, as clients do. */
import type { By } from '../../model/components/etcd-auth.ts'
import type { AuthResponse } from '../../model/state/auth.ts'
import type { EtcdError } from '../../model/state/keyspace.ts'
import { SimulatedMachine } from './simulated-machine.ts'
import { isAdmin, passwordOf, sayPermissions, type UserMachine, type UserRequest } from './users.ts'

const STALE: ReadonlySet<string> = new Set(['etcdserver: invalid auth token', 'etcdserver: revision of auth store is old'])

export class SimulatedUsers implements UserMachine {
  readonly name: string
  private readonly machine: SimulatedMachine
  private readonly tokens = new Map<string, string>()

  constructor(members: number) {
    this.machine = new SimulatedMachine(members)
    this.name = this.machine.name
  }

  async resetUsers(): Promise<void> {
    this.tokens.clear()
    await this.machine.reset()
  }

  askAs(by: By, request: UserRequest): Promise<string> {
    const first = this.attempt(by, request)
    if (by === null || !STALE.has(first.message ?? '')) return Promise.resolve(first.said)
    this.tokens.delete(by)
    return Promise.resolve(this.attempt(by, request).said)
  }

  stop(): Promise<void> {
    return this.machine.stop()
  }

  private attempt(by: By, request: UserRequest): { readonly said: string; readonly message?: string } {
    const token = by === null ? undefined : this.tokenOf(by)
    if (typeof token === 'object') return refused(token)
    const answer = this.machine.askWith(token, request)
    if (answer.kind === 'Error') return refused(answer)
    if (!isAdmin(request)) return { said: 'permitted' }
    const { users, roles, perm } = answer as AuthResponse
    return { said: `OK ${[...(users ?? []), ...(roles ?? [])].join(',')}${sayPermissions(perm ?? [])}` }
  }

  private tokenOf(name: string): string | EtcdError {
    const known = this.tokens.get(name)
    if (known !== undefined) return known
    const answer = this.machine.askWith(undefined, { kind: 'Authenticate', name, password: passwordOf(name) })
    if (answer.kind === 'Error') return answer
    const { token = '' } = answer as AuthResponse
    this.tokens.set(name, token)
    return token
  }
}

const refused = ({ message }: EtcdError): { readonly said: string; readonly message: string } => ({ said: `Error: ${message}`, message })
