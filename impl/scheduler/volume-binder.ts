/**
 * What a pod that got a node does about its claims that waited for it: each takes the volume chosen for it, or asks for one to be
 * made there; then the pod waits until all are bound.
 *
 * Between the choice and its being seen the volume counts as taken. Source: kubernetes/kubernetes
 * pkg/scheduler/framework/plugins/volumebinding/{binder.go,assume_cache.go}.
 */
import type { Counted } from '../../model/state/history.ts'
import type { ApiObject, PersistentVolume, PersistentVolumeClaim } from '../../model/state/objects.ts'
import type { ControllerContext, Informer } from '../client/api.ts'
import { isDeleting } from '../objects.ts'
import { wait, type Task } from '../task.ts'
import type { ClusterEvent, Cycle } from './framework.ts'
import type { Listers } from './listers.ts'
import type { PodInfo } from './node-info.ts'
import { choicesOf, isBound, type VolumeChoices } from './plugins/volumes.ts'

const POLL_MS = 1_000
const TIMEOUT_MS = 600_000
const SELECTED_NODE = 'volume.kubernetes.io/selected-node'
const BOUND_BY_CONTROLLER = 'pv.kubernetes.io/bound-by-controller'
const EVENTS = [
  ['persistentvolumeclaims', 'PersistentVolumeClaim'],
  ['persistentvolumes', 'PersistentVolume'],
  ['storageclasses', 'StorageClass'],
] as const
export const STORAGE = EVENTS.map(([resource]) => resource)

export class VolumeBinder {
  private readonly context: ControllerContext
  private readonly claims: Informer<PersistentVolumeClaim>
  /** Volume → as it will be once it is seen that it was taken. */
  private readonly assumed = new Map<string, PersistentVolume>()

  constructor(context: ControllerContext) {
    this.context = context
    this.claims = context.informer('persistentvolumeclaims')
  }

  get taken(): NonNullable<Counted['taken']> {
    return [...this.assumed].flatMap(([volume, { spec }]) => (spec.claimRef === undefined ? [] : [{ volume, claim: spec.claimRef }]))
  }

  /** As others are to see volumes: taken as soon as they are chosen. */
  over(listers: Listers): Listers {
    const shown = (volume: PersistentVolume): PersistentVolume => this.assumed.get(volume.metadata.name) ?? volume
    return { ...listers, volumes: () => (this.assumed.size === 0 ? listers.volumes() : listers.volumes().map(shown)) }
  }

  onChange(happened: (event: ClusterEvent) => void): void {
    for (const [resource, kind] of EVENTS)
      this.context.informer<ApiObject>(resource).onChange((before, after) => {
        const action = before === null ? 'Add' : after === null ? 'Delete' : 'Update'
        happened({ resource: kind, action, before, after })
      })
  }

  /** The volumes chosen for a pod on a node are nobody else's from now on, though nothing is written yet. */
  assume(cycle: Cycle, { pod }: PodInfo, node: string): void {
    const { namespace = '' } = pod.metadata
    for (const { claim, volume } of choicesOf(cycle, node).volumes) {
      const { name, uid } = claim.metadata
      const annotations = { ...volume.metadata.annotations, [BOUND_BY_CONTROLLER]: 'yes' }
      this.assumed.set(volume.metadata.name, {
        ...volume,
        metadata: { ...volume.metadata, annotations },
        spec: { ...volume.spec, claimRef: { namespace, name, uid } },
      })
    }
  }

  /** Its pod did not get there after all, or it is seen by now. */
  forget(cycle: Cycle, node: string): void {
    for (const { volume } of choicesOf(cycle, node).volumes) this.assumed.delete(volume.metadata.name)
  }

  /** True: all claims of the pod are bound. */
  *bind(cycle: Cycle, info: PodInfo, node: string): Task<boolean> {
    const done = yield* this.bindChosen(choicesOf(cycle, node), info, node)
    if (done) this.forget(cycle, node)
    return done
  }

  private *bindChosen({ volumes, provisioned }: VolumeChoices, { pod }: PodInfo, node: string): Task<boolean> {
    if (volumes.length + provisioned.length === 0) return true
    for (const { volume } of volumes) {
      const wanted = this.assumed.get(volume.metadata.name)
      if (wanted === undefined) return false
      // The one of its user's wish is bound by the controller.
      if (volume.spec.claimRef !== undefined) continue
      if (!(yield* this.context.client.update<PersistentVolume>('persistentvolumes', wanted)).ok) return false
    }
    for (const claim of provisioned) if (!(yield* this.select(claim, node))) return false
    const wanted = [
      ...volumes.map(({ claim, volume }) => ({ claim, volume: volume.metadata.name })),
      ...provisioned.map((claim) => ({ claim })),
    ]
    return yield* this.bound(wanted, pod.metadata.namespace ?? '')
  }

  private *select(claim: PersistentVolumeClaim, node: string): Task<boolean> {
    if (claim.metadata.annotations?.[SELECTED_NODE] === node) return true
    const annotations = { ...claim.metadata.annotations, [SELECTED_NODE]: node }
    const changed = { ...claim, metadata: { ...claim.metadata, annotations } }
    return (yield* this.context.client.update<PersistentVolumeClaim>('persistentvolumeclaims', changed)).ok
  }

  /** False: some claim is gone, or got another volume, which may not reach the node: it was bound before, and not seen to be. */
  private *bound(wanted: readonly Wanted[], namespace: string): Task<boolean> {
    const until = this.context.elapsed() + TIMEOUT_MS
    while (this.context.elapsed() < until) {
      const held = wanted.map(({ claim }) => this.claims.get(`${namespace}/${claim.metadata.name}`))
      for (const [index, claim] of held.entries()) {
        const { claim: chosen, volume } = wanted[index] as Wanted
        if (claim === undefined || isDeleting(claim) || claim.metadata.uid !== chosen.metadata.uid) return false
        if (isBound(claim) && volume !== undefined && claim.spec.volumeName !== volume) return false
      }
      if (held.every((claim) => claim !== undefined && isBound(claim))) return true
      yield* wait<void>((resume) => this.context.after(POLL_MS, () => resume()))
    }
    return false
  }
}

/** volume: the one chosen for the claim, if one was. */
interface Wanted {
  readonly claim: PersistentVolumeClaim
  readonly volume?: string
}
