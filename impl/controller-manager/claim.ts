/**
 * Whose pods are whose: a controller keeps those of its own that still match, lets others go, and takes in orphans that match.
 *
 * Source: kubernetes/kubernetes pkg/controller/controller_ref_manager.go.
 */
import type { View } from '../../model/state/history.ts'
import type { ApiObject, Pod } from '../../model/state/objects.ts'
import type { ResourceName } from '../../model/state/resources.ts'
import type { ControllerContext, Informer } from '../client/api.ts'
import { controllerRef, isDeleting, isTerminal, refOf } from '../objects.ts'
import type { Task } from '../task.ts'

export interface Claim {
  readonly resource: ResourceName
  readonly owner: ApiObject
  /** Whether the owner would have it. */
  matches(pod: Pod): boolean
  /** What the pods are seen at. */
  readonly view: View
}

/** The pods that are the owner's now. Null: a write failed. */
export function* claimPods(context: ControllerContext, claim: Claim, pods: Informer<Pod>): Task<readonly Pod[] | null> {
  const { owner } = claim
  const mine: Pod[] = []
  let checked = false
  const orphans = pods.orphans().filter((pod) => pod.metadata.namespace === owner.metadata.namespace)
  for (const pod of pods.ownedBy(owner.metadata.uid)) {
    if (claim.matches(pod)) mine.push(pod)
    else if (!isDeleting(owner) && (yield* release(context, claim, pod)) === 'failed') return null
  }
  for (const pod of orphans) {
    if (!claim.matches(pod) || isDeleting(owner) || isDeleting(pod) || isTerminal(pod)) continue
    checked ||= yield* isStillThere(context, claim)
    if (!checked) return null
    const adopted = yield* adopt(context, claim, pod)
    if (adopted === 'failed') return null
    if (adopted === 'done') mine.push(pod)
  }
  return mine
}

/** Only who is still there, and the same, may adopt. */
export function* isStillThere(context: ControllerContext, { resource, owner }: Pick<Claim, 'resource' | 'owner'>): Task<boolean> {
  const { namespace, name, uid } = owner.metadata
  const fresh = yield* context.client.get<ApiObject>({ resource, namespace, name })
  return fresh.ok && fresh.value.metadata.uid === uid && !isDeleting(fresh.value)
}

/** gone: it is not there any more, or another of its name is. */
type Claiming = 'done' | 'gone' | 'failed'

function* adopt(context: ControllerContext, { resource, owner, view }: Claim, pod: Pod): Task<Claiming> {
  context.client.decide(view, { kind: 'AdoptPod', owner: refOf(resource, owner), pod: refOf('pods', pod) })
  return yield* patchOwners(context, pod, [...(pod.metadata.ownerReferences ?? []), controllerRef(owner)])
}

function* release(context: ControllerContext, { resource, owner, view }: Claim, pod: Pod): Task<Claiming> {
  context.client.decide(view, { kind: 'ReleasePod', owner: refOf(resource, owner), pod: refOf('pods', pod) })
  const { uid } = owner.metadata
  return yield* patchOwners(
    context,
    pod,
    (pod.metadata.ownerReferences ?? []).filter((held) => held.uid !== uid),
  )
}

function* patchOwners(context: ControllerContext, pod: Pod, ownerReferences: Pod['metadata']['ownerReferences']): Task<Claiming> {
  const { namespace, name, uid } = pod.metadata
  const patch = { metadata: { uid, ownerReferences } }
  const reply = yield* context.client.patch<Pod>({ resource: 'pods', namespace, name }, patch, { patchType: 'merge' })
  if (reply.ok) return 'done'
  return reply.status.code === 404 || reply.status.code === 409 ? 'gone' : 'failed'
}
