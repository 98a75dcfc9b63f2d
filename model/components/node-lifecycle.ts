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
const doubted = ({ value: pod, version }: Held<Pod>, node: Node | undefined, guarded: boolean): readonly Request[] => {
  if (node === undefined || conditionOf(node.status.conditions, 'Ready') !== 'Unknown' || isTerminal(pod) || !isReady(pod)) return []
  const conditions = withCondition(pod.status.conditions, { type: 'Ready', status: 'False' })
  const value: Pod = { ...pod, status: { ...pod.status, conditions } }
  return [asks(MANAGER, null, { verb: 'status', value, version: guarded ? version : null })]
}

/** guarded: what is said of a pod is said only if nobody else has said anything meanwhile. */
export const watchingNodes = (guarded: boolean): ReturnType<typeof client> =>
  client('node-lifecycle', (system) => {
    const nodes = seen<Node>(system, MANAGER, 'nodes')
    const nodeOf = ({ spec }: Pod): Node | undefined => nodes.find(({ value }) => value.metadata.name === spec.nodeName)?.value
    return [
      ...nodes.flatMap((node) => [...marked(system, node), ...tainted(node)]),
      ...seen<Pod>(system, MANAGER, 'pods').flatMap((pod) => doubted(pod, nodeOf(pod.value), guarded)),
    ]
  })

export const nodeLifecycle = watchingNodes(true)
