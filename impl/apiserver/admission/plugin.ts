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
  /** Process that asks. */
  readonly author: string
  /** tolerationSeconds for nodes that are not ready or unreachable. */
  readonly tolerationSeconds: number
}

/** What plugins may look at. */
export interface Neighbours {
  /** From the watch cache: perhaps not the latest. */
  cached(resource: ResourceName, key: Key): ApiObject | undefined
  cachedList(resource: ResourceName, namespace?: string): readonly ApiObject[]
  /** This server was asked a short while ago to delete that namespace. */
  mayBeEnding(namespace: string): boolean
  /** As it is now, by a linearizable read. */
  read(key: Key, author: string): Task<ApiObject | undefined>
}

export interface AdmissionPlugin {
  /** As the API server's flag --enable-admission-plugins spells it. */
  readonly name: string
  /** The object as it shall be created. Throws Refusal. */
  create(asked: Asked, neighbours: Neighbours): ApiObject | Task<ApiObject>
  /** Judges what an update would make of an object. Throws Refusal. */
  update?(asked: Asked, neighbours: Neighbours): void
}
