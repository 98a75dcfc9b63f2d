/**
 * A client of a real etcd (3.2 and later) over its v3 gRPC interface, in the vocabulary of histories.
 *
 * Complete for whoever drives one member: `request` takes any request of model/state/keyspace.ts and answers with the
 * outcome a history records; it never throws and never tries again. `watch` opens one watcher on a stream of its own.
 */
import { randomInt } from 'node:crypto'
import { Metadata, type ServiceError } from '@grpc/grpc-js'
import type { Outcome } from '../../../model/state/history.ts'
import type { EtcdResponse, Header, LeaseResponse, StoreRequest, WatchCreateRequest, WatchEvent } from '../../../model/state/keyspace.ts'
import { outcomeOf } from './errors.ts'
import {
  eventsIn,
  headerIn,
  hexadecimal,
  kvIn,
  kvOut,
  leaseIn,
  watchOut,
  type MemberNames,
  type WireKv,
  type WireLease,
} from './translate.ts'
import { Channel, type Answer, type Tls, type WireHeader, type WireStatus, type WireWatchResponse } from './wire.ts'

export interface ClientOptions {
  /** host:port */
  readonly address: string
  readonly tls?: Tls | null
  readonly user?: { readonly name: string; readonly password: string }
  /** Of one request. */
  readonly timeoutMs?: number
  /** Have a member that knows no leader refuse at once instead of waiting for one. */
  readonly requireLeader?: boolean
  /** Names for the ids of members; without it an id names itself, in hexadecimal as etcdctl prints it. */
  readonly memberNames?: MemberNames
}

export interface WatchListener {
  created?(header: Header): void
  /** With events, or a notice without any. fragment: more of this revision follows. */
  delivered(header: Header, events: readonly WatchEvent[], fragment: boolean): void
  /** By the server, by a broken connection, or after `cancel`. Nothing comes after it. */
  closed(reason: string, compactRevision: number): void
}
export interface OpenWatch {
  /** Asks for a notice of how far the stream is. */
  requestProgress(): void
  cancel(): void
}

const TIMEOUT_MS = 5_000
/** Numbers of JavaScript are exact up to here: an id that the server chose would not fit. */
const LEASE_IDS = 2 ** 47

interface WireLeases {
  readonly header: WireHeader
  readonly leases: readonly { readonly ID: string }[]
}

export class EtcdClient {
  readonly address: string
  private readonly channel: Channel
  private readonly options: ClientOptions
  private readonly names: MemberNames
  private token: string | null = null

  constructor(options: ClientOptions) {
    this.options = options
    this.address = options.address
    this.names = options.memberNames ?? hexadecimal
    this.channel = new Channel(options.address, options.tls ?? null)
  }

  /** Connects, and logs in if there is a user: null when that is done within the time, otherwise what went wrong. */
  async ready(timeoutMs: number): Promise<string | null> {
    const problem = await this.channel.ready(timeoutMs)
    if (problem !== null) return problem
    const answer = await this.call('Maintenance/Status', {}, timeoutMs)
    return 'error' in answer ? answer.error.details : null
  }

  async request(request: StoreRequest): Promise<Outcome> {
    const answer = await this.send(request)
    return 'error' in answer
      ? outcomeOf(answer.error)
      : { kind: 'done', revision: answer.message.header.revision, response: answer.message }
  }

  /** Any unary method, by its name in etcd.proto such as 'Maintenance/HashKV', with messages as they are on the wire. */
  async call<Reply>(name: string, message: object = {}, timeoutMs = this.options.timeoutMs ?? TIMEOUT_MS): Promise<Answer<Reply>> {
    const first = await this.attempt<Reply>(name, message, timeoutMs)
    if (!('error' in first) || !isStaleToken(first.error)) return first
    // Looked at before anything else: the request has had no effect.
    this.token = null
    return this.attempt(name, message, timeoutMs)
  }

  watch(request: WatchCreateRequest, listener: WatchListener): OpenWatch {
    const stream = this.channel.bidirectional('Watch/Watch', this.metadata())
    let over = false
    const close = (reason: string, compactRevision = 0): void => {
      if (over) return
      over = true
      stream.cancel()
      listener.closed(reason, compactRevision)
    }
    stream.on('data', (data: object) => {
      const response = data as WireWatchResponse
      if (over) return
      if (response.canceled) close(response.cancelReason || 'canceled', Number(response.compactRevision))
      else if (response.created) listener.created?.(headerIn(response.header, this.names))
      else listener.delivered(headerIn(response.header, this.names), eventsIn(response.events), response.fragment)
    })
    stream.on('error', (error: ServiceError) => close(error.details || error.message))
    stream.on('end', () => close('the server ended the stream'))
    stream.write(watchOut(request))
    return {
      requestProgress: () => {
        if (!over) stream.write({ progressRequest: {} })
      },
      cancel: () => close('canceled by the client'),
    }
  }

  /** All bytes of a member's database as `etcdctl snapshot save` gets them, the hash of 32 bytes at their end. */
  snapshot(timeoutMs: number): Promise<Buffer> {
    const stream = this.channel.download('Maintenance/Snapshot', {}, this.metadata(), timeoutMs)
    const blobs: Buffer[] = []
    return new Promise((resolve, reject) => {
      stream.on('data', ({ blob }: { readonly blob: Buffer }) => blobs.push(blob))
      stream.on('error', reject)
      stream.on('end', () => resolve(Buffer.concat(blobs)))
    })
  }

  close(): void {
    this.channel.close()
  }

  private async send(request: StoreRequest): Promise<Answer<EtcdResponse>> {
    switch (request.kind) {
      case 'Range':
      case 'Put':
      case 'DeleteRange':
      case 'Txn':
        return mapped(await this.call<WireKv>(`KV/${request.kind}`, kvOut(request)), (wire) => kvIn(request.kind, wire, this.names))
      case 'Compact':
        return mapped(
          await this.call<{ header: WireHeader }>('KV/Compact', { revision: request.revision, physical: request.physical === true }),
          ({ header }) => ({
            kind: 'Compact',
            header: headerIn(header, this.names),
          }),
        )
      case 'LeaseGrant': {
        const id = request.id === 0 ? randomInt(1, LEASE_IDS) : request.id
        return this.lease('LeaseGrant', await this.call('Lease/LeaseGrant', { ID: id, TTL: request.ttlSeconds }), id)
      }
      case 'LeaseRevoke':
        return this.lease(request.kind, await this.call('Lease/LeaseRevoke', { ID: request.id }), request.id)
      case 'LeaseTimeToLive':
        return this.lease(request.kind, await this.call('Lease/LeaseTimeToLive', { ID: request.id, keys: request.keys }), request.id)
      case 'LeaseLeases':
        return mapped(await this.call<WireLeases>('Lease/LeaseLeases'), ({ header, leases }) => ({
          kind: 'LeaseLeases',
          header: headerIn(header, this.names),
          leases: leases.map(({ ID }) => Number(ID)),
        }))
      case 'LeaseKeepAlive':
        return this.lease(request.kind, await this.keepAlive(request.id), request.id)
      case 'Status':
        return mapped(await this.call<WireStatus>('Maintenance/Status'), (wire) => ({
          kind: 'Status',
          header: headerIn(wire.header, this.names),
          leader: wire.leader === '0' ? null : this.names(wire.leader),
          raftIndex: Number(wire.raftIndex),
          raftAppliedIndex: Number(wire.raftAppliedIndex),
        }))
    }
  }

  private lease(kind: LeaseResponse['kind'], answer: Answer<WireLease>, id: number): Answer<EtcdResponse> {
    return mapped(answer, (wire) => leaseIn(kind, wire, id, this.names))
  }

  /** One renewal on a stream of its own, as `etcdctl lease keep-alive --once`. A time to live of 0: there is no such lease. */
  private keepAlive(id: number): Promise<Answer<WireLease>> {
    const stream = this.channel.bidirectional('Lease/LeaseKeepAlive', this.metadata())
    return new Promise((resolve) => {
      const timer = setTimeout(() => stream.cancel(), this.options.timeoutMs ?? TIMEOUT_MS)
      const finish = (answer: Answer<WireLease>): void => {
        clearTimeout(timer)
        resolve(answer)
        stream.cancel()
      }
      stream.on('data', (message: object) => finish({ message: message as WireLease }))
      stream.on('error', (error: ServiceError) => finish({ error }))
      stream.write({ ID: id })
    })
  }

  private async attempt<Reply>(name: string, message: object, timeoutMs: number): Promise<Answer<Reply>> {
    const { user } = this.options
    if (user !== undefined && this.token === null && name !== 'Auth/Authenticate') {
      const answer = await this.channel.unary<{ token: string }>(
        'Auth/Authenticate',
        { name: user.name, password: user.password },
        this.metadata(),
        timeoutMs,
      )
      if ('error' in answer) return answer
      this.token = answer.message.token
    }
    return this.channel.unary(name, message, this.metadata(), timeoutMs)
  }

  private metadata(): Metadata {
    const metadata = new Metadata()
    if (this.token !== null) metadata.set('token', this.token)
    if (this.options.requireLeader === true) metadata.set('hasleader', 'true')
    return metadata
  }
}

const STALE_TOKENS: ReadonlySet<string> = new Set(['etcdserver: invalid auth token', 'etcdserver: revision of auth store is old'])
const isStaleToken = (error: ServiceError): boolean => STALE_TOKENS.has(error.details)

const mapped = <Wire, Message>(answer: Answer<Wire>, map: (wire: Wire) => Message): Answer<Message> =>
  'error' in answer ? answer : { message: map(answer.message) }
