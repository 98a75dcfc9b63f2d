/**
 * Priority classes: a value that never changes. Those of the system are there from the beginning, and keep their names.
 *
 * Source: kubernetes/kubernetes pkg/registry/scheduling/priorityclass/strategy.go, pkg/apis/scheduling/{validation,v1/helpers.go}.
 */
import type { ApiObject, PriorityClass } from '../../../model/state/objects.ts'
import type { Kind } from './kind.ts'

export const SYSTEM_CLASSES: Readonly<Record<string, number>> = {
  'system-node-critical': 2_000_001_000,
  'system-cluster-critical': 2_000_000_000,
}
const USERS_MOST = 1_000_000_000

const withPolicy = (object: ApiObject): PriorityClass => {
  const given = object as PriorityClass
  return { ...given, preemptionPolicy: given.preemptionPolicy ?? 'PreemptLowerPriority' }
}

export const priorityClass: Kind = {
  create: (object) => withPolicy({ ...object, metadata: { ...object.metadata, generation: 1 } }),
  keep: (held, updated, refuse) => {
    const [before, after] = [held as PriorityClass, withPolicy(updated)]
    if (after.value !== before.value) refuse('value', 'may not be changed in an update')
    if (after.preemptionPolicy !== before.preemptionPolicy) refuse('preemptionPolicy', 'field is immutable')
    return after
  },
  validate: (object, refuse) => {
    const {
      metadata: { name },
      value,
      preemptionPolicy,
      globalDefault,
    } = object as PriorityClass
    if (!Number.isInteger(value)) refuse('value', 'a whole number is expected')
    if (preemptionPolicy !== 'PreemptLowerPriority' && preemptionPolicy !== 'Never')
      refuse('preemptionPolicy', 'PreemptLowerPriority or Never is expected')
    const known = SYSTEM_CLASSES[name] === value && globalDefault !== true
    if (name.startsWith('system-')) {
      if (!known) refuse('metadata.name', "priority class names with 'system-' prefix are reserved for system use only")
    } else if (value > USERS_MOST) refuse('value', `maximum allowed value of a user defined priority is ${USERS_MOST}`)
  },
}
