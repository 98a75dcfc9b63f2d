/**
 * What a kind does with an object on its way in: prepare, keep what users may not change, validate.
 *
 * Source: kubernetes/kubernetes pkg/registry/{core,apps}/<kind>/strategy.go.
 */
import type { ApiObject, Deployment, Node, ObjectMeta, Pod, PodSpec, ReplicaSet, Service } from '../../model/state/objects.ts'
import { apiVersionOf, type Resource } from '../../model/state/resources.ts'
import { same } from '../equal.ts'
import { milli } from '../quantity.ts'
import { selects } from '../selector.ts'
import { defaultSpec, defaultTolerations } from './defaults.ts'
import { badRequest, forbidden, invalid, Refusal } from './status.ts'

type Loose = Readonly<Record<string, unknown>>

export interface Admission {
  readonly uid: string
  /** RFC 3339. */
  readonly now: string
  readonly tolerationSeconds: number
}

const NAME = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/

/** Everything but metadata, status and the type: what `generation` counts changes of. */
const specPart = (object: ApiObject): Loose => {
  const { metadata: _metadata, status: _status, apiVersion: _version, kind: _kind, ...rest } = object as ApiObject & Loose
  return rest
}

export const prepareCreate = (
  resource: Resource,
  given: ApiObject,
  name: string,
  namespace: string | undefined,
  admission: Admission,
): ApiObject => {
  if (given.kind !== resource.kind) throw new Refusal(badRequest(`the object is a ${given.kind}, expected a ${resource.kind}`))
  const { metadata } = given
  if (!NAME.test(name) || name.length > 253) {
    throw new Refusal(invalid(resource.kind, name, 'metadata.name', 'a lowercase RFC 1123 subdomain is expected'))
  }
  const meta: ObjectMeta = {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...(metadata.generateName === undefined ? {} : { generateName: metadata.generateName }),
    uid: admission.uid,
    creationTimestamp: admission.now,
    ...(resource.generation ? { generation: 1 } : {}),
    ...pick(metadata, ['labels', 'annotations', 'ownerReferences', 'finalizers']),
  }
  const loose = given as ApiObject & Loose
  const spec = 'spec' in loose || hasSpec(resource) ? { spec: defaultSpec(resource.kind, (loose['spec'] ?? {}) as Loose) } : {}
  const object = {
    apiVersion: apiVersionOf(resource),
    kind: resource.kind,
    metadata: meta,
    ...rest(loose),
    ...spec,
    ...(resource.status ? { status: initialStatus(resource.kind, loose['status'] as Loose | undefined) } : {}),
  } as ApiObject
  const admitted = admit(object, admission)
  validate(resource, admitted)
  return admitted
}

const hasSpec = (resource: Resource): boolean => ['Pod', 'Node', 'Service', 'Deployment', 'ReplicaSet', 'Lease'].includes(resource.kind)

const rest = (given: ApiObject & Loose): Loose => {
  const { apiVersion: _version, kind: _kind, metadata: _metadata, spec: _spec, status: _status, ...others } = given
  return others
}

const pick = (metadata: ObjectMeta, fields: readonly (keyof ObjectMeta)[]): Partial<ObjectMeta> =>
  Object.fromEntries(fields.flatMap((field) => (metadata[field] === undefined ? [] : [[field, metadata[field]]])))

const initialStatus = (kind: string, given: Loose | undefined): Loose => {
  switch (kind) {
    case 'Pod':
      return { phase: 'Pending' }
    case 'Namespace':
      return { phase: 'Active' }
    case 'Node':
      return given ?? { capacity: {}, allocatable: {}, conditions: [] }
    case 'ReplicaSet':
      return { replicas: 0 }
    default:
      return {}
  }
}

const qosOf = (spec: PodSpec): 'Guaranteed' | 'Burstable' | 'BestEffort' => {
  const all = [...spec.containers, ...(spec.initContainers ?? [])]
  const resources = all.map((container) => container.resources ?? {})
  if (resources.every((one) => one.requests === undefined && one.limits === undefined)) return 'BestEffort'
  const guaranteed = resources.every((one) =>
    ['cpu', 'memory'].every((name) => one.limits?.[name] !== undefined && one.limits[name] === (one.requests?.[name] ?? one.limits[name])),
  )
  return guaranteed ? 'Guaranteed' : 'Burstable'
}

/** Mutating admission. */
const admit = (object: ApiObject, admission: Admission): ApiObject => {
  if (object.kind === 'Pod') {
    const pod = object as Pod
    const spec = { ...defaultTolerations(pod.spec, admission.tolerationSeconds), priority: pod.spec.priority ?? 0 }
    return { ...pod, spec, status: { ...pod.status, qosClass: qosOf(spec) } } as Pod
  }
  if (object.kind === 'Node') {
    const node = object as Node
    // TaintNodesByCondition: nothing is scheduled to it before it has said it is ready.
    const taints = [...(node.spec.taints ?? []), { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' as const }]
    return { ...node, spec: { ...node.spec, taints } } as Node
  }
  return object
}

/** What a PUT of the main resource (or, with `status`, of its status) makes of the object that is there. */
export const prepareUpdate = (resource: Resource, held: ApiObject, given: ApiObject, status: boolean): ApiObject => {
  if (given.metadata.uid !== '' && (given.metadata.uid as string | undefined) !== undefined && given.metadata.uid !== held.metadata.uid) {
    throw new Refusal(uidConflict(resource, held, given.metadata.uid))
  }
  const loose = given as ApiObject & Loose
  if (status) return { ...held, status: loose['status'] } as ApiObject
  const spec = loose['spec'] === undefined ? {} : { spec: defaultSpec(resource.kind, loose['spec'] as Loose) }
  const { resourceVersion: _version, ...kept } = held.metadata
  const metadata: ObjectMeta = {
    ...kept,
    ...replaced(given.metadata, ['labels', 'annotations', 'ownerReferences']),
    ...finalizers(resource, held.metadata, given.metadata),
  }
  const heldStatus = (held as ApiObject & Loose)['status']
  const updated = {
    ...held,
    ...rest(loose),
    ...spec,
    ...(heldStatus === undefined ? {} : { status: heldStatus }),
    metadata,
  } as ApiObject
  const kept2 = keepImmutable(resource, held, updated)
  validate(resource, kept2)
  if (!resource.generation || same(specPart(held), specPart(kept2))) return kept2
  return { ...kept2, metadata: { ...kept2.metadata, generation: (held.metadata.generation ?? 0) + 1 } }
}

const uidConflict = (resource: Resource, held: ApiObject, uid: string) => ({
  code: 409,
  reason: 'Conflict',
  message: `Operation cannot be fulfilled on ${resource.resource} "${held.metadata.name}": Precondition failed: UID in precondition: ${uid}, UID in object meta: ${held.metadata.uid}`,
})

const replaced = (given: ObjectMeta, fields: readonly ('labels' | 'annotations' | 'ownerReferences')[]): Partial<ObjectMeta> =>
  Object.fromEntries(fields.map((field) => [field, given[field]]))

const finalizers = (resource: Resource, held: ObjectMeta, given: ObjectMeta): Partial<ObjectMeta> => {
  const wanted = given.finalizers ?? []
  const added = wanted.filter((name) => held.finalizers?.includes(name) !== true)
  if (held.deletionTimestamp !== undefined && added.length > 0) {
    throw new Refusal(
      invalid(resource.kind, held.name, 'metadata.finalizers', 'no new finalizers can be added if the object is being deleted'),
    )
  }
  // An empty list and an absent one are the same.
  return wanted.length === 0 && held.finalizers === undefined ? {} : { finalizers: wanted }
}

/** Fields that never change once they are set. */
const keepImmutable = (resource: Resource, held: ApiObject, updated: ApiObject): ApiObject => {
  switch (resource.kind) {
    case 'Pod': {
      const before = (held as Pod).spec
      const after = (updated as Pod).spec
      if (before.nodeName !== undefined && before.nodeName !== '' && after.nodeName !== before.nodeName) {
        throw new Refusal(
          invalid('Pod', held.metadata.name, 'spec', 'pod updates may not change fields other than image, tolerations and gates'),
        )
      }
      return updated
    }
    case 'ReplicaSet':
    case 'Deployment':
      if (!same((held as Deployment).spec.selector, (updated as Deployment).spec.selector)) {
        throw new Refusal(invalid(resource.kind, held.metadata.name, 'spec.selector', 'field is immutable'))
      }
      return updated
    case 'Service': {
      const { clusterIP } = (held as Service).spec
      return clusterIP === undefined ? updated : ({ ...updated, spec: { ...(updated as Service).spec, clusterIP } } as Service)
    }
    default:
      return updated
  }
}

const validate = (resource: Resource, object: ApiObject): void => {
  const { name } = object.metadata
  const refuse = (field: string, why: string): never => {
    throw new Refusal(invalid(resource.kind, name, field, why))
  }
  const controllers = (object.metadata.ownerReferences ?? []).filter((owner) => owner.controller === true)
  if (controllers.length > 1) refuse('metadata.ownerReferences', 'only one reference can have Controller set to true')
  switch (resource.kind) {
    case 'Pod':
      return validatePodSpec((object as Pod).spec, 'spec', refuse)
    case 'ReplicaSet':
    case 'Deployment': {
      const { spec } = object as Deployment | ReplicaSet
      if ((spec.selector as unknown) === undefined) refuse('spec.selector', 'required value')
      if (!selects(spec.selector, spec.template.metadata.labels)) {
        refuse('spec.template.metadata.labels', 'selector does not match template labels')
      }
      if (spec.replicas < 0) refuse('spec.replicas', 'must be greater than or equal to 0')
      if (resource.kind === 'Deployment') validateStrategy((object as Deployment).spec.strategy, refuse)
      return validatePodSpec(spec.template.spec, 'spec.template.spec', refuse)
    }
    default:
  }
}

type Refuse = (field: string, why: string) => never

const validateStrategy = (strategy: Deployment['spec']['strategy'], refuse: Refuse): void => {
  const { rollingUpdate } = strategy
  const zero = (value: number | string): boolean => value === 0 || value === '0%'
  if (rollingUpdate !== undefined && zero(rollingUpdate.maxSurge) && zero(rollingUpdate.maxUnavailable)) {
    refuse('spec.strategy.rollingUpdate.maxUnavailable', 'may not be 0 when `maxSurge` is 0')
  }
}

const validatePodSpec = (spec: PodSpec, field: string, refuse: Refuse): void => {
  if (spec.containers.length === 0) refuse(`${field}.containers`, 'required value')
  for (const [index, container] of spec.containers.entries()) {
    const { requests, limits } = container.resources ?? {}
    for (const [name, quantity] of Object.entries(requests ?? {})) {
      const place = `${field}.containers[${index}].resources.requests.${name}`
      const limit = limits?.[name]
      let asked = 0
      try {
        asked = milli(quantity)
      } catch {
        refuse(place, `'${quantity}' is not a quantity`)
      }
      if (limit !== undefined && asked > milli(limit)) refuse(place, `must be less than or equal to ${name} limit`)
    }
  }
}

/** Binds a pod to a node: the one write that sets spec.nodeName. pkg/registry/core/pod/storage/storage.go */
export const bindPod = (pod: Pod, uid: string | undefined, node: string, now: string): Pod => {
  const { name } = pod.metadata
  const refuse = (why: string): never => {
    throw new Refusal({ code: 409, reason: 'Conflict', message: `Operation cannot be fulfilled on pods/binding "${name}": ${why}` })
  }
  if (uid !== undefined && uid !== pod.metadata.uid) refuse(`the uid in the precondition is ${uid}, the pod's is ${pod.metadata.uid}`)
  if (pod.metadata.deletionTimestamp !== undefined) refuse(`pod ${name} is being deleted, cannot be assigned to a host`)
  if (pod.spec.nodeName !== undefined && pod.spec.nodeName !== '') refuse(`pod ${name} is already assigned to node "${pod.spec.nodeName}"`)
  if ((pod.spec.schedulingGates ?? []).length > 0) refuse(`pod ${name} has non-empty .spec.schedulingGates`)
  const others = (pod.status.conditions ?? []).filter((condition) => condition.type !== 'PodScheduled')
  return {
    ...pod,
    metadata: { ...pod.metadata, generation: (pod.metadata.generation ?? 0) + 1 },
    spec: { ...pod.spec, nodeName: node },
    status: { ...pod.status, conditions: [...others, { type: 'PodScheduled', status: 'True', lastTransitionTime: now }] },
  }
}

const PROTECTED = new Set(['default', 'kube-system', 'kube-public'])

export const mayDelete = (resource: Resource, name: string): void => {
  if (resource.kind === 'Namespace' && PROTECTED.has(name)) {
    throw new Refusal(forbidden(`namespaces "${name}" is forbidden: this namespace may not be deleted`))
  }
}
