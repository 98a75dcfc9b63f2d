/** Volumes on their way to a node or from it, and who waits for that. */
import {
  attachmentsIn,
  isExclusive,
  isForOnePod,
  nameOnNode,
  nodeNamed,
  userOf,
  volumeOnNode,
  volumesOf,
} from '../components/attachments.ts'
import type { Pending } from '../invariant.ts'
import type { Node, PersistentVolume, Pod } from '../state/objects.ts'
import type { VolumeAttachment } from '../state/storage.ts'
import { conditionOf, isEnding, isLost, label, type Picture, type Waiting } from './picture.ts'

/** What has to pass before it is taken off a node where it may be mounted still. */
const patience = (picture: Picture, node: string): string => {
  const object = picture.nodes.get(node)
  if (object === undefined) return `, which is gone: it may be mounted there for 6 min`
  const ready = conditionOf(object.status.conditions, 'Ready')?.status === 'True'
  return ready ? '' : `, which is not ready: it may be mounted there for 6 min`
}

const isOutOfService = ({ spec }: Node): boolean => spec.taints?.some(({ key }) => key === 'node.kubernetes.io/out-of-service') === true

export const attachmentsPending: Waiting = (picture) =>
  attachmentsIn(picture.cluster).flatMap((attachment) => {
    const waitsFor = attachmentWaits(picture, attachment)
    return waitsFor === null ? [] : [{ object: label(attachment), waitsFor, blocked: false }]
  })

const attachmentWaits = (picture: Picture, attachment: VolumeAttachment): string | null => {
  const { nodeName, source } = attachment.spec
  if (isEnding(attachment)) return `${source.persistentVolumeName} to be detached from ${nodeName}`
  if (userOf(picture.cluster, picture.pods, attachment) === undefined)
    return `${source.persistentVolumeName} to be detached from ${nodeName}${patience(picture, nodeName)}`
  if (!attachment.status.attached) return `${source.persistentVolumeName} to be attached to ${nodeName}`
  const node = nodeNamed(picture.cluster, nodeName)
  const told = node === undefined || (node.status.volumesAttached ?? []).some(({ name }) => name === nameOnNode(attachment))
  return told ? null : `${nodeName} to be told that ${source.persistentVolumeName} is attached`
}

/** Another pod on its node that runs with the volume. */
const holderOf = (picture: Picture, { metadata }: PersistentVolume, pod: Pod): Pod | undefined => {
  const running = new Set([...picture.cluster.running.values()].map((container) => container.pod))
  return picture.pods.find(
    (other) =>
      other !== pod &&
      other.spec.nodeName === pod.spec.nodeName &&
      running.has(other.metadata.uid) &&
      volumesOf(picture.cluster, other).some((one) => one.metadata.name === metadata.name),
  )
}

/** What keeps a pod on a node from having its volumes there; null: nothing that is for others to do. */
export const attachPending = (picture: Picture, pod: Pod): Pick<Pending, 'waitsFor' | 'blocked'> | null => {
  for (const volume of volumesOf(picture.cluster, pod)) {
    const { name } = volume.metadata
    const attachments = attachmentsIn(picture.cluster).filter(({ spec }) => spec.source.persistentVolumeName === name)
    if (volumeOnNode(volume) === null) continue
    if (attachments.some(({ spec }) => spec.nodeName === pod.spec.nodeName)) {
      const holder = isForOnePod(volume) ? holderOf(picture, volume, pod) : undefined
      if (holder === undefined) continue
      return { waitsFor: `volume ${name}, which is for one pod at a time: ${label(holder)} has it`, blocked: !isEnding(holder) }
    }
    const elsewhere = isExclusive(volume) ? attachments[0] : undefined
    if (elsewhere === undefined) return { waitsFor: `volume ${name} to be attached to ${pod.spec.nodeName}`, blocked: false }
    const { nodeName } = elsewhere.spec
    const user = userOf(picture.cluster, picture.pods, elsewhere)
    if (user === undefined)
      return { waitsFor: `volume ${name} to be detached from ${nodeName}${patience(picture, nodeName)}`, blocked: false }
    // Nobody can say that a pod on a lost node has stopped, unless a user does; one that runs keeps what it has.
    const node = picture.nodes.get(nodeName)
    const leaves = node === undefined || (isEnding(user) && (!isLost(picture, nodeName) || isOutOfService(node)))
    return { waitsFor: `volume ${name}, which is for one node at a time: ${label(user)} uses it on ${nodeName}`, blocked: !leaves }
  }
  return null
}
