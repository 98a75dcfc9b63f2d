/**
 * Deployments: one ReplicaSet a template, sized step by step towards the newest.
 *
 * Source: kubernetes/kubernetes pkg/controller/deployment/deployment_controller.go, sync.go, recreate.go.
 */
import type { View } from '../../model/state/history.ts'
import type { Deployment, Pod, ReplicaSet } from '../../model/state/objects.ts'
import type { Controller, ControllerContext, Informer, WorkQueue } from '../client/api.ts'
import { nameOf } from '../client/informer.ts'
import { same } from '../equal.ts'
import { selects } from '../selector.ts'
import type { Task } from '../task.ts'
import { begun, deadlineInMs, statusOf } from './deployment-status.ts'
import { hashLetters } from './hash.ts'
import { controllerOf, controllerRef, isDeleting, isTerminal, refOf } from '../objects.ts'
import * as rollout from './rollout.ts'

const WORKERS = 5
const RETRIES_MOST = 15

export const deploymentController: Controller = (context) => {
  const controller = new Deployments(context)
  return { name: 'deployment', start: () => controller.start() }
}

/** Ended because a write did not go through: the whole sync is tried again on a newer view. */
class WriteFailed extends Error {}

/** One sync: what it works on, and what had been seen when it began. */
interface Round {
  readonly key: string
  /** As it was when the sync began, but for its status where that was written on the way. */
  deployment: Deployment
  /** Kept up to date with what it writes. */
  readonly sets: ReplicaSet[]
  view: View
}

class Deployments {
  private readonly context: ControllerContext
  private readonly deployments: Informer<Deployment>
  private readonly sets: Informer<ReplicaSet>
  private readonly pods: Informer<Pod>
  private readonly queue: WorkQueue
  /** What a sync made of the Deployment it began with: the status is written on top of that. */
  private readonly written = new WeakMap<Deployment, Deployment>()

  constructor(context: ControllerContext) {
    this.context = context
    this.deployments = context.informer('deployments')
    this.sets = context.informer('replicasets')
    this.pods = context.informer('pods')
    this.queue = context.queue(WORKERS, (key) => this.sync(key))
  }

  start(): void {
    const { queue } = this
    this.deployments.onChange((before, after) => {
      const deployment = after ?? before
      if (deployment !== null) queue.add(nameOf(deployment))
    })
    this.sets.onChange((before, after) => {
      for (const set of [before, after]) {
        if (set === null) continue
        const owner = controllerOf(set)
        if (owner?.kind === 'Deployment') queue.add(`${set.metadata.namespace}/${owner.name}`)
        else if (owner === undefined) for (const deployment of this.wanting(set)) queue.add(nameOf(deployment))
      }
    })
    this.pods.onChange((before, after) => {
      // Recreate waits for the last old pod to be gone.
      if (before === null || after !== null) return
      const owner = controllerOf(before)
      const set = owner?.kind === 'ReplicaSet' ? this.sets.get(`${before.metadata.namespace}/${owner.name}`) : undefined
      const deployment = set === undefined ? undefined : controllerOf(set)
      if (deployment?.kind === 'Deployment') queue.add(`${before.metadata.namespace}/${deployment.name}`)
    })
  }

  private wanting(set: ReplicaSet): readonly Deployment[] {
    return this.deployments.list().filter((deployment) => this.matches(deployment, set))
  }

  private matches(deployment: Deployment, set: ReplicaSet): boolean {
    return deployment.metadata.namespace === set.metadata.namespace && selects(deployment.spec.selector, set.metadata.labels)
  }

  private *sync(key: string): Task<'done' | 'retry'> {
    const deployment = this.deployments.get(key)
    if (deployment === undefined) return 'done'
    try {
      yield* this.reconcile(key, deployment)
      return 'done'
    } catch (error) {
      if (!(error instanceof WriteFailed)) throw error
      return this.queue.retries(key) < RETRIES_MOST ? 'retry' : 'done'
    }
  }

  private *reconcile(key: string, deployment: Deployment): Task<void> {
    const view = this.context.view('deployments', 'replicasets', 'pods')
    const sets = yield* this.claim(deployment)
    const round: Round = { key, deployment, sets, view }
    if (isDeleting(deployment)) {
      yield* this.writeStatus(round, rollout.newSetOf(deployment, sets))
      return
    }
    if (deployment.spec.paused === true || rollout.isScaling(deployment, sets)) {
      yield* this.scale(round, yield* this.syncNewSet(round, false))
      const newSet = rollout.newSetOf(deployment, sets)
      if (deployment.spec.paused === true) yield* this.cleanUp(round, newSet)
      yield* this.writeStatus(round, newSet)
      return
    }
    if (deployment.spec.strategy.type === 'Recreate') yield* this.recreate(round)
    else yield* this.rolling(round)
  }

  // Claiming

  private *claim(deployment: Deployment): Task<ReplicaSet[]> {
    const mine: ReplicaSet[] = []
    for (const set of this.sets.list()) {
      const owner = controllerOf(set)
      if (owner !== undefined) {
        if (owner.uid === deployment.metadata.uid) mine.push(set)
        continue
      }
      if (!this.matches(deployment, set) || isDeleting(set) || isDeleting(deployment)) continue
      const fresh = yield* this.context.client.get<Deployment>({ resource: 'deployments', ...place(deployment) })
      if (!fresh.ok || fresh.value.metadata.uid !== deployment.metadata.uid || isDeleting(fresh.value)) throw new WriteFailed()
      const ownerReferences = [...(set.metadata.ownerReferences ?? []), controllerRef(deployment)]
      const patch = { metadata: { uid: set.metadata.uid, ownerReferences } }
      const adopted = yield* this.context.client.patch<ReplicaSet>({ resource: 'replicasets', ...place(set) }, patch, {
        patchType: 'merge',
      })
      if (!adopted.ok) throw new WriteFailed()
      mine.push(adopted.value)
    }
    return mine
  }

  // The set of the current template

  private *syncNewSet(round: Round, mayCreate: boolean): Task<ReplicaSet | undefined> {
    const { deployment, sets } = round
    const existing = rollout.newSetOf(deployment, sets)
    const old = sets.filter((set) => set !== existing)
    const revision = Math.max(0, ...old.map(rollout.revisionOf)) + 1
    if (existing !== undefined) {
      const synced = yield* this.numbered(deployment, existing, revision)
      sets[sets.indexOf(existing)] = synced
      yield* this.mirrorRevision(deployment, rollout.revisionOf(synced))
      return synced
    }
    if (!mayCreate) return undefined
    const created = yield* this.createSet(round, revision)
    sets.push(created)
    yield* this.mirrorRevision(deployment, revision)
    yield* this.begin(round, created)
    return created
  }

  private *begin(round: Round, set: ReplicaSet): Task<void> {
    const latest = this.written.get(round.deployment) ?? round.deployment
    const status = begun(latest, set.metadata.name, this.context.now())
    if (status === latest.status) return
    const reply = yield* this.context.client.updateStatus<Deployment>('deployments', { ...latest, status })
    if (!reply.ok) throw new WriteFailed()
    round.deployment = reply.value
  }

  /** A set that comes back into use gets the next number, and remembers its former ones. */
  private *numbered(deployment: Deployment, set: ReplicaSet, revision: number): Task<ReplicaSet> {
    const had = rollout.revisionOf(set)
    const minReadySeconds = deployment.spec.minReadySeconds ?? 0
    const copied = rollout.copiedAnnotations(deployment)
    const annotations = { ...set.metadata.annotations, ...copied }
    if (had >= revision && (set.spec.minReadySeconds ?? 0) === minReadySeconds && same(annotations, set.metadata.annotations ?? {}))
      return set
    if (had < revision) {
      annotations[rollout.REVISION] = String(revision)
      if (had > 0) {
        const history = annotations[rollout.REVISION_HISTORY]
        annotations[rollout.REVISION_HISTORY] = history === undefined ? String(had) : `${history},${had}`
      }
    }
    const updated = { ...set, metadata: { ...set.metadata, annotations }, spec: { ...set.spec, minReadySeconds } }
    return yield* this.updateSet(updated)
  }

  private *updateSet(set: ReplicaSet): Task<ReplicaSet> {
    const reply = yield* this.context.client.update<ReplicaSet>('replicasets', set)
    if (!reply.ok) throw new WriteFailed()
    return reply.value
  }

  private *mirrorRevision(deployment: Deployment, revision: number): Task<void> {
    if (rollout.revisionOf(deployment) === revision) return
    const { resourceVersion } = deployment.metadata
    const patch = { metadata: { resourceVersion, annotations: { [rollout.REVISION]: String(revision) } } }
    const reply = yield* this.context.client.patch<Deployment>({ resource: 'deployments', ...place(deployment) }, patch, {
      patchType: 'merge',
    })
    if (!reply.ok) throw new WriteFailed()
    this.written.set(deployment, reply.value)
  }

  private *createSet({ deployment, sets, view }: Round, revision: number): Task<ReplicaSet> {
    const hash = hashLetters({ template: deployment.spec.template, collisions: deployment.status.collisionCount ?? 0 })
    const name = `${deployment.metadata.name}-${hash}`
    const replicas = rollout.newSetSize(deployment, sets, undefined)
    const owner = refOf('deployments', deployment)
    this.context.client.decide(view, { kind: 'CreateReplicaSet', owner, name, replicas })
    const reply = yield* this.context.client.create<ReplicaSet>('replicasets', setOf(deployment, name, hash, replicas, revision))
    if (reply.ok) return reply.value
    if (reply.status.reason === 'AlreadyExists') yield* this.collided(deployment, name)
    throw new WriteFailed()
  }

  /** The name is taken: by this very set, unseen as yet, or by another template with the same hash. */
  private *collided(deployment: Deployment, name: string): Task<void> {
    const taken = yield* this.context.client.get<ReplicaSet>({ resource: 'replicasets', namespace: deployment.metadata.namespace, name })
    if (!taken.ok) return
    const mine = controllerOf(taken.value)?.uid === deployment.metadata.uid
    if (mine && rollout.sameTemplate(taken.value.spec.template, deployment.spec.template)) return
    const collisionCount = (deployment.status.collisionCount ?? 0) + 1
    yield* this.context.client.updateStatus<Deployment>('deployments', { ...deployment, status: { ...deployment.status, collisionCount } })
  }

  // Sizing

  /** True: the set was changed. */
  private *resize({ deployment, sets, view }: Round, set: ReplicaSet, to: number): Task<boolean> {
    const desired = String(deployment.spec.replicas)
    const most = String(deployment.spec.replicas + rollout.bounds(deployment).surge)
    const annotations = set.metadata.annotations ?? {}
    const annotated = annotations[rollout.DESIRED] === desired && annotations[rollout.MAX_REPLICAS] === most
    if (set.spec.replicas === to && annotated) return false
    if (set.spec.replicas !== to) {
      this.context.client.decide(view, {
        kind: 'ScaleReplicaSet',
        owner: refOf('deployments', deployment),
        replicaSet: refOf('replicasets', set),
        from: set.spec.replicas,
        to,
      })
    }
    const updated = yield* this.updateSet({
      ...set,
      metadata: { ...set.metadata, annotations: { ...annotations, [rollout.DESIRED]: desired, [rollout.MAX_REPLICAS]: most } },
      spec: { ...set.spec, replicas: to },
    })
    sets[sets.indexOf(set)] = updated
    return set.spec.replicas !== to
  }

  private *scale(round: Round, newSet: ReplicaSet | undefined): Task<void> {
    const { deployment, sets } = round
    const active = sets.filter((set) => set.spec.replicas > 0)
    const only = active.length === 1 ? active[0] : active.length === 0 ? (newSet ?? rollout.byAge(sets).at(-1)) : undefined
    if (only !== undefined) {
      yield* this.resize(round, only, deployment.spec.replicas)
      return
    }
    const saturated =
      newSet !== undefined &&
      newSet.spec.replicas === deployment.spec.replicas &&
      newSet.status.availableReplicas === deployment.spec.replicas
    if (saturated) {
      for (const set of active) if (set !== newSet) yield* this.resize(round, set, 0)
      return
    }
    if (deployment.spec.strategy.type !== 'RollingUpdate') return
    for (const { set, to } of rollout.proportional(deployment, sets)) yield* this.resize(round, set, to)
  }

  private *rolling(round: Round): Task<void> {
    const { deployment, sets } = round
    const newSet = yield* this.syncNewSet(round, true)
    if (newSet !== undefined) {
      const size = newSet.spec.replicas > deployment.spec.replicas ? deployment.spec.replicas : rollout.newSetSize(deployment, sets, newSet)
      const grown = yield* this.resize(round, newSet, size)
      if (!grown) yield* this.shrink(round)
    }
    yield* this.finish(round)
  }

  private *shrink(round: Round): Task<void> {
    const { deployment, sets } = round
    const newSet = rollout.newSetOf(deployment, sets)
    for (const { set, to } of rollout.shrinkOld(deployment, sets, newSet)) yield* this.resize(round, set, to)
  }

  private *recreate(round: Round): Task<void> {
    const { deployment, sets } = round
    const existing = yield* this.syncNewSet(round, false)
    const old = sets.filter((set) => set !== existing)
    let shrunk = false
    for (const set of old) if (set.spec.replicas > 0 && (yield* this.resize(round, set, 0))) shrunk = true
    const stillThere = old.some((set) => this.pods.ownedBy(set.metadata.uid).some((pod) => !isTerminal(pod)))
    if (!shrunk && !stillThere) {
      // Which pods are left was looked up just now.
      round.view = { ...round.view, ...this.context.view('pods') }
      const newSet = existing ?? (yield* this.syncNewSet(round, true))
      if (newSet !== undefined) yield* this.resize(round, newSet, deployment.spec.replicas)
    }
    yield* this.finish(round)
  }

  private *finish(round: Round): Task<void> {
    const { deployment, sets } = round
    const newSet = rollout.newSetOf(deployment, sets)
    const status = yield* this.writeStatus(round, newSet)
    if (rollout.isComplete(deployment, status)) yield* this.cleanUp(round, newSet)
  }

  /** Old sets beyond the limit go, when nothing of them is left. */
  private *cleanUp({ deployment, sets, view }: Round, newSet: ReplicaSet | undefined): Task<void> {
    const old = sets
      .filter((set) => set !== newSet && !isDeleting(set))
      .toSorted((one, other) => rollout.revisionOf(one) - rollout.revisionOf(other))
    const surplus = old.length - (deployment.spec.revisionHistoryLimit ?? 10)
    for (const set of old.slice(0, Math.max(0, surplus))) {
      const observed = (set.status.observedGeneration ?? 0) >= (set.metadata.generation ?? 0)
      if (set.status.replicas !== 0 || set.spec.replicas !== 0 || !observed) continue
      this.context.client.decide(view, {
        kind: 'DeleteReplicaSet',
        owner: refOf('deployments', deployment),
        replicaSet: refOf('replicasets', set),
      })
      const reply = yield* this.context.client.delete(
        { resource: 'replicasets', ...place(set) },
        { preconditions: { uid: set.metadata.uid } },
      )
      if (!reply.ok && reply.status.code !== 404) throw new WriteFailed()
    }
  }

  private *writeStatus({ key, deployment, sets }: Round, newSet: ReplicaSet | undefined): Task<Deployment['status']> {
    const status = statusOf(deployment, sets, newSet, this.context.now())
    const again = deadlineInMs(deployment, status, this.context.now())
    if (again !== null) this.queue.addAfter(key, again)
    if (same(status, deployment.status)) return status
    const latest = this.written.get(deployment) ?? deployment
    const reply = yield* this.context.client.updateStatus<Deployment>('deployments', { ...latest, status })
    if (!reply.ok && reply.status.code !== 404) throw new WriteFailed()
    return status
  }
}

const place = (object: Deployment | ReplicaSet): { namespace: string | undefined; name: string } => ({
  namespace: object.metadata.namespace,
  name: object.metadata.name,
})

const setOf = (deployment: Deployment, name: string, hash: string, replicas: number, revision: number) => {
  const { template, selector, minReadySeconds, replicas: desired } = deployment.spec
  const labels = { ...template.metadata.labels, [rollout.HASH_LABEL]: hash }
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet' as const,
    metadata: {
      name,
      ...(deployment.metadata.namespace === undefined ? {} : { namespace: deployment.metadata.namespace }),
      labels,
      annotations: {
        ...rollout.copiedAnnotations(deployment),
        [rollout.REVISION]: String(revision),
        [rollout.DESIRED]: String(desired),
        [rollout.MAX_REPLICAS]: String(desired + rollout.bounds(deployment).surge),
      },
      ownerReferences: [controllerRef(deployment)],
    },
    spec: {
      replicas,
      minReadySeconds: minReadySeconds ?? 0,
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [rollout.HASH_LABEL]: hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  }
}
