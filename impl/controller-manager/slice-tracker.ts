/**
 * What a process knows to have written of slices and its cache may not show yet: older copies are not acted on.
 *
 * Source: kubernetes/kubernetes staging/src/k8s.io/endpointslice/util (EndpointSliceTracker).
 */
import type { EndpointSlice } from '../../model/state/objects.ts'

/** Which service a slice is for, and which controller keeps it. */
export const SERVICE_LABEL = 'kubernetes.io/service-name'
export const MANAGED_LABEL = 'endpointslice.kubernetes.io/managed-by'

export class SliceTracker {
  /** Slice uid → the generation that was written last. */
  private readonly written = new Map<string, number>()
  /** Service key → names of slices that were created and not seen since. */
  private readonly created = new Map<string, Set<string>>()

  seen(key: string, { metadata }: EndpointSlice, isGone: boolean): void {
    this.created.get(key)?.delete(metadata.name)
    if (isGone) this.written.delete(metadata.uid)
  }

  isStale(key: string, held: readonly EndpointSlice[]): boolean {
    if ((this.created.get(key)?.size ?? 0) > 0) return true
    return held.some(({ metadata }) => (metadata.generation ?? 0) < (this.written.get(metadata.uid) ?? 0))
  }

  updated({ metadata }: EndpointSlice): void {
    this.written.set(metadata.uid, metadata.generation ?? 0)
  }

  createdUnseen(key: string, { metadata }: EndpointSlice): void {
    this.created.set(key, (this.created.get(key) ?? new Set()).add(metadata.name))
  }
}
