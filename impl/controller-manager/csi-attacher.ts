/**
 * The attacher of the simulation's storage driver: what a VolumeAttachment asks for is asked of the storage back end.
 *
 * A side-car of the driver upstream; here, as the provisioner, one of the controllers, since all it needs is elected already.
 * Its finalizer stands on an attachment from before the back end is asked until it has let go.
 * Source: https://github.com/kubernetes-csi/external-attacher (README, pkg/controller/csi_handler.go).
 */
import type { VolumeAttachment } from '../../model/state/storage.ts'
import { nameOfAttached } from '../attachable.ts'
import type { Controller, ControllerContext, Informer, WorkQueue } from '../client/api.ts'
import { isDeleting } from '../objects.ts'
import type { StorageBackEnd } from '../storage-back-end.ts'
import { wait, type Task } from '../task.ts'

const WORKERS = 10
/** Until its answer is here, by a clock that may be fast. */
const ANSWER_MS = 100

export const csiAttacher =
  (process: string, storage: StorageBackEnd): Controller =>
  (context) => {
    const controller = new CsiAttacher(context, process, storage)
    return { name: 'csi-attacher', start: () => controller.start() }
  }

class CsiAttacher {
  private readonly context: ControllerContext
  private readonly process: string
  private readonly storage: StorageBackEnd
  private readonly attachments: Informer<VolumeAttachment>
  private readonly queue: WorkQueue

  constructor(context: ControllerContext, process: string, storage: StorageBackEnd) {
    this.context = context
    this.process = process
    this.storage = storage
    this.attachments = context.informer('volumeattachments')
    this.queue = context.queue(WORKERS, (name) => this.sync(name))
  }

  start(): void {
    this.attachments.onChange((_before, after) => {
      if (after !== null) this.queue.add(after.metadata.name)
    })
  }

  private *sync(name: string): Task<'done' | 'retry'> {
    const seen = this.attachments.get(name)
    if (seen === undefined || (!isDeleting(seen) && seen.status.attached)) return 'done'
    // The back end forgets nothing: what it is asked for must still be wanted.
    const read = yield* this.context.client.get<VolumeAttachment>({ resource: 'volumeattachments', name })
    if (!read.ok) return read.status.code === 404 ? 'done' : 'retry'
    return isDeleting(read.value) ? yield* this.detach(read.value) : yield* this.attach(read.value)
  }

  private *attach(attachment: VolumeAttachment): Task<'done' | 'retry'> {
    if (attachment.status.attached) return 'done'
    const finalizer = finalizerOf(attachment)
    const held = attachment.metadata.finalizers ?? []
    const kept = held.includes(finalizer) ? attachment : yield* this.withFinalizers(attachment, [...held, finalizer])
    if (kept === null) return 'retry'
    if (!(yield* this.ask(kept, true))) return 'retry'
    const attached = { ...kept, status: { attached: true } }
    const reply = yield* this.context.client.updateStatus<VolumeAttachment>('volumeattachments', attached)
    return reply.ok || reply.status.code === 404 ? 'done' : 'retry'
  }

  private *detach(attachment: VolumeAttachment): Task<'done' | 'retry'> {
    const finalizer = finalizerOf(attachment)
    const held = attachment.metadata.finalizers ?? []
    if (!held.includes(finalizer)) return 'done'
    if (!(yield* this.ask(attachment, false))) return 'retry'
    const others = held.filter((one) => one !== finalizer)
    return (yield* this.withFinalizers(attachment, others)) === null ? 'retry' : 'done'
  }

  private *withFinalizers(attachment: VolumeAttachment, finalizers: readonly string[]): Task<VolumeAttachment | null> {
    const changed = { ...attachment, metadata: { ...attachment.metadata, finalizers } }
    const reply = yield* this.context.client.update<VolumeAttachment>('volumeattachments', changed)
    return reply.ok ? reply.value : null
  }

  /**
   * Waits until the back end has done it. It is asked also when its record says so already: what a leader before this one
   * asked for may still be on its way. False: it is not so.
   */
  private *ask(attachment: VolumeAttachment, attached: boolean): Task<boolean> {
    const { context, storage } = this
    const volume = nameOfAttached(attachment)
    const { nodeName: node } = attachment.spec
    const asked = { volume, node, attachment: attachment.metadata.name, by: this.process }
    const forMs = attached ? storage.attach(asked) : storage.detach(asked)
    yield* wait<void>((resume) => context.after(forMs + ANSWER_MS, () => resume()))
    return storage.isAttached(volume, node) === attached
  }
}

const finalizerOf = ({ spec }: VolumeAttachment): string => `external-attacher/${spec.attacher.replaceAll('/', '-')}`
