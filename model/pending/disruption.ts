/** Disruption budgets whose status lags, and drains that wait for them. */
import { countOf, covers, isHealthy, type Count, type Find } from '../components/disruption.ts'
import type { Pending } from '../invariant.ts'
import type { ApiObject, Namespace, Pod } from '../state/objects.ts'
import type { PodDisruptionBudget } from '../state/policy.ts'
import { keyOf, resourceOfKind } from '../state/resources.ts'
import type { Cluster } from '../state/cluster.ts'
import { all, isEnding, isLost, label, type Picture, type Waiting } from './picture.ts'

/** How to find owners of a budget's pods in the store. */
export const finding =
  ({ store }: Pick<Cluster, 'store'>, { metadata }: PodDisruptionBudget): Find =>
  (kind, name) =>
    store.get(keyOf(resourceOfKind(kind)?.resource ?? kind, metadata.namespace, name))?.value as ApiObject | undefined

/** What its status should say; the units of granted evictions count as taken. */
const shouldSay = ({ cluster, pods }: Picture, budget: PodDisruptionBudget): Count | null =>
  countOf(budget, pods, finding(cluster, budget), (name) => budget.status.disruptedPods?.[name] !== undefined)

export const budgetsPending: Waiting = (picture) =>
  all<PodDisruptionBudget>(picture, 'poddisruptionbudgets').flatMap((budget) => {
    const { metadata, status } = budget
    const row = (waitsFor: string): readonly Pending[] => [{ object: label(budget), waitsFor, blocked: false }]
    if ((status.observedGeneration ?? 0) < (metadata.generation ?? 0)) return row('its controller to see its latest change')
    const granted = picture.pods.find(
      (pod) => covers(budget, pod) && !isEnding(pod) && status.disruptedPods?.[pod.metadata.name] !== undefined,
    )
    if (granted !== undefined) return row(`${granted.metadata.name} to be evicted, as was granted, or its unit to come back`)
    const count = shouldSay(picture, budget)
    if (count === null) return status.disruptionsAllowed === 0 ? [] : row('its controller to see that the owners of its pods are gone')
    const agrees = (Object.keys(count) as (keyof Count)[]).every((field) => (status[field] ?? 0) === count[field])
    return agrees
      ? []
      : row(`its status to agree with its pods: it allows ${status.disruptionsAllowed}, ${count.disruptionsAllowed} would do`)
  })

export const drainsPending: Waiting = (picture) =>
  [...picture.cluster.drains].flatMap(([node, uids]) => {
    const left = picture.pods.filter((pod) => uids.includes(pod.metadata.uid))
    const object = `Drain of ${node}`
    // Evictions are refused in a namespace on its way out, also of pods that are gone (kubectl pkg/drain/drain.go goes on asking).
    const refused = all<Namespace>(picture, 'namespaces').some(isEnding)
    if (left.length === 0) return [{ object, waitsFor: 'its user to see that all pods are gone', blocked: refused }]
    // A user who drains a node that is lost waits for ever and is told so by kubectl: no manifest is the cause.
    return left.filter((pod) => !(isEnding(pod) && isLost(picture, node))).map((pod): Pending => ({ object, ...whatKeeps(picture, pod) }))
  })

const whatKeeps = (picture: Picture, pod: Pod): Omit<Pending, 'object'> => {
  const { name } = pod.metadata
  if (isEnding(pod)) return { waitsFor: `the end of ${name}`, blocked: false, derived: true }
  const budgets = all<PodDisruptionBudget>(picture, 'poddisruptionbudgets').filter((budget) => covers(budget, pod))
  for (const budget of budgets) {
    const count = shouldSay(picture, budget)
    if (count !== null && (count.disruptionsAllowed > 0 || mayGoUnready(budget, count, pod))) continue
    const why =
      count === null
        ? 'cannot tell how many pods are expected'
        : `needs ${count.desiredHealthy} healthy pods and has ${count.currentHealthy}`
    // If more of its pods can become ready, they are said to wait themselves.
    return { waitsFor: `the disruption budget ${budget.metadata.name} to allow the eviction of ${name}: it ${why}`, blocked: true }
  }
  return { waitsFor: `the eviction of ${name}`, blocked: false }
}

const mayGoUnready = ({ spec }: PodDisruptionBudget, { currentHealthy, desiredHealthy }: Count, pod: Pod): boolean =>
  !isHealthy(pod) && (spec.unhealthyPodEvictionPolicy === 'AlwaysAllow' || (currentHealthy >= desiredHealthy && desiredHealthy > 0))
