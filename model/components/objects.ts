/** What is said of objects throughout: who controls them, and in what state a pod is. */
import type { ApiObject, Condition, Pod } from '../state/objects.ts'

export const controllerOf = (object: ApiObject): string | undefined =>
  object.metadata.ownerReferences?.find((owner) => owner.controller === true)?.uid
export const isDeleting = (object: ApiObject): boolean => object.metadata.deletionTimestamp !== undefined

export const conditionOf = (conditions: readonly Condition[] | undefined, type: string): Condition['status'] | undefined =>
  conditions?.find((condition) => condition.type === type)?.status
/** Conditions with one of them told anew. */
export const withCondition = (conditions: readonly Condition[] | undefined, told: Condition): readonly Condition[] => [
  ...(conditions ?? []).filter(({ type }) => type !== told.type),
  told,
]
export const isTerminal = (pod: Pod): boolean => pod.status.phase === 'Succeeded' || pod.status.phase === 'Failed'
export const isActive = (pod: Pod): boolean => !isTerminal(pod) && !isDeleting(pod)
export const isReady = (pod: Pod): boolean => conditionOf(pod.status.conditions, 'Ready') === 'True'
export const isBound = (pod: Pod): boolean => (pod.spec.nodeName ?? '') !== ''

const text = new WeakMap<object, string>()
/** JSON of an immutable value, made once. */
export const jsonOf = (value: unknown): string => {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'undefined'
  let found = text.get(value)
  if (found === undefined) {
    found = JSON.stringify(value)
    text.set(value, found)
  }
  return found
}
type Fields = Readonly<Record<string, unknown>>
/** As JSON has it: the order of an object's fields says nothing, and a field that is undefined is none. */
export const sameValue = (one: unknown, other: unknown): boolean => {
  if (one === other) return true
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false
  if (Array.isArray(one) !== Array.isArray(other)) return false
  const [these, those] = [one as Fields, other as Fields]
  for (const name in these) if (!sameValue(these[name], those[name])) return false
  for (const name in those) if (those[name] !== undefined && these[name] === undefined) return false
  return true
}
