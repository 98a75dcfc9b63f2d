/** Pods, and the one write that places them. Source: kubernetes/kubernetes pkg/registry/core/pod/{strategy.go,storage/storage.go}. */
import type { Container, Pod, PodSpec } from '../../../model/state/objects.ts'
import { same } from '../../equal.ts'
import { milli } from '../../quantity.ts'
import { Refusal } from '../status.ts'
import type { Kind } from './kind.ts'
import { defaultPodSpec, validatePodSpec } from './pod-spec.ts'

const COMPUTE = ['cpu', 'memory'] as const
type Class = 'Guaranteed' | 'Burstable' | 'BestEffort'

/** Of CPU and memory alone; what is nought was not asked for. Source: pkg/apis/core/v1/helper/qos/qos.go. */
const qosOf = (spec: PodSpec): Class => {
  const requests = new Map<string, number>()
  const limits = new Map<string, number>()
  let guaranteed = true
  for (const { resources } of [...spec.containers, ...(spec.initContainers ?? [])]) {
    for (const name of COMPUTE) {
      const asked = milli(resources?.requests?.[name] ?? '0')
      const limit = milli(resources?.limits?.[name] ?? '0')
      if (asked > 0) requests.set(name, (requests.get(name) ?? 0) + asked)
      if (limit > 0) limits.set(name, (limits.get(name) ?? 0) + limit)
      else guaranteed = false
    }
  }
  if (requests.size === 0 && limits.size === 0) return 'BestEffort'
  return guaranteed && COMPUTE.every((name) => requests.get(name) === limits.get(name)) ? 'Guaranteed' : 'Burstable'
}

/** What an update may change: images, the deadline; tolerations may be added, scheduling gates taken away. */
const fixed = ({ containers, initContainers, tolerations: _tolerations, schedulingGates: _gates, ...spec }: PodSpec): unknown => {
  const unnamed = ({ image: _image, ...container }: Container) => container
  const { activeDeadlineSeconds: _deadline, ...rest } = spec
  return { ...rest, containers: containers.map(unnamed), initContainers: initContainers?.map(unnamed) }
}
const grows = (before: readonly unknown[] = [], after: readonly unknown[] = []): boolean =>
  before.every((one) => after.some((other) => same(one, other)))

export const pod: Kind = {
  defaults: defaultPodSpec,
  initialStatus: () => ({ phase: 'Pending' }),
  settle: (object) => {
    const made = object as Pod
    return { ...made, status: { ...made.status, qosClass: qosOf(made.spec) } } as Pod
  },
  keep: (held, updated, refuse) => {
    const before = (held as Pod).spec
    const after = (updated as Pod).spec
    const allowed =
      same(fixed(before), fixed(after)) &&
      grows(before.tolerations, after.tolerations) &&
      grows(after.schedulingGates, before.schedulingGates)
    if (!allowed) {
      refuse('spec', 'pod updates may not change fields other than image, tolerations and gates')
    }
    return updated
  },
  validate: (object, refuse) => validatePodSpec((object as Pod).spec, 'spec', refuse),
}

/** Binds a pod to a node: the one write that sets spec.nodeName. */
export const bindPod = (held: Pod, uid: string | undefined, node: string, now: string): Pod => {
  const { name } = held.metadata
  const refuse = (why: string): never => {
    throw new Refusal({ code: 409, reason: 'Conflict', message: `Operation cannot be fulfilled on pods/binding "${name}": ${why}` })
  }
  if (uid !== undefined && uid !== held.metadata.uid) refuse(`the uid in the precondition is ${uid}, the pod's is ${held.metadata.uid}`)
  if (held.metadata.deletionTimestamp !== undefined) refuse(`pod ${name} is being deleted, cannot be assigned to a host`)
  if (held.spec.nodeName !== undefined && held.spec.nodeName !== '')
    refuse(`pod ${name} is already assigned to node "${held.spec.nodeName}"`)
  if ((held.spec.schedulingGates ?? []).length > 0) refuse(`pod ${name} has non-empty .spec.schedulingGates`)
  const others = (held.status.conditions ?? []).filter((condition) => condition.type !== 'PodScheduled')
  return {
    ...held,
    metadata: { ...held.metadata, generation: (held.metadata.generation ?? 0) + 1 },
    spec: { ...held.spec, nodeName: node },
    status: { ...held.status, conditions: [...others, { type: 'PodScheduled', status: 'True', lastTransitionTime: now }] },
  }
}
