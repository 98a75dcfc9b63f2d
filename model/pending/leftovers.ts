/** What outlives those it belonged to: objects of owners that are gone, containers of pods that are gone. */
import type { ApiObject } from '../state/objects.ts'
import { resourceOfKind } from '../state/resources.ts'
import { all, isLost, label, type Waiting } from './picture.ts'

/** Resources whose objects may have owners. */
const OWNED = ['replicasets', 'controllerrevisions', 'persistentvolumeclaims', 'pods', 'endpointslices']

/** Objects whose owners are all gone. */
export const leftoversPending: Waiting = ({ cluster }) => {
  const uids = new Set<string>()
  for (const stored of cluster.store.values()) {
    const uid = (stored.value as Partial<ApiObject> | undefined)?.metadata?.uid
    if (uid !== undefined) uids.add(uid)
  }
  return OWNED.flatMap((resource) =>
    all(cluster, resource).flatMap((object) => {
      const owners = object.metadata.ownerReferences ?? []
      const orphan =
        owners.length > 0 &&
        object.metadata.deletionTimestamp === undefined &&
        owners.every((owner) => !uids.has(owner.uid) && resourceOfKind(owner.kind) !== undefined)
      return orphan ? [{ object: label(object), waitsFor: 'its end: its owner is gone', blocked: false }] : []
    }),
  )
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
