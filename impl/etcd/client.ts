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
import { ALL_WATCHES, type EtcdServerMessage } from './api.ts'

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
  private readonly watches = new Map<number, { readonly handler: WatchHandler; parts: readonly WatchEvent[] }>()
  /** Responses to watches that were read and not told of yet; how many there may be. */
  private unacknowledged = 0
  private acknowledgeAt = 1
  private token: string | undefined
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
    this.unacknowledged = 0
    this.dialling = true
    this.host.after(RECONNECT_MS, () => {
      this.dialling = false
      this.connect()
    })
    for (const resume of pending) resume(unknown(`connection lost: ${reason}`))
    for (const { handler } of watches) handler.ended(`connection lost: ${reason}`, null)
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
        this.acknowledgeAt = Math.ceil(message.window / 2)
        this.watches.get(message.watch)?.handler.created(message.revision)
        return
      case 'WatchEvents':
        this.told(message)
        return
      case 'WatchCanceled': {
        const watch = this.watches.get(message.watch)
        this.watches.delete(message.watch)
        if (message.compactRevision !== undefined) this.read()
        watch?.handler.ended(message.reason, message.compactRevision ?? null)
      }
    }
  }

  private told({ watch: id, revision, events, fragment }: EtcdServerMessage & { kind: 'WatchEvents' }): void {
    if (fragment !== true) this.read()
    if (id === ALL_WATCHES) {
      for (const { handler } of this.watches.values()) handler.events(revision, [])
      return
    }
    const watch = this.watches.get(id)
    if (watch === undefined) return
    // The parts of one response are one response again.
    const whole = watch.parts.length > 0 ? [...watch.parts, ...events] : events
    watch.parts = fragment === true ? whole : []
    if (fragment !== true) watch.handler.events(revision, whole)
  }

  /** One more response was read. The server hears of it before it has to stop. */
  private read(): void {
    this.unacknowledged++
    if (this.unacknowledged < this.acknowledgeAt) return
    this.connection?.send({ kind: 'WatchReceived', responses: this.unacknowledged })
    this.unacknowledged = 0
  }

  /** From now on it asks as the user the token stands for; undefined: as nobody. */
  authenticate(token: string | undefined): void {
    this.token = token
  }

  private get credentials(): { readonly token?: string } {
    return this.token === undefined ? {} : { token: this.token }
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
      connection.send({ kind: 'EtcdRequest', id, request, author, ...this.credentials })
    })
  }

  /** Null: there is no connection now. */
  watch(create: WatchCreateRequest, handler: WatchHandler): number | null {
    this.connect()
    const { connection } = this
    if (connection === null) return null
    const watch = this.ids++
    this.watches.set(watch, { handler, parts: [] })
    connection.send({ kind: 'WatchCreate', watch, create, ...this.credentials })
    return watch
  }

  cancel(watch: number): void {
    this.connection?.send({ kind: 'WatchCancel', watch })
  }

  /** Asks that every watch says up to where it has sent everything. */
  askProgress(): void {
    this.connection?.send({ kind: 'WatchProgress' })
  }
}
