/** What outlives those it belonged to: objects of owners that are gone, containers of pods that are gone. */
import { recurs } from '../components/cronjob.ts'
import type { Pending } from '../invariant.ts'
import type { ApiObject, OwnerReference } from '../state/objects.ts'
import { customResources } from '../state/custom.ts'
import { groupOf, RESOURCES, resourceOfKey, resourceOfKind } from '../state/resources.ts'
import { isLost, label, type Waiting } from './picture.ts'

/** Resources whose objects go with their owners; the custom ones beside. */
const OWNED = RESOURCES.map(({ resource }) => resource).filter((resource) => resource !== 'leases' && resource !== 'namespaces')

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

/** Containers that run for a pod which is not there any more. */
export const containersPending: Waiting = (picture) => {
  const uids = new Set(picture.pods.map((pod) => pod.metadata.uid))
  return [...picture.cluster.running.values()].flatMap(({ pod, node, container, id }) =>
    uids.has(pod) || isLost(picture, node)
      ? []
      : [{ object: `Container ${id} on ${node}`, waitsFor: `its end: the pod of ${container} is gone`, blocked: false }],
  )
}
