/** Pods, and the one write that places them. Source: kubernetes/kubernetes pkg/registry/core/pod/{strategy.go,storage/storage.go}. */
import type { Container, Pod, PodSpec } from '../../../model/state/objects.ts'
import { same } from '../../equal.ts'
import { Refusal } from '../status.ts'
import type { Kind } from './kind.ts'
import { defaultPodSpec, validatePodSpec } from './pod-spec.ts'

const qosOf = (spec: PodSpec): 'Guaranteed' | 'Burstable' | 'BestEffort' => {
  const all = [...spec.containers, ...(spec.initContainers ?? [])]
  const resources = all.map((container) => container.resources ?? {})
  if (resources.every((one) => one.requests === undefined && one.limits === undefined)) return 'BestEffort'
  const guaranteed = resources.every((one) =>
    ['cpu', 'memory'].every((name) => one.limits?.[name] !== undefined && one.limits[name] === (one.requests?.[name] ?? one.limits[name])),
  )
  return guaranteed ? 'Guaranteed' : 'Burstable'
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
  create: (object) => {
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
