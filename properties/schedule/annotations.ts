/**
 * What was decided about a pod, under the annotations that kube-scheduler-simulator writes, so that its front end and other
 * tools read it.
 *
 * Source: https://kubernetes.io/docs/reference/labels-annotations-taints/, kubernetes-sigs/kube-scheduler-simulator
 * simulator/scheduler/plugin/{annotation,resultstore}.
 */
import type { Pod } from '../../model/state/objects.ts'
import type { Attempt, Placement } from './place.ts'
import type { ByNode } from './record.ts'

const PREFIX = 'kube-scheduler-simulator.sigs.k8s.io/'
const NOMINATED = 'preemption victim'

type Json = Readonly<Record<string, unknown>>

const plain = (map: ReadonlyMap<string, unknown>): Json => Object.fromEntries(map)
const nested = <T>(byNode: ByNode<T>, textOf: (value: T, plugin: string) => string): Json =>
  Object.fromEntries(
    [...byNode].map(([node, own]) => [node, Object.fromEntries([...own].map(([name, value]) => [name, textOf(value, name)]))]),
  )

const resultsOf = ({ profile }: Placement, attempt: Attempt): Readonly<Record<string, Json | string>> => {
  const { record, preemption, node } = attempt
  const weights = new Map((profile?.framework.plugins ?? []).map(({ plugin, weight }) => [plugin.name, weight]))
  const bound = node === null ? {} : { DefaultBinder: 'success' }
  return {
    'prefilter-result-status': plain(record.preFilter),
    'prefilter-result': plain(record.preFilterNodes),
    'filter-result': nested(record.filter, (text) => text),
    'postfilter-result': preemption === null ? {} : { [preemption.node]: { DefaultPreemption: NOMINATED } },
    'prescore-result': plain(record.preScore),
    'score-result': nested(record.raw, String),
    'finalscore-result': nested(record.normalized, (score, plugin) => String(score * (weights.get(plugin) ?? 1))),
    'reserve-result': plain(record.reserve),
    'permit-result': Object.fromEntries([...record.permit].map(([plugin, { status }]) => [plugin, status])),
    'permit-result-timeout': Object.fromEntries([...record.permit].map(([plugin, { timeoutMs }]) => [plugin, `${timeoutMs / 1000}s`])),
    'prebind-result': {},
    'bind-result': bound,
    'selected-node': node ?? '',
  }
}

/** Values are texts, as of every annotation: JSON but for the node's name. */
const annotationsOf = (placement: Placement, attempt: Attempt): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(resultsOf(placement, attempt)).map(([name, value]) => [
      `${PREFIX}${name}`,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]),
  )

/** The pod as it would be written: annotated, bound or not, nominated or not. */
export const annotated = (placement: Placement): Pod => {
  const { pod, node, attempts, waiting } = placement
  const last = attempts.at(-1)
  const promised = attempts.findLast(({ preemption }) => preemption !== null)?.preemption?.node
  const history = attempts.map((attempt) => annotationsOf(placement, attempt))
  const annotations = {
    ...pod.metadata.annotations,
    ...history.at(-1),
    ...(history.length === 0 ? {} : { [`${PREFIX}result-history`]: JSON.stringify(history) }),
  }
  const message = waiting ?? last?.message
  const condition =
    node !== null
      ? { type: 'PodScheduled', status: 'True' as const }
      : { type: 'PodScheduled', status: 'False' as const, reason: waiting === null ? 'Unschedulable' : 'SchedulingGated', message }
  const conditions = [...(pod.status.conditions ?? []).filter(({ type }) => type !== 'PodScheduled'), condition]
  return {
    ...pod,
    metadata: { ...pod.metadata, annotations },
    spec: node === null ? pod.spec : { ...pod.spec, nodeName: node },
    status: {
      ...pod.status,
      ...(placement.profile === null ? {} : { conditions }),
      ...(promised === undefined ? {} : { nominatedNodeName: promised }),
    },
  } as Pod
}
