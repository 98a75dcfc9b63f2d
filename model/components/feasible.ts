/**
 * On which nodes a pod may be placed, and why not on the others, in words: the filters of a scheduler as it is by default.
 *
 * Source: https://kubernetes.io/docs/reference/scheduling/config/#scheduling-plugins
 */
import type { Node, Pod, Volume } from '../state/objects.ts'
import { named, portsFree, schedulable, selected, tolerated, toleratesNode } from './scheduling/nodes.ts'
import { podAffinity } from './scheduling/pod-affinity.ts'
import { fitsResources, shortOf } from './scheduling/resources.ts'
import type { Constraint, Scene } from './scheduling/scene.ts'
import { spread } from './scheduling/spread.ts'
import { volumesAllowed, volumesBindable, zoneMatches } from './scheduling/volumes.ts'

export interface Filter {
  readonly constraint: Constraint
  readonly why: (scene: Scene, pod: Pod, node: Node) => string
}

const lacking = (scene: Scene, pod: Pod, node: Node): string => {
  const short = shortOf(scene, pod, node)
  if (short === 'pods') return 'it has no room for another pod'
  return fitsResources()({ ...scene, pods: [] }, pod, node) === 'never'
    ? `it has less ${short} than the pod asks for`
    : `it has not enough ${short} left`
}

const repelling = (pod: Pod, node: Node): string =>
  (node.spec.taints ?? [])
    .filter((taint) => !toleratesNode(pod, { ...node, spec: { taints: [taint] } }))
    .map(({ key, effect }) => `it has the taint ${key}:${effect}`)
    .join(', ')

/** What a node is asked for itself and for the pods on it. */
export const OF_THE_NODE: readonly Filter[] = [
  { constraint: schedulable, why: () => 'it is unschedulable' },
  { constraint: named, why: () => 'the pod names another node' },
  { constraint: tolerated, why: (_scene, pod, node) => repelling(pod, node) },
  { constraint: selected(), why: () => "it does not match the pod's node selector or affinity" },
  { constraint: fitsResources(), why: lacking },
  { constraint: portsFree, why: () => 'a host port is taken' },
]

/** What is asked of the pods of all nodes. */
export const AMONG_PODS: readonly Filter[] = [
  { constraint: spread({}), why: () => 'PodTopologySpread does not allow it' },
  { constraint: podAffinity, why: () => 'InterPodAffinity does not allow it' },
]

/** Made for the pod wherever it is. */
const isOwn = ({ projected }: Volume): boolean => projected !== undefined
const ofVolumes =
  (constraint: Constraint): Constraint =>
  (scene, pod, node) =>
    (pod.spec.volumes ?? []).every(isOwn) ? 'fits' : constraint(scene, pod, node)

/** What is asked of the volumes that a pod has. */
export const OF_VOLUMES: readonly Filter[] = [
  { constraint: ofVolumes(volumesAllowed), why: () => 'a disk of its own is in use there' },
  { constraint: ofVolumes(zoneMatches), why: () => 'a volume of it is in another zone' },
  { constraint: ofVolumes(volumesBindable), why: () => 'its claims are not bound, and cannot be there' },
]

export const DEFAULT_FILTERS: readonly Filter[] = [...OF_THE_NODE, ...OF_VOLUMES, ...AMONG_PODS]

/** Null: the pod may be placed there. */
export const infeasible = (scene: Scene, pod: Pod, node: Node, filters: readonly Filter[] = DEFAULT_FILTERS): string | null =>
  filters.find(({ constraint }) => constraint(scene, pod, node) !== 'fits')?.why(scene, pod, node) ?? null
