/**
 * On which nodes a pod may be placed: the plain definition, from the documentation.
 *
 * Left out: pod affinity and topology spread (nothing here constrains them, so more nodes are allowed than upstream
 * would choose from, never fewer) and volumes.
 * Source: https://kubernetes.io/docs/concepts/scheduling-eviction/
 */
import type { Container, Node, Pod } from '../state/objects.ts'
import { thousandths } from '../state/quantity.ts'
import { selectsNode, toleratesTaint } from '../state/selector.ts'

export type Amounts = ReadonlyMap<string, number>

const requestsOf = (container: Container): [string, number][] =>
  Object.entries(container.resources?.requests ?? {}).map(([name, quantity]) => [name, thousandths(quantity)])

const computed = new WeakMap<Pod['spec'], Amounts>()

/** Thousandths by resource: all containers together or the largest init container, whichever is more, and the overhead. */
export const requests = (pod: Pod): Amounts => {
  const found = computed.get(pod.spec)
  if (found !== undefined) return found
  const sums = new Map<string, number>()
  for (const container of pod.spec.containers) {
    for (const [name, amount] of requestsOf(container)) sums.set(name, (sums.get(name) ?? 0) + amount)
  }
  for (const container of pod.spec.initContainers ?? []) {
    for (const [name, amount] of requestsOf(container)) sums.set(name, Math.max(sums.get(name) ?? 0, amount))
  }
  for (const [name, quantity] of Object.entries(pod.spec.overhead ?? {})) sums.set(name, (sums.get(name) ?? 0) + thousandths(quantity))
  computed.set(pod.spec, sums)
  return sums
}

export const allocatable = (node: Node, resource: string): number => thousandths(node.status.allocatable[resource] ?? '0')

const hostPorts = (pod: Pod): readonly string[] =>
  pod.spec.containers
    .flatMap((container) => container.ports ?? [])
    .flatMap((port) => ((port.hostPort ?? 0) > 0 ? [`${port.protocol ?? 'TCP'}/${port.hostPort}`] : []))

/** Why the node does not fit even when it is empty; null: it could. */
export const unsuitable = (pod: Pod, node: Node): string | null => {
  if (
    node.spec.unschedulable === true &&
    !toleratesTaint(pod.spec.tolerations, { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' })
  ) {
    return 'it is unschedulable'
  }
  const taint = (node.spec.taints ?? []).find((one) => one.effect !== 'PreferNoSchedule' && !toleratesTaint(pod.spec.tolerations, one))
  if (taint !== undefined) return `it has the taint ${taint.key}:${taint.effect}`
  if (!selectsNode(pod, node)) return "it does not match the pod's node selector or affinity"
  for (const [resource, amount] of requests(pod)) {
    if (amount > 0 && amount > allocatable(node, resource)) return `it has less ${resource} than the pod asks for`
  }
  return null
}

/** Why the pod may not be placed there beside `others`; null: it may. */
export const infeasible = (pod: Pod, node: Node, others: readonly Pod[]): string | null => {
  const reason = unsuitable(pod, node)
  if (reason !== null) return reason
  if (others.length + 1 > allocatable(node, 'pods') / 1000) return 'it has no room for another pod'
  for (const [resource, amount] of requests(pod)) {
    const used = others.reduce((sum, other) => sum + (requests(other).get(resource) ?? 0), 0)
    if (amount > 0 && used + amount > allocatable(node, resource)) return `it has not enough ${resource} left`
  }
  const ports = hostPorts(pod)
  return others.some((other) => hostPorts(other).some((port) => ports.includes(port))) ? 'a host port is taken' : null
}
