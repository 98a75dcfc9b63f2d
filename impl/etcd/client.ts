/**
 * A client of etcd inside a process: one connection, moved to the next member when it breaks.
 *
 * Every request ends: by its reply, by the end of its connection, or by time-out. The last two leave it open whether it
 * took effect.
 */
import type { Connection } from '../../sim/host.ts'
import type { EtcdError, EtcdRequest, EtcdResponse, Revision, WatchCreateRequest, WatchEvent } from '../../model/state/keyspace.ts'
import { wait, type Task } from '../task.ts'
import type { ClusterHost, Message } from '../wire.ts'
import type { EtcdServerMessage } from './api.ts'

export interface WatchHandler {
  created(revision: Revision): void
  /** No events: a progress notice. */
  events(revision: Revision, events: readonly WatchEvent[]): void
  /** Nothing follows. compactRevision: it wanted to start too far back. */
  ended(reason: string, compactRevision: Revision | null): void
}

type Pending = (result: EtcdResponse | EtcdError) => void

const RECONNECT_MS = 200
const unknown = (message: string): EtcdError => ({ kind: 'Error', message, definite: false })

export class EtcdClient {
  private readonly host: ClusterHost
  private readonly endpoints: readonly string[]
  private readonly timeoutMs: number
  private place: number
  private connection: Connection<Message> | null = null
  private readonly pending = new Map<number, Pending>()
  private readonly watches = new Map<number, WatchHandler>()
  private ids = 0
  private dialling = false

  /** The first endpoint is tried first. timeoutMs: how long a request may take. */
  constructor(host: ClusterHost, endpoints: readonly string[], timeoutMs: number) {
    this.host = host
    this.endpoints = endpoints
    this.timeoutMs = timeoutMs
    this.place = 0
  }

  /** The member it talks to, or would talk to next. */
  get endpoint(): string {
    return this.endpoints[this.place % this.endpoints.length] as string
  }

  connect(): void {
    if (this.connection !== null || this.dialling) return
    const connection = this.host.dial(this.endpoint, {
      message: (message) => this.received(message as EtcdServerMessage),
      closed: (reason) => this.lost(connection, reason),
    })
    this.connection = connection
  }

  /** Gives the connection up and takes the next member. */
  reconnect(): void {
    const { connection } = this
    if (connection === null) return
    connection.close()
    this.lost(connection, 'given up')
  }

  private lost(connection: Connection<Message>, reason: string): void {
    if (this.connection !== connection) return
    this.connection = null
    this.place++
    const pending = [...this.pending.values()]
    const watches = [...this.watches.values()]
    this.pending.clear()
    this.watches.clear()
    this.dialling = true
    this.host.after(RECONNECT_MS, () => {
      this.dialling = false
      this.connect()
    })
    for (const resume of pending) resume(unknown(`connection lost: ${reason}`))
    for (const watch of watches) watch.ended(`connection lost: ${reason}`, null)
  }

  private received(message: EtcdServerMessage): void {
    switch (message.kind) {
      case 'EtcdReply': {
        const resume = this.pending.get(message.id)
        this.pending.delete(message.id)
        resume?.(message.response)
        return
      }
      case 'WatchCreated':
        this.watches.get(message.watch)?.created(message.revision)
        return
      case 'WatchEvents':
        this.watches.get(message.watch)?.events(message.revision, message.events)
        return
      case 'WatchCanceled': {
        const watch = this.watches.get(message.watch)
        this.watches.delete(message.watch)
        watch?.ended(message.reason, message.compactRevision ?? null)
      }
    }
  }

  /** author: on whose behalf. */
  request(request: EtcdRequest, author: string): Task<EtcdResponse | EtcdError> {
    return wait<EtcdResponse | EtcdError>((resume) => {
      this.connect()
      const id = this.ids++
      const { connection } = this
      if (connection === null) {
        // Nothing was sent: it certainly has no effect.
        const refused: EtcdError = { kind: 'Error', message: 'etcdclient: no connection', definite: true }
        this.host.after(RECONNECT_MS, () => resume(refused))
        return
      }
      const timer = this.host.after(this.timeoutMs, () => {
        if (this.pending.delete(id)) resume(unknown('etcdclient: request timed out'))
      })
      this.pending.set(id, (result) => {
        this.host.cancel(timer)
        resume(result)
      })
      connection.send({ kind: 'EtcdRequest', id, request, author })
    })
  }

  /** Null: there is no connection now. */
  watch(create: WatchCreateRequest, handler: WatchHandler): number | null {
    this.connect()
    const { connection } = this
    if (connection === null) return null
    const watch = this.ids++
    this.watches.set(watch, handler)
    connection.send({ kind: 'WatchCreate', watch, create })
    return watch
  }

  /** Asks that every watch says up to where it has sent everything. */
  askProgress(): void {
    this.connection?.send({ kind: 'WatchProgress' })
  }
}
