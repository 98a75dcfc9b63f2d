/** Small things every controller of owned objects needs. */
import type { ObjectRef } from '../model/state/cluster.ts'
import type { ApiObject, Condition, OwnerReference, Pod } from '../model/state/objects.ts'

export const refOf = (resource: string, object: ApiObject): ObjectRef => ({
  resource,
  ...(object.metadata.namespace === undefined ? {} : { namespace: object.metadata.namespace }),
  name: object.metadata.name,
  uid: object.metadata.uid,
})

export const controllerRef = (owner: ApiObject): OwnerReference => ({
  apiVersion: owner.apiVersion,
  kind: owner.kind,
  name: owner.metadata.name,
  uid: owner.metadata.uid,
  controller: true,
  blockOwnerDeletion: true,
})

export const controllerOf = (object: ApiObject): OwnerReference | undefined =>
  object.metadata.ownerReferences?.find((owner) => owner.controller === true)

export const isDeleting = (object: ApiObject): boolean => object.metadata.deletionTimestamp !== undefined
export const isTerminal = (pod: Pod): boolean => pod.status.phase === 'Succeeded' || pod.status.phase === 'Failed'
/** Counts towards a controller's replicas. */
export const isActive = (pod: Pod): boolean => !isTerminal(pod) && !isDeleting(pod)

export const conditionOf = (conditions: readonly Condition[] | undefined, type: string): Condition | undefined =>
  conditions?.find((condition) => condition.type === type)
export const isReady = (pod: Pod): boolean => conditionOf(pod.status.conditions, 'Ready')?.status === 'True'

/** With one condition set; its transition time moves only with its status. */
export const withCondition = (conditions: readonly Condition[] | undefined, next: Condition): readonly Condition[] => {
  const before = conditionOf(conditions, next.type)
  if (before === undefined) return [...(conditions ?? []), next]
  const { lastTransitionTime } = before
  const kept = before.status === next.status && lastTransitionTime !== undefined ? { ...next, lastTransitionTime } : next
  return (conditions ?? []).map((condition) => (condition.type === next.type ? kept : condition))
}
