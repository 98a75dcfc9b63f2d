/** Taints that say a node is lost, and how long pods put up with them. */
import type { Pod, Taint, Toleration } from '../model/state/objects.ts'

export const NOT_READY = 'node.kubernetes.io/not-ready'
export const UNREACHABLE = 'node.kubernetes.io/unreachable'
export const OUT_OF_SERVICE = 'node.kubernetes.io/out-of-service'
export const UNSCHEDULABLE = 'node.kubernetes.io/unschedulable'

const WHOLE = /^(?:0|-?[1-9]\d*)$/

export const tolerates = (toleration: Toleration, taint: Taint): boolean => {
  if (toleration.effect !== undefined && toleration.effect !== taint.effect) return false
  if (toleration.key !== undefined && toleration.key !== taint.key) return false
  if (toleration.operator === 'Exists') return true
  if (toleration.operator === 'Lt' || toleration.operator === 'Gt') {
    const [held, bound] = [taint.value ?? '', toleration.value ?? '']
    if (!WHOLE.test(held) || !WHOLE.test(bound)) return false
    return toleration.operator === 'Lt' ? Number(held) < Number(bound) : Number(held) > Number(bound)
  }
  return toleration.key !== undefined && (toleration.value ?? '') === (taint.value ?? '')
}

/** Milliseconds a pod stays under these NoExecute taints: 0 at once, null for ever. */
export const toleratedMs = (pod: Pod, taints: readonly Taint[]): number | null => {
  let least: number | null = null
  for (const taint of taints) {
    const matching = (pod.spec.tolerations ?? []).filter((toleration) => tolerates(toleration, taint))
    if (matching.length === 0) return 0
    for (const { tolerationSeconds } of matching) {
      if (tolerationSeconds === undefined) continue
      const ms = Math.max(0, tolerationSeconds) * 1000
      least = least === null ? ms : Math.min(least, ms)
    }
  }
  return least
}

export const noExecute = (taints: readonly Taint[] | undefined): readonly Taint[] =>
  (taints ?? []).filter((taint) => taint.effect === 'NoExecute')
