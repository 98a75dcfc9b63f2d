/** Claims of storage. Source: kubernetes/kubernetes pkg/registry/core/persistentvolumeclaim/strategy.go, pkg/apis/core/v1/defaults.go. */
import type { PersistentVolumeClaim } from '../../../model/state/objects.ts'
import type { Kind } from './kind.ts'

export const persistentVolumeClaim: Kind = {
  defaults: (spec) => ({ ...spec, volumeMode: spec['volumeMode'] ?? 'Filesystem' }),
  initialStatus: () => ({ phase: 'Pending' }),
  validate: (object, refuse) => {
    const { spec } = object as PersistentVolumeClaim
    if ((spec.accessModes ?? []).length === 0) refuse('spec.accessModes', 'at least 1 access mode is required')
    if (spec.resources?.requests?.['storage'] === undefined) refuse('spec.resources[storage]', 'required value')
  },
}
