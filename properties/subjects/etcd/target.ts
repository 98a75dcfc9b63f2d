/** Whom a run talks to: a cluster of our own, or members somebody else runs, reached by their endpoints. */
import { InputError } from '../../input.ts'
import { EtcdClient, type ClientOptions } from './client.ts'
import type { EtcdCluster, Member } from './cluster.ts'
import { hexadecimal, type MemberNames } from './translate.ts'
import type { Tls, WireStatus } from './wire.ts'

export interface Target {
  /** Names of the members, or the endpoints as they were given. */
  readonly members: readonly string[]
  /** '3.4.23' */
  readonly version: string
  /** Null: their processes are not ours to touch. */
  readonly cluster: EtcdCluster | null
  readonly nameOf: MemberNames
  /** Where a member of our own tells its variables, past all proxies. */
  debugUrlOf(member: string): string | null
  connect(member: string, options: Pick<ClientOptions, 'timeoutMs' | 'requireLeader'>): EtcdClient
}

export const ownTarget = (cluster: EtcdCluster): Target => {
  const memberNamed = (name: string): Member => {
    const member = cluster.members.find((one) => one.name === name)
    if (member === undefined) throw new Error(`there is no member ${name}`)
    return member
  }
  return {
    members: cluster.members.map((member) => member.name),
    version: cluster.version.join('.'),
    cluster,
    nameOf: cluster.memberNames,
    debugUrlOf: (name) => `http://127.0.0.1:${memberNamed(name).clientPort}/debug/vars`,
    connect: (name, options) =>
      new EtcdClient({ ...options, address: cluster.addressOf(memberNamed(name)), memberNames: cluster.memberNames }),
  }
}

export interface Endpoints {
  /** host:port, with https:// in front of it or without. */
  readonly addresses: readonly string[]
  readonly tls: Tls | null
  readonly user: { readonly name: string; readonly password: string } | null
}

const ANSWER_MS = 3_000

/** Throws InputError for an endpoint that cannot be used, with the reason. */
export const endpointsTarget = async ({ addresses, tls, user }: Endpoints): Promise<Target> => {
  const names = new Map<string, string>()
  const nameOf: MemberNames = (id) => names.get(id) ?? hexadecimal(id)
  let version = ''
  const open = (address: string, options: Pick<ClientOptions, 'timeoutMs' | 'requireLeader'>): EtcdClient =>
    new EtcdClient({
      ...options,
      address,
      tls,
      ...(user === null ? {} : { user }),
      memberNames: nameOf,
    })
  for (const address of addresses) {
    const client = open(address, { timeoutMs: ANSWER_MS })
    try {
      const status = await client.call<WireStatus>('Maintenance/Status')
      if ('error' in status) throw new InputError('--endpoints', `${address}: ${plain(status.error.details)}`)
      names.set(status.message.header.memberId, address)
      version = status.message.version
    } finally {
      client.close()
    }
  }
  return { members: addresses, version, cluster: null, nameOf, debugUrlOf: () => null, connect: open }
}

/** What gRPC and TLS say, in the words of the person who gave the endpoint. */
const plain = (problem: string): string => {
  const [line = ''] = problem.split('\n')
  if (/ECONNREFUSED/.test(line)) return 'expected an etcd that answers, found nobody who listens there'
  if (/ENOTFOUND|EAI_AGAIN|Name resolution failed/.test(line)) return 'expected the name of a host, found one that is not known'
  if (/certificate|self.signed|altnames|CERT_|unable to verify/i.test(line))
    return `expected a certificate that can be trusted, found: ${cause(line)}`
  if (/SSL routines|wrong version number|EPROTO/.test(line)) return `expected TLS as asked for, found: ${cause(line)}`
  if (/^authentication|etcdserver: /.test(line)) return line
  if (/Protocol error|Received HTTP status code|unknown service|UNIMPLEMENTED|not implemented/i.test(line))
    return `expected etcd's v3 interface (gRPC), found something else, such as an etcd of version 2: ${cause(line)}`
  return `expected an etcd that answers within ${ANSWER_MS / 1000} s, found: ${cause(line)}`
}

/** Without addresses of memory, times and places in source files. */
const cause = (line: string): string => {
  const text = line
    .replace(/^.*Last error: (Error: )?/, '')
    .replace(/\. Resolution note: .*$/, '')
    .replace(/ \(\d{4}-\d\d-\d\dT.*\)$/, '')
  return /SSL routines:[^:]*:([^:]+)/.exec(text)?.[1] ?? text
}
