/**
 * DefaultPreemption: whose leaving makes room, and on which node that costs least.
 *
 * Source: https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/
 */
import type { LabelSelector, Node, Pod } from '../../state/objects.ts'
import type { PodDisruptionBudget } from '../../state/policy.ts'
import { matchesLabels } from '../../state/selector.ts'
import { podsOn, type Constraint, type Scene } from './scene.ts'

export interface Candidate {
  readonly node: string
  readonly victims: readonly Pod[]
  /** How many of them a disruption budget would have kept. */
  readonly violations: number
}

export const priority = ({ spec }: Pod): number => spec.priority ?? 0
/** A pod that has not started counts as started last. */
const start = ({ status }: Pod): string => status?.startTime ?? '9999'
/** Negative: the first is the more important: of higher priority, or started earlier. */
export const importance = (one: Pod, other: Pod): number =>
  priority(other) - priority(one) || (start(one) < start(other) ? -1 : start(one) > start(other) ? 1 : 0)

const isEmpty = ({ matchLabels = {}, matchExpressions = [] }: LabelSelector): boolean =>
  Object.keys(matchLabels).length + matchExpressions.length === 0

/** Those that budgets do not allow to go, if all go in order of importance. */
export const protectedBy = (scene: Scene, pods: readonly Pod[]): ReadonlySet<Pod> => {
  const budgets = scene.others.filter((one): one is PodDisruptionBudget => one.kind === 'PodDisruptionBudget')
  return new Set(
    budgets.flatMap(({ metadata, spec: { selector }, status }) => {
      if (selector === undefined || isEmpty(selector)) return []
      return pods
        .filter(
          (pod) =>
            pod.metadata.namespace === metadata.namespace &&
            pod.metadata.labels !== undefined &&
            matchesLabels(selector, pod.metadata.labels) &&
            status?.disruptedPods?.[pod.metadata.name] === undefined,
        )
        .slice(Math.max(0, status?.disruptionsAllowed ?? 0))
    }),
  )
}

/** Who has to leave: of the less important pods all but those that can stay, those asked first that matter most. */
export const victimsOn = (scene: Scene, pod: Pod, node: Node, constraint: Constraint): Candidate | null => {
  const lower = podsOn(scene, node)
    .filter((other) => priority(other) < priority(pod))
    .toSorted(importance)
  const without = (gone: readonly Pod[]): boolean =>
    constraint({ ...scene, pods: scene.pods.filter((other) => !gone.includes(other)) }, pod, node) === 'fits'
  if (lower.length === 0 || !without(lower)) return null
  const kept = protectedBy(scene, lower)
  let victims: readonly Pod[] = lower
  for (const other of [...lower.filter((one) => kept.has(one)), ...lower.filter((one) => !kept.has(one))]) {
    const fewer = victims.filter((one) => one !== other)
    if (without(fewer)) victims = fewer
  }
  return { node: node.metadata.name, victims, violations: victims.filter((one) => kept.has(one)).length }
}

/** Whether those that go for its sake already are still on their way out. */
export const waitsForVictims = (scene: Scene, { spec, status }: Pod): boolean =>
  scene.pods.some(
    (other) =>
      other.spec.nodeName === status?.nominatedNodeName &&
      other.metadata.deletionTimestamp !== undefined &&
      priority(other) < (spec.priority ?? 0),
  )

/** What is compared in turn, each the smaller the better. */
const COSTS: readonly ((candidate: Candidate) => number | string)[] = [
  ({ violations }) => violations,
  ({ victims }) => Math.max(...victims.map(priority)),
  // Lifted so that more victims of negative priority never cost less than fewer.
  ({ victims }) => victims.reduce((sum, one) => sum + priority(one) + 2 ** 31, 0),
  ({ victims }) => victims.length,
]
const firstStart = ({ victims }: Candidate): string => {
  const most = Math.max(...victims.map(priority))
  return victims
    .filter((one) => priority(one) === most)
    .map(start)
    .reduce((one, other) => (one < other ? one : other))
}

/** All nodes that nothing makes worse than another. */
export const cheapest = (candidates: readonly Candidate[]): readonly Candidate[] => {
  let left = candidates.filter(({ victims }) => victims.length > 0)
  for (const cost of COSTS) left = left.filter((one) => left.every((other) => cost(one) <= cost(other)))
  return left.filter((one) => left.every((other) => firstStart(one) >= firstStart(other)))
}
