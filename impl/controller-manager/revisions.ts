/**
 * The templates that a StatefulSet or DaemonSet has had, each a ControllerRevision, numbered in the order they became current.
 *
 * Source: kubernetes/kubernetes pkg/controller/history/controller_history.go.
 */
import type { ApiObject, LabelSelector, PodTemplateSpec } from '../../model/state/objects.ts'
import type { ResourceName } from '../../model/state/resources.ts'
import type { ControllerRevision } from '../../model/state/stateful.ts'
import type { ControllerContext, Informer } from '../client/api.ts'
import { same } from '../equal.ts'
import { controllerOf, controllerRef, isDeleting } from '../objects.ts'
import { selects } from '../selector.ts'
import type { Task } from '../task.ts'
import { isStillThere } from './claim.ts'
import { hashLetters } from './hash.ts'

export const REVISION_LABEL = 'controller-revision-hash'
export const HASH_LABEL = 'controller.kubernetes.io/hash'

export interface Templated extends ApiObject {
  readonly spec: { readonly selector: LabelSelector; readonly template: PodTemplateSpec; readonly revisionHistoryLimit?: number }
  readonly status: { readonly collisionCount?: number }
}

export interface Current {
  readonly revision: ControllerRevision
  readonly collisionCount: number
}

const COLLISIONS_MOST = 10

const dataOf = ({ spec }: Templated): ControllerRevision['data'] => ({ spec: { template: spec.template } })
const byNumber = (one: ControllerRevision, other: ControllerRevision): number =>
  one.revision - other.revision || (one.metadata.name < other.metadata.name ? -1 : 1)

export class Revisions {
  private readonly context: ControllerContext
  private readonly resource: ResourceName
  private readonly informer: Informer<ControllerRevision>

  constructor(context: ControllerContext, resource: ResourceName) {
    this.context = context
    this.resource = resource
    this.informer = context.informer('controllerrevisions')
  }

  /** All of an owner's, orphans that match among them, oldest first. Null: a write failed. */
  *claimed(owner: Templated): Task<readonly ControllerRevision[] | null> {
    const { namespace, uid } = owner.metadata
    const orphans = this.informer.orphans().filter(({ metadata }) => metadata.namespace === namespace)
    const mine = [...this.informer.ownedBy(uid)]
    let checked = false
    for (const revision of orphans) {
      if (isDeleting(owner) || !selects(owner.spec.selector, revision.metadata.labels)) continue
      checked ||= yield* isStillThere(this.context, { resource: this.resource, owner })
      const adopted = checked ? yield* this.adopt(owner, revision) : null
      if (adopted === null) return null
      mine.push(adopted)
    }
    return mine.toSorted(byNumber)
  }

  private *adopt(owner: Templated, revision: ControllerRevision): Task<ControllerRevision | null> {
    const { namespace, name, uid } = revision.metadata
    const patch = { metadata: { uid, ownerReferences: [...(revision.metadata.ownerReferences ?? []), controllerRef(owner)] } }
    const reply = yield* this.context.client.patch<ControllerRevision>({ resource: 'controllerrevisions', namespace, name }, patch, {
      patchType: 'merge',
    })
    return reply.ok ? reply.value : null
  }

  /** The revision of the owner's template: the newest, or an older one renumbered, or a new one. Null: a write failed. */
  *current(owner: Templated, revisions: readonly ControllerRevision[]): Task<Current | null> {
    const collisionCount = owner.status.collisionCount ?? 0
    const number = (revisions.at(-1)?.revision ?? 0) + 1
    const equal = revisions.findLast((revision) => same(revision.data, dataOf(owner)))
    if (equal === undefined) return yield* this.create(owner, number, collisionCount)
    if (equal === revisions.at(-1)) return { revision: equal, collisionCount }
    const reply = yield* this.context.client.update<ControllerRevision>('controllerrevisions', { ...equal, revision: number })
    return reply.ok ? { revision: reply.value, collisionCount } : null
  }

  private *create(owner: Templated, number: number, collisions: number): Task<Current | null> {
    const data = dataOf(owner)
    for (let collisionCount = collisions; collisionCount < collisions + COLLISIONS_MOST; collisionCount++) {
      const hash = hashLetters({ data, collisions: collisionCount })
      const { namespace } = owner.metadata
      const name = `${owner.metadata.name}-${hash}`
      const reply = yield* this.context.client.create<ControllerRevision>('controllerrevisions', {
        apiVersion: 'apps/v1',
        kind: 'ControllerRevision',
        metadata: {
          name,
          ...(namespace === undefined ? {} : { namespace }),
          labels: { ...owner.spec.template.metadata.labels, [HASH_LABEL]: hash },
          ownerReferences: [controllerRef(owner)],
        },
        data,
        revision: number,
      })
      if (reply.ok) return { revision: reply.value, collisionCount }
      if (reply.status.reason !== 'AlreadyExists') return null
      // It is this very one, unseen as yet, or another template of the same hash.
      const held = yield* this.context.client.get<ControllerRevision>({ resource: 'controllerrevisions', namespace, name })
      if (!held.ok) return null
      if (same(held.value.data, data)) return { revision: held.value, collisionCount }
    }
    return null
  }

  /** One by name, looked up if it has not been seen yet. Undefined: there is none; null: nobody knows. */
  *named(
    owner: Templated,
    revisions: readonly ControllerRevision[],
    name: string | undefined,
  ): Task<ControllerRevision | undefined | null> {
    const seen = revisions.find(({ metadata }) => metadata.name === name)
    if (seen !== undefined || name === undefined) return seen
    const { namespace } = owner.metadata
    const reply = yield* this.context.client.get<ControllerRevision>({ resource: 'controllerrevisions', namespace, name })
    if (!reply.ok) return reply.status.code === 404 ? undefined : null
    return controllerOf(reply.value)?.uid === owner.metadata.uid ? reply.value : undefined
  }

  /** Forgets the oldest of those that nothing is made of any more, beyond the limit. False: a write failed. */
  *truncate(owner: Templated, revisions: readonly ControllerRevision[], live: ReadonlySet<string>): Task<boolean> {
    const old = revisions.filter(({ metadata }) => !live.has(metadata.name))
    const excess = old.length - (owner.spec.revisionHistoryLimit ?? 10)
    for (const { metadata } of old.slice(0, Math.max(0, excess))) {
      const { namespace, name, uid } = metadata
      const reply = yield* this.context.client.delete(
        { resource: 'controllerrevisions', namespace, name },
        { preconditions: { uid }, propagationPolicy: 'Background' },
      )
      if (!reply.ok && reply.status.code !== 404) return false
    }
    return true
  }
}
