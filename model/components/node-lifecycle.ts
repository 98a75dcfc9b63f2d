/**
 * Nodes that fall silent are called unknown and tainted, and their pods not ready. What becomes of these is taint-eviction.ts.
 *
 * Time is left out: a node may be called unknown at any moment while it is silent. So every order of events that some length
 * of the grace period allows is there. Left out: zones and eviction rates, which only delay.
 * Source: kubernetes pkg/controller/nodelifecycle
 */
import type { Node, Pod } from '../state/objects.ts'
import type { Request, System } from '../state/system.ts'
import { conditionOf, isReady, isTerminal, withCondition } from './objects.ts'
import { asks, client, MANAGER } from './request.ts'
import { seen, type Held } from './view.ts'

const UNREACHABLE = 'node.kubernetes.io/unreachable'
/** --node-monitor-grace-period */
const GRACE_MS = 40_000

export const isSilent = ({ machinesDown, cutOff }: System, node: string): boolean => machinesDown.has(node) || cutOff.has(node)

const marked = (system: System, { value: node, version }: Held<Node>): readonly Request[] => {
  const { name } = node.metadata
  if (!isSilent(system, name) || conditionOf(node.status.conditions, 'Ready') === 'Unknown') return []
  const conditions = withCondition(node.status.conditions, { type: 'Ready', status: 'Unknown' })
  const value: Node = { ...node, status: { ...node.status, conditions } }
  return [asks(MANAGER, { kind: 'MarkUnknown', node: name, sinceMs: GRACE_MS }, { verb: 'status', value, version })]
}

const tainted = ({ value: node, version }: Held<Node>): readonly Request[] => {
  const taints = node.spec.taints ?? []
  const unknown = conditionOf(node.status.conditions, 'Ready') === 'Unknown'
  if (taints.some(({ key }) => key === UNREACHABLE) === unknown) return []
  const others = taints.filter(({ key }) => key !== UNREACHABLE)
  const added = [
    { key: UNREACHABLE, effect: 'NoSchedule' as const },
    { key: UNREACHABLE, effect: 'NoExecute' as const },
  ]
  const value: Node = { ...node, spec: { ...node.spec, taints: unknown ? [...others, ...added] : others } }
  return [asks(MANAGER, null, { verb: 'update', value, version })]
}

/** Pods of an unknown node are said not to be ready: nobody can tell. */
const doubted = ({ value: pod, version }: Held<Pod>, node: Node | undefined): readonly Request[] => {
  if (node === undefined || conditionOf(node.status.conditions, 'Ready') !== 'Unknown' || !isReady(pod)) return []
  const conditions = withCondition(pod.status.conditions, { type: 'Ready', status: 'False' })
  return [asks(MANAGER, null, { verb: 'status', value: { ...pod, status: { ...pod.status, conditions } }, version })]
}

export const nodeLifecycle = client('node-lifecycle', (system) => {
  const nodes = seen<Node>(system, MANAGER, 'nodes')
  const pods = seen<Pod>(system, MANAGER, 'pods').filter(({ value }) => !isTerminal(value))
  const nodeOf = ({ value }: Held<Pod>): Node | undefined => nodes.find((node) => node.value.metadata.name === value.spec.nodeName)?.value
  return [...nodes.flatMap((node) => [...marked(system, node), ...tainted(node)]), ...pods.flatMap((pod) => doubted(pod, nodeOf(pod)))]
})
