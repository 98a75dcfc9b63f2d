/** What outlives those it belonged to: objects of owners that are gone, containers of pods that are gone. */
import { recurs } from '../components/cronjob.ts'
import type { Pending } from '../invariant.ts'
import type { ApiObject, OwnerReference } from '../state/objects.ts'
import { customResources } from '../state/custom.ts'
import { groupOf, RESOURCES, resourceOfKey, resourceOfKind } from '../state/resources.ts'
import type { Cluster } from '../state/cluster.ts'
import { all, isEnding, isLost, ITS_END, label, TAKEN_AWAY, type Waiting } from './picture.ts'

/** Resources whose objects go with their owners; the custom ones beside. */
const OWNED = RESOURCES.map(({ resource }) => resource).filter((resource) => resource !== 'namespaces')

/** Objects whose owners are all gone. */
export const leftoversPending: Waiting = ({ cluster }) => {
  /** Uid → where it is: owners of another namespace do not count, whoever has no namespace counts everywhere. */
  const places = new Map<string, string | undefined>()
  for (const stored of cluster.store.values()) {
    const metadata = (stored.value as Partial<ApiObject> | undefined)?.metadata
    if (metadata?.uid !== undefined) places.set(metadata.uid, metadata.namespace)
  }
  const isThere = (owner: OwnerReference, namespace: string | undefined): boolean =>
    places.has(owner.uid) && [undefined, namespace].includes(places.get(owner.uid))
  const custom = customResources(cluster.store)
  const isKnown = ({ apiVersion, kind }: OwnerReference): boolean =>
    [resourceOfKind(kind), ...custom.filter((one) => one.kind === kind)].some((one) => one?.group === groupOf(apiVersion))
  const owned = new Set([...OWNED, ...custom.map(({ resource }) => resource)])
  const orphans: Pending[] = []
  for (const [key, { value }] of cluster.store) {
    if (!owned.has(resourceOfKey(key) ?? '')) continue
    const object = value as ApiObject
    const { ownerReferences: owners = [], deletionTimestamp } = object.metadata
    if (owners.length === 0 || deletionTimestamp !== undefined || recurs(cluster, object)) continue
    if (owners.every((owner) => !isThere(owner, object.metadata.namespace) && isKnown(owner)))
      orphans.push({ object: label(object), waitsFor: 'its end: its owner is gone', blocked: false })
  }
  return orphans
}

/** Resources of whose objects' ends nobody else speaks. */
const PLAIN = [
  ...['configmaps', 'secrets', 'serviceaccounts', 'endpoints', 'endpointslices', 'controllerrevisions'],
  ...['poddisruptionbudgets', 'limitranges'],
]

/** Objects that are being deleted, each with its dependents first, or with what nobody here takes away. */
export const deletionsPending: Waiting = (picture) =>
  PLAIN.flatMap((resource) => all(picture, resource))
    .filter(isEnding)
    .map((object): Pending => {
      const foreign = object.metadata.finalizers?.find((name) => !TAKEN_AWAY.test(name))
      if (foreign !== undefined) return { object: label(object), waitsFor: `the finalizer ${foreign} to be removed`, blocked: true }
      return { object: label(object), waitsFor: ITS_END, blocked: false }
    })

const FOREGROUND = 'foregroundDeletion'

/** An object that waits for the end of what it owns, and is among that itself, directly or not: upstream it waits for ever. */
export const circular = (cluster: Cluster): ((row: Pending) => Pending) => {
  let stuck = [...cluster.store.values()].flatMap(({ value }) => {
    const { metadata } = value as Partial<ApiObject>
    return metadata?.deletionTimestamp !== undefined && metadata.finalizers?.includes(FOREGROUND) ? [value as ApiObject] : []
  })
  let before: number
  do {
    before = stuck.length
    const owners = new Set(stuck.flatMap(({ metadata }) => metadata.ownerReferences?.filter(isBlocking).map(({ uid }) => uid) ?? []))
    stuck = stuck.filter(({ metadata }) => owners.has(metadata.uid))
  } while (stuck.length < before)
  const labels = new Set(stuck.map(label))
  return (row) =>
    row.waitsFor === ITS_END && labels.has(row.object)
      ? { ...row, waitsFor: 'the end of what it owns, and is itself owned by', blocked: true }
      : row
}
const isBlocking = ({ blockOwnerDeletion }: OwnerReference): boolean => blockOwnerDeletion === true

/** Containers that run for a pod which is not there any more. */
export const containersPending: Waiting = (picture) => {
  const uids = new Set(picture.pods.map((pod) => pod.metadata.uid))
  return [...picture.cluster.running.values()].flatMap(({ pod, node, container, id }) =>
    uids.has(pod) || isLost(picture, node)
      ? []
      : [{ object: `Container ${id} on ${node}`, waitsFor: `its end: the pod of ${container} is gone`, blocked: false }],
  )
}
