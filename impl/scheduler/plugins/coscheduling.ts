/**
 * Coscheduling: pods of a group go to their nodes together, or none does.
 *
 * A pod names its PodGroup by label. Those that find a node wait at Permit until as many as the group needs have one; then all
 * are let go. One that is turned away turns away those that wait.
 * Source: kubernetes-sigs/scheduler-plugins pkg/coscheduling, KEP-42.
 */
import type { Pod } from '../../../model/state/objects.ts'
import { POD_GROUP_LABEL, type PodGroup } from '../../../model/state/pod-group.ts'
import { isTerminal } from '../../objects.ts'
import { unresolvable, unschedulable, type Cycle, type Plugin, type Queued, type Snapshot, type WaitingPods } from '../framework.ts'
import { priorityOf, type PodInfo } from '../node-info.ts'

export interface CoschedulingArgs {
  /** How long a pod waits for the rest of its group, unless the group says so itself. */
  readonly permitWaitingTimeSeconds?: number
}

const NAME = 'Coscheduling'
const WAITING_SECONDS = 60
const MISSING_SHARE = 0.1

const groupNameOf = (pod: Pod): string | undefined => pod.metadata.labels?.[POD_GROUP_LABEL]
const isOf = (name: string, namespace: string | undefined, pod: Pod): boolean =>
  groupNameOf(pod) === name && pod.metadata.namespace === namespace

const groupOf = ({ objects }: Snapshot, pod: Pod): PodGroup | undefined => {
  const name = groupNameOf(pod)
  return name === undefined ? undefined : objects.podGroup(pod.metadata.namespace as string, name)
}

/** How many of its group have a node, bound or assumed, besides the pod itself. */
const assigned = ({ nodes }: Snapshot, { metadata }: PodGroup, pod: Pod): number => {
  let count = 0
  for (const node of nodes) {
    for (const { pod: other } of node.pods.values())
      if (other.metadata.uid !== pod.metadata.uid && isOf(metadata.name, metadata.namespace, other)) count++
  }
  return count
}

const siblings = ({ objects }: Snapshot, { metadata }: PodGroup): readonly Pod[] =>
  objects.pods().filter((other) => isOf(metadata.name, metadata.namespace, other) && !isTerminal(other))

const rejectAll = (waiting: WaitingPods, { pod }: PodInfo, why: string): void => {
  const name = groupNameOf(pod)
  if (name === undefined) return
  for (const other of waiting.all()) if (isOf(name, pod.metadata.namespace, other.info.pod)) other.reject(NAME, why)
}

/** Of equal rank the older group comes first, whole; a pod by itself is a group of one. A group is as old as its first pod. */
const queueOrder = (): NonNullable<Plugin['queueSort']> => {
  const groupsSinceMs = new Map<string, number>()
  const sinceMs = ({ pod, sinceMs: own }: Queued): number => {
    if (groupNameOf(pod) === undefined) return own
    const key = keyOf(pod)
    const known = groupsSinceMs.get(key)
    if (known === undefined) groupsSinceMs.set(key, own)
    return known ?? own
  }
  return (one, other) => {
    const difference = priorityOf(other.pod) - priorityOf(one.pod) || sinceMs(one) - sinceMs(other)
    if (difference !== 0) return difference
    const [first, second] = [keyOf(one.pod), keyOf(other.pod)]
    return first < second ? -1 : first > second ? 1 : 0
  }
}
const keyOf = ({ metadata }: Pod): string => `${metadata.namespace}/${metadata.labels?.[POD_GROUP_LABEL] ?? metadata.name}`

export const coscheduling = ({ permitWaitingTimeSeconds = WAITING_SECONDS }: CoschedulingArgs): Plugin => ({
  name: NAME,
  queueSort: queueOrder(),
  preFilter: ({ snapshot }, { pod }) => {
    const group = groupOf(snapshot, pod)
    if (group === undefined) return null
    const there = siblings(snapshot, group).length
    return there >= group.spec.minMember
      ? null
      : unresolvable(
          `pre-filter pod ${pod.metadata.name} cannot find enough sibling pods, current pods number: ${there}, minMember of group: ${group.spec.minMember}`,
        )
  },
  /** No node for one of them: those that wait need not wait on, unless enough have a node without it. */
  postFilter: (cycle, info) => {
    const group = groupOf(cycle.snapshot, info.pod)
    if (group === undefined) return
    const { minMember } = group.spec
    // With so few missing, others of the group may still do.
    if (minMember - assigned(cycle.snapshot, group, info.pod) <= minMember * MISSING_SHARE) return
    rejectAll(
      cycle.waiting,
      info,
      `PodGroup ${group.metadata.name} gets rejected due to Pod ${info.pod.metadata.name} is unschedulable even after PostFilter`,
    )
  },
  permit: (cycle: Cycle, { pod }) => {
    const name = groupNameOf(pod)
    if (name === undefined) return { status: null, timeoutMs: 0 }
    const group = groupOf(cycle.snapshot, pod)
    if (group === undefined) return { status: unschedulable('PodGroup not found'), timeoutMs: 0 }
    const others = assigned(cycle.snapshot, group, pod)
    if (others + 1 < group.spec.minMember) {
      // The first of them calls the others.
      if (others === 0) for (const { metadata } of siblings(cycle.snapshot, group)) cycle.state.toActivate.add(metadata.uid)
      const seconds = group.spec.scheduleTimeoutSeconds ?? permitWaitingTimeSeconds
      return { status: { code: 'Wait', reasons: [] }, timeoutMs: seconds * 1_000 }
    }
    for (const other of cycle.waiting.all()) if (isOf(name, pod.metadata.namespace, other.info.pod)) other.allow(NAME)
    return { status: null, timeoutMs: 0 }
  },
  unreserve: ({ waiting }, info) =>
    rejectAll(waiting, info, `rejected by ${info.pod.metadata.name} of the same PodGroup, which gave its node back`),
  mayHelp: (pod, { resource, action, after }) => {
    if (resource === 'PodGroup' || resource === 'Node') return true
    if (resource === 'AssignedPod') return action === 'Delete'
    return resource === 'Pod' && action === 'Add' && groupNameOf(after as Pod) === groupNameOf(pod)
  },
})
