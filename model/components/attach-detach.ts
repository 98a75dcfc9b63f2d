/**
 * Volumes are attached where pods use them and taken off where none does: not while they are said to be in use, unless the node
 * has been not ready for long, or is out of service; one that is for one node, only when it is attached nowhere.
 *
 * What it did itself it knows before its view shows it; a node it reads as it is, and a write that depends on that is one step
 * with the reading. To say that a volume is not attached any more and to end its attachment are two steps, and it looks again in
 * between: narrower than the implementation, which goes on. Left out: views of claims, volumes and nodes that lag, drivers that
 * need not attach, and what a controller that begins anew finds.
 * Source: kubernetes pkg/controller/volume/attachdetach/reconciler/reconciler.go
 */
import type { Choice } from '../state/history.ts'
import type { Node, PersistentVolume, Pod } from '../state/objects.ts'
import type { VolumeAttachment } from '../state/storage.ts'
import type { Action, Component, Request, System } from '../state/system.ts'
import { serve } from './apiserver.ts'
import { holdsVolumes, isExclusive, nameOnNode, OUT_OF_SERVICE, volumesOf } from './attachments.ts'
import { conditionOf, isDeleting } from './objects.ts'
import { asks, asksAndRemembers, MANAGER, refOf, removal } from './request.ts'
import { noExecuteTaints } from './tolerated.ts'
import { known, seen, stored, type Held } from './view.ts'

const UNMOUNT_MOST_MS = 360_000

type Attachment = Held<VolumeAttachment>
type Because = Extract<Choice, { readonly kind: 'DetachVolume' }>['because']

const nodeOf = (system: System, name: string): Held<Node> | undefined =>
  stored<Node>(system, 'nodes').find(({ value }) => value.metadata.name === name)

/** The nodes on which it is used, as far as pods are seen. */
const usedOn = (system: System, volume: string): readonly string[] => {
  const pods = seen<Pod>(system, MANAGER, 'pods').map(({ value }) => value)
  const uses = (pod: Pod): boolean => volumesOf({ store: system.keyspace.kvs }, pod).some(({ metadata }) => metadata.name === volume)
  return [...new Set(pods.flatMap((pod) => (holdsVolumes(pod) && uses(pod) ? [pod.spec.nodeName ?? ''] : [])))]
}
const isUsed = (system: System, { value: { spec } }: Attachment): boolean =>
  usedOn(system, spec.source.persistentVolumeName).includes(spec.nodeName)

// Attaching

const attached = (volume: PersistentVolume, driver: string, nodeName: string): VolumeAttachment => ({
  apiVersion: 'storage.k8s.io/v1',
  kind: 'VolumeAttachment',
  metadata: { name: `${volume.metadata.name}-${nodeName}`, uid: '', creationTimestamp: '' },
  spec: { attacher: driver, nodeName, source: { persistentVolumeName: volume.metadata.name } },
  status: { attached: false },
})

const attaches = (system: System, { value: volume }: Held<PersistentVolume>, attachments: readonly Attachment[]): readonly Request[] => {
  const { csi } = volume.spec
  if (csi === undefined) return []
  const its = attachments.filter(({ value }) => value.spec.source.persistentVolumeName === volume.metadata.name)
  if (isExclusive(volume) && its.length > 0) return []
  return usedOn(system, volume.metadata.name)
    .filter((node) => nodeOf(system, node) !== undefined && its.every(({ value }) => value.spec.nodeName !== node))
    .map((node) => asksAndRemembers(MANAGER, null, { verb: 'create', value: attached(volume, csi.driver, node) }))
}

const isTold = (node: Node | undefined, name: string): boolean => node?.status.volumesAttached?.some((one) => one.name === name) === true

const tells = ({ value: node, version }: Held<Node>, name: string, isAttached: boolean): Request => {
  const others = (node.status.volumesAttached ?? []).filter((one) => one.name !== name)
  const volumesAttached = isAttached ? [...others, { name, devicePath: '' }] : others
  return asks(MANAGER, null, { verb: 'status', value: { ...node, status: { ...node.status, volumesAttached } }, version })
}

// Detaching

const waitedMs = ({ unusedSince, nowMs }: System, { value }: Attachment): number => nowMs - (unusedSince.get(value.metadata.uid) ?? nowMs)

/** Null: it is waited for. */
const reason = (system: System, held: Attachment, isInUse: IsInUse): Because | null => {
  const node = nodeOf(system, held.value.spec.nodeName)?.value
  if (node !== undefined && !isInUse(node, nameOnNode(held.value))) return 'unmounted'
  if (noExecuteTaints(node).some(({ key }) => key === OUT_OF_SERVICE)) return 'out of service'
  const isNodeReady = node !== undefined && conditionOf(node.status.conditions, 'Ready') === 'True'
  return !isNodeReady && waitedMs(system, held) >= UNMOUNT_MOST_MS ? 'not ready' : null
}

const detaches = (system: System, held: Attachment, isInUse: IsInUse): readonly Action[] => {
  const { value: attachment } = held
  const because = reason(system, held, isInUse)
  if (because === null) return notes(system, held, system.nowMs)
  const node = nodeOf(system, attachment.spec.nodeName)
  const volume = nameOnNode(attachment)
  if (node !== undefined && isTold(node.value, volume)) return [tells(node, volume, false)]
  const choice = { kind: 'DetachVolume' as const, attachment: refOf(attachment), volume, node: attachment.spec.nodeName }
  return [{ ...asksAndRemembers(MANAGER, { ...choice, because, waitedMs: waitedMs(system, held) }, removal(held)), reads: 'nodes' }]
}

/** Since when nobody uses it, null: it is used. */
const notes = ({ unusedSince }: System, { value }: Attachment, sinceMs: number | null): readonly Action[] =>
  unusedSince.has(value.metadata.uid) === (sinceMs !== null) ? [] : [{ kind: 'NoteUnused', attachment: value.metadata.uid, sinceMs }]

type IsInUse = (node: Node, name: string) => boolean

/** What it goes by. */
export interface Sight {
  /** The attachments that it follows. */
  readonly followed: (system: System) => readonly Attachment[]
  /** Those that keep it from making another. */
  readonly present: (system: System) => readonly Attachment[]
  readonly isInUse: IsInUse
}

export const attachingBy = ({ followed, present, isInUse }: Sight): Component<System, Action> => ({
  name: 'attach-detach',

  enabled(system) {
    const standing = followed(system).filter(({ value }) => !isDeleting(value))
    return [
      ...standing.flatMap((held): readonly Action[] => {
        if (!isUsed(system, held)) return detaches(system, held, isInUse)
        const node = nodeOf(system, held.value.spec.nodeName)
        const name = nameOnNode(held.value)
        const isToTell = held.value.status.attached && node !== undefined && !isTold(node.value, name)
        return [...notes(system, held, null), ...(isToTell ? [tells(node, name, true)] : [])]
      }),
      ...stored<PersistentVolume>(system, 'persistentvolumes').flatMap((volume) => attaches(system, volume, present(system))),
    ]
  },

  next(system, action) {
    if (action.kind === 'Request') return serve(system, action)
    if (action.kind !== 'NoteUnused') return system
    const unusedSince = new Map(system.unusedSince)
    if (action.sinceMs === null) unusedSince.delete(action.attachment)
    else unusedSince.set(action.attachment, action.sinceMs)
    return { ...system, unusedSince }
  },
})

export const RIGHT_SIGHT: Sight = {
  followed: (system) => known<VolumeAttachment>(system, MANAGER, 'volumeattachments'),
  present: (system) => stored<VolumeAttachment>(system, 'volumeattachments'),
  isInUse: ({ status }, name) => status.volumesInUse?.includes(name) === true,
}

export const attachDetach = attachingBy(RIGHT_SIGHT)
