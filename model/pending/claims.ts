/** Claims and volumes: what keeps a claim from its volume, and either from its end. */
import { attachmentsIn } from '../components/attachments.ts'
import { claimNames, fits } from '../components/scheduling/volumes.ts'
import type { Pending } from '../invariant.ts'
import type { PersistentVolume, PersistentVolumeClaim, Pod, ResourceList, StorageClass } from '../state/objects.ts'
import { thousandths } from '../state/quantity.ts'
import { keyOf } from '../state/resources.ts'
import { all, controllerOf, isEnding, isTerminal, ITS_END, label, type Picture, type Waiting } from './picture.ts'

const NO_PROVISIONER = 'kubernetes.io/no-provisioner'
const DEFAULT = 'storageclass.kubernetes.io/is-default-class'
const SELECTED_NODE = 'volume.kubernetes.io/selected-node'

/** What is to end then is the attachment, first of all. */
export const STILL_ATTACHED = ', and it is attached still'

const uses = (pod: Pod, { metadata }: PersistentVolumeClaim): boolean =>
  pod.metadata.namespace === metadata.namespace && !isTerminal(pod) && claimNames(pod).includes(metadata.name)

export const claimsPending: Waiting = (picture) =>
  all<PersistentVolumeClaim>(picture, 'persistentvolumeclaims').flatMap((claim) => {
    const row = claimRow(picture, claim)
    if (row === null) return []
    picture.blocked.set(claim.metadata.uid, row.blocked)
    return [row]
  })

const sizeOf = (amounts: ResourceList | undefined): number => thousandths(amounts?.['storage'] ?? '0')

/** Those that no driver serves are just there. */
const growing = (picture: Picture, { spec, status }: PersistentVolumeClaim, object: string): Pending | null => {
  if (status?.capacity === undefined || sizeOf(spec.resources?.requests) <= sizeOf(status.capacity)) return null
  const volume = all<PersistentVolume>(picture, 'persistentvolumes').find(({ metadata }) => metadata.name === spec.volumeName)
  return { object, waitsFor: 'its volume to grow', blocked: volume?.spec.csi === undefined }
}

const claimRow = (picture: Picture, claim: PersistentVolumeClaim): Pending | null => {
  const object = label(claim)
  if (isEnding(claim)) {
    const user = picture.pods.find((pod) => uses(pod, claim) && (pod.spec.nodeName ?? '') !== '')
    if (user === undefined) return { object, waitsFor: ITS_END, blocked: false }
    return { object, waitsFor: `its end: ${label(user)} uses it`, blocked: true }
  }
  const phase = claim.status?.phase ?? 'Pending'
  if (phase === 'Bound') return growing(picture, claim, object)
  if (phase === 'Lost') return { object, waitsFor: `its volume ${claim.spec.volumeName}, which is gone`, blocked: true }
  const classes = all<StorageClass>(picture, 'storageclasses')
  const isDefault = ({ metadata }: StorageClass): boolean => metadata.annotations?.[DEFAULT] === 'true'
  if (claim.spec.storageClassName === undefined && claim.spec.volumeName === undefined && classes.some(isDefault))
    return { object, waitsFor: 'the default storage class to be given to it', blocked: false }
  const name = claim.spec.storageClassName ?? ''
  const storageClass = classes.find(({ metadata }) => metadata.name === name)
  const chosen = claim.metadata.annotations?.[SELECTED_NODE] !== undefined
  const volumes = all<PersistentVolume>(picture, 'persistentvolumes')
  const wanted = claim.spec.volumeName ?? ''
  const fitting = volumes.filter((volume) => fits(volume, claim) && (wanted === '' || volume.metadata.name === wanted))
  const found = fitting.length > 0
  const given = fitting.some(({ spec }) => spec.claimRef !== undefined)
  // Nobody waits for it, or its pod says what that waits for.
  if (storageClass?.volumeBindingMode === 'WaitForFirstConsumer' && !chosen && !given) return null
  if (found || (wanted === '' && storageClass !== undefined && storageClass.provisioner !== NO_PROVISIONER))
    return { object, waitsFor: 'its volume to be bound', blocked: false }
  const why =
    wanted !== ''
      ? `the volume ${wanted}, which is not free or does not fit`
      : name === ''
        ? 'a volume: it names no storage class, and no volume without one fits'
        : `a volume: ${storageClass === undefined ? `there is no storage class ${name}` : `class ${name} makes none`}, and none of that class fits`
  return { object, waitsFor: why, blocked: true }
}

/** The first claim of a pod that keeps it from starting; null: none does. */
export const claimPending = (picture: Picture, pod: Pod): Pick<Pending, 'waitsFor' | 'blocked'> | null => {
  for (const name of claimNames(pod)) {
    const stored = picture.cluster.store.get(keyOf('persistentvolumeclaims', pod.metadata.namespace, name))
    const claim = stored?.value as PersistentVolumeClaim | undefined
    if (claim === undefined) {
      // Who owns the pod may make it.
      const owned = controllerOf(pod) !== undefined && pod.metadata.ownerReferences?.some(({ kind }) => kind === 'StatefulSet') === true
      return { waitsFor: `its claim ${name}, which is not there`, blocked: !owned }
    }
    const blocked = picture.blocked.get(claim.metadata.uid)
    if (blocked !== undefined) return { waitsFor: `its claim ${name}, which waits itself`, blocked }
    // https://kubernetes.io/docs/concepts/storage/storage-classes/#volume-binding-mode
    if (claim.status?.phase !== 'Bound' && (pod.spec.nodeName ?? '') !== '')
      return {
        waitsFor: `its claim ${name}, which waits for the scheduler to choose a node, while its pod was put on one past it`,
        blocked: true,
      }
  }
  return null
}

/** Volumes that were made for claims which are gone. */
export const volumesPending: Waiting = (picture) =>
  all<PersistentVolume>(picture, 'persistentvolumes').flatMap((volume) => {
    const { claimRef, persistentVolumeReclaimPolicy } = volume.spec
    const claim =
      claimRef === undefined ? undefined : picture.cluster.store.get(keyOf('persistentvolumeclaims', claimRef.namespace, claimRef.name))
    const held = claimRef?.uid !== undefined && (claim?.value as PersistentVolumeClaim | undefined)?.metadata.uid === claimRef.uid
    if (isEnding(volume) && !held) return [{ object: label(volume), waitsFor: ITS_END, blocked: false }]
    if (claimRef?.uid === undefined || held) return []
    if (persistentVolumeReclaimPolicy === 'Delete' && volume.status?.phase !== 'Failed') {
      const { name } = volume.metadata
      const attached = attachmentsIn(picture.cluster).some(({ spec }) => spec.source.persistentVolumeName === name)
      return [{ object: label(volume), waitsFor: `its end: its claim is gone${attached ? STILL_ATTACHED : ''}`, blocked: false }]
    }
    return volume.status?.phase === 'Bound'
      ? [{ object: label(volume), waitsFor: 'to be released: its claim is gone', blocked: false }]
      : []
  })
