/** Objects that plugins look up beside nodes and pods. A kind that the cluster does not serve is simply empty. */
import type { ApiObject, CSINode, Namespace, PersistentVolume, PersistentVolumeClaim, StorageClass } from '../../model/state/objects.ts'
import type { PodDisruptionBudget } from '../../model/state/policy.ts'

export interface Listers {
  namespace(name: string): Namespace | undefined
  claim(namespace: string, name: string): PersistentVolumeClaim | undefined
  volume(name: string): PersistentVolume | undefined
  volumes(): readonly PersistentVolume[]
  storageClass(name: string): StorageClass | undefined
  csiNode(name: string): CSINode | undefined
  disruptionBudgets(): readonly PodDisruptionBudget[]
}

/** Over a function that lists a resource. */
export const listersOf = (
  get: (resource: string, key: string) => ApiObject | undefined,
  list: (resource: string) => readonly ApiObject[],
): Listers => ({
  namespace: (name) => get('namespaces', name) as Namespace | undefined,
  claim: (namespace, name) => get('persistentvolumeclaims', `${namespace}/${name}`) as PersistentVolumeClaim | undefined,
  volume: (name) => get('persistentvolumes', name) as PersistentVolume | undefined,
  volumes: () => list('persistentvolumes') as readonly PersistentVolume[],
  storageClass: (name) => get('storageclasses', name) as StorageClass | undefined,
  csiNode: (name) => get('csinodes', name) as CSINode | undefined,
  disruptionBudgets: () => list('poddisruptionbudgets') as readonly PodDisruptionBudget[],
})
