/**
 * Pods that go to their nodes together: whose group a pod is of, and how many of it have a node.
 *
 * Source: KEP-42 of kubernetes-sigs/scheduler-plugins.
 */
import type { Pod } from '../../state/objects.ts'
import { POD_GROUP_LABEL, type PodGroup } from '../../state/pod-group.ts'

export const groupOf = (pod: Pod, groups: readonly PodGroup[]): PodGroup | undefined => {
  const name = pod.metadata.labels?.[POD_GROUP_LABEL]
  if (name === undefined) return undefined
  return groups.find(({ metadata }) => metadata.name === name && metadata.namespace === pod.metadata.namespace)
}

export const membersOf = ({ metadata }: PodGroup, pods: readonly Pod[]): readonly Pod[] =>
  pods.filter(
    (pod) =>
      pod.metadata.labels?.[POD_GROUP_LABEL] === metadata.name &&
      pod.metadata.namespace === metadata.namespace &&
      pod.status.phase !== 'Succeeded' &&
      pod.status.phase !== 'Failed',
  )

export const isPlaced = (pod: Pod): boolean => (pod.spec.nodeName ?? '') !== ''
