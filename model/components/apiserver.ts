/**
 * The API: objects are created, replaced when nobody else did meanwhile, and deleted in the order their finalizers ask for.
 *
 * A request and its effect are one step. That a request is under way for a while is the same as deciding later on the
 * older view, which views allow for. Left out: admission, defaults, validation (the objects of an instance are given
 * complete), and the watch cache, which is one more reason why views lag.
 * Source: https://kubernetes.io/docs/reference/using-api/api-concepts/, k8s.io/apiserver pkg/registry/generic/registry/store.go
 */
import type { Key, KvRequest, Stored } from '../state/keyspace.ts'
import type { ApiObject, Namespace, Pod } from '../state/objects.ts'
import { keyOf, resourceNamed, resourceOfKey, resourceOfKind } from '../state/resources.ts'
import type { ApiRequest, Propagation, Request, System } from '../state/system.ts'
import { momentOf } from './clock.ts'
import { applyRequest } from './etcd.ts'
import { isBound, isDeleting, isTerminal, sameValue, withCondition } from './objects.ts'

export const FOREGROUND = 'foregroundDeletion'
export const ORPHAN = 'orphan'

type Loose = ApiObject & { readonly spec?: unknown; readonly status?: unknown }

export const keyOfObject = ({ kind, metadata }: ApiObject): Key =>
  keyOf(resourceOfKind(kind)?.resource ?? kind, metadata.namespace, metadata.name)

/** Null: refused. Otherwise what is at the key afterwards; undefined: nothing. */
type Outcome = { readonly key: Key; readonly after: ApiObject | undefined } | null

const decide = (system: System, request: ApiRequest): Outcome => {
  const key = request.verb === 'bind' || request.verb === 'delete' ? request.key : keyOfObject(request.value)
  const held = system.keyspace.kvs.get(key)
  const object = held?.value as Loose | undefined
  if (request.verb === 'create')
    return held === undefined && !inEndingNamespace(system, request.value) ? { key, after: born(system, key, request.value) } : null
  if (held === undefined || object === undefined) return null
  const uid = 'value' in request ? request.value.metadata.uid : request.uid
  if (object.metadata.uid !== uid) return null
  if ('version' in request && request.version !== null && request.version !== held.modRevision) return null
  switch (request.verb) {
    case 'update':
      return { key, after: finished(replaced(object, request.value)) }
    case 'status':
      return { key, after: { ...object, status: (request.value as Loose).status } as Loose }
    case 'bind':
      return isBound(object as Pod) || isDeleting(object) ? null : { key, after: bound(object as Pod, request.node) }
    case 'delete':
      return { key, after: deleted(object, momentOf(system.nowMs), request.propagation, request.graceSeconds) }
  }
}

/** Nothing gets into a namespace that is being deleted. */
const inEndingNamespace = ({ keyspace }: System, { metadata: { namespace } }: ApiObject): boolean => {
  const found = namespace === undefined ? undefined : keyspace.kvs.get(keyOf('namespaces', undefined, namespace))
  return found !== undefined && isDeleting(found.value as ApiObject)
}

const counts = (object: ApiObject): boolean => resourceOfKind(object.kind)?.generation === true
const grown = ({ metadata }: ApiObject): number => (metadata.generation ?? 0) + 1

const born = ({ incarnations, nowMs }: System, key: Key, value: ApiObject): ApiObject => ({
  ...value,
  metadata: {
    ...value.metadata,
    uid: `${resourceOfKey(key)}-${value.metadata.name}.${(incarnations.get(key) ?? 0) + 1}`,
    creationTimestamp: momentOf(nowMs),
    ...(counts(value) ? { generation: 1 } : {}),
  },
})

const replaced = (object: Loose, value: Loose): Loose => {
  const changed = counts(object) && !sameValue(object.spec, value.spec)
  return {
    ...value,
    ...(object.status === undefined ? {} : { status: object.status }),
    metadata: { ...value.metadata, ...(changed ? { generation: grown(object) } : {}) },
  }
}

/** What is being deleted is gone with its last finalizer, a pod also with its grace period. */
const finished = (object: Loose): Loose | undefined => {
  const held = object.kind === 'Namespace' && ((object as Namespace).spec?.finalizers ?? []).length > 0
  const waits = held || (object.metadata.finalizers ?? []).length > 0 || (object.metadata.deletionGracePeriodSeconds ?? 0) > 0
  return isDeleting(object) && !waits ? undefined : object
}

const bound = (pod: Pod, nodeName: string): Pod => ({
  ...pod,
  spec: { ...pod.spec, nodeName },
  status: { ...pod.status, conditions: withCondition(pod.status.conditions, { type: 'PodScheduled', status: 'True' }) },
  metadata: { ...pod.metadata, generation: grown(pod) },
})

const deleted = (object: Loose, now: string, propagation: Propagation, graceSeconds: 0 | undefined): Loose | undefined => {
  const kept = (object.metadata.finalizers ?? []).filter((name) => name !== FOREGROUND && name !== ORPHAN)
  const added = { Background: [], Foreground: [FOREGROUND], Orphan: [ORPHAN] }[propagation]
  const finalizers = isDeleting(object) ? (object.metadata.finalizers ?? []) : [...kept, ...added]
  const grace = graceSeconds ?? graceOf(object)
  const begun = isDeleting(object)
  return finished({
    ...object,
    ...(object.kind === 'Namespace' ? { status: { phase: 'Terminating' } } : {}),
    metadata: {
      ...object.metadata,
      deletionTimestamp: object.metadata.deletionTimestamp ?? now,
      deletionGracePeriodSeconds: Math.min(grace, object.metadata.deletionGracePeriodSeconds ?? grace),
      ...(!begun && counts(object) ? { generation: grown(object) } : {}),
      ...(finalizers.length > 0 ? { finalizers } : {}),
    },
  })
}

const graceOf = (object: Loose): number => {
  if (resourceNamed(resourceOfKind(object.kind)?.resource ?? '')?.graceful !== true) return 0
  const pod = object as Pod
  return isBound(pod) && !isTerminal(pod) ? pod.spec.terminationGracePeriodSeconds : 0
}

/** A write that depends on what was read is a transaction: it is made only if the key is still as it was. */
const transaction = (key: Key, held: Stored | undefined, after: ApiObject | undefined): KvRequest => ({
  kind: 'Txn',
  compare: [{ key, target: 'mod', result: '=', operand: held?.modRevision ?? 0 }],
  success: [after === undefined ? { kind: 'DeleteRange', key } : { kind: 'Put', key, value: after }],
  failure: [],
})

/** What is refused, or would change nothing, leaves everything as it is. */
export const serve = (system: System, { process, request, remembered }: Pick<Request, 'process' | 'request' | 'remembered'>): System => {
  const outcome = decide(system, request)
  if (outcome === null) return system
  const { key, after } = outcome
  const held = system.keyspace.kvs.get(key)
  if (held !== undefined && after !== undefined && sameValue(held.value, after)) return system
  const { keyspace } = applyRequest(system.keyspace, transaction(key, held, after))
  const { own, views, incarnations } = system
  const lags = remembered && views.has(`${process} ${resourceOfKey(key)}`)
  return {
    ...system,
    keyspace,
    own: lags ? new Map(own).set(`${process} ${key}`, { revision: keyspace.revision, after: keyspace.kvs.get(key) ?? null }) : own,
    incarnations: held === undefined ? new Map(incarnations).set(key, (incarnations.get(key) ?? 0) + 1) : incarnations,
  }
}
