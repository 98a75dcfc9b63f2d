/**
 * InterPodAffinity: which pods a pod has to be, or cannot be, in one topology with; and what it would rather.
 *
 * Source: https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#inter-pod-affinity-and-anti-affinity
 */
import type { Namespace, Node, Pod, PodAffinity, PodAffinityTerm } from '../../state/objects.ts'
import { matchesLabels } from '../../state/selector.ts'
import { objectOf, SCORE_MOST, type Constraint, type Scene, type Score } from './scene.ts'

const REQUIRED = 'requiredDuringSchedulingIgnoredDuringExecution'
const PREFERRED = 'preferredDuringSchedulingIgnoredDuringExecution'
const required = (affinity: PodAffinity | undefined): readonly PodAffinityTerm[] => affinity?.[REQUIRED] ?? []

/** Whether a term of `owner` is about `other`. */
const means = (scene: Scene, owner: Pod, term: PodAffinityTerm, other: Pod): boolean => {
  const { labelSelector, namespaces = [], namespaceSelector } = term
  if (labelSelector === undefined || !matchesLabels(labelSelector, other.metadata.labels)) return false
  const namespace = other.metadata.namespace ?? ''
  if (namespaceSelector === undefined && namespaces.length === 0) return namespace === owner.metadata.namespace
  const labels = objectOf<Namespace>(scene, 'Namespace', namespace)?.metadata.labels
  return namespaces.includes(namespace) || (namespaceSelector !== undefined && matchesLabels(namespaceSelector, labels))
}

const domain = (node: Node | undefined, { topologyKey }: PodAffinityTerm): string | undefined => node?.metadata.labels?.[topologyKey]
const nodeOf = ({ nodes }: Scene, { spec }: Pod): Node | undefined => nodes.find(({ metadata }) => metadata.name === spec.nodeName)
const together = (scene: Scene, term: PodAffinityTerm, other: Pod, node: Node): boolean =>
  domain(node, term) !== undefined && domain(nodeOf(scene, other), term) === domain(node, term)

export const podAffinity: Constraint = (scene, pod, node) => {
  const wanted = required(pod.spec.affinity?.podAffinity)
  const meant = (other: Pod): boolean => wanted.every((term) => means(scene, pod, term, other))
  const friends = scene.pods.filter((other) => meant(other) && wanted.some((term) => domain(nodeOf(scene, other), term) !== undefined))
  // The first of a group that wants to be with its like may go wherever the topologies are.
  const isFirst = friends.length === 0 && meant(pod)
  const near = (term: PodAffinityTerm): boolean => friends.some((other) => together(scene, term, other, node))
  if (!wanted.every((term) => domain(node, term) !== undefined && (isFirst || near(term)))) return 'never'
  const bars = (owner: Pod, about: Pod, place: Pod): boolean =>
    required(owner.spec.affinity?.podAntiAffinity).some((term) => means(scene, owner, term, about) && together(scene, term, place, node))
  return scene.pods.some((other) => bars(pod, other, other) || bars(other, pod, other)) ? 'not now' : 'fits'
}

/** hardWeight: what another pod's required affinity to this one counts for. */
export const podAffinityScore =
  (hardWeight = 1, ignoresOthers = false): Score =>
  (scene, pod, nodes) => {
    const wishes = (owner: Pod, about: Pod, other: Pod, node: Node, hard: number): number => {
      const { podAffinity: towards, podAntiAffinity: away } = owner.spec.affinity ?? {}
      const weighed = [
        ...(towards?.[PREFERRED] ?? []).map(({ weight, podAffinityTerm }) => ({ weight, term: podAffinityTerm })),
        ...(away?.[PREFERRED] ?? []).map(({ weight, podAffinityTerm }) => ({ weight: -weight, term: podAffinityTerm })),
      ].filter(() => owner === pod || !ignoresOthers)
      const hards = required(towards).map((term) => ({ weight: hard, term }))
      return [...weighed, ...hards]
        .filter(({ term }) => means(scene, owner, term, about) && together(scene, term, other, node))
        .reduce((sum, { weight }) => sum + weight, 0)
    }
    const sums = nodes.map((node) =>
      scene.pods.reduce((sum, other) => sum + wishes(pod, other, other, node, 0) + wishes(other, pod, other, node, hardWeight), 0),
    )
    const [least, most] = [Math.min(...sums), Math.max(...sums)]
    return sums.map((sum) => (most === least ? 0 : Math.trunc(SCORE_MOST * ((sum - least) / (most - least)))))
  }
