/**
 * Which volume serves a claim, and the words in which the two say that they belong together.
 *
 * Source: k8s.io/component-helpers/storage/volume (FindMatchingVolume), kubernetes/kubernetes pkg/controller/volume/persistentvolume.
 */
import type { PersistentVolume, PersistentVolumeClaim, StorageClass } from '../../model/state/objects.ts'
import { milli } from '../quantity.ts'
import { selects } from '../selector.ts'

export const BIND_COMPLETED = 'pv.kubernetes.io/bind-completed'
export const BOUND_BY_CONTROLLER = 'pv.kubernetes.io/bound-by-controller'
export const PROVISIONED_BY = 'pv.kubernetes.io/provisioned-by'
export const SELECTED_NODE = 'volume.kubernetes.io/selected-node'
const NO_PROVISIONER = 'kubernetes.io/no-provisioner'

export const isBoundClaim = ({ metadata, spec }: PersistentVolumeClaim): boolean =>
  metadata.annotations?.[BIND_COMPLETED] !== undefined && (spec.volumeName ?? '') !== ''

/** The claim a volume is for, whether or not of the same uid. */
export const isFor = ({ spec }: PersistentVolume, { metadata }: PersistentVolumeClaim): boolean => {
  const ref = spec.claimRef
  return ref?.name === metadata.name && ref.namespace === metadata.namespace && (ref.uid === undefined || ref.uid === metadata.uid)
}

const capacityOf = ({ spec }: PersistentVolume): number => milli(spec.capacity?.['storage'] ?? '0')

export const isDelayed = (storageClass: StorageClass | undefined): boolean => storageClass?.volumeBindingMode === 'WaitForFirstConsumer'
export const isProvisioned = (storageClass: StorageClass | undefined): storageClass is StorageClass =>
  storageClass !== undefined && storageClass.provisioner !== NO_PROVISIONER

/** One that is meant for the claim; else, unless it has to wait for a consumer, the smallest free one that will do. */
export const bestMatch = (
  claim: PersistentVolumeClaim,
  volumes: readonly PersistentVolume[],
  delayed: boolean,
): PersistentVolume | undefined => {
  const { spec } = claim
  const wanted = milli(spec.resources?.requests?.['storage'] ?? '0')
  const serves = (volume: PersistentVolume): boolean =>
    volume.metadata.deletionTimestamp === undefined &&
    (volume.spec.storageClassName ?? '') === (spec.storageClassName ?? '') &&
    (volume.spec.volumeMode ?? 'Filesystem') === (spec.volumeMode ?? 'Filesystem') &&
    (spec.accessModes ?? []).every((mode) => volume.spec.accessModes?.includes(mode) === true) &&
    capacityOf(volume) >= wanted
  const meant = volumes.find((volume) => isFor(volume, claim) && serves(volume))
  if (meant !== undefined || delayed) return meant
  return volumes
    .filter(
      (volume) =>
        volume.spec.claimRef === undefined &&
        volume.status?.phase === 'Available' &&
        (spec.selector === undefined || selects(spec.selector, volume.metadata.labels)) &&
        serves(volume),
    )
    .toSorted((one, other) => capacityOf(one) - capacityOf(other) || (one.metadata.name < other.metadata.name ? -1 : 1))[0]
}

/** What a provisioner makes for a claim: named after it, so that it is made once however often that is tried. */
export const provisioned = (claim: PersistentVolumeClaim, storageClass: StorageClass) => {
  const { namespace = '', name, uid } = claim.metadata
  const volume = `pvc-${uid}`
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume' as const,
    metadata: { name: volume, annotations: { [PROVISIONED_BY]: storageClass.provisioner, [BOUND_BY_CONTROLLER]: 'yes' } },
    spec: {
      capacity: { storage: claim.spec.resources?.requests?.['storage'] ?? '0' },
      accessModes: claim.spec.accessModes ?? [],
      volumeMode: claim.spec.volumeMode ?? 'Filesystem',
      storageClassName: storageClass.metadata.name,
      persistentVolumeReclaimPolicy: storageClass.reclaimPolicy ?? 'Delete',
      claimRef: { namespace, name, uid },
      csi: { driver: storageClass.provisioner, volumeHandle: volume },
    },
  }
}
