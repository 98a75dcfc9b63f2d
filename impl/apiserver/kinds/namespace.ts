/** Namespaces: they go when their contents are gone. Source: kubernetes/kubernetes pkg/registry/core/namespace. */
import type { ApiObject, Namespace } from '../../../model/state/objects.ts'
import { isDeleting } from '../../objects.ts'
import { conflict, Refusal } from '../status.ts'
import type { Kind } from './kind.ts'

const FINALIZER = 'kubernetes'
const NAME_LABEL = 'kubernetes.io/metadata.name'

const heldBack = ({ spec }: Namespace): boolean => (spec?.finalizers ?? []).length > 0

const ending = (held: Namespace): Namespace => {
  if (!isDeleting(held)) return { ...held, status: { ...held.status, phase: 'Terminating' } }
  if (!heldBack(held)) return held
  const why =
    'The system is ensuring all content is removed from this namespace.  Upon completion, this namespace will automatically be purged by the system.'
  throw new Refusal(conflict('namespaces', held.metadata.name, why))
}

export const namespace: Kind = {
  initialStatus: () => ({ phase: 'Active' }),
  create: (object) => {
    const { metadata } = object
    const labels = { ...metadata.labels, [NAME_LABEL]: metadata.name }
    return { ...object, metadata: { ...metadata, labels }, spec: { finalizers: [FINALIZER] } } as ApiObject
  },
  keep: (held, updated) => ({ ...updated, spec: (held as Namespace).spec }) as Namespace,
  ending: (held) => ending(held as Namespace),
  heldBack: (object) => heldBack(object as Namespace),
}

/** The subresource finalize: says who is still to look after its contents. */
export const refinalized = (held: Namespace, given: Namespace): Namespace => ({
  ...held,
  spec: { ...held.spec, finalizers: given.spec?.finalizers ?? [] },
})
