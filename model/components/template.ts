/** What a Deployment's numbers and template mean: bounds of a rolling update, equality of templates. */
import type { Deployment, IntOrPercent, ReplicaSet } from '../state/objects.ts'
import { controllerOf, jsonOf } from './objects.ts'

export const HASH = 'pod-template-hash'
/** Of StatefulSets and DaemonSets: the revision that a pod was made of. */
export const REVISION = 'controller-revision-hash'

const share = (value: IntOrPercent, total: number, up: boolean): number =>
  typeof value === 'number'
    ? value
    : up
      ? Math.ceil((Number.parseFloat(value) * total) / 100)
      : Math.floor((Number.parseFloat(value) * total) / 100)
export const limits = ({ spec }: Deployment): { most: number; least: number } => {
  const { rollingUpdate } = spec.strategy
  const surge = share(rollingUpdate?.maxSurge ?? 0, spec.replicas, true)
  const down = share(rollingUpdate?.maxUnavailable ?? 0, spec.replicas, false)
  const unavailable = surge === 0 && down === 0 ? 1 : Math.min(down, spec.replicas)
  return { most: spec.replicas + surge, least: spec.replicas - unavailable }
}
const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([one], [other]) => (one < other ? -1 : 1))
      .map(([name, member]) => [name, sorted(member)]),
  )
}
export const templateOf = (template: ReplicaSet['spec']['template']): string => {
  const { [HASH]: _hash, ...labels } = template.metadata.labels ?? {}
  // Parts in a fixed order: two equal templates may list their fields differently.
  return jsonOf([sorted(labels), sorted(template.metadata.annotations ?? {}), sorted(template.spec)])
}
export const setsOf = (sets: readonly ReplicaSet[], uid: string): readonly ReplicaSet[] => sets.filter((set) => controllerOf(set) === uid)
