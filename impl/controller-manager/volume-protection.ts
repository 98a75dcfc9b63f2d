/**
 * Claims that are deleted go when no pod with a node uses them any more, volumes when no claim is bound to them.
 *
 * Source: kubernetes/kubernetes pkg/controller/volume/{pvcprotection,pvprotection}.
 */
import type { PersistentVolume, PersistentVolumeClaim, Pod } from '../../model/state/objects.ts'
import { claimsOf } from '../attachable.ts'
import type { Controller, ControllerContext, Informer, WorkQueue } from '../client/api.ts'
import { nameOf } from '../client/informer.ts'
import { isDeleting, isTerminal } from '../objects.ts'
import type { Task } from '../task.ts'

const WORKERS = 1
const CLAIM = 'kubernetes.io/pvc-protection'
const VOLUME = 'kubernetes.io/pv-protection'

export const volumeProtection: Controller = (context) => {
  const controller = new VolumeProtection(context)
  return { name: 'volume-protection', start: () => controller.start() }
}

class VolumeProtection {
  private readonly context: ControllerContext
  private readonly claims: Informer<PersistentVolumeClaim>
  private readonly volumes: Informer<PersistentVolume>
  private readonly pods: Informer<Pod>
  private readonly claimQueue: WorkQueue
  private readonly volumeQueue: WorkQueue

  constructor(context: ControllerContext) {
    this.context = context
    this.claims = context.informer('persistentvolumeclaims')
    this.volumes = context.informer('persistentvolumes')
    this.pods = context.informer('pods')
    this.claimQueue = context.queue(WORKERS, (key) => this.syncClaim(key))
    this.volumeQueue = context.queue(WORKERS, (key) => this.syncVolume(key))
  }

  start(): void {
    this.claims.onChange((_before, after) => {
      if (after !== null && isDeleting(after)) this.claimQueue.add(nameOf(after))
    })
    this.volumes.onChange((_before, after) => {
      if (after !== null && isDeleting(after)) this.volumeQueue.add(nameOf(after))
    })
    this.pods.onChange((before, after) => {
      const pod = after ?? before
      if (pod === null || (after !== null && !isTerminal(after))) return
      for (const name of claimsOf(pod)) this.claimQueue.add(`${pod.metadata.namespace}/${name}`)
    })
  }

  private *syncClaim(key: string): Task<'done' | 'retry'> {
    const claim = this.claims.get(key)
    if (claim === undefined || !isDeleting(claim) || claim.metadata.finalizers?.includes(CLAIM) !== true) return 'done'
    const { namespace = '', name } = claim.metadata
    if (this.pods.list().some((pod) => uses(pod, namespace, name))) return 'done'
    // A cache may not show a pod that got its node just now.
    const live = yield* this.context.client.list<Pod>('pods', { namespace })
    if (!live.ok) return 'retry'
    if (live.value.items.some((pod) => uses(pod, namespace, name))) return 'done'
    const finalizers = (claim.metadata.finalizers ?? []).filter((held) => held !== CLAIM)
    const changed = { ...claim, metadata: { ...claim.metadata, finalizers } }
    const reply = yield* this.context.client.update<PersistentVolumeClaim>('persistentvolumeclaims', changed)
    return reply.ok || reply.status.code === 404 ? 'done' : 'retry'
  }

  private *syncVolume(name: string): Task<'done' | 'retry'> {
    const volume = this.volumes.get(name)
    if (volume === undefined || !isDeleting(volume) || volume.metadata.finalizers?.includes(VOLUME) !== true) return 'done'
    if (volume.status?.phase === 'Bound') return 'done'
    const finalizers = (volume.metadata.finalizers ?? []).filter((held) => held !== VOLUME)
    const changed = { ...volume, metadata: { ...volume.metadata, finalizers } }
    const reply = yield* this.context.client.update<PersistentVolume>('persistentvolumes', changed)
    return reply.ok || reply.status.code === 404 ? 'done' : 'retry'
  }
}

/** One without a node will not get to start: its kubelet will find that the claim is going. */
const uses = (pod: Pod, namespace: string, name: string): boolean =>
  pod.metadata.namespace === namespace && (pod.spec.nodeName ?? '') !== '' && !isTerminal(pod) && claimsOf(pod).includes(name)
