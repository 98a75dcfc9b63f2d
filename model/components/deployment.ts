/**
 * A Deployment keeps one ReplicaSet for each template it has had, and moves its replicas to the one of its current template.
 *
 * Each step is as large as the bounds allow on what is seen; smaller ones only take longer, and the bounds themselves
 * (rollout.ts) are what implementations are held to. Left out: proportional scaling of a rollout that is resized (it goes
 * by the same bounds), adoption of sets, progress deadlines, and what a paused one may still do.
 * Source: kubernetes pkg/controller/deployment (sync.go, rolling.go, recreate.go)
 */
import type { Deployment, Pod, ReplicaSet } from '../state/objects.ts'
import type { Request, System } from '../state/system.ts'
import { controllerOf, isDeleting, isTerminal, sameValue } from './objects.ts'
import { asks, client, MANAGER, ownedBy, refOf, removal } from './request.ts'
import { growsTooFar, shrinksTooFar, type Sizes } from './rollout.ts'
import { HASH, limits, templateOf } from './template.ts'
import { seen, type Held } from './view.ts'

const REVISION = 'deployment.kubernetes.io/revision'
const HISTORY_MOST = 10

/** What one sync looks at. */
interface Round {
  readonly deployment: Held<Deployment>
  /** Of the current template. */
  readonly current: Held<ReplicaSet> | undefined
  readonly old: readonly Held<ReplicaSet>[]
  /** Pods of old sets that are not over. */
  readonly oldPods: number
}

const roundOf = (system: System, deployment: Held<Deployment>): Round => {
  const { uid } = deployment.value.metadata
  const template = templateOf(deployment.value.spec.template)
  const sets = seen<ReplicaSet>(system, MANAGER, 'replicasets').filter(({ value }) => controllerOf(value) === uid)
  const current = sets.find(({ value }) => templateOf(value.spec.template) === template)
  const old = sets.filter((set) => set !== current)
  const uids = new Set(old.map(({ value }) => value.metadata.uid))
  const pods = seen<Pod>(system, MANAGER, 'pods').filter(({ value }) => uids.has(controllerOf(value) ?? '') && !isTerminal(value))
  return { deployment, current, old, oldPods: pods.length }
}

export const revisionOf = (set: ReplicaSet): number => Number(set.metadata.annotations?.[REVISION] ?? 0)
const nextRevision = ({ old }: Round): number => 1 + Math.max(0, ...old.map(({ value }) => revisionOf(value)))

/** How many the current set may have by now; `has`: how many it has. */
const grownTo = ({ deployment: { value: deployment }, old, oldPods }: Round, has: number): number => {
  const { replicas, strategy } = deployment.spec
  if (has >= replicas) return replicas
  if (strategy.type === 'Recreate') return oldPods > 0 || old.some(({ value }) => value.spec.replicas > 0) ? has : replicas
  const total = has + old.reduce((sum, { value }) => sum + value.spec.replicas, 0)
  return Math.max(has, Math.min(replicas, has + limits(deployment).most - total))
}

const created = (round: Round): readonly Request[] => {
  const { value: deployment } = round.deployment
  const { template, selector } = deployment.spec
  if (deployment.spec.strategy.type === 'Recreate' && grownTo(round, 0) < deployment.spec.replicas) return []
  // Upstream hashes the template; here the image tells them apart, and a name says which.
  const hash = template.spec.containers.map(({ image = '' }) => image).join('-')
  const name = `${deployment.metadata.name}-${hash}`
  const replicas = grownTo(round, 0)
  const labels = { ...template.metadata.labels, [HASH]: hash }
  const value: ReplicaSet = {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      name,
      namespace: deployment.metadata.namespace ?? '',
      uid: '',
      creationTimestamp: '',
      labels,
      annotations: { [REVISION]: String(nextRevision(round)) },
      ownerReferences: [ownedBy(deployment)],
    },
    spec: {
      replicas,
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [HASH]: hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
    status: { replicas: 0 },
  }
  return [asks(MANAGER, { kind: 'CreateReplicaSet', owner: refOf(deployment), name, replicas }, { verb: 'create', value })]
}

const resized = ({ deployment }: Round, { value: set, version }: Held<ReplicaSet>, to: number): Request =>
  asks(
    MANAGER,
    { kind: 'ScaleReplicaSet', owner: refOf(deployment.value), replicaSet: refOf(set), from: set.spec.replicas, to },
    { verb: 'update', value: { ...set, spec: { ...set.spec, replicas: to } }, version },
  )

export type Bound = (deployment: Deployment, sets: readonly ReplicaSet[], sizes: Sizes) => string | null

const grow = (round: Round): readonly Request[] => {
  const { current, old, deployment } = round
  if (current === undefined) return created(round)
  const { value: set } = current
  const to = grownTo(round, set.spec.replicas)
  if (to === set.spec.replicas) return []
  const sizes = new Map([[set.metadata.uid, { from: set.spec.replicas, to }]])
  const sets = [current, ...old].map(({ value }) => value)
  return to < set.spec.replicas || growsTooFar(deployment.value, sets, sizes) === null ? [resized(round, current, to)] : []
}

/** Each old set by as much as the bound lets it. */
const shrink = (round: Round, bound: Bound): readonly Request[] => {
  const { current, old, deployment } = round
  const recreates = deployment.value.spec.strategy.type === 'Recreate'
  // A rolling update makes the new set first.
  if (current === undefined && !recreates) return []
  const sets = [...(current === undefined ? [] : [current]), ...old].map(({ value }) => value)
  return old.flatMap((held) => {
    const { uid } = held.value.metadata
    const from = held.value.spec.replicas
    const may = (to: number): boolean => recreates || bound(deployment.value, sets, new Map([[uid, { from, to }]])) === null
    const to = Array.from({ length: from }, (_, size) => size).find(may)
    return to === undefined ? [] : [resized(round, held, to)]
  })
}

const renumbered = (round: Round): readonly Request[] => {
  const { current } = round
  if (current === undefined || revisionOf(current.value) >= nextRevision(round)) return []
  const { value: set, version } = current
  const annotations = { ...set.metadata.annotations, [REVISION]: String(nextRevision(round)) }
  return [asks(MANAGER, null, { verb: 'update', value: { ...set, metadata: { ...set.metadata, annotations } }, version })]
}

/** Why it may not be cleaned up; null: it may. */
export const notToCleanUp = (deployment: Deployment, set: ReplicaSet): string | null => {
  if (set.spec.replicas !== 0 || set.status.replicas !== 0) return `wants ${set.spec.replicas} pods and has ${set.status.replicas}`
  return templateOf(set.spec.template) === templateOf(deployment.spec.template) ? 'has the current template' : null
}

const cleanedUp = ({ deployment: { value: deployment }, old }: Round): readonly Request[] => {
  const kept = deployment.spec.revisionHistoryLimit ?? HISTORY_MOST
  return old
    .toSorted((one, other) => revisionOf(one.value) - revisionOf(other.value))
    .slice(0, Math.max(0, old.length - kept))
    .filter(({ value }) => !isDeleting(value) && notToCleanUp(deployment, value) === null)
    .map((held) => asks(MANAGER, { kind: 'DeleteReplicaSet', owner: refOf(deployment), replicaSet: refOf(held.value) }, removal(held)))
}

const status = ({ deployment: { value: deployment, version }, current, old }: Round): readonly Request[] => {
  const sets = [...(current === undefined ? [] : [current]), ...old].map(({ value }) => value)
  const sum = (field: 'replicas' | 'availableReplicas' | 'readyReplicas'): number =>
    sets.reduce((total, set) => total + (set.status[field] ?? 0), 0)
  const told: Deployment['status'] = {
    replicas: sum('replicas'),
    updatedReplicas: current?.value.status.replicas ?? 0,
    readyReplicas: sum('readyReplicas'),
    availableReplicas: sum('availableReplicas'),
    observedGeneration: deployment.metadata.generation ?? 0,
  }
  if (sameValue(deployment.status, told)) return []
  return [asks(MANAGER, null, { verb: 'status', value: { ...deployment, status: told }, version })]
}

/** Rolling out within a given bound on what may be taken away. */
export const rollingOutWithin = (bound: Bound): ReturnType<typeof client> =>
  client('deployment', (system) =>
    seen<Deployment>(system, MANAGER, 'deployments').flatMap((held) => {
      const round = roundOf(system, held)
      const still = isDeleting(held.value) || held.value.spec.paused === true
      const done = still ? [] : [...grow(round), ...shrink(round, bound), ...renumbered(round), ...cleanedUp(round)]
      // Nobody here acts on its status: when it is told on the way makes no difference.
      return done.length > 0 ? done : status(round)
    }),
  )

export const deployment = rollingOutWithin(shrinksTooFar)
