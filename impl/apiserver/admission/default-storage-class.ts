/** A claim that names no class gets the default one, if there is one. Source: plugin/pkg/admission/storage/storageclass/setdefault. */
import type { PersistentVolumeClaim, StorageClass } from '../../../model/state/objects.ts'
import type { AdmissionPlugin } from './plugin.ts'

const DEFAULT = 'storageclass.kubernetes.io/is-default-class'

/** Of several the newest, and then by name. */
const defaultClass = (classes: readonly StorageClass[]): StorageClass | undefined =>
  classes
    .filter(({ metadata }) => metadata.annotations?.[DEFAULT] === 'true')
    .toSorted(({ metadata: one }, { metadata: other }) => {
      if (one.creationTimestamp !== other.creationTimestamp) return one.creationTimestamp > other.creationTimestamp ? -1 : 1
      return one.name < other.name ? -1 : 1
    })[0]

export const defaultStorageClass: AdmissionPlugin = {
  name: 'DefaultStorageClass',
  create({ object }, neighbours) {
    if (object.kind !== 'PersistentVolumeClaim') return object
    const claim = object as PersistentVolumeClaim
    if (claim.spec.storageClassName !== undefined) return object
    const found = defaultClass(neighbours.cachedList('storageclasses') as readonly StorageClass[])
    if (found === undefined) return object
    return { ...claim, spec: { ...claim.spec, storageClassName: found.metadata.name } } as PersistentVolumeClaim
  },
}
