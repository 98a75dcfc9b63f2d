/** Objects that plugins look up beside nodes and pods. A kind that the cluster does not serve is simply empty. */
import type {
  ApiObject,
  CSINode,
  Namespace,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  StorageClass,
} from '../../model/state/objects.ts'
import type { PodGroup } from '../../model/state/pod-group.ts'
import type { PodDisruptionBudget } from '../../model/state/policy.ts'

export interface Listers {
  namespace(name: string): Namespace | undefined
  claim(namespace: string, name: string): PersistentVolumeClaim | undefined
  volume(name: string): PersistentVolume | undefined
  volumes(): readonly PersistentVolume[]
  storageClass(name: string): StorageClass | undefined
  csiNode(name: string): CSINode | undefined
  disruptionBudgets(): readonly PodDisruptionBudget[]
  /** Those without a node too. */
  pods(): readonly Pod[]
  podGroup(namespace: string, name: string): PodGroup | undefined
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
  pods: () => list('pods') as readonly Pod[],
  podGroup: (namespace, name) => get('podgroups', `${namespace}/${name}`) as PodGroup | undefined,
})
