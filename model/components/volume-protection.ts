/**
 * A claim that is deleted goes when no pod that has a node uses it any more, a volume when no claim is bound to it.
 *
 * It asks its view first and then the store, where a pod may have got its node just now: one step, as nothing is done in between
 * that the store does not show. Source: kubernetes pkg/controller/volume/{pvcprotection,pvprotection}
 */
import type { PersistentVolume, PersistentVolumeClaim, Pod } from '../state/objects.ts'
import type { Request, System } from '../state/system.ts'
import { isBound, isDeleting, isTerminal } from './objects.ts'
import { asks, client, MANAGER } from './request.ts'
import { claimNames } from './scheduling/volumes.ts'
import { seen, stored, type Held } from './view.ts'

export const CLAIM_PROTECTION = 'kubernetes.io/pvc-protection'
const VOLUME_PROTECTION = 'kubernetes.io/pv-protection'

const released = (held: Held<PersistentVolume> | Held<PersistentVolumeClaim>, finalizer: string): readonly Request[] => {
  const { metadata } = held.value
  if (!isDeleting(held.value) || metadata.finalizers?.includes(finalizer) !== true) return []
  const finalizers = metadata.finalizers.filter((name) => name !== finalizer)
  return [asks(MANAGER, null, { verb: 'update', value: { ...held.value, metadata: { ...metadata, finalizers } }, version: held.version })]
}

/** Which pods are looked at for users. */
export const protectingBy = (podsKnown: (system: System) => readonly Held<Pod>[]): ReturnType<typeof client> =>
  client('volume-protection', (system) => {
    const pods = podsKnown(system).map(({ value }) => value)
    const isUsed = ({ metadata }: PersistentVolumeClaim): boolean =>
      pods.some(
        (pod) =>
          pod.metadata.namespace === metadata.namespace && isBound(pod) && !isTerminal(pod) && claimNames(pod).includes(metadata.name),
      )
    return [
      ...seen<PersistentVolumeClaim>(system, MANAGER, 'persistentvolumeclaims').flatMap((claim) =>
        isUsed(claim.value) ? [] : released(claim, CLAIM_PROTECTION),
      ),
      ...seen<PersistentVolume>(system, MANAGER, 'persistentvolumes').flatMap((volume) =>
        volume.value.status?.phase === 'Bound' ? [] : released(volume, VOLUME_PROTECTION),
      ),
    ]
  })

export const volumeProtection = protectingBy((system) => [...seen<Pod>(system, MANAGER, 'pods'), ...stored<Pod>(system, 'pods')])
