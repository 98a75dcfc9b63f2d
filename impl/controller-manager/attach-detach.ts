/**
 * Volumes are attached to the nodes where pods use them, and taken off where none does any more: to one node at a time if they
 * are for one, and not while they are mounted, unless the node has been not ready for too long or is out of service.
 *
 * It speaks to drivers by VolumeAttachments, and to kubelets by the node's status: what is attached is said there when it is,
 * and taken back before it is detached. What upstream keeps in two caches that a loop compares, the attachments and pods here say.
 * Source: kubernetes/kubernetes pkg/controller/volume/attachdetach (reconciler, statusupdater), pkg/volume/csi/csi_attacher.go.
 */
import type { Choice } from '../../model/state/history.ts'
import type { Node, PersistentVolume, PersistentVolumeClaim, Pod } from '../../model/state/objects.ts'
import type { VolumeAttachment } from '../../model/state/storage.ts'
import { claimsOf, isShared, nameOfAttached, nameOnNode } from '../attachable.ts'
import type { Controller, ControllerContext, Informer, WorkQueue } from '../client/api.ts'
import { nameOf } from '../client/informer.ts'
import { same } from '../equal.ts'
import { conditionOf, isDeleting, isTerminal, refOf } from '../objects.ts'
import { noExecute, OUT_OF_SERVICE } from '../taints.ts'
import type { Task } from '../task.ts'
import { hashLetters } from './hash.ts'

const WORKERS = 10
/** For so long the kubelet of a node that is not ready may still have it mounted. */
const UNMOUNT_MOST_MS = 360_000
/** Until what was read is seen. */
const SOON_MS = 1_000

type Because = Extract<Choice, { readonly kind: 'DetachVolume' }>['because']

export const attachDetachController: Controller = (context) => {
  const controller = new AttachDetach(context)
  return { name: 'attachdetach', start: () => controller.start() }
}

class AttachDetach {
  private readonly context: ControllerContext
  private readonly pods: Informer<Pod>
  private readonly claims: Informer<PersistentVolumeClaim>
  private readonly volumes: Informer<PersistentVolume>
  private readonly nodes: Informer<Node>
  private readonly attachments: Informer<VolumeAttachment>
  /** By name of the volume: one of its attachments is made or ended at a time. */
  private readonly queue: WorkQueue
  /** Claim → pods that use it → their nodes. */
  private readonly users = new Map<string, Map<string, string>>()
  /** Attachment's uid → since when no pod on its node uses the volume. */
  private readonly unusedSince = new Map<string, number>()
  /** Uids of attachments that are to go. A cache may not show it yet: no node is told any more that they are there. */
  private readonly ending = new Set<string>()

  constructor(context: ControllerContext) {
    this.context = context
    this.pods = context.informer('pods')
    this.claims = context.informer('persistentvolumeclaims')
    this.volumes = context.informer('persistentvolumes')
    this.nodes = context.informer('nodes')
    this.attachments = context.informer('volumeattachments')
    this.queue = context.queue(WORKERS, (name) => this.sync(name))
  }

  start(): void {
    this.pods.onChange((before, after) => this.podChanged(before, after))
    this.claims.onChange((_before, after) => {
      if (after !== null && this.users.has(nameOf(after))) this.look(nameOf(after))
    })
    this.volumes.onChange((_before, after) => {
      const ref = after?.spec.claimRef
      if (ref !== undefined && this.users.has(`${ref.namespace}/${ref.name}`)) this.queue.add((after as PersistentVolume).metadata.name)
    })
    this.attachments.onChange((before, after) => {
      const attachment = after ?? before
      if (attachment === null) return
      if (after === null) {
        this.unusedSince.delete(attachment.metadata.uid)
        this.ending.delete(attachment.metadata.uid)
      }
      this.queue.add(volumeOf(attachment))
    })
    this.nodes.onChange((before, after) => this.nodeChanged(before, after))
  }

  private podChanged(before: Pod | null, after: Pod | null): void {
    const pod = after ?? before
    if (pod === null || pod.spec.volumes === undefined) return
    for (const name of claimsOf(pod)) {
      const claim = `${pod.metadata.namespace}/${name}`
      const users = this.users.get(claim) ?? new Map<string, string>()
      if (after !== null && uses(after)) this.users.set(claim, users.set(nameOf(pod), after.spec.nodeName as string))
      else if (users.delete(nameOf(pod)) && users.size === 0) this.users.delete(claim)
      this.look(claim)
    }
  }

  private nodeChanged(before: Node | null, after: Node | null): void {
    if (before !== null && after !== null && same(factsOf(before), factsOf(after))) return
    const { name } = ((after ?? before) as Node).metadata
    for (const attachment of this.attachments.list()) if (attachment.spec.nodeName === name) this.queue.add(volumeOf(attachment))
    if (before === null) for (const [claim, users] of this.users) if ([...users.values()].includes(name)) this.look(claim)
  }

  private look(claim: string): void {
    const volume = this.claims.get(claim)?.spec.volumeName ?? ''
    if (volume !== '') this.queue.add(volume)
  }

  private *sync(name: string): Task<'done' | 'retry'> {
    const volume = this.volumes.get(name)
    const nodes = this.nodesThatUse(volume)
    const attachments = this.attachments.list().filter((attachment) => volumeOf(attachment) === name)
    for (const attachment of attachments) {
      if (nodes.has(attachment.spec.nodeName)) this.unusedSince.delete(attachment.metadata.uid)
      if (isDeleting(attachment)) continue
      if ((yield* this.follow(attachment, nodes.has(attachment.spec.nodeName))) === 'retry') return 'retry'
    }
    for (const node of nodes) {
      if (attachments.some(({ spec }) => spec.nodeName === node)) continue
      if ((yield* this.attach(volume as PersistentVolume, node)) === 'retry') return 'retry'
    }
    return 'done'
  }

  private follow(attachment: VolumeAttachment, isUsed: boolean): Task<'done' | 'retry'> {
    if (this.ending.has(attachment.metadata.uid)) return this.end(attachment)
    return isUsed ? this.tell(attachment) : this.detach(attachment)
  }

  private nodesThatUse(volume: PersistentVolume | undefined): ReadonlySet<string> {
    const ref = volume?.spec.claimRef
    if (volume === undefined || ref === undefined) return new Set()
    const claim = this.claims.get(`${ref.namespace}/${ref.name}`)
    if (claim?.metadata.uid !== ref.uid || claim?.spec.volumeName !== volume.metadata.name) return new Set()
    return new Set(this.users.get(nameOf(claim))?.values())
  }

  // Attaching

  private *attach(volume: PersistentVolume, node: string): Task<'done' | 'retry'> {
    const onNode = nameOnNode(volume)
    if (onNode === null || volume.spec.csi === undefined || this.nodes.get(node) === undefined) return 'done'
    const { name } = volume.metadata
    if (!isShared(volume)) {
      // A cache may not show yet what a leader before this one has made.
      const listed = yield* this.context.client.list<VolumeAttachment>('volumeattachments')
      if (!listed.ok) return 'retry'
      if (listed.value.items.some((attachment) => volumeOf(attachment) === name)) return 'done'
    }
    const reply = yield* this.context.client.create<VolumeAttachment>('volumeattachments', {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'VolumeAttachment',
      metadata: { name: `csi-${hashLetters(`${onNode} ${node}`)}` },
      spec: { attacher: volume.spec.csi.driver, nodeName: node, source: { persistentVolumeName: name } },
    })
    return reply.ok || reply.status.reason === 'AlreadyExists' ? 'done' : 'retry'
  }

  /** The kubelet may mount it: the node's status says that it is attached. */
  private *tell(attachment: VolumeAttachment): Task<'done' | 'retry'> {
    const name = nameOfAttached(attachment)
    const node = this.nodes.get(attachment.spec.nodeName)
    if (!attachment.status.attached || node === undefined) return 'done'
    if (node.status.volumesAttached?.some((one) => one.name === name) === true) return 'done'
    const volumesAttached = [...(node.status.volumesAttached ?? []), { name, devicePath: '' }]
    const reply = yield* this.context.client.updateStatus<Node>('nodes', { ...node, status: { ...node.status, volumesAttached } })
    return reply.ok || reply.status.code === 404 ? 'done' : 'retry'
  }

  // Detaching

  private *detach(attachment: VolumeAttachment): Task<'done' | 'retry'> {
    const { uid } = attachment.metadata
    const { nodeName } = attachment.spec
    const nowMs = this.context.elapsed()
    const sinceMs = this.unusedSince.get(uid) ?? nowMs
    this.unusedSince.set(uid, sinceMs)
    const waitedMs = nowMs - sinceMs
    if (this.reason(this.nodes.get(nodeName), attachment, waitedMs) === null) {
      if (waitedMs < UNMOUNT_MOST_MS) this.queue.addAfter(volumeOf(attachment), UNMOUNT_MOST_MS - waitedMs)
      return 'done'
    }
    const read = yield* this.context.client.get<Node>({ resource: 'nodes', name: nodeName })
    if (!read.ok && read.status.code !== 404) return 'retry'
    const node = read.ok ? read.value : undefined
    const because = this.reason(node, attachment, waitedMs)
    if (because === null) {
      this.queue.addAfter(volumeOf(attachment), SOON_MS)
      return 'done'
    }
    if (node !== undefined && !(yield* this.takeBack(node, nameOfAttached(attachment)))) return 'retry'
    const view = { nodes: Number(node?.metadata.resourceVersion ?? this.nodes.revision) }
    const volume = nameOfAttached(attachment)
    const choice = { kind: 'DetachVolume' as const, attachment: refOf('volumeattachments', attachment), volume, node: nodeName }
    this.context.client.decide(view, { ...choice, because, waitedMs })
    this.ending.add(uid)
    return yield* this.end(attachment)
  }

  private *end({ metadata: { name, uid } }: VolumeAttachment): Task<'done' | 'retry'> {
    const reply = yield* this.context.client.delete({ resource: 'volumeattachments', name }, { preconditions: { uid } })
    return reply.ok || reply.status.code === 404 || reply.status.code === 409 ? 'done' : 'retry'
  }

  /** Why it may be detached; null: not yet. Of a node that is gone nobody can say that it has unmounted anything. */
  private reason(node: Node | undefined, attachment: VolumeAttachment, waitedMs: number): Because | null {
    const name = nameOfAttached(attachment)
    if (node !== undefined && node.status.volumesInUse?.includes(name) !== true) return 'unmounted'
    if (noExecute(node?.spec.taints).some((taint) => taint.key === OUT_OF_SERVICE)) return 'out of service'
    const ready = conditionOf(node?.status.conditions, 'Ready')?.status === 'True'
    return !ready && waitedMs >= UNMOUNT_MOST_MS ? 'not ready' : null
  }

  /** From this write on no kubelet mounts it. False: somebody else wrote before, and may have said that it is in use. */
  private *takeBack(node: Node, name: string): Task<boolean> {
    const { volumesAttached = [], ...status } = node.status
    if (!volumesAttached.some((one) => one.name === name)) return true
    const others = volumesAttached.filter((one) => one.name !== name)
    const left = others.length === 0 ? status : { ...status, volumesAttached: others }
    const reply = yield* this.context.client.updateStatus<Node>('nodes', { ...node, status: left })
    return reply.ok
  }
}

const volumeOf = ({ spec }: VolumeAttachment): string => spec.source.persistentVolumeName

/** On its node, and not over: one that is deleted and of which nothing runs is as good as gone. */
const uses = (pod: Pod): boolean => {
  if ((pod.spec.nodeName ?? '') === '' || isTerminal(pod)) return false
  return !isDeleting(pod) || pod.status.containerStatuses?.some(({ state }) => state.running !== undefined) === true
}

const factsOf = ({ spec, status }: Node): unknown => [
  spec.taints ?? [],
  conditionOf(status.conditions, 'Ready')?.status,
  status.volumesInUse ?? [],
  status.volumesAttached ?? [],
]
