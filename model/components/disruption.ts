/**
 * A disruption budget says how many of its pods may still be evicted: those that are ready, less those that are wanted.
 *
 * Pods whose eviction was granted count as gone until their end is seen. Left out: time, and with it that a grant which is
 * not made use of is given up after two minutes; and pods whose owners cannot be found, of which nothing is allowed.
 * Source: kubernetes pkg/controller/disruption/disruption.go
 */
import type { KubernetesObject } from '../state/kinds.ts'
import type { ApiObject, IntOrPercent, Pod } from '../state/objects.ts'
import type { PodDisruptionBudget } from '../state/policy.ts'
import { resourceOfKind } from '../state/resources.ts'
import { matchesLabels } from '../state/selector.ts'
import type { Request, System } from '../state/system.ts'
import { isDeleting, isReady, sameValue } from './objects.ts'
import { asks, client, MANAGER, refOf } from './request.ts'
import { seen, type Held } from './view.ts'

export interface Count {
  readonly expectedPods: number
  readonly desiredHealthy: number
  readonly currentHealthy: number
  readonly disruptionsAllowed: number
}
/** The object of a kind and name in the budget's own namespace. */
export type Find = (kind: string, name: string) => ApiObject | undefined

export const covers = ({ metadata, spec }: PodDisruptionBudget, pod: Pod): boolean =>
  metadata.namespace === pod.metadata.namespace && spec.selector !== undefined && matchesLabels(spec.selector, pod.metadata.labels)

export const isHealthy = (pod: Pod): boolean => isReady(pod) && !isDeleting(pod)

const replicasOf = (object: ApiObject): number | undefined => (object as { readonly spec?: { readonly replicas?: number } }).spec?.replicas

/** Who decides how many of these pods there are, the topmost; null: somebody who cannot be found, or has no such number. */
const scaledOwner = (object: ApiObject, find: Find): ApiObject | null | undefined => {
  const reference = object.metadata.ownerReferences?.find((owner) => owner.controller === true)
  if (reference === undefined) return undefined
  const owner = find(reference.kind, reference.name)
  if (owner === undefined || owner.metadata.uid !== reference.uid) return null
  const above = scaledOwner(owner, find)
  if (above !== undefined) return above
  return replicasOf(owner) === undefined ? null : owner
}

const scaleOf = (pods: readonly Pod[], find: Find): number | null => {
  const owners = new Map<string, number>()
  for (const pod of pods) {
    const owner = scaledOwner(pod, find)
    if (owner === null) return null
    if (owner !== undefined) owners.set(owner.metadata.uid, replicasOf(owner) ?? 0)
  }
  return [...owners.values()].reduce((sum, replicas) => sum + replicas, 0)
}

/** A percentage of what is expected, rounded up. */
const share = (value: IntOrPercent, whole: number): number =>
  typeof value === 'number' ? value : Math.ceil((whole * Number.parseInt(value, 10)) / 100)

const wanted = ({ spec }: PodDisruptionBudget, pods: readonly Pod[], find: Find): Pick<Count, 'expectedPods' | 'desiredHealthy'> | null => {
  const { minAvailable, maxUnavailable } = spec
  if (typeof minAvailable === 'number') return { expectedPods: pods.length, desiredHealthy: minAvailable }
  if (minAvailable === undefined && maxUnavailable === undefined) return { expectedPods: 0, desiredHealthy: 0 }
  const expectedPods = scaleOf(pods, find)
  if (expectedPods === null) return null
  const desiredHealthy =
    minAvailable === undefined ? Math.max(0, expectedPods - share(maxUnavailable ?? 0, expectedPods)) : share(minAvailable, expectedPods)
  return { expectedPods, desiredHealthy }
}

/** Of all pods those it covers count; those named as disrupted as gone. Null: how many are expected cannot be told. */
export const countOf = (
  budget: PodDisruptionBudget,
  all: readonly Pod[],
  find: Find,
  isDisrupted: (name: string) => boolean,
): Count | null => {
  const pods = all.filter((pod) => covers(budget, pod))
  const target = wanted(budget, pods, find)
  if (target === null) return null
  const currentHealthy = pods.filter((pod) => isHealthy(pod) && !isDisrupted(pod.metadata.name)).length
  const left = currentHealthy - target.desiredHealthy
  return { ...target, currentHealthy, disruptionsAllowed: target.expectedPods > 0 ? Math.max(0, left) : 0 }
}

const counts = (system: System, { value: budget, version }: Held<PodDisruptionBudget>): readonly Request[] => {
  const pods = seen<Pod>(system, MANAGER, 'pods').map(({ value }) => value)
  const find: Find = (kind, name) =>
    seen<KubernetesObject>(system, MANAGER, resourceOfKind(kind)?.resource ?? kind).find(
      ({ value }) => value.metadata.name === name && value.metadata.namespace === budget.metadata.namespace,
    )?.value
  const disrupted = pods
    .filter((pod) => covers(budget, pod) && !isDeleting(pod))
    .flatMap((pod) => {
      const at = budget.status.disruptedPods?.[pod.metadata.name]
      return at === undefined ? [] : [[pod.metadata.name, at] as const]
    })
  const names = disrupted.map(([name]) => name)
  const count = countOf(budget, pods, find, (name) => names.includes(name))
  if (count === null) return []
  const status = { ...count, disruptedPods: Object.fromEntries(disrupted), observedGeneration: budget.metadata.generation ?? 0 }
  if (sameValue(status, budget.status)) return []
  const choice = { kind: 'CountBudget', budget: refOf(budget), disrupted: names, at: budget.metadata.creationTimestamp, ...count } as const
  return [asks(MANAGER, choice, { verb: 'status', value: { ...budget, status }, version })]
}

export const disruption = client('disruption', (system) =>
  seen<PodDisruptionBudget>(system, MANAGER, 'poddisruptionbudgets').flatMap((budget) => counts(system, budget)),
)
