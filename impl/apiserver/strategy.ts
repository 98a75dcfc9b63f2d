/**
 * Objects on their way into the store: what every kind has in common; what is its own stands in kinds/.
 *
 * Source: k8s.io/apiserver/pkg/registry/rest/{create,update}.go.
 */
import type { ApiObject, ObjectMeta } from '../../model/state/objects.ts'
import { apiVersionOf, type Resource } from '../../model/state/resources.ts'
import { same } from '../equal.ts'
import type { Loose, Refuse } from './kinds/kind.ts'
import { kindOf } from './kinds/register.ts'
import { badRequest, forbidden, invalid, Refusal } from './status.ts'

const NAME = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/

const refusing =
  (resource: Resource, name: string): Refuse =>
  (field, why) => {
    throw new Refusal(invalid(resource.kind, name, field, why))
  }

/** Everything but metadata, status and the type: what `generation` counts changes of. */
const specPart = (resource: Resource, object: ApiObject): Loose => {
  const { metadata: _metadata, status, apiVersion: _version, kind: _kind, ...rest } = object as ApiObject & Loose
  return hasPlainStatus(resource) ? { ...rest, status } : rest
}

/** A custom resource without the subresource: its status is written as its other fields are. */
const hasPlainStatus = (resource: Resource): boolean => resource.definition !== undefined && !resource.status

export interface Birth {
  readonly uid: string
  /** RFC 3339. */
  readonly now: string
}

/** The object as it is to be created, before admission and validation. */
export const prepareCreate = (
  resource: Resource,
  given: ApiObject,
  name: string,
  namespace: string | undefined,
  { uid, now }: Birth,
): ApiObject => {
  if (given.kind !== resource.kind) throw new Refusal(badRequest(`the object is a ${given.kind}, expected a ${resource.kind}`))
  const { metadata } = given
  if (!NAME.test(name) || name.length > 253) {
    refusing(resource, name)('metadata.name', 'a lowercase RFC 1123 subdomain is expected')
  }
  const meta: ObjectMeta = {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...(metadata.generateName === undefined ? {} : { generateName: metadata.generateName }),
    uid,
    creationTimestamp: now,
    ...(resource.generation ? { generation: 1 } : {}),
    ...pick(metadata, ['labels', 'annotations', 'ownerReferences', 'finalizers']),
  }
  const kind = kindOf(resource)
  const loose = given as ApiObject & Loose
  const object = {
    apiVersion: apiVersionOf(resource),
    kind: resource.kind,
    metadata: meta,
    ...rest(loose),
    ...specOf(resource, loose['spec'], true),
    ...statusAtBirth(resource, loose['status']),
  } as ApiObject
  return kind.create?.(object) ?? object
}

export const settled = (resource: Resource, object: ApiObject): ApiObject => kindOf(resource).settle?.(object) ?? object

/** A custom object gets its status from its controller alone; without the subresource it is a field like others. */
const statusAtBirth = (resource: Resource, given: unknown): Loose => {
  if (resource.definition !== undefined) return resource.status || given === undefined ? {} : { status: given }
  return resource.status ? { status: kindOf(resource).initialStatus?.(given as Loose | undefined) ?? {} } : {}
}

const specOf = (resource: Resource, spec: unknown, always: boolean): Loose => {
  const { defaults } = kindOf(resource)
  if (defaults === undefined) return spec === undefined ? {} : { spec }
  return spec === undefined && !always ? {} : { spec: defaults((spec ?? {}) as Loose) }
}

const rest = (given: ApiObject & Loose): Loose => {
  const { apiVersion: _version, kind: _kind, metadata: _metadata, spec: _spec, status: _status, ...others } = given
  return others
}

const pick = (metadata: ObjectMeta, fields: readonly (keyof ObjectMeta)[]): Partial<ObjectMeta> =>
  Object.fromEntries(fields.flatMap((field) => (metadata[field] === undefined ? [] : [[field, metadata[field]]])))

/** What a PUT of the main resource (or, with `status`, of its status) makes of the object that is there, before validation. */
export const prepareUpdate = (resource: Resource, held: ApiObject, given: ApiObject, status: boolean): ApiObject => {
  if (given.metadata.uid !== '' && (given.metadata.uid as string | undefined) !== undefined && given.metadata.uid !== held.metadata.uid) {
    throw new Refusal(uidConflict(resource, held, given.metadata.uid))
  }
  const loose = given as ApiObject & Loose
  const { keep } = kindOf(resource)
  const refuse = refusing(resource, held.metadata.name)
  if (status) {
    const told = { ...held, status: loose['status'] } as ApiObject
    return resource.definition === undefined ? told : (keep?.(held, told, refuse) ?? told)
  }
  const { resourceVersion: _version, ...kept } = held.metadata
  const metadata: ObjectMeta = {
    ...kept,
    ...replaced(given.metadata, ['labels', 'annotations', 'ownerReferences']),
    ...finalizers(resource, held.metadata, given.metadata),
  }
  const heldStatus = (hasPlainStatus(resource) ? loose : (held as ApiObject & Loose))['status']
  const updated = {
    ...held,
    ...rest(loose),
    ...specOf(resource, loose['spec'], false),
    ...(heldStatus === undefined ? {} : { status: heldStatus }),
    metadata,
  } as ApiObject
  const after = keep?.(held, updated, refuse) ?? updated
  if (!resource.generation || same(specPart(resource, held), specPart(resource, after))) return after
  return { ...after, metadata: { ...after.metadata, generation: (held.metadata.generation ?? 0) + 1 } }
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
    refusing(resource, held.name)('metadata.finalizers', 'no new finalizers can be added if the object is being deleted')
  }
  // An empty list and an absent one are the same.
  return wanted.length === 0 && held.finalizers === undefined ? {} : { finalizers: wanted }
}

/** Throws Refusal: what the store never holds. */
export const validate = (resource: Resource, object: ApiObject): void => {
  const refuse = refusing(resource, object.metadata.name)
  const controllers = (object.metadata.ownerReferences ?? []).filter((owner) => owner.controller === true)
  if (controllers.length > 1) refuse('metadata.ownerReferences', 'only one reference can have Controller set to true')
  kindOf(resource).validate?.(object, refuse)
}

const PROTECTED = new Set(['default', 'kube-system', 'kube-public'])

export const mayDelete = (resource: Resource, name: string): void => {
  if (resource.kind === 'Namespace' && PROTECTED.has(name)) {
    throw new Refusal(forbidden(`namespaces "${name}" is forbidden: this namespace may not be deleted`))
  }
}
