/**
 * The arithmetic of a rollout: how many may be above, how many below, who grows and who shrinks next.
 *
 * Source: kubernetes/kubernetes pkg/controller/deployment/{rolling.go,sync.go,util/deployment_util.go}.
 */
import type { Deployment, IntOrPercent, ReplicaSet } from '../../model/state/objects.ts'
import { same } from '../equal.ts'

export const HASH_LABEL = 'pod-template-hash'
export const REVISION = 'deployment.kubernetes.io/revision'
export const REVISION_HISTORY = 'deployment.kubernetes.io/revision-history'
export const DESIRED = 'deployment.kubernetes.io/desired-replicas'
export const MAX_REPLICAS = 'deployment.kubernetes.io/max-replicas'

const OWN: ReadonlySet<string> = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  REVISION,
  REVISION_HISTORY,
  DESIRED,
  MAX_REPLICAS,
])
/** What a set is told of its Deployment, such as why it was changed: all but what each of them keeps for itself. */
export const copiedAnnotations = (deployment: Deployment): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(deployment.metadata.annotations ?? {}).filter(([name]) => !OWN.has(name)))

const share = (value: IntOrPercent, total: number, up: boolean): number => {
  if (typeof value === 'number') return value
  const exact = (Number(value.slice(0, -1)) * total) / 100
  return up ? Math.ceil(exact) : Math.floor(exact)
}

/** Surge rounds up, unavailable down; when both come to nothing one pod may be unavailable. */
export const bounds = (deployment: Deployment): { surge: number; unavailable: number } => {
  const { rollingUpdate, type } = deployment.spec.strategy
  const { replicas } = deployment.spec
  if (type !== 'RollingUpdate' || rollingUpdate === undefined) return { surge: 0, unavailable: 0 }
  const surge = share(rollingUpdate.maxSurge, replicas, true)
  const unavailable = share(rollingUpdate.maxUnavailable, replicas, false)
  return { surge, unavailable: surge === 0 && unavailable === 0 ? 1 : Math.min(unavailable, replicas) }
}

const withoutHash = (template: ReplicaSet['spec']['template']): unknown => {
  const { [HASH_LABEL]: _hash, ...labels } = template.metadata.labels ?? {}
  return { ...template, metadata: { ...template.metadata, labels } }
}

export const sameTemplate = (one: ReplicaSet['spec']['template'], other: ReplicaSet['spec']['template']): boolean =>
  same(withoutHash(one), withoutHash(other))

export const byAge = (sets: readonly ReplicaSet[]): readonly ReplicaSet[] =>
  sets.toSorted((one, other) => {
    const { creationTimestamp: before } = one.metadata
    const { creationTimestamp: after } = other.metadata
    if (before !== after) return before < after ? -1 : 1
    return one.metadata.name < other.metadata.name ? -1 : 1
  })

/** The set of the current template: the oldest if there are several. */
export const newSetOf = (deployment: Deployment, sets: readonly ReplicaSet[]): ReplicaSet | undefined =>
  byAge(sets).find((set) => sameTemplate(set.spec.template, deployment.spec.template))

export const revisionOf = (object: ReplicaSet | Deployment): number => Number(object.metadata.annotations?.[REVISION] ?? 0)
export const sum = (sets: readonly ReplicaSet[], count: (set: ReplicaSet) => number): number =>
  sets.reduce((total, set) => total + count(set), 0)
export const replicasOf = (sets: readonly ReplicaSet[]): number => sum(sets, (set) => set.spec.replicas)
export const availableOf = (sets: readonly ReplicaSet[]): number => sum(sets, (set) => set.status.availableReplicas ?? 0)

/** Pods that take room in the surge (KEP-3973). A set's own counts are of one moment, so what left one is in the other. */
const occupied = (deployment: Deployment, sets: readonly ReplicaSet[]): number => {
  if (deployment.spec.podReplacementPolicy !== 'TerminationComplete') return replicasOf(sets)
  const active = sum(sets, (set) => Math.max(set.spec.replicas, set.status.replicas))
  const terminating = sum(sets, (set) => set.status.terminatingReplicas ?? 0)
  return active + terminating
}

/** How large the set of the current template should be now. */
export const newSetSize = (deployment: Deployment, sets: readonly ReplicaSet[], newSet: ReplicaSet | undefined): number => {
  const { replicas, strategy } = deployment.spec
  const now = newSet?.spec.replicas ?? 0
  if (strategy.type === 'Recreate') return replicas
  const most = replicas + bounds(deployment).surge
  const room = most - occupied(deployment, sets)
  if (room <= 0) return now
  return Math.max(now, now + Math.min(room, replicas - now))
}

export interface Resize {
  readonly set: ReplicaSet
  readonly to: number
}

/** Which old sets shrink now: first what is not available anyway, then as much as availability allows. */
export const shrinkOld = (deployment: Deployment, sets: readonly ReplicaSet[], newSet: ReplicaSet | undefined): readonly Resize[] => {
  const old = byAge(sets.filter((set) => set !== newSet))
  const least = deployment.spec.replicas - bounds(deployment).unavailable
  const newUnavailable = (newSet?.spec.replicas ?? 0) - (newSet?.status.availableReplicas ?? 0)
  const most = replicasOf(sets) - least - newUnavailable
  if (most <= 0) return []
  const sizes = new Map(old.map((set) => [set, set.spec.replicas]))
  let cleaned = 0
  for (const set of old) {
    const unhealthy = set.spec.replicas - (set.status.availableReplicas ?? 0)
    // Negative: the status is of before the set was last made smaller, and says nothing yet.
    if (unhealthy < 0) return []
    const by = Math.min(most - cleaned, unhealthy)
    sizes.set(set, set.spec.replicas - by)
    cleaned += by
  }
  let spare = availableOf(sets) - least
  for (const set of old) {
    if (spare <= 0) break
    const size = sizes.get(set) ?? 0
    const by = Math.min(size, spare)
    sizes.set(set, size - by)
    spare -= by
  }
  return old.flatMap((set) => (sizes.get(set) === set.spec.replicas ? [] : [{ set, to: sizes.get(set) ?? 0 }]))
}

/** Whether the number of replicas was changed since the sets were last sized for it. */
export const isScaling = (deployment: Deployment, sets: readonly ReplicaSet[]): boolean =>
  sets.some((set) => {
    const desired = set.metadata.annotations?.[DESIRED]
    return set.spec.replicas > 0 && desired !== undefined && Number(desired) !== deployment.spec.replicas
  })

/** Spreads a change of size over the sets in proportion to theirs; the rest goes to the largest. */
export const proportional = (deployment: Deployment, sets: readonly ReplicaSet[]): readonly Resize[] => {
  const { replicas } = deployment.spec
  const total = replicasOf(sets)
  const allowed = replicas > 0 ? replicas + bounds(deployment).surge : 0
  const change = allowed - total
  const active = byAge(sets.filter((set) => set.spec.replicas > 0))
  const sized = change > 0 ? active.toReversed() : active
  const order = sized.toSorted((one, other) => other.spec.replicas - one.spec.replicas)
  const sizes = new Map<ReplicaSet, number>()
  let added = 0
  for (const set of order) {
    const left = change - added
    const part = left === 0 ? 0 : change > 0 ? Math.min(fraction(deployment, set), left) : Math.max(fraction(deployment, set), left)
    sizes.set(set, set.spec.replicas + part)
    added += part
  }
  const [largest] = order
  if (largest !== undefined && change !== 0) {
    sizes.set(largest, Math.max(0, (sizes.get(largest) ?? 0) + change - added))
  }
  return order.map((set) => ({ set, to: sizes.get(set) ?? set.spec.replicas }))
}

const fraction = (deployment: Deployment, set: ReplicaSet): number => {
  if (deployment.spec.replicas === 0) return -set.spec.replicas
  const most = deployment.spec.replicas + bounds(deployment).surge
  const annotated = Number(set.metadata.annotations?.[MAX_REPLICAS] ?? 0) || (deployment.status.replicas ?? 0)
  if (annotated === 0) return 0
  return Math.round((set.spec.replicas * most) / annotated) - set.spec.replicas
}

/** All replicas are of the current template and available, and no pod of another is left. */
export const isComplete = (deployment: Deployment, status: Deployment['status']): boolean =>
  status.updatedReplicas === deployment.spec.replicas &&
  status.replicas === deployment.spec.replicas &&
  status.availableReplicas === deployment.spec.replicas &&
  (status.observedGeneration ?? 0) >= (deployment.metadata.generation ?? 0)
