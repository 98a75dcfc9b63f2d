/**
 * How far the sets of a Deployment may grow and shrink in a rolling update: the plain definition, of what was seen.
 *
 * Source: kubernetes pkg/controller/deployment/rolling.go
 */
import type { Deployment, ReplicaSet } from '../state/objects.ts'
import type { Uid } from '../state/objects.ts'
import { limits } from './template.ts'

/** What has been decided on one view: set → its size as it was and as it is to be. */
export type Sizes = ReadonlyMap<Uid, { readonly from: number; readonly to: number }>

/** What is wrong with growing to these sizes; null: nothing. */
export const growsTooFar = (deployment: Deployment, sets: readonly ReplicaSet[], sizes: Sizes): string | null => {
  const { most } = limits(deployment)
  const after = sets.reduce((sum, set) => sum + (sizes.get(set.metadata.uid)?.to ?? set.spec.replicas), 0)
  return after <= most || after <= deployment.spec.replicas ? null : `${after} in all, ${most} are allowed`
}

/** What is wrong with shrinking to these sizes; null: nothing. Pods that are not available go first, and are missed by nobody. */
export const shrinksTooFar = (deployment: Deployment, sets: readonly ReplicaSet[], sizes: Sizes): string | null => {
  const { least } = limits(deployment)
  let available = 0
  let taken = 0
  for (const set of sets) {
    const ready = set.status.availableReplicas ?? 0
    available += ready
    const size = sizes.get(set.metadata.uid)
    if (size !== undefined) taken += Math.max(0, size.from - size.to - Math.max(0, size.from - ready))
  }
  return taken > 0 && available - taken < least ? `leaving ${available - taken} available where ${least} are wanted` : null
}
