/**
 * What a pod asks of a node itself: its name, labels, taints, ports and images.
 *
 * Source: https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/, taint-and-toleration/
 */
import type { Node, NodeAffinity, Pod } from '../../state/objects.ts'
import { selectsNode, termSelects, toleratesTaint } from '../../state/selector.ts'
import { never, notNow, ofTheMost, podsOn, SCORE_MOST, type Constraint, type Score } from './scene.ts'

export const named: Constraint = (_scene, { spec }, node) => never((spec.nodeName ?? '') === '' || spec.nodeName === node.metadata.name)

export const schedulable: Constraint = (_scene, { spec }, node) =>
  never(
    node.spec?.unschedulable !== true ||
      toleratesTaint(spec.tolerations, { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }),
  )

export const toleratesNode = (pod: Pod, node: Node): boolean =>
  (node.spec?.taints ?? []).every((taint) => taint.effect === 'PreferNoSchedule' || toleratesTaint(pod.spec.tolerations, taint))
export const tolerated: Constraint = (_scene, pod, node) => never(toleratesNode(pod, node))

/** The fewer taints that would rather not have the pod, the better. */
export const tolerationScore: Score = (_scene, pod, nodes) =>
  ofTheMost(
    nodes.map(
      ({ spec }) =>
        (spec?.taints ?? []).filter((taint) => taint.effect === 'PreferNoSchedule' && !toleratesTaint(pod.spec.tolerations, taint)).length,
    ),
  ).map((score) => SCORE_MOST - score)

/** added: what the scheduler's configuration asks for all pods. */
export const selected =
  (added?: NodeAffinity): Constraint =>
  (_scene, pod, node) => {
    const required = added?.requiredDuringSchedulingIgnoredDuringExecution
    return never(
      selectsNode(pod, node) && (required === undefined || (required.nodeSelectorTerms ?? []).some((term) => termSelects(term, node))),
    )
  }

export const selectionScore =
  (added?: NodeAffinity): Score =>
  (_scene, pod, nodes) => {
    const preferred = [added, pod.spec.affinity?.nodeAffinity].flatMap((one) => one?.preferredDuringSchedulingIgnoredDuringExecution ?? [])
    const weightOf = (node: Node): number =>
      preferred.filter(({ preference }) => termSelects(preference, node)).reduce((sum, { weight }) => sum + weight, 0)
    return ofTheMost(nodes.map(weightOf))
  }

const ANY = '0.0.0.0'
const hostPorts = ({ spec }: Pod) =>
  [...spec.containers, ...(spec.initContainers ?? []).filter((one) => one.restartPolicy === 'Always')]
    .flatMap(({ ports }) => ports ?? [])
    .filter(({ hostPort }) => (hostPort ?? 0) > 0)
    .map(({ hostPort, protocol = 'TCP', hostIP = ANY }) => ({ hostPort, protocol, hostIP }))

export const portsFree: Constraint = (scene, pod, node) => {
  const taken = podsOn(scene, node).flatMap(hostPorts)
  const clash = (one: (typeof taken)[number], other: (typeof taken)[number]): boolean =>
    one.hostPort === other.hostPort &&
    one.protocol === other.protocol &&
    (one.hostIP === other.hostIP || [one.hostIP, other.hostIP].includes(ANY))
  return notNow(!hostPorts(pod).some((wanted) => taken.some((other) => clash(wanted, other))))
}

const MEBI = 1024 * 1024
const sizeOn = (node: Node, image: string): number =>
  node.status.images?.find(({ names }) => names?.includes(image) === true)?.sizeBytes ?? 0

/** The bytes of the pod's images that are there, each by the share of nodes that have it; between 23 MiB and 1000 a container. */
export const imageScore: Score = ({ nodes: all }, { spec }, nodes) => {
  const images = [...(spec.initContainers ?? []), ...spec.containers].map(({ image = '' }) =>
    image.split('/').at(-1)?.includes(':') === true ? image : `${image}:latest`,
  )
  const [least, most] = [23 * MEBI, 1000 * MEBI * images.length]
  return nodes.map((node) => {
    const held = images.map((image) => {
      const spread = all.filter((one) => sizeOn(one, image) > 0).length / all.length
      return Math.trunc(sizeOn(node, image) * spread)
    })
    const bytes = held.reduce((sum, one) => sum + one, 0)
    return bytes <= least ? 0 : Math.trunc((SCORE_MOST * (Math.min(most, bytes) - least)) / (most - least))
  })
}
