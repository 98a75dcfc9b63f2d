/**
 * What a node itself insists on before it takes a pod, whatever any scheduler decided.
 *
 * Source: kubernetes/kubernetes pkg/kubelet/lifecycle/predicate.go.
 */
import type { Node, Pod } from '../../model/state/objects.ts'
import { podInfoOf } from '../scheduler/node-info.ts'
import { amountOf } from '../scheduler/request.ts'
import { clash } from '../scheduler/plugins/basic.ts'
import { noExecute, tolerates } from '../taints.ts'

export interface Rejection {
  readonly reason: string
  readonly message: string
}

/** Null: admitted. `held`: the pods that were, and still hold resources. */
export const reject = (pod: Pod, node: Node, held: readonly Pod[]): Rejection | null => {
  const { allocatable } = node.status
  const podsMost = amountOf('pods', allocatable['pods'] ?? '110')
  if (held.length + 1 > podsMost)
    return { reason: 'OutOfpods', message: `Node didn't have enough resource: pods, used: ${held.length}, capacity: ${podsMost}` }
  const others = held.map(podInfoOf)
  for (const [name, asked] of podInfoOf(pod).requests) {
    let used = 0
    for (const { requests } of others) used += requests.get(name) ?? 0
    const capacity = amountOf(name, allocatable[name] ?? '0')
    if (asked > 0 && used + asked > capacity) {
      return {
        reason: `OutOf${name}`,
        message: `Node didn't have enough resource: ${name}, requested: ${asked}, used: ${used}, capacity: ${capacity}`,
      }
    }
  }
  const selected = Object.entries(pod.spec.nodeSelector ?? {}).every(([key, value]) => node.metadata.labels?.[key] === value)
  if (!selected) return { reason: 'NodeAffinity', message: 'Predicate NodeAffinity failed' }
  const ports = podInfoOf(pod).hostPorts
  if (others.some(({ hostPorts }) => hostPorts.some((taken) => ports.some((wanted) => clash(taken, wanted))))) {
    return { reason: 'NodePorts', message: 'Predicate NodePorts failed' }
  }
  // Taints of a node's own making are not held against the pods it gets: their tolerations run in the control plane.
  const taint = noExecute(node.spec.taints).find(
    (one) => !one.key.startsWith('node.kubernetes.io/') && !(pod.spec.tolerations ?? []).some((toleration) => tolerates(toleration, one)),
  )
  return taint === undefined ? null : { reason: 'Taint', message: `Predicate TaintToleration failed: {${taint.key}}` }
}
