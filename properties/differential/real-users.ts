/** The users of a real etcd: a connection for each of them that is asked for. */
import type { By } from '../../model/components/etcd-auth.ts'
import type { Permission } from '../../model/state/auth.ts'
import type { EtcdClient } from '../subjects/etcd/client.ts'
import { RealMachine } from './real-machine.ts'
import { isAdmin, passwordOf, sayPermissions, type UserMachine, type UserRequest } from './users.ts'

/** Hashing a password is slow on purpose; not here. */
const FLAGS = ['--bcrypt-cost', '4']

interface Told {
  readonly users?: readonly string[]
  readonly roles?: readonly string[]
  readonly perm?: readonly { readonly permType: Permission['permType']; readonly key: Buffer; readonly rangeEnd: Buffer }[]
}

export class RealUsers implements UserMachine {
  readonly name: string
  private readonly machine: RealMachine
  private readonly clients = new Map<By, EtcdClient>()

  private constructor(machine: RealMachine) {
    this.machine = machine
    this.name = machine.name
  }

  static async start(binary: string): Promise<RealUsers> {
    return new RealUsers(await RealMachine.start(binary, FLAGS))
  }

  async resetUsers(): Promise<void> {
    await this.clientOf('root').call('Auth/AuthDisable')
    this.closeClients()
    for (const name of (await this.told('Auth/UserList')).users ?? []) await this.told('Auth/UserDelete', { name })
    for (const name of (await this.told('Auth/RoleList')).roles ?? []) await this.told('Auth/RoleDelete', { name })
  }

  async askAs(by: By, request: UserRequest): Promise<string> {
    const client = this.clientOf(by)
    if (!isAdmin(request)) {
      const outcome = await client.request(request)
      return outcome.kind === 'done' ? 'permitted' : `Error: ${outcome.reason}`
    }
    const answer = await client.call<Told>(`Auth/${methodOf(request.kind)}`, messageOf(request))
    if ('error' in answer) return `Error: ${answer.error.details}`
    const { users, roles, perm } = answer.message
    const permissions = (perm ?? []).map((one) => ({ ...one, key: one.key.toString('utf8'), rangeEnd: one.rangeEnd.toString('utf8') }))
    return `OK ${[...(users ?? []), ...(roles ?? [])].join(',')}${sayPermissions(permissions)}`
  }

  async stop(): Promise<void> {
    this.closeClients()
    await this.machine.stop()
  }

  private clientOf(by: By): EtcdClient {
    const known = this.clients.get(by)
    if (known !== undefined) return known
    const client = this.machine.connect(by === null ? undefined : { name: by, password: passwordOf(by) })
    this.clients.set(by, client)
    return client
  }

  private closeClients(): void {
    for (const client of this.clients.values()) client.close()
    this.clients.clear()
  }

  private async told(method: string, message: object = {}): Promise<Told> {
    const answer = await this.clientOf(null).call<Told>(method, message)
    if ('error' in answer) throw new Error(`${this.name}: ${method}: ${answer.error.details}`)
    return answer.message
  }
}

/** As the service has them: AuthEnable, but UserAdd. */
const methodOf = (kind: string): string => kind.replace(/^Auth(?=User|Role)/, '')

const messageOf = (request: UserRequest): object => {
  switch (request.kind) {
    case 'AuthUserRevokeRole':
      return { user: request.name, role: request.role }
    case 'AuthRoleGet':
    case 'AuthRoleDelete':
      return { name: request.role }
    case 'AuthRoleGrantPermission': {
      const { permType, key, rangeEnd } = request.perm
      return { name: request.name, perm: { permType, key: Buffer.from(key), ...end(rangeEnd) } }
    }
    case 'AuthRoleRevokePermission':
      return { role: request.role, key: Buffer.from(request.key), ...end(request.rangeEnd) }
    default: {
      const { kind: _, ...message } = request
      return message
    }
  }
}
const end = (rangeEnd: string | undefined): object => (rangeEnd === undefined || rangeEnd === '' ? {} : { rangeEnd: Buffer.from(rangeEnd) })
