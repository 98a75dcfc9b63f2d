/** A claim asks for more only when it is bound and its class lets volumes grow. Source: plugin/pkg/admission/storage/persistentvolume/resize. */
import type { ApiObject, PersistentVolumeClaim, StorageClass } from '../../../model/state/objects.ts'
import { keyOf } from '../../../model/state/resources.ts'
import { milli } from '../../quantity.ts'
import { forbidden, Refusal } from '../status.ts'
import type { AdmissionPlugin } from './plugin.ts'

const askedBy = ({ spec }: PersistentVolumeClaim): number => milli(spec.resources?.requests?.['storage'] ?? '0')

const refuse = ({ metadata }: ApiObject, why: string): never => {
  throw new Refusal(forbidden(`persistentvolumeclaims "${metadata.name}" is forbidden: ${why}`))
}

export const persistentVolumeClaimResize: AdmissionPlugin = {
  name: 'PersistentVolumeClaimResize',
  create: ({ object }) => object,
  update({ object, held }, neighbours) {
    if (object.kind !== 'PersistentVolumeClaim' || held === undefined) return
    const [claim, before] = [object as PersistentVolumeClaim, held as PersistentVolumeClaim]
    if (askedBy(claim) <= askedBy(before)) return
    if (before.status?.phase !== 'Bound') refuse(claim, 'Only bound persistent volume claims can be expanded')
    const name = before.spec.storageClassName ?? ''
    const storageClass = neighbours.cached('storageclasses', keyOf('storageclasses', undefined, name)) as StorageClass | undefined
    if (storageClass?.allowVolumeExpansion !== true)
      refuse(claim, 'only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize')
  },
}
