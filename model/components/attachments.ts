/**
 * Which volumes are attached to nodes, which pods that is for, and what both are called there.
 *
 * Source: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#access-modes,
 * https://kubernetes-csi.github.io/docs/ (a driver attaches unless it says that it need not).
 */
import type { Cluster } from '../state/cluster.ts'
import type { Node, PersistentVolume, PersistentVolumeClaim, Pod } from '../state/objects.ts'
import { keyOf, prefixOf } from '../state/resources.ts'
import type { VolumeAttachment } from '../state/storage.ts'
import { isDeleting, isTerminal } from './objects.ts'
import { claimNames } from './scheduling/volumes.ts'

/** A taint: nothing of the node is waited for any more. */
export const OUT_OF_SERVICE = 'node.kubernetes.io/out-of-service'

const named = (driver: string, volume: string): string => `kubernetes.io/csi/${driver}^${volume}`
/** As the node's status names it. */
export const nameOnNode = ({ spec }: VolumeAttachment): string => named(spec.attacher, spec.source.persistentVolumeName)
/** Null: it need not be attached. */
export const volumeOnNode = ({ metadata, spec }: PersistentVolume): string | null =>
  spec.csi === undefined ? null : named(spec.csi.driver, metadata.name)
export const volumeNamedOnNode = (name: string): string => name.slice(name.indexOf('^') + 1)

/** For one node at a time. */
export const isExclusive = ({ spec }: PersistentVolume): boolean =>
  (spec.accessModes ?? []).every((mode) => mode !== 'ReadWriteMany' && mode !== 'ReadOnlyMany')

/** Only one pod may have it. Where there are other modes too, nobody knows which one a pod means. */
export const isForOnePod = ({ spec }: PersistentVolume): boolean =>
  spec.accessModes?.length === 1 && spec.accessModes[0] === 'ReadWriteOncePod'

/** It holds its volumes: one that is deleted, until nothing of it is said to run. */
export const holdsVolumes = (pod: Pod): boolean => {
  if ((pod.spec.nodeName ?? '') === '' || isTerminal(pod)) return false
  return !isDeleting(pod) || (pod.status.containerStatuses ?? []).some(({ state }) => state.running !== undefined)
}

export const volumesOf = ({ store }: Pick<Cluster, 'store'>, pod: Pod): readonly PersistentVolume[] =>
  claimNames(pod).flatMap((name) => {
    const claim = store.get(keyOf('persistentvolumeclaims', pod.metadata.namespace, name))?.value as PersistentVolumeClaim | undefined
    const volume = store.get(keyOf('persistentvolumes', undefined, claim?.spec.volumeName ?? ''))?.value as PersistentVolume | undefined
    return volume === undefined || volume.spec.claimRef?.uid !== claim?.metadata.uid ? [] : [volume]
  })

/** A pod for which it is attached there. */
export const userOf = (cluster: Cluster, pods: readonly Pod[], { spec }: VolumeAttachment): Pod | undefined =>
  pods.find(
    (pod) =>
      pod.spec.nodeName === spec.nodeName &&
      holdsVolumes(pod) &&
      volumesOf(cluster, pod).some(({ metadata }) => metadata.name === spec.source.persistentVolumeName),
  )

export const attachmentsIn = ({ store }: Cluster): readonly VolumeAttachment[] => {
  const found: VolumeAttachment[] = []
  const prefix = prefixOf('volumeattachments')
  for (const [key, { value }] of store) if (key.startsWith(prefix)) found.push(value as VolumeAttachment)
  return found
}

export const nodeNamed = ({ store }: Cluster, name: string): Node | undefined =>
  store.get(keyOf('nodes', undefined, name))?.value as Node | undefined
