/**
 * What belonged to an owner that is gone goes too; owners wait for their dependents, or leave them behind, as was asked.
 *
 * Which objects to look at is taken from its view; whether their owners are there, and the object still as it was, from
 * the store itself. An owner that is to leave its dependents behind is let go only by a collector that has seen all there
 * was when that was asked: narrower than upstream, which may miss one that it had not seen and collect it later.
 * Source: kubernetes pkg/controller/garbagecollector/garbagecollector.go
 */
import type { KubernetesObject } from '../state/kinds.ts'
import type { ApiObject, OwnerReference } from '../state/objects.ts'
import { keyOf, resourceOfKind } from '../state/resources.ts'
import type { Request, System } from '../state/system.ts'
import { FOREGROUND, ORPHAN } from './apiserver.ts'
import { isDeleting } from './objects.ts'
import { asks, client, MANAGER, refOf } from './request.ts'
import { hasSeen, seen, type Held } from './view.ts'

/** Kinds that own or are owned. */
const WATCHED = ['deployments', 'replicasets', 'replicationcontrollers', 'cronjobs', 'jobs', 'pods', 'services', 'endpointslices'] as const

export type Standing = 'solid' | 'absent' | 'waiting'

const ownerKey = (object: ApiObject, owner: OwnerReference): string => {
  const resource = resourceOfKind(owner.kind)
  return keyOf(resource?.resource ?? owner.kind, resource?.namespaced === true ? object.metadata.namespace : undefined, owner.name)
}

/** Whether an owner keeps its dependents: it is there, it is gone, or it waits for them to go first. */
export const standingOf = (owner: ApiObject | undefined, uid: string): Standing => {
  if (owner === undefined || owner.metadata.uid !== uid) return 'absent'
  return isDeleting(owner) && owner.metadata.finalizers?.includes(FOREGROUND) === true ? 'waiting' : 'solid'
}

export type Judge = (system: System, object: ApiObject, owner: OwnerReference) => Standing
const liveStanding: Judge = ({ keyspace }, object, owner) =>
  standingOf(keyspace.kvs.get(ownerKey(object, owner))?.value as ApiObject | undefined, owner.uid)

type Graph = readonly Held<KubernetesObject>[]
const dependentsOf = (graph: Graph, uid: string): Graph =>
  graph.filter(({ value }) => value.metadata.ownerReferences?.some((owner) => owner.uid === uid) === true)

const withOwners = <Kind extends ApiObject>(object: Kind, ownerReferences: readonly OwnerReference[]): Kind => ({
  ...object,
  metadata: { ...object.metadata, ownerReferences },
})

/** An object with owners: it goes when none of them keeps it, and forgets those that do not. */
const judged = (system: System, graph: Graph, { key, value: cached }: Held<KubernetesObject>, standing: Judge): readonly Request[] => {
  const held = system.keyspace.kvs.get(key)
  const object = held?.value as KubernetesObject | undefined
  if (held === undefined || object === undefined || object.metadata.uid !== cached.metadata.uid || isDeleting(object)) return []
  const owners = object.metadata.ownerReferences ?? []
  const standings = owners.map((owner) => standing(system, object, owner))
  const solid = owners.filter((_, index) => standings[index] === 'solid')
  if (solid.length === owners.length) return []
  if (solid.length > 0) return [asks(MANAGER, null, { verb: 'update', value: withOwners(object, solid), version: held.modRevision })]
  const { uid, namespace } = object.metadata
  const refs = owners.map(({ kind, name, uid: owner }) => ({
    resource: resourceOfKind(kind)?.resource ?? kind,
    ...(namespace === undefined ? {} : { namespace }),
    name,
    uid: owner,
  }))
  const foreground = standings.includes('waiting') && dependentsOf(graph, uid).length > 0
  return [
    asks(
      MANAGER,
      { kind: 'CollectGarbage', object: refOf(object), owners: refs },
      { verb: 'delete', key, uid, version: held.modRevision, propagation: foreground ? 'Foreground' : 'Background' },
    ),
  ]
}

/** An owner on its way out: it leaves its dependents behind, or waits for them, and then may go. */
const leaving = (system: System, graph: Graph, { value: owner, version }: Held<KubernetesObject>): readonly Request[] => {
  const { finalizers = [], uid } = owner.metadata
  const dependents = dependentsOf(graph, uid)
  const without = (finalizer: string): Request =>
    asks(MANAGER, null, {
      verb: 'update',
      value: { ...owner, metadata: { ...owner.metadata, finalizers: finalizers.filter((name) => name !== finalizer) } },
      version,
    })
  if (finalizers.includes(ORPHAN)) {
    if (dependents.length > 0)
      return dependents.map(({ value, version: read }) => {
        const rest = (value.metadata.ownerReferences ?? []).filter((ref) => ref.uid !== uid)
        return asks(MANAGER, null, { verb: 'update', value: withOwners(value, rest), version: read })
      })
    return WATCHED.every((resource) => hasSeen(system, MANAGER, resource, version)) ? [without(ORPHAN)] : []
  }
  if (!finalizers.includes(FOREGROUND)) return []
  const blocking = dependents.some(({ value }) =>
    value.metadata.ownerReferences?.some((ref) => ref.uid === uid && ref.blockOwnerDeletion === true),
  )
  return blocking ? [] : [without(FOREGROUND)]
}

/** Collecting by a given way to tell whether an owner is there. */
export const collectingBy = (standing: Judge): ReturnType<typeof client> =>
  client('garbage-collector', (system) => {
    const graph: Graph = WATCHED.flatMap((resource) => seen<KubernetesObject>(system, MANAGER, resource))
    return graph.flatMap((held) => (isDeleting(held.value) ? leaving(system, graph, held) : judged(system, graph, held, standing)))
  })

export const garbageCollector = collectingBy(liveStanding)
