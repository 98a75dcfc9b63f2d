/**
 * The resizer of the simulation's storage driver: when a claim asks for more than its volume has, the storage back end makes it
 * larger; then the volume says so, then the claim.
 *
 * A side-car of the driver upstream. The driver needs nothing of nodes for it. Left out: conditions, and sizes that it gives up.
 * Source: https://github.com/kubernetes-csi/external-resizer pkg/controller, KEP-1790.
 */
import type { PersistentVolume, PersistentVolumeClaim } from '../../model/state/objects.ts'
import { nameOnNode } from '../attachable.ts'
import type { Controller, ControllerContext, Informer, WorkQueue } from '../client/api.ts'
import { nameOf } from '../client/informer.ts'
import { isDeleting } from '../objects.ts'
import { milli } from '../quantity.ts'
import type { StorageBackEnd } from '../storage-back-end.ts'
import { wait, type Task } from '../task.ts'

const WORKERS = 10
/** Until its answer is here, by a clock that may be fast. */
const ANSWER_MS = 100

export const volumeResizer =
  (process: string, storage: StorageBackEnd): Controller =>
  (context) => {
    const controller = new VolumeResizer(context, process, storage)
    return { name: 'volume-resizer', start: () => controller.start() }
  }

class VolumeResizer {
  private readonly context: ControllerContext
  private readonly process: string
  private readonly storage: StorageBackEnd
  private readonly claims: Informer<PersistentVolumeClaim>
  private readonly volumes: Informer<PersistentVolume>
  private readonly queue: WorkQueue

  constructor(context: ControllerContext, process: string, storage: StorageBackEnd) {
    this.context = context
    this.process = process
    this.storage = storage
    this.claims = context.informer('persistentvolumeclaims')
    this.volumes = context.informer('persistentvolumes')
    this.queue = context.queue(WORKERS, (key) => this.sync(key))
  }

  start(): void {
    this.claims.onChange((_before, after) => {
      if (after !== null) this.queue.add(nameOf(after))
    })
    this.volumes.onChange((_before, after) => {
      const ref = after?.spec.claimRef
      if (ref !== undefined) this.queue.add(`${ref.namespace}/${ref.name}`)
    })
  }

  private *sync(key: string): Task<'done' | 'retry'> {
    const claim = this.claims.get(key)
    if (claim === undefined || isDeleting(claim) || claim.status?.phase !== 'Bound') return 'done'
    const volume = this.volumes.get(claim.spec.volumeName ?? '')
    if (volume === undefined || volume.spec.claimRef?.uid !== claim.metadata.uid || isDeleting(volume)) return 'done'
    const name = nameOnNode(volume)
    // Nobody makes it larger: it is just there.
    if (name === null) return 'done'
    const asked = claim.spec.resources?.requests?.['storage'] ?? '0'
    if (milli(asked) <= milli(sizeOf(volume.spec.capacity))) return yield* this.tell(claim, sizeOf(volume.spec.capacity))
    return (yield* this.expand(name, volume, asked)) ? yield* this.tell(claim, asked) : 'retry'
  }

  private *expand(name: string, volume: PersistentVolume, size: string): Task<boolean> {
    const { context, storage } = this
    const forMs = storage.expand({ volume: name, size, by: this.process })
    yield* wait<void>((resume) => context.after(forMs + ANSWER_MS, () => resume()))
    if (!storage.has(name, size)) return false
    const changed = { ...volume, spec: { ...volume.spec, capacity: { ...volume.spec.capacity, storage: size } } }
    return (yield* context.client.update<PersistentVolume>('persistentvolumes', changed)).ok
  }

  private *tell(claim: PersistentVolumeClaim, size: string): Task<'done' | 'retry'> {
    const { status } = claim
    if (milli(size) <= milli(sizeOf(status?.capacity))) return 'done'
    const changed = { ...claim, status: { ...status, capacity: { ...status?.capacity, storage: size } } }
    const reply = yield* this.context.client.updateStatus<PersistentVolumeClaim>('persistentvolumeclaims', changed)
    return reply.ok || reply.status.code === 404 ? 'done' : 'retry'
  }
}

const sizeOf = (capacity: PersistentVolume['spec']['capacity']): string => capacity?.['storage'] ?? '0'
