/**
 * How long a pod puts up with the NoExecute taints of its node: the plain definition.
 *
 * Source: https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/#taint-based-evictions
 */
import type { Node, Pod, Taint } from '../state/objects.ts'
import { toleratesTaint } from '../state/selector.ts'

export const noExecuteTaints = (node: Node | undefined): readonly Taint[] =>
  (node?.spec.taints ?? []).filter((taint) => taint.effect === 'NoExecute')

/** Milliseconds; 0: some taint is not tolerated; null: for ever. */
export const toleratedMs = (pod: Pod, taints: readonly Taint[]): number | null => {
  const tolerations = pod.spec.tolerations ?? []
  if (taints.some((taint) => !toleratesTaint(tolerations, taint))) return 0
  const limits = tolerations
    .filter((toleration) => toleration.tolerationSeconds !== undefined && taints.some((taint) => toleratesTaint([toleration], taint)))
    .map((toleration) => Math.max(0, toleration.tolerationSeconds ?? 0) * 1000)
  return limits.length === 0 ? null : Math.min(...limits)
}
