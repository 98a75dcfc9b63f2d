/** What the API server makes of objects before they go into the store. SEMANTICS 2.3. */
import { qosClassOf } from '../components/qos.ts'
import type { Invariant } from '../invariant.ts'
import type { Pod, PriorityClass } from '../state/objects.ts'
import { keyOf } from '../state/resources.ts'
import { toleratesTaint } from '../state/selector.ts'
import { eachCommit, objectOf, safety } from './define.ts'

const SAME = ['priorityClassName', 'priority', 'preemptionPolicy'] as const

const priorityOfClass = eachCommit(
  {
    id: 'PRI-S1',
    sentence: "a pod's priority is that of its class when it is made, 0 without one, and never changes",
    source: 'KEP-268',
    sometimes: 'a pod of a class is made',
    ...safety,
  },
  'pods',
  ({ key, before, after, author }, { history }) => {
    const [was, is] = [objectOf<Pod>(before), objectOf<Pod>(after)]
    if (is === undefined) return 'vacuous'
    if (was !== undefined && was.metadata.uid === is.metadata.uid) {
      const changed = SAME.find((field) => was.spec[field] !== is.spec[field])
      return changed === undefined ? 'holds' : { why: `${author} changes ${changed} of ${key}` }
    }
    const { priorityClassName = '', priority = 0, preemptionPolicy = 'PreemptLowerPriority' } = is.spec
    if (priorityClassName === '') return priority === 0 ? 'holds' : { why: `${key} has priority ${priority} and no class` }
    // A cache that lags may still show a class that was made anew since.
    const classes = history
      .versions(keyOf('priorityclasses', undefined, priorityClassName))
      .flatMap(({ after: stored }) => objectOf<PriorityClass>(stored) ?? [])
    const agrees = classes.some((one) => one.value === priority && (one.preemptionPolicy ?? 'PreemptLowerPriority') === preemptionPolicy)
    return agrees
      ? 'notable'
      : { why: `${key} has priority ${priority} (${preemptionPolicy}), which its class ${priorityClassName} never had` }
  },
)

const NOT_FOR_EVER = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']

const staysAWhile = eachCommit(
  {
    id: 'TOL-S1',
    sentence: 'every pod that is let in stays on a node that is not ready or unreachable, for as long as it says or for some time',
    source: 'https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/#taint-based-evictions',
    sometimes: 'it said nothing of that itself',
    ...safety,
  },
  'pods',
  ({ key, before, after }) => {
    const pod = before === null ? objectOf<Pod>(after) : undefined
    if (pod === undefined) return 'vacuous'
    const { tolerations = [] } = pod.spec
    // What a pod says of such a taint itself is not looked into.
    const isSaid = (taint: string): boolean =>
      tolerations.some((one) => one.key === taint) || toleratesTaint(tolerations, { key: taint, effect: 'NoExecute' })
    const missing = NOT_FOR_EVER.find((taint) => !isSaid(taint))
    if (missing !== undefined) return { why: `${key} is let in and does not tolerate ${missing}:NoExecute` }
    return tolerations.some(({ tolerationSeconds }) => tolerationSeconds !== undefined) ? 'notable' : 'holds'
  },
)

const qualityOfService = eachCommit(
  {
    id: 'KUBELET-S20',
    sentence: "a pod's quality of service class follows from the requests and limits of its containers, and never changes",
    source: 'https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/',
    sometimes: 'it is Guaranteed, or BestEffort',
    ...safety,
  },
  'pods',
  ({ key, before, after, author }) => {
    const [was, is] = [objectOf<Pod>(before), objectOf<Pod>(after)]
    if (is === undefined) return 'vacuous'
    const { qosClass } = is.status
    if (was !== undefined && was.metadata.uid === is.metadata.uid)
      return was.status.qosClass === qosClass
        ? 'holds'
        : { why: `${author} changes the class of ${key} from ${was.status.qosClass ?? 'none'} to ${qosClass ?? 'none'}` }
    const due = qosClassOf(is)
    if (qosClass !== due) return { why: `${key} is of class ${qosClass ?? 'none'}, by what its containers ask for it is ${due}` }
    return due === 'Burstable' ? 'holds' : 'notable'
  },
)

export const ADMISSION: readonly Invariant[] = [priorityOfClass, staysAWhile, qualityOfService]
