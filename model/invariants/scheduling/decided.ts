/**
 * What the scheduler decided by: what it saw, the pods it counts on nodes already, and those it keeps room for.
 *
 * A node must take a pod both with and without the pods of its rank or above that were promised room there: they may come.
 */
import { groupOf, isPlaced, membersOf } from '../../components/scheduling/gang.ts'
import { DEFAULT_FILTERS, infeasible, type Filter } from '../../components/feasible.ts'
import { isTerminal } from '../../components/objects.ts'
import { priority } from '../../components/scheduling/preemption.ts'
import type { Scene } from '../../components/scheduling/scene.ts'
import type { StoreHistory } from '../../state/cluster.ts'
import type { Choice, Seen, View } from '../../state/history.ts'
import type { ApiObject, Node, PersistentVolume, Pod } from '../../state/objects.ts'
import type { PodGroup } from '../../state/pod-group.ts'
import { listed, viewed } from '../define.ts'

export type Scheduling = Extract<Choice, { readonly kind: 'Bind' | 'Unschedulable' | 'Preempt' }>
export type Decision = Seen<'Decision'> & { readonly choice: Scheduling }

export interface Decided {
  /** Absent: it was not in the view. */
  readonly pod: Pod | undefined
  /** Without the pod itself. */
  readonly scene: Scene
  /** Pods that wait, each as if it were on the node that was promised to it. */
  readonly promised: readonly Pod[]
  /** All pods of the view that are not over. */
  readonly pods: readonly Pod[]
}

export const isScheduling = (seen: Seen<'Decision'>): seen is Decision =>
  seen.choice.kind === 'Bind' || seen.choice.kind === 'Unschedulable' || seen.choice.kind === 'Preempt'

const known = new WeakMap<Decision, Decided>()

export const decided = (decision: Decision, history: StoreHistory): Decided => {
  const found = known.get(decision) ?? pictureOf(decision, history)
  known.set(decision, found)
  return found
}

const pictureOf = ({ view, choice }: Decision, history: StoreHistory): Decided => {
  const named = viewed<Pod>(history, view, choice.pod)
  const pod = named?.metadata.uid === choice.pod.uid ? named : undefined
  const pods = listed<Pod>(history, view, 'pods').filter((other) => !isTerminal(other))
  const assumed = new Map(choice.assumed.map(({ uid, node }) => [uid, node]))
  const promises = new Map(choice.promised.map(({ uid, node }) => [uid, node]))
  const on = (nodes: ReadonlyMap<string, string>) => (other: Pod) => {
    const node = nodes.get(other.metadata.uid)
    return node === undefined || other === pod ? [] : [placed(other, node)]
  }
  const waiting = pods.filter((other) => (other.spec.nodeName ?? '') === '')
  const bound = pods.filter((other) => (other.spec.nodeName ?? '') !== '' && other !== pod)
  return {
    pod,
    pods,
    scene: {
      nodes: listed<Node>(history, view, 'nodes'),
      pods: [...bound, ...waiting.flatMap(on(assumed))],
      others: othersOf(view, choice, history),
    },
    promised: waiting.flatMap(on(promises)),
  }
}

const LOOKED_UP = ['namespaces', 'poddisruptionbudgets', 'persistentvolumeclaims', 'storageclasses']

const othersOf = (view: View, { taken = [] }: Scheduling, history: StoreHistory): readonly ApiObject[] => {
  const volumes = listed<PersistentVolume>(history, view, 'persistentvolumes').map((volume) => {
    const claimRef = taken.find((one) => one.volume === volume.metadata.name)?.claim
    return claimRef === undefined ? volume : { ...volume, spec: { ...volume.spec, claimRef } }
  })
  return [...volumes, ...LOOKED_UP.flatMap((resource) => listed<ApiObject>(history, view, resource))]
}

/** The pod is of a group that is not complete: whether it goes, and when it is tried again, is for the others too to say. */
export const heldBack = ({ view }: Decision, { pod, scene }: Decided, history: StoreHistory): boolean => {
  const group = pod === undefined ? undefined : groupOf(pod, listed<PodGroup>(history, view, 'podgroups'))
  return group !== undefined && membersOf(group, scene.pods).filter(isPlaced).length < group.spec.minMember
}

const placed = (pod: Pod, nodeName: string): Pod => ({ ...pod, spec: { ...pod.spec, nodeName } })

/** The same with those on a node for whom room is kept there, as far as a pod has to mind them. */
export const crowded = (scene: Scene, promised: readonly Pod[], pod: Pod, node: Node): Scene => {
  const there = promised.filter(
    (other) => other.spec.nodeName === node.metadata.name && priority(other) >= priority(pod) && other.metadata.uid !== pod.metadata.uid,
  )
  return there.length === 0 ? scene : { ...scene, pods: [...scene.pods, ...there] }
}

/** Why the node may not be chosen. Null: it may. */
export const whyNot = ({ scene, promised }: Decided, pod: Pod, node: Node, filters: readonly Filter[] = DEFAULT_FILTERS): string | null => {
  const full = crowded(scene, promised, pod, node)
  const kept = full === scene ? null : infeasible(full, pod, node, filters)
  return kept === null ? infeasible(scene, pod, node, filters) : `${kept} beside those for whom room is kept`
}
