/** Autoscalers: what their target's load still asks for. */
import { asks, share, within } from '../components/hpa.ts'
import type { Pending } from '../invariant.ts'
import type { HorizontalPodAutoscaler, ScalingRules } from '../state/autoscaling.ts'
import type { Deployment } from '../state/objects.ts'
import { keyOf, resourceOfKind } from '../state/resources.ts'
import { selectorOf } from '../state/replication.ts'
import { matchesLabels } from '../state/selector.ts'
import { all, isEnding, isTerminal, ITS_END, label, type Picture, type Waiting } from './picture.ts'
import { refused } from './refused.ts'

/** Who may change only slower than this is not waited for. */
const WINDOW_MOST_SECONDS = 300
const PERIOD_MOST_SECONDS = 60

const isSlow = ({ stabilizationWindowSeconds, selectPolicy, policies }: ScalingRules): boolean =>
  selectPolicy === 'Disabled' ||
  stabilizationWindowSeconds > WINDOW_MOST_SECONDS ||
  policies.every(({ periodSeconds }) => periodSeconds > PERIOD_MOST_SECONDS)

export const autoscalersPending: Waiting = (picture) =>
  all<HorizontalPodAutoscaler>(picture, 'horizontalpodautoscalers').flatMap((autoscaler) => {
    const { metadata, spec } = autoscaler
    const { kind, name } = spec.scaleTargetRef
    const key = keyOf(resourceOfKind(kind)?.resource ?? '', metadata.namespace, name)
    const target = picture.cluster.store.get(key)?.value as Deployment | undefined
    const row = (waitsFor: string, blocked: boolean): readonly Pending[] => [{ object: label(autoscaler), waitsFor, blocked }]
    if (isEnding(autoscaler)) return row(ITS_END, false)
    if (target === undefined || isEnding(target)) return row(`its target ${kind} ${name}, which is not there`, true)
    const { replicas } = target.spec
    if (replicas === 0) return []
    const wants = wanted(picture, autoscaler, target)
    if (wants === null) return row(`metrics of ${kind} ${name}, which nobody measures`, true)
    if (wants === replicas) return []
    const pods = picture.pods.filter(
      (pod) => matchesLabels(selectorOf(target as never), pod.metadata.labels) && !isTerminal(pod) && !isEnding(pod),
    )
    // Pods that are not there measure nothing.
    const why = pods.length < replicas ? refused(picture, target.spec.template, target) : null
    if (why !== null) return row(why, true)
    return row(
      `${wants} replicas of ${kind} ${name}: it has ${replicas}`,
      pods.some((pod) => picture.blocked.get(pod.metadata.uid) === true),
    )
  })

/** When all is steady. Null: no metric tells. */
const wanted = ({ cluster }: Picture, { metadata, spec }: HorizontalPodAutoscaler, target: Deployment): number | null => {
  const { replicas, template } = target.spec
  const { minReplicas, maxReplicas, metrics, behavior } = spec
  if (replicas > maxReplicas) return maxReplicas
  if (replicas < minReplicas) return minReplicas
  const named = `${metadata.namespace}/${target.metadata.name}`
  const load = cluster.loads.has(named) ? (cluster.loads.get(named) ?? null) : 0
  const told = metrics.flatMap(({ type, resource }) => {
    const utilization = type === 'Resource' && resource?.name === 'cpu' ? resource.target.averageUtilization : undefined
    if (utilization === undefined || load === null || asks(template) === 0) return []
    const ratio = share(Math.floor(load / replicas) * replicas, asks(template) * replicas) / utilization
    return [within(ratio) ? replicas : Math.ceil(ratio * replicas)]
  })
  if (told.length === 0) return null
  const wants = Math.min(maxReplicas, Math.max(minReplicas, ...told))
  const missing = told.length < metrics.length
  if (wants < replicas && (missing || isSlow(behavior.scaleDown))) return replicas
  return wants > replicas && isSlow(behavior.scaleUp) ? replicas : wants
}
