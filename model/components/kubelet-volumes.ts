/**
 * What a kubelet does about volumes: it says that it has them in use, mounts what its node is then said to have, and unmounts
 * before it says that it does not use them.
 *
 * To look at its node and to mount is one step: who takes a volume off looks at what is said to be in use, and does it in one
 * write with that, so that nothing changes in between but by force. Claims and volumes it reads as they are.
 * Source: kubernetes pkg/kubelet/volumemanager, pkg/volume/util/operationexecutor
 */
import type { Mount } from '../state/cluster.ts'
import type { Node, PersistentVolume, PersistentVolumeClaim, Pod } from '../state/objects.ts'
import { keyOf } from '../state/resources.ts'
import type { Action, Request, System } from '../state/system.ts'
import { isForOnePod, volumeOnNode, volumesOf } from './attachments.ts'
import { isActive, isDeleting, sameValue } from './objects.ts'
import { asks } from './request.ts'
import { claimNames } from './scheduling/volumes.ts'
import { stored, type Held } from './view.ts'

const placeOf = ({ volume, node, pod }: Mount): string => `${volume} ${node} ${pod}`

const nodeNamed = (system: System, name: string): Held<Node> | undefined =>
  stored<Node>(system, 'nodes').find(({ value }) => value.metadata.name === name)

/** The volumes that have to be attached for it; null: a claim is not there, not bound, or on its way out. */
const neededBy = ({ keyspace }: System, pod: Pod): readonly PersistentVolume[] | null => {
  const isBound = (name: string): boolean => {
    const claim = keyspace.kvs.get(keyOf('persistentvolumeclaims', pod.metadata.namespace, name))?.value as
      | PersistentVolumeClaim
      | undefined
    return claim?.status?.phase === 'Bound' && !isDeleting(claim)
  }
  if (!claimNames(pod).every(isBound)) return null
  return volumesOf({ store: keyspace.kvs }, pod).filter((volume) => volumeOnNode(volume) !== null)
}

const mountsFor = (system: System, pod: Pod, node: string): readonly Mount[] | null =>
  neededBy(system, pod)?.map((volume) => ({ volume: volumeOnNode(volume) ?? '', node, pod: pod.metadata.uid })) ?? null

export const hasMounts = ({ mounted }: System, { metadata }: Pod): boolean => [...mounted.values()].some(({ pod }) => pod === metadata.uid)

export const hasVolumes = (system: System, pod: Pod, node: string): boolean =>
  mountsFor(system, pod, node)?.every((mount) => system.mounted.has(placeOf(mount))) === true

/** Whether a volume may be mounted by what the node's status says. */
export type MayMount = (node: Node, volume: string) => boolean

export const isAttachedThere: MayMount = ({ status }, volume) =>
  status.volumesInUse?.includes(volume) === true && status.volumesAttached?.some(({ name }) => name === volume) === true

export const mounts = (system: System, { value: pod }: Held<Pod>, name: string, mayMount: MayMount): readonly Action[] => {
  const node = nodeNamed(system, name)?.value
  if (node === undefined || !isActive(pod)) return []
  const alone = (neededBy(system, pod) ?? []).filter(isForOnePod).map(volumeOnNode)
  const isTaken = ({ volume }: Mount): boolean =>
    alone.includes(volume) && [...system.mounted.values()].some((other) => other.volume === volume && other.node === name)
  return (mountsFor(system, pod, name) ?? [])
    .filter((mount) => !system.mounted.has(placeOf(mount)) && mayMount(node, mount.volume) && !isTaken(mount))
    .map((mount) => ({ kind: 'MountVolume', mount }))
}

/** Of pods of which nothing is to run any more, and nothing does. */
export const unmounts = (system: System, pods: readonly Held<Pod>[], node: string): readonly Action[] =>
  [...system.mounted.values()].flatMap((mount): readonly Action[] => {
    const pod = pods.find(({ value }) => value.metadata.uid === mount.pod)?.value
    const runs = [...system.running.values()].some((container) => container.pod === mount.pod)
    return mount.node !== node || runs || (pod !== undefined && isActive(pod)) ? [] : [{ kind: 'UnmountVolume', mount }]
  })

export const tellsUse = (system: System, pods: readonly Held<Pod>[], name: string): readonly Request[] => {
  const node = nodeNamed(system, name)?.value
  if (node === undefined) return []
  const wanted = pods.flatMap(({ value }) => (isActive(value) ? (mountsFor(system, value, name) ?? []) : []))
  const here = [...system.mounted.values()].filter((mount) => mount.node === name)
  const volumesInUse = [...new Set([...wanted, ...here].map(({ volume }) => volume))].toSorted()
  if (sameValue(node.status.volumesInUse ?? [], volumesInUse)) return []
  return [asks(`kubelet-${name}`, null, { verb: 'status', value: { ...node, status: { ...node.status, volumesInUse } }, version: null })]
}

export const mounted = (system: System, { kind, mount }: Extract<Action, { readonly mount: Mount }>): System => {
  const left = new Map(system.mounted)
  if (kind === 'MountVolume') left.set(placeOf(mount), mount)
  else left.delete(placeOf(mount))
  return { ...system, mounted: left }
}
