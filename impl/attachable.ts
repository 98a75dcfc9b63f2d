/**
 * Which volumes have to be attached to a node, and what they are called there.
 *
 * All that a driver of the Container Storage Interface serves, as one does that says nothing else of itself; local, hostPath
 * and network file systems are just there. Source: kubernetes/kubernetes pkg/volume/csi/csi_plugin.go, pkg/volume/util/util.go.
 */
import type { PersistentVolume, Pod } from '../model/state/objects.ts'
import type { VolumeAttachment } from '../model/state/storage.ts'

/** Upstream names the handle that the driver gave it; here the volume's own name, which outlives the volume in its attachment. */
const named = (driver: string, volume: string): string => `kubernetes.io/csi/${driver}^${volume}`

/** Null: it need not be attached. */
export const nameOnNode = ({ metadata, spec }: PersistentVolume): string | null =>
  spec.csi === undefined ? null : named(spec.csi.driver, metadata.name)
export const nameOfAttached = ({ spec }: VolumeAttachment): string => named(spec.attacher, spec.source.persistentVolumeName)

/** Several nodes may have it at once. */
export const isShared = ({ spec }: PersistentVolume): boolean =>
  spec.accessModes?.some((mode) => mode === 'ReadWriteMany' || mode === 'ReadOnlyMany') === true

/** Only one pod may have it. Where there are other modes too, nobody knows which one a pod means. */
export const isForOnePod = ({ spec }: PersistentVolume): boolean =>
  spec.accessModes?.length === 1 && spec.accessModes[0] === 'ReadWriteOncePod'

export const claimsOf = ({ spec }: Pod): readonly string[] =>
  (spec.volumes ?? []).flatMap(({ persistentVolumeClaim }) => persistentVolumeClaim?.claimName ?? [])
