/**
 * The client of the API: one connection to one of the apiservers, moved to another when it breaks.
 *
 * Every call ends: by its reply, by the end of the connection, or by time-out. Source: client-go/rest.
 */
import type { Connection } from '../../sim/host.ts'
import type { ApiCall, Choice, Outcome, View } from '../../model/state/history.ts'
import type { ApiObject } from '../../model/state/objects.ts'
import { keyOf } from '../../model/state/resources.ts'
import type { ApiReply, ApiRequest, ApiServerMessage, DeleteOptions, Status } from '../apiserver/api.ts'
import { wait, type Task } from '../task.ts'
import type { ClusterHost, Message } from '../wire.ts'
import type { ApiClient, Creation, ListOptions, ObjectName, Result } from './api.ts'

export interface ClientOptions {
  readonly endpoints: readonly string[]
  readonly timeoutMs: number
}

export interface WatchRequest {
  readonly resource: string
  readonly resourceVersion: string
  readonly fieldSelector?: string
  readonly timeoutSeconds: number
}

export interface ApiWatchHandler {
  event(type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK', object: ApiObject): void
  ended(status: Status | null): void
}

export interface WatchHandle {
  readonly endpoint: string
  cancel(): void
}

const RECONNECT_LEAST_MS = 200
const RECONNECT_MOST_MS = 5_000
const failure = (message: string): Status => ({ code: 0, reason: 'ConnectionLost', message })

/** Not the name of a resource. */
const ALL = '*'
const EXPIRED: Status = { code: 410, reason: 'Expired', message: 'too old resource version' }
const TOO_MANY_REQUESTS: Status = { code: 429, reason: 'TooManyRequests', message: 'too many requests, please try again later' }

type Pending = (reply: ApiReply) => void

export class Client implements ApiClient {
  private readonly host: ClusterHost
  private readonly options: ClientOptions
  private place: number
  private connection: Connection<Message> | null = null
  private readonly pending = new Map<number, Pending>()
  private readonly watches = new Map<number, { readonly resource: string; readonly handler: ApiWatchHandler }>()
  private ids = 0
  private dialling = false
  private backOffMs = RECONNECT_LEAST_MS
  /** Resource, or all → until when its lists are refused. */
  private readonly refusedUntilMs = new Map<string, number>()

  constructor(host: ClusterHost, options: ClientOptions) {
    this.host = host
    this.options = options
    this.place = host.random('endpoint').below(options.endpoints.length)
  }

  /** The apiserver it uses, or tries next. */
  get endpoint(): string {
    return this.options.endpoints[this.place % this.options.endpoints.length] as string
  }

  /** Which apiserver to begin with. */
  prefer(endpoint: string): void {
    this.place = Math.max(0, this.options.endpoints.indexOf(endpoint))
  }

  private connect(): Connection<Message> | null {
    if (this.connection !== null || this.dialling) return this.connection
    const connection = this.host.dial(this.endpoint, {
      opened: () => {
        this.backOffMs = RECONNECT_LEAST_MS
      },
      message: (message) => this.received(message as ApiServerMessage),
      closed: (reason) => this.lost(connection, reason),
    })
    this.connection = connection
    return connection
  }

  /** As if the network had dropped it. */
  breakConnection(): void {
    const { connection } = this
    if (connection === null) return
    connection.close()
    this.lost(connection, 'broken')
  }

  /** Every watch, or each of one resource, is too old to go on, and for a while its lists are refused. */
  expireWatches(forMs: number, resource: string | null): void {
    this.refusedUntilMs.set(resource ?? ALL, this.host.elapsed() + forMs)
    for (const [watch, open] of [...this.watches]) {
      if (resource !== null && open.resource !== resource) continue
      this.watches.delete(watch)
      this.connection?.send({ kind: 'ApiWatchCancel', watch })
      open.handler.ended(EXPIRED)
    }
  }

  private lost(connection: Connection<Message>, reason: string): void {
    if (this.connection !== connection) return
    this.connection = null
    this.place++
    this.dialling = true
    this.host.after(this.backOffMs, () => {
      this.dialling = false
      if (this.pending.size > 0 || this.watches.size > 0) this.connect()
    })
    this.backOffMs = Math.min(this.backOffMs * 2, RECONNECT_MOST_MS)
    const pending = [...this.pending.values()]
    const watches = [...this.watches.values()]
    this.pending.clear()
    this.watches.clear()
    for (const resume of pending) resume({ code: 0, status: failure(reason) })
    for (const { handler } of watches) handler.ended(failure(reason))
  }

  private received(message: ApiServerMessage): void {
    switch (message.kind) {
      case 'ApiReply': {
        const resume = this.pending.get(message.id)
        this.pending.delete(message.id)
        resume?.(message.reply)
        return
      }
      case 'ApiEvent':
        this.watches.get(message.watch)?.handler.event(message.type, message.object)
        return
      case 'ApiWatchEnded': {
        const watch = this.watches.get(message.watch)
        this.watches.delete(message.watch)
        watch?.handler.ended(message.status ?? null)
      }
    }
  }

  /** Null: there is no connection now. */
  watch(request: WatchRequest, handler: ApiWatchHandler): WatchHandle | null {
    const connection = this.connect()
    if (connection === null) return null
    const watch = this.ids++
    this.watches.set(watch, { resource: request.resource, handler })
    connection.send({ kind: 'ApiWatch', watch, ...request, allowWatchBookmarks: true, userAgent: this.host.name })
    return {
      endpoint: connection.peer,
      cancel: () => {
        if (this.watches.delete(watch)) connection.send({ kind: 'ApiWatchCancel', watch })
      },
    }
  }

  private send(request: ApiRequest, timeoutMs: number): Task<ApiReply> {
    return wait<ApiReply>((resume) => {
      const id = this.ids++
      const connection = this.connect()
      if (connection === null) {
        const status: Status = { code: 0, reason: 'NoConnection', message: 'no connection to an apiserver' }
        this.host.after(RECONNECT_LEAST_MS, () => resume({ code: 0, status }))
        return
      }
      const timer = this.host.after(timeoutMs, () => {
        if (this.pending.delete(id)) resume({ code: 0, status: { code: 0, reason: 'Timeout', message: 'the request timed out' } })
      })
      this.pending.set(id, (reply) => {
        this.host.cancel(timer)
        resume(reply)
      })
      connection.send({ kind: 'ApiRequest', id, request, userAgent: this.host.name })
    })
  }

  private *call(request: ApiRequest, timeoutMs: number = this.options.timeoutMs): Task<ApiReply> {
    const { host } = this
    const call = `${host.name}/${host.now()}/${this.ids}`
    host.observe({ kind: 'Invoke', process: host.name, call, request: callOf(request), to: this.endpoint })
    const reply = yield* this.send(request, timeoutMs)
    host.observe({ kind: 'Reply', process: host.name, call, outcome: outcomeOf(request, reply) })
    return reply
  }

  private *one<T extends ApiObject>(request: ApiRequest, timeoutMs?: number): Task<Result<T>> {
    const reply = yield* this.call(request, timeoutMs)
    if ('object' in reply) return { ok: true, value: reply.object as T }
    return failed(reply)
  }

  get<T extends ApiObject>(name: ObjectName, resourceVersion?: string): Task<Result<T>> {
    return this.one<T>({ verb: 'get', ...named(name), ...(resourceVersion === undefined ? {} : { resourceVersion }) })
  }

  *list<T extends ApiObject>(resource: string, options: ListOptions = {}): Task<Result<{ items: readonly T[]; resourceVersion: string }>> {
    const refusedUntilMs = Math.max(this.refusedUntilMs.get(ALL) ?? 0, this.refusedUntilMs.get(resource) ?? 0)
    if (this.host.elapsed() < refusedUntilMs) return { ok: false, status: TOO_MANY_REQUESTS, definite: true }
    const reply = yield* this.call({ verb: 'list', resource, ...options })
    if ('items' in reply) return { ok: true, value: { items: reply.items as readonly T[], resourceVersion: reply.resourceVersion } }
    return failed(reply)
  }

  create<T extends ApiObject>(resource: string, object: Creation<T>): Task<Result<T>> {
    const { namespace } = object.metadata
    return this.one<T>({ verb: 'create', resource, body: object, ...(namespace === undefined ? {} : { namespace }) })
  }

  update<T extends ApiObject>(resource: string, object: T, timeoutMs?: number): Task<Result<T>> {
    return this.one<T>({ verb: 'update', ...placeOf(resource, object), body: object }, timeoutMs)
  }

  updateStatus<T extends ApiObject>(resource: string, object: T): Task<Result<T>> {
    return this.one<T>({ verb: 'update', ...placeOf(resource, object), subresource: 'status', body: object })
  }

  patch<T extends ApiObject>(
    name: ObjectName,
    patch: unknown,
    options: { subresource?: 'status' | 'scale' | 'finalize'; patchType?: ApiRequest['patchType'] } = {},
  ): Task<Result<T>> {
    const { subresource, patchType } = options
    return this.one<T>({
      verb: 'patch',
      ...named(name),
      body: patch,
      ...(subresource === undefined ? {} : { subresource }),
      ...(patchType === undefined ? {} : { patchType }),
    })
  }

  delete(name: ObjectName, options: DeleteOptions = {}): Task<Result<ApiObject>> {
    return this.one({ verb: 'delete', ...named(name), deleteOptions: options })
  }

  bind(pod: ObjectName & { readonly uid: string }, node: string): Task<Result<ApiObject>> {
    return this.one({ verb: 'create', ...named(pod), subresource: 'binding', body: { target: { name: node }, uid: pod.uid } })
  }

  evict(pod: ObjectName & { readonly uid: string }): Task<Result<ApiObject>> {
    return this.one({
      verb: 'create',
      ...named(pod),
      subresource: 'eviction',
      deleteOptions: { preconditions: { uid: pod.uid } },
    })
  }

  decide(view: View, choice: Choice): void {
    this.host.observe({ kind: 'Decision', process: this.host.name, view, choice })
  }
}

const named = ({ resource, namespace, name }: ObjectName): Pick<ApiRequest, 'resource' | 'namespace' | 'name'> => ({
  resource,
  name,
  ...(namespace === undefined ? {} : { namespace }),
})

const placeOf = (resource: string, object: ApiObject): Pick<ApiRequest, 'resource' | 'namespace' | 'name'> =>
  named({ resource, namespace: object.metadata.namespace, name: object.metadata.name })

/** 4xx certainly did nothing; without an answer, or with a 5xx, nobody knows. */
const failed = <T>(reply: ApiReply): Result<T> => {
  const status = 'status' in reply ? reply.status : failure('unexpected reply')
  return { ok: false, status, definite: (status.code >= 400 && status.code < 500) || status.reason === 'NoConnection' }
}

/** Creations that are something else than an object. */
const SUBRESOURCE_VERBS: Readonly<Record<string, ApiCall['verb']>> = { binding: 'bind', eviction: 'evict' }

const callOf = (request: ApiRequest): ApiCall => {
  const object = request.body as Partial<ApiObject> | undefined
  const uid = request.deleteOptions?.preconditions?.uid
  const version = request.verb === 'update' ? object?.metadata?.resourceVersion : request.resourceVersion
  const name = request.name ?? object?.metadata?.name
  return {
    kind: 'Api',
    verb: SUBRESOURCE_VERBS[request.subresource ?? ''] ?? request.verb,
    resource: request.resource,
    ...(request.subresource === undefined ? {} : { subresource: request.subresource }),
    ...(request.namespace === undefined ? {} : { namespace: request.namespace }),
    ...(name === undefined ? {} : { name }),
    ...(version === undefined ? {} : { resourceVersion: version }),
    ...(uid === undefined ? {} : { uid }),
    ...(request.labelSelector === undefined && request.fieldSelector === undefined ? {} : { selective: true as const }),
  }
}

/** The server gives a namespace to those that have one, and to no others. */
export const keyOfObject = (resource: string, { metadata }: ApiObject): string => keyOf(resource, metadata.namespace, metadata.name)

const outcomeOf = (request: ApiRequest, reply: ApiReply): Outcome => {
  if ('object' in reply) {
    const revision = Number(reply.object.metadata.resourceVersion)
    return { kind: 'done', revision, code: reply.code, objects: [[keyOfObject(request.resource, reply.object), revision]] }
  }
  if ('items' in reply) {
    const objects = reply.items.map((item) => [keyOfObject(request.resource, item), Number(item.metadata.resourceVersion)] as const)
    return { kind: 'done', revision: Number(reply.resourceVersion), code: reply.code, objects }
  }
  const { status } = reply
  const definite = (status.code >= 400 && status.code < 500) || status.reason === 'NoConnection'
  return definite ? { kind: 'refused', reason: status.message, code: status.code } : { kind: 'unknown', reason: status.message }
}
