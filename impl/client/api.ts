/**
 * What a controller uses to talk to the API: the contract of client, informer, work queue and leader election.
 *
 * Source of the behaviour: client-go (tools/cache, util/workqueue, tools/leaderelection).
 */
import type { Random } from '../../sim/random.ts'
import type { Choice, View } from '../../model/state/history.ts'
import type { ApiObject } from '../../model/state/objects.ts'
import type { ResourceName } from '../../model/state/resources.ts'
import type { ApiRequest, DeleteOptions, Status } from '../apiserver/api.ts'
import type { Task } from '../task.ts'

/** A request's end. `definite` false: it may have had an effect, or may yet (time-out, broken connection, 5xx). */
export type Result<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly status: Status; readonly definite: boolean }

export interface ObjectName {
  readonly resource: ResourceName
  readonly namespace?: string | undefined
  readonly name: string
}

export interface ListOptions {
  readonly namespace?: string
  readonly resourceVersion?: string
  readonly labelSelector?: string
  readonly fieldSelector?: string
}

/** A connection to one of the apiservers, moved to another when it breaks. All calls end, by time-out at the latest. */
export interface ApiClient {
  get<T extends ApiObject>(name: ObjectName, resourceVersion?: string): Task<Result<T>>
  list<T extends ApiObject>(resource: ResourceName, options?: ListOptions): Task<Result<{ items: readonly T[]; resourceVersion: string }>>
  create<T extends ApiObject>(resource: ResourceName, object: Creation<T>): Task<Result<T>>
  update<T extends ApiObject>(resource: ResourceName, object: T): Task<Result<T>>
  updateStatus<T extends ApiObject>(resource: ResourceName, object: T): Task<Result<T>>
  patch<T extends ApiObject>(
    name: ObjectName,
    patch: unknown,
    options?: { subresource?: 'status' | 'scale' | 'finalize'; patchType?: ApiRequest['patchType'] },
  ): Task<Result<T>>
  delete(name: ObjectName, options?: DeleteOptions): Task<Result<ApiObject>>
  bind(pod: ObjectName & { readonly uid: string }, node: string): Task<Result<ApiObject>>
  /** Deletes a pod if its budget allows it. */
  evict(pod: ObjectName & { readonly uid: string }): Task<Result<ApiObject>>
  /** Says what was decided and from what view, at the moment the write is sent. */
  decide(view: View, choice: Choice): void
}

/** An object to be created: the server sets uid, creationTimestamp and the like, and defaults the rest. */
export type Creation<T extends ApiObject> = {
  readonly [Field in keyof T as Field extends 'metadata' | 'status' | 'spec' ? never : Field]: T[Field]
} & { readonly metadata: Partial<T['metadata']> & { readonly generateName?: string } } & {
  readonly spec?: unknown
  readonly status?: unknown
}

/** A cache of one resource kept by list and watch. Objects are shared: never mutate. */
export interface Informer<T extends ApiObject> {
  readonly resource: ResourceName
  /** False until the first list is in. */
  readonly synced: boolean
  /** The store's revision up to which it has seen its resource. Falls only if a relist went back in time. */
  readonly revision: number
  /** 'namespace/name' or 'name'. */
  get(key: string): T | undefined
  /** In key order. */
  list(): readonly T[]
  /** Objects whose controller owner has this uid. */
  ownedBy(uid: string): readonly T[]
  /** Those without a controlling owner, in any order. */
  orphans(): readonly T[]
  /** before null: added; after null: deleted. Called in the order of events, also for what a relist brings. */
  onChange(handler: (before: T | null, after: T | null) => void): void
}

/** Keys to be reconciled: each is in at most one worker at a time; added while worked on, it comes once more. */
export interface WorkQueue {
  add(key: string): void
  addAfter(key: string, ms: number): void
  /** With the key's own exponential back-off, 5 ms × 2 → 1000 s, and an overall rate of 10/s, burst 100. */
  addRateLimited(key: string): void
  forget(key: string): void
  retries(key: string): number
}

/** What a controller is given. */
export interface ControllerContext {
  readonly client: ApiClient
  informer<T extends ApiObject>(resource: ResourceName): Informer<T>
  /** Runs `sync` for each key, at most `workers` at once. A sync that returns 'retry' is added again rate limited. */
  queue(workers: number, sync: (key: string) => Task<'done' | 'retry'>): WorkQueue
  /** The view of these resources, as their informers are now. */
  view(...resources: ResourceName[]): View
  now(): number
  elapsed(): number
  after(ms: number, run: () => void): void
  random(stream: string): Random
}
/** Started when its process leads and the informers it asked for are synced; dropped with the process. */
export type Controller = (context: ControllerContext) => { readonly name: string; start(): void }
