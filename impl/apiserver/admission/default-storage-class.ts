/** A claim that names no class gets the default one, if there is one. Source: plugin/pkg/admission/storage/storageclass/setdefault. */
import type { PersistentVolumeClaim, StorageClass } from '../../../model/state/objects.ts'
import { defaultClass } from '../../storage-class.ts'
import type { AdmissionPlugin } from './plugin.ts'

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
