/**
 * A pod is worth what its class says, or what the default class says; it does not say so itself. One class is the default.
 *
 * Source: kubernetes/kubernetes plugin/pkg/admission/priority/admission.go.
 */
import type { ApiObject, Pod, PreemptionPolicy, PriorityClass } from '../../../model/state/objects.ts'
import { keyOf } from '../../../model/state/resources.ts'
import { forbidden, Refusal } from '../status.ts'
import type { AdmissionPlugin, Neighbours } from './plugin.ts'

const refuse = (resource: string, { metadata }: ApiObject, why: string): never => {
  throw new Refusal(forbidden(`${resource} "${metadata.name}" is forbidden: ${why}`))
}

/** Of several, as after a race, the one that is worth least. */
const defaultClass = (neighbours: Neighbours): PriorityClass | undefined =>
  (neighbours.cachedList('priorityclasses') as readonly PriorityClass[])
    .filter((one) => one.globalDefault === true)
    .toSorted((one, other) => one.value - other.value)[0]

const classOf = (pod: Pod, neighbours: Neighbours): PriorityClass | undefined => {
  const { priorityClassName = '' } = pod.spec
  if (priorityClassName === '') return defaultClass(neighbours)
  const found = neighbours.cached('priorityclasses', keyOf('priorityclasses', undefined, priorityClassName))
  return (found as PriorityClass | undefined) ?? refuse('pods', pod, `no PriorityClass with name ${priorityClassName} was found`)
}

const admitPod = (pod: Pod, neighbours: Neighbours): Pod => {
  const found = classOf(pod, neighbours)
  const priority = found?.value ?? 0
  const preemptionPolicy: PreemptionPolicy = found?.preemptionPolicy ?? 'PreemptLowerPriority'
  const { spec } = pod
  const differs = (what: string, given: number | string, computed: number | string): never =>
    refuse(
      'pods',
      pod,
      `the ${what} (${given}) must not be provided in pod spec; priority admission controller computed ${computed} from the given PriorityClass name`,
    )
  if (spec.priority !== undefined && spec.priority !== priority) differs('integer value of priority', spec.priority, priority)
  if (spec.preemptionPolicy !== undefined && spec.preemptionPolicy !== preemptionPolicy)
    differs('string value of PreemptionPolicy', spec.preemptionPolicy, preemptionPolicy)
  const named = found === undefined ? {} : { priorityClassName: found.metadata.name }
  return { ...pod, spec: { ...spec, ...named, priority, preemptionPolicy } }
}

const onlyDefault = (object: PriorityClass, neighbours: Neighbours): void => {
  const held = object.globalDefault === true ? defaultClass(neighbours) : undefined
  if (held !== undefined && held.metadata.name !== object.metadata.name)
    refuse('priorityclasses', object, `PriorityClass ${held.metadata.name} is already marked as default. Only one default can exist`)
}

export const priority: AdmissionPlugin = {
  name: 'Priority',
  create({ object }, neighbours) {
    if (object.kind === 'Pod') return admitPod(object as Pod, neighbours)
    if (object.kind === 'PriorityClass') onlyDefault(object as PriorityClass, neighbours)
    return object
  },
  update({ object }, neighbours) {
    if (object.kind === 'PriorityClass') onlyDefault(object as PriorityClass, neighbours)
  },
}
