/**
 * Claims get volumes: one that is there, or one made for them. Four writes bind the two, and each may be the last for a while.
 *
 * Volume names its claim, volume says Bound, claim names its volume, claim says Bound: whoever finds some of it done goes on from
 * there. Left out: classes that change, and volumes that grow. Source: kubernetes/kubernetes pkg/controller/volume/persistentvolume.
 */
import type { PersistentVolume, PersistentVolumeClaim, StorageClass } from '../../model/state/objects.ts'
import type { VolumeAttachment } from '../../model/state/storage.ts'
import type { Controller, ControllerContext, Informer, WorkQueue } from '../client/api.ts'
import { nameOf } from '../client/informer.ts'
import { same } from '../equal.ts'
import { isDeleting } from '../objects.ts'
import { defaultClass } from '../storage-class.ts'
import { wait, type Task } from '../task.ts'
import * as match from './volume-match.ts'

const WORKERS = 10
/** Until a volume that is still attached is looked at again. */
const RESYNC_MS = 15_000
/** What it takes to make a volume, drawn. */
const PROVISION_MS: readonly [number, number] = [200, 3_000]

export const volumeBinder: Controller = (context) => {
  const controller = new VolumeBinder(context)
  return { name: 'persistentvolume-binder', start: () => controller.start() }
}

class VolumeBinder {
  private readonly context: ControllerContext
  private readonly claims: Informer<PersistentVolumeClaim>
  private readonly volumes: Informer<PersistentVolume>
  private readonly classes: Informer<StorageClass>
  private readonly claimQueue: WorkQueue
  private readonly volumeQueue: WorkQueue
  /** Volumes that are not seen yet as this process has bound them: no other claim may have them. */
  private readonly given = new Map<string, string>()

  constructor(context: ControllerContext) {
    this.context = context
    this.claims = context.informer('persistentvolumeclaims')
    this.volumes = context.informer('persistentvolumes')
    this.classes = context.informer('storageclasses')
    this.claimQueue = context.queue(WORKERS, (key) => this.syncClaim(key))
    this.volumeQueue = context.queue(WORKERS, (key) => this.syncVolume(key))
  }

  start(): void {
    this.claims.onChange((before, after) => {
      const claim = after ?? before
      if (claim === null) return
      this.claimQueue.add(nameOf(claim))
      if (after === null) for (const volume of this.volumes.list()) if (match.isFor(volume, claim)) this.volumeQueue.add(nameOf(volume))
    })
    this.volumes.onChange((before, after) => {
      const volume = after ?? before
      if (volume === null) return
      this.given.delete(volume.metadata.name)
      this.volumeQueue.add(volume.metadata.name)
      const ref = volume.spec.claimRef
      if (ref === undefined) this.tryWaiting()
      else this.claimQueue.add(`${ref.namespace}/${ref.name}`)
    })
    this.classes.onChange(() => this.tryWaiting())
  }

  private tryWaiting(): void {
    for (const claim of this.claims.list()) if (!match.isBoundClaim(claim)) this.claimQueue.add(nameOf(claim))
  }

  // Claims

  private *syncClaim(key: string): Task<'done' | 'retry'> {
    const claim = this.claims.get(key)
    if (claim === undefined) return 'done'
    if (match.isBoundClaim(claim)) return yield* this.syncBound(claim)
    if (isDeleting(claim)) return 'done'
    const wanted = claim.spec.volumeName ?? ''
    if (wanted !== '') {
      const volume = this.volumes.get(wanted)
      const free = volume !== undefined && (volume.spec.claimRef === undefined || match.isFor(volume, claim))
      return free ? yield* this.bind(volume, claim) : 'done'
    }
    const storageClass = this.classes.get(claim.spec.storageClassName ?? '')
    const selected = claim.metadata.annotations?.[match.SELECTED_NODE] !== undefined
    const delayed = match.isDelayed(storageClass) && !selected
    const free = this.volumes.list().filter(({ metadata }) => (this.given.get(metadata.name) ?? claim.metadata.uid) === claim.metadata.uid)
    const volume = match.bestMatch(claim, free, delayed)
    if (volume !== undefined) return yield* this.bind(volume, claim)
    if (claim.spec.storageClassName === undefined) return yield* this.assignClass(claim)
    if (delayed || !match.isProvisioned(storageClass)) return 'done'
    return yield* this.provision(claim, storageClass)
  }

  /** A class that became the default, or was seen, only after the claim was made. */
  private *assignClass(claim: PersistentVolumeClaim): Task<'done' | 'retry'> {
    const found = defaultClass(this.classes.list())
    if (found === undefined) return 'done'
    const spec = { ...claim.spec, storageClassName: found.metadata.name }
    const reply = yield* this.context.client.update<PersistentVolumeClaim>('persistentvolumeclaims', { ...claim, spec })
    return reply.ok || reply.status.code === 404 ? 'done' : 'retry'
  }

  /** One that was bound stays so, or has lost its volume. */
  private *syncBound(claim: PersistentVolumeClaim): Task<'done' | 'retry'> {
    const name = claim.spec.volumeName as string
    const isItsOwn = (volume: PersistentVolume): boolean => volume.spec.claimRef === undefined || match.isFor(volume, claim)
    const volume = this.volumes.get(name)
    if (volume !== undefined && isItsOwn(volume)) return yield* this.bind(volume, claim)
    const read = yield* this.context.client.get<PersistentVolume>({ resource: 'persistentvolumes', name })
    // It is there, and will be seen.
    if (read.ok && isItsOwn(read.value)) return 'done'
    if (!read.ok && read.status.code !== 404) return 'retry'
    return yield* this.claimStatus(claim, { ...claim.status, phase: 'Lost' })
  }

  private *provision(claim: PersistentVolumeClaim, storageClass: StorageClass): Task<'done' | 'retry'> {
    const { context } = this
    yield* wait<void>((resume) => context.after(context.random('provisioner').between(...PROVISION_MS), () => resume()))
    const reply = yield* context.client.create<PersistentVolume>('persistentvolumes', match.provisioned(claim, storageClass))
    return reply.ok || reply.status.reason === 'AlreadyExists' ? 'done' : 'retry'
  }

  // Binding

  private *bind(volume: PersistentVolume, claim: PersistentVolumeClaim): Task<'done' | 'retry'> {
    this.given.set(volume.metadata.name, claim.metadata.uid)
    const bound = yield* this.bindVolume(volume, claim)
    if (bound === null) {
      this.given.delete(volume.metadata.name)
      return 'retry'
    }
    if ((yield* this.volumeStatus(bound, 'Bound')) === 'retry') return 'retry'
    const named = yield* this.bindClaim(bound, claim)
    if (named === null) return 'retry'
    const { accessModes = [], capacity = {} } = bound.spec
    // How large it has become since is for the resizer to say.
    const told = named.status?.phase === 'Bound' ? {} : { capacity }
    return yield* this.claimStatus(named, { ...named.status, phase: 'Bound', accessModes, ...told })
  }

  private *bindVolume(volume: PersistentVolume, claim: PersistentVolumeClaim): Task<PersistentVolume | null> {
    const { namespace = '', name, uid } = claim.metadata
    if (volume.spec.claimRef?.uid === uid) return volume
    // Who was meant by name is bound by its user's wish.
    const annotations = volume.spec.claimRef === undefined ? { [match.BOUND_BY_CONTROLLER]: 'yes' } : {}
    const reply = yield* this.context.client.update<PersistentVolume>('persistentvolumes', {
      ...volume,
      metadata: { ...volume.metadata, annotations: { ...volume.metadata.annotations, ...annotations } },
      spec: { ...volume.spec, claimRef: { namespace, name, uid } },
    })
    return reply.ok ? reply.value : null
  }

  private *bindClaim({ metadata }: PersistentVolume, claim: PersistentVolumeClaim): Task<PersistentVolumeClaim | null> {
    if (match.isBoundClaim(claim)) return claim
    const reply = yield* this.context.client.update<PersistentVolumeClaim>('persistentvolumeclaims', {
      ...claim,
      metadata: { ...claim.metadata, annotations: { ...claim.metadata.annotations, [match.BIND_COMPLETED]: 'yes' } },
      spec: { ...claim.spec, volumeName: metadata.name },
    })
    return reply.ok ? reply.value : null
  }

  private *claimStatus(claim: PersistentVolumeClaim, status: PersistentVolumeClaim['status']): Task<'done' | 'retry'> {
    if (status === undefined || same(claim.status, status)) return 'done'
    const reply = yield* this.context.client.updateStatus<PersistentVolumeClaim>('persistentvolumeclaims', { ...claim, status })
    return reply.ok || reply.status.code === 404 ? 'done' : 'retry'
  }

  private *volumeStatus(volume: PersistentVolume, phase: string, message?: string): Task<'done' | 'retry'> {
    if (volume.status?.phase === phase) return 'done'
    const status = { phase, ...(message === undefined ? {} : { message }) }
    // The version that follows a write of one's own is not known here: only the status is said, of this very object.
    const { name, uid } = volume.metadata
    const patch = { metadata: { uid }, status }
    const reply = yield* this.context.client.patch<PersistentVolume>({ resource: 'persistentvolumes', name }, patch, {
      subresource: 'status',
      patchType: 'merge',
    })
    return reply.ok || reply.status.code === 404 ? 'done' : 'retry'
  }

  // Volumes

  private *syncVolume(name: string): Task<'done' | 'retry'> {
    const volume = this.volumes.get(name)
    if (volume === undefined) return 'done'
    const ref = volume.spec.claimRef
    if (ref?.uid === undefined) return yield* this.volumeStatus(volume, 'Available')
    const cached = this.claims.get(`${ref.namespace}/${ref.name}`)
    const claim = cached?.metadata.uid === ref.uid ? cached : yield* this.claimOf(ref.namespace, ref.name)
    if (claim === undefined) return 'retry'
    if (claim === null || claim.metadata.uid !== ref.uid) return yield* this.release(volume)
    if ((claim.spec.volumeName ?? '') === '') {
      this.claimQueue.add(`${ref.namespace}/${ref.name}`)
      return 'done'
    }
    if (claim.spec.volumeName === name) return yield* this.volumeStatus(volume, 'Bound')
    return volume.metadata.annotations?.[match.PROVISIONED_BY] === undefined ? yield* this.unbind(volume) : yield* this.release(volume)
  }

  /** Null: it is not there, by a live read; undefined: nobody knows. */
  private *claimOf(namespace: string, name: string): Task<PersistentVolumeClaim | null | undefined> {
    const read = yield* this.context.client.get<PersistentVolumeClaim>({ resource: 'persistentvolumeclaims', namespace, name })
    if (read.ok) return read.value
    return read.status.code === 404 ? null : undefined
  }

  /** Its claim is gone: what it holds stays, or goes with it. */
  private *release(volume: PersistentVolume): Task<'done' | 'retry'> {
    if (volume.status?.phase === 'Failed') return 'done'
    if ((yield* this.volumeStatus(volume, 'Released')) === 'retry') return 'retry'
    if (volume.spec.persistentVolumeReclaimPolicy !== 'Delete' || isDeleting(volume)) return 'done'
    if (volume.metadata.annotations?.[match.PROVISIONED_BY] === undefined) {
      return yield* this.volumeStatus(
        volume,
        'Failed',
        'error getting deleter volume plugin for volume: no deletable volume plugin matched',
      )
    }
    const { name, uid } = volume.metadata
    const attachments = yield* this.context.client.list<VolumeAttachment>('volumeattachments')
    if (!attachments.ok) return 'retry'
    if (attachments.value.items.some(({ spec }) => spec.source.persistentVolumeName === name)) {
      this.volumeQueue.addAfter(name, RESYNC_MS)
      return 'done'
    }
    const reply = yield* this.context.client.delete({ resource: 'persistentvolumes', name }, { preconditions: { uid } })
    return reply.ok || reply.status.code === 404 ? 'done' : 'retry'
  }

  /** Its claim has another volume: it is free again, or kept for who its user meant. */
  private *unbind(volume: PersistentVolume): Task<'done' | 'retry'> {
    const { claimRef, ...spec } = volume.spec
    const meant = volume.metadata.annotations?.[match.BOUND_BY_CONTROLLER] === undefined && claimRef !== undefined
    const freed = meant ? { ...spec, claimRef: { namespace: claimRef.namespace, name: claimRef.name } } : spec
    const reply = yield* this.context.client.update<PersistentVolume>('persistentvolumes', { ...volume, spec: freed })
    return reply.ok || reply.status.code === 404 ? 'done' : 'retry'
  }
}
