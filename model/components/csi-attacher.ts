/**
 * A driver's attacher has the storage back end attach and detach what VolumeAttachments say, and says when that is done.
 *
 * Its finalizer stands from before the back end is asked until it has let go. That the back end takes its time is the same as
 * asking later: nothing else happens to an attachment meanwhile. Left out: what it refuses, and that it may fail.
 * Source: https://github.com/kubernetes-csi/external-attacher pkg/controller/csi_handler.go
 */
import type { VolumeAttachment } from '../state/storage.ts'
import type { Action, Component, System } from '../state/system.ts'
import { serve } from './apiserver.ts'
import { nameOnNode } from './attachments.ts'
import { isDeleting } from './objects.ts'
import { asks, MANAGER } from './request.ts'
import { seen, type Held } from './view.ts'

const finalizerOf = ({ spec }: VolumeAttachment): string => `external-attacher/${spec.attacher}`

const placeOf = (volume: string, node: string): string => `${volume} ${node}`

const held = ({ value, version }: Held<VolumeAttachment>, isHeld: boolean): Action => {
  const others = (value.metadata.finalizers ?? []).filter((name) => name !== finalizerOf(value))
  const metadata = { ...value.metadata, finalizers: isHeld ? [...others, finalizerOf(value)] : others }
  return asks(MANAGER, null, { verb: 'update', value: { ...value, metadata }, version })
}

const advances = (system: System, attachment: Held<VolumeAttachment>): readonly Action[] => {
  const { value } = attachment
  const { nodeName: node } = value.spec
  const volume = nameOnNode(value)
  const isHeld = value.metadata.finalizers?.includes(finalizerOf(value)) === true
  const isAttached = system.attached.has(placeOf(volume, node))
  const asked = { attachment: value.metadata.name, volume, node, by: MANAGER }
  if (isDeleting(value)) {
    if (!isHeld) return []
    return [isAttached ? { kind: 'DetachVolume', ...asked } : held(attachment, false)]
  }
  if (!isHeld) return [held(attachment, true)]
  if (!isAttached) return [{ kind: 'AttachVolume', ...asked }]
  if (value.status.attached) return []
  return [asks(MANAGER, null, { verb: 'status', value: { ...value, status: { attached: true } }, version: null })]
}

export const csiAttacher: Component<System, Action> = {
  name: 'csi-attacher',

  enabled: (system) => seen<VolumeAttachment>(system, MANAGER, 'volumeattachments').flatMap((attachment) => advances(system, attachment)),

  next(system, action) {
    if (action.kind === 'Request') return serve(system, action)
    if (action.kind !== 'AttachVolume' && action.kind !== 'DetachVolume') return system
    const { volume, node, attachment } = action
    const attached = new Map(system.attached)
    if (action.kind === 'AttachVolume') attached.set(placeOf(volume, node), { volume, node, attachment })
    else attached.delete(placeOf(volume, node))
    return { ...system, attached }
  },
}
