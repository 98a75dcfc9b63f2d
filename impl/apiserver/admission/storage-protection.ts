/** Claims and volumes go only when nobody uses them any more. Source: plugin/pkg/admission/storage/storageobjectinuseprotection. */
import type { AdmissionPlugin } from './plugin.ts'

const PROTECTION: Readonly<Record<string, string>> = {
  PersistentVolumeClaim: 'kubernetes.io/pvc-protection',
  PersistentVolume: 'kubernetes.io/pv-protection',
}

export const storageObjectInUseProtection: AdmissionPlugin = {
  name: 'StorageObjectInUseProtection',
  create({ object }) {
    const finalizer = PROTECTION[object.kind]
    const held = object.metadata.finalizers ?? []
    if (finalizer === undefined || held.includes(finalizer)) return object
    return { ...object, metadata: { ...object.metadata, finalizers: [...held, finalizer] } }
  },
}
