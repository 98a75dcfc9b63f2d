/**
 * Admission: what looks at other objects, or at how the server is set up, before an object goes into the store.
 *
 * Source: https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/
 */
import type { ApiObject } from '../../../model/state/objects.ts'
import type { Key } from '../../../model/state/keyspace.ts'
import type { Resource, ResourceName } from '../../../model/state/resources.ts'
import type { Task } from '../../task.ts'

export interface Asked {
  readonly resource: Resource
  /** In the order of the chain: defaulted, and changed by the plugins before. */
  readonly object: ApiObject
  /** What an update changes. */
  readonly held?: ApiObject
  /** Process that asks. */
  readonly author: string
  /** tolerationSeconds for nodes that are not ready or unreachable. */
  readonly tolerationSeconds: number
}

/** What plugins may look at. */
export interface Neighbours {
  /** Once this server has a copy of the resource at all. Throws Refusal. */
  ready(resource: ResourceName): Task<void>
  /** From the watch cache: perhaps not the latest. */
  cached(resource: ResourceName, key: Key): ApiObject | undefined
  cachedList(resource: ResourceName, namespace?: string): readonly ApiObject[]
  /** This server was asked a short while ago to delete that namespace. */
  mayBeEnding(namespace: string): boolean
  /** A guarded write of another object, of the server's own, computed from `cached` first; undefined: there is none. */
  update(key: Key, cached: ApiObject, change: (held: ApiObject) => ApiObject): Task<ApiObject | undefined>
  pause(ms: number): Task<void>
  /** What makes a name unlike all others. */
  suffix(): string
  /** As it is now, by a linearizable read. */
  read(key: Key, author: string): Task<ApiObject | undefined>
}

export interface AdmissionPlugin {
  /** As the API server's flag --enable-admission-plugins spells it. */
  readonly name: string
  /** The object as it shall be created. Throws Refusal. */
  create(asked: Asked, neighbours: Neighbours): ApiObject | Task<ApiObject>
  /** What is left to do once the object is known to be valid, just before it is created. Throws Refusal. */
  last?(asked: Asked, neighbours: Neighbours): Task<void>
  /** Judges what an update would make of an object. Throws Refusal. */
  update?(asked: Asked, neighbours: Neighbours): void
}
