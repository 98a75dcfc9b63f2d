/**
 * What a process has seen of the store: the state at some revision, never older than the one it saw last.
 *
 * Each change comes as a step of its own: that a process sees several at once is the same as seeing them one after
 * another without acting in between. Left out: relists, which only skip to a later revision.
 */
import type { View } from '../state/history.ts'
import type { Key, Revision, Stored } from '../state/keyspace.ts'
import type { ApiObject } from '../state/objects.ts'
import { prefixOf, RESOURCES, resourceOfKey, type ResourceName } from '../state/resources.ts'
import type { Component, Keyspace, System } from '../state/system.ts'
import { stateAt } from './etcd.ts'

/** An object as it was read. */
export interface Held<Kind extends ApiObject> {
  readonly key: Key
  readonly version: Revision
  readonly value: Kind
}

const states = new WeakMap<Keyspace, Map<Revision, ReadonlyMap<Key, Stored>>>()
/** The store at a revision. */
export const storeAt = (keyspace: Keyspace, revision: Revision): ReadonlyMap<Key, Stored> => {
  if (revision === keyspace.revision) return keyspace.kvs
  const known = states.get(keyspace) ?? new Map<Revision, ReadonlyMap<Key, Stored>>()
  states.set(keyspace, known)
  const found = known.get(revision) ?? stateAt(keyspace, revision)
  known.set(revision, found)
  return found
}

const lists = new WeakMap<ReadonlyMap<Key, Stored>, Map<ResourceName, readonly Held<ApiObject>[]>>()
const listOf = <Kind extends ApiObject>(kvs: ReadonlyMap<Key, Stored>, resource: ResourceName): readonly Held<Kind>[] => {
  const made = lists.get(kvs) ?? new Map<ResourceName, readonly Held<ApiObject>[]>()
  lists.set(kvs, made)
  let found = made.get(resource)
  if (found === undefined) {
    const prefix = prefixOf(resource)
    found = [...kvs]
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, stored]) => ({ key, version: stored.modRevision, value: stored.value as ApiObject }))
      .toSorted((one, other) => (one.key < other.key ? -1 : 1))
    made.set(resource, found)
  }
  return found as readonly Held<Kind>[]
}

export const viewOf = ({ keyspace, views }: System, process: string): View =>
  Object.fromEntries(RESOURCES.map(({ resource }) => [resource, views.get(`${process} ${resource}`) ?? keyspace.revision]))

/** What is in the store now. */
export const stored = <Kind extends ApiObject>({ keyspace }: System, resource: ResourceName): readonly Held<Kind>[] =>
  listOf<Kind>(keyspace.kvs, resource)

/** What a process has seen, in the order of keys. */
export const seen = <Kind extends ApiObject>(system: System, process: string, resource: ResourceName): readonly Held<Kind>[] => {
  const { keyspace, views } = system
  return listOf<Kind>(storeAt(keyspace, views.get(`${process} ${resource}`) ?? keyspace.revision), resource)
}

/** What it has seen, and over it what it wrote itself and has not seen yet. */
export const known = <Kind extends ApiObject>(system: System, process: string, resource: ResourceName): readonly Held<Kind>[] => {
  const unseen = [...system.own].filter(([place]) => place.startsWith(`${process} ${prefixOf(resource)}`))
  const shown = seen<Kind>(system, process, resource)
  if (unseen.length === 0) return shown
  const objects = new Map(shown.map((held) => [held.key, held]))
  for (const [place, { after }] of unseen) {
    const key = place.slice(process.length + 1)
    if (after === null) objects.delete(key)
    else objects.set(key, { key, version: after.modRevision, value: after.value as Kind })
  }
  return [...objects.values()].toSorted((one, other) => (one.key < other.key ? -1 : 1))
}

/** Its view of a resource is at least as new as a revision. */
export const hasSeen = ({ views, keyspace }: System, process: string, resource: ResourceName, revision: Revision): boolean =>
  nextChange(keyspace, resource, views.get(`${process} ${resource}`) ?? keyspace.revision, revision) === null

/** The first revision after one, and up to another, that changed a resource. */
const nextChange = ({ changes, revision }: Keyspace, resource: ResourceName, after: Revision, most: Revision): Revision | null => {
  const first = revision - changes.length + 1
  for (let at = after + 1; at <= most; at++)
    if (changes[at - first]?.some(({ kv }) => resourceOfKey(kv.key) === resource) === true) return at
  return null
}

export type See = { readonly kind: 'See'; readonly process: string; readonly resource: ResourceName }

const split = (place: string): readonly [string, string] => {
  const space = place.indexOf(' ')
  return [place.slice(0, space), place.slice(space + 1)]
}

export const informers: Component<System, See> = {
  name: 'informers',

  enabled: ({ keyspace, views }) =>
    [...views].flatMap(([place, revision]) => {
      const [process, resource] = split(place)
      return nextChange(keyspace, resource, revision, keyspace.revision) === null ? [] : [{ kind: 'See' as const, process, resource }]
    }),

  next(system, { process, resource }) {
    const { keyspace, views, own } = system
    const place = `${process} ${resource}`
    const revision = nextChange(keyspace, resource, views.get(place) ?? keyspace.revision, keyspace.revision) ?? keyspace.revision
    const isSeen = ([written, write]: readonly [string, { readonly revision: Revision }]): boolean =>
      written.startsWith(`${process} ${prefixOf(resource)}`) && write.revision <= revision
    return {
      ...system,
      views: new Map(views).set(place, revision),
      own: new Map([...own].filter((entry) => !isSeen(entry))),
    }
  },
}
