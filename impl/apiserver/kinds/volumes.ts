/**
 * Storage: what is there, what is asked for, and how it is made.
 *
 * Source: kubernetes/kubernetes pkg/registry/{core/persistentvolume,core/persistentvolumeclaim,storage/storageclass,storage/volumeattachment}, pkg/apis/core/v1/defaults.go.
 */
import type { PersistentVolume, PersistentVolumeClaim, ResourceList, StorageClass } from '../../../model/state/objects.ts'
import type { VolumeAttachment } from '../../../model/state/storage.ts'
import { same } from '../../equal.ts'
import { milli } from '../../quantity.ts'
import type { Kind, Loose, Refuse } from './kind.ts'

/** What is asked for stays. Who was without a volume, or a class, may get one. */
const kept = (held: Loose, updated: Loose): boolean =>
  [...new Set([...Object.keys(held), ...Object.keys(updated)])].every((field) => {
    const open = (field === 'volumeName' || field === 'storageClassName') && (held[field] ?? '') === ''
    return open || same(held[field], updated[field])
  })

const storageOf = (amounts: ResourceList | undefined): number => milli(amounts?.['storage'] ?? '0')

const judgeModes = (modes: readonly string[] = [], refuse: Refuse): void => {
  if (modes.length > 1 && modes.includes('ReadWriteOncePod'))
    refuse('spec.accessModes', 'may not use ReadWriteOncePod with other access modes')
}

export const persistentVolumeClaim: Kind = {
  defaults: (spec) => ({ ...spec, volumeMode: spec['volumeMode'] ?? 'Filesystem' }),
  initialStatus: () => ({ phase: 'Pending' }),
  keep: (held, updated, refuse) => {
    const before = held as PersistentVolumeClaim
    const after = updated as PersistentVolumeClaim
    // As large as it is meant to be it may grow; or shrink, until its volume has grown.
    const isOpen = before.status?.phase === 'Bound'
    if (!kept(before.spec, isOpen ? { ...after.spec, resources: before.spec.resources } : after.spec))
      refuse('spec', 'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims')
    const asked = storageOf(after.spec.resources?.requests)
    if (asked < storageOf(before.spec.resources?.requests) && asked <= storageOf(before.status?.capacity))
      refuse('spec.resources.requests.storage', 'field can not be less than status.capacity')
    return updated
  },
  validate: (object, refuse) => {
    const { spec } = object as PersistentVolumeClaim
    if ((spec.accessModes ?? []).length === 0) refuse('spec.accessModes', 'at least 1 access mode is required')
    judgeModes(spec.accessModes, refuse)
    if (spec.resources?.requests?.['storage'] === undefined) refuse('spec.resources[storage]', 'required value')
  },
}

export const persistentVolume: Kind = {
  defaults: (spec) => ({
    ...spec,
    volumeMode: spec['volumeMode'] ?? 'Filesystem',
    persistentVolumeReclaimPolicy: spec['persistentVolumeReclaimPolicy'] ?? 'Retain',
  }),
  initialStatus: () => ({ phase: 'Pending' }),
  validate: (object, refuse) => {
    const { spec } = object as PersistentVolume
    if ((spec.accessModes ?? []).length === 0) refuse('spec.accessModes', 'required value')
    judgeModes(spec.accessModes, refuse)
    if (spec.capacity?.['storage'] === undefined) refuse('spec.capacity', 'required value')
  },
}

export const storageClass: Kind = {
  create: (object) => ({ reclaimPolicy: 'Delete', volumeBindingMode: 'Immediate', ...object }) as StorageClass,
  validate: (object, refuse) => {
    if (((object as StorageClass).provisioner as string | undefined) === undefined) refuse('provisioner', 'required value')
  },
}

export const volumeAttachment: Kind = {
  initialStatus: () => ({ attached: false }),
  keep: (held, updated, refuse) => {
    if (!same((held as VolumeAttachment).spec, (updated as VolumeAttachment).spec)) refuse('spec', 'field is immutable')
    return updated
  },
}
