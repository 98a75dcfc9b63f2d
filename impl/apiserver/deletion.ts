/**
 * Deletion of objects: with grace, with finalizers, at once.
 *
 * Source: k8s.io/apiserver/pkg/registry/rest/delete.go, generic/registry/store.go.
 */
import { DEFINITIONS } from '../../model/state/custom.ts'
import type { ApiObject, Pod } from '../../model/state/objects.ts'
import type { Resource } from '../../model/state/resources.ts'
import { epochMs, rfc3339 } from '../time.ts'
import type { DeleteOptions } from './api.ts'
import { CLEANUP } from './custom-resources.ts'
import { kindOf } from './kinds/register.ts'

const ORPHAN = 'orphan'
const FOREGROUND = 'foregroundDeletion'

/** Being deleted, its time is up and nobody holds it back. */
export const finished = (resource: Resource, object: ApiObject): boolean => {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0, finalizers = [] } = object.metadata
  return (
    deletionTimestamp !== undefined &&
    deletionGracePeriodSeconds === 0 &&
    finalizers.length === 0 &&
    kindOf(resource).heldBack?.(object) !== true
  )
}

/** registry/rest/delete.go: grace for what has it, finalizers for what is held back, removal for the rest. */
export const deleted = (resource: Resource, given: ApiObject, options: DeleteOptions, nowMs: number): ApiObject | 'remove' => {
  const kind = kindOf(resource)
  const ended = kind.ending?.(given) ?? given
  const { metadata } = ended
  const period = gracePeriod(resource, ended, options)
  const kept = withPolicy(metadata.finalizers ?? [], options.propagationPolicy)
  // The objects of a definition go before it does.
  const finalizers = resource.resource === DEFINITIONS && !kept.includes(CLEANUP) ? [...kept, CLEANUP] : kept
  if (period === 0 && finalizers.length === 0 && kind.heldBack?.(ended) !== true) return 'remove'
  const already = metadata.deletionTimestamp
  if (already !== undefined && period >= (metadata.deletionGracePeriodSeconds ?? 0)) return ended
  const ends = rfc3339(nowMs + period * 1000)
  return {
    ...ended,
    metadata: {
      ...metadata,
      // A later request may only bring the end nearer.
      deletionTimestamp: already !== undefined && epochMs(already) < epochMs(ends) ? already : ends,
      deletionGracePeriodSeconds: period,
      ...(resource.generation && already === undefined ? { generation: (metadata.generation ?? 0) + 1 } : {}),
      ...(already === undefined ? { finalizers } : {}),
    },
  }
}

const withPolicy = (finalizers: readonly string[], policy: DeleteOptions['propagationPolicy']): readonly string[] => {
  const others = finalizers.filter((name) => name !== ORPHAN && name !== FOREGROUND)
  if (policy === 'Orphan') return [...others, ORPHAN]
  if (policy === 'Foreground') return [...others, FOREGROUND]
  return policy === 'Background' ? others : finalizers
}

const gracePeriod = (resource: Resource, held: ApiObject, options: DeleteOptions): number => {
  if (!resource.graceful) return 0
  const pod = held as Pod
  const { nodeName } = pod.spec
  if (nodeName === undefined || nodeName === '' || pod.status.phase === 'Succeeded' || pod.status.phase === 'Failed') return 0
  return options.gracePeriodSeconds ?? pod.spec.terminationGracePeriodSeconds
}
