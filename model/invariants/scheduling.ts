/** The scheduler only decides, once for each pod, and only what fits. SEMANTICS 2.9. */
import { AMONG_PODS, infeasible, OF_THE_NODE } from '../components/feasible.ts'
import { allocatable, requests } from '../components/scheduling/requests.ts'
import { notToBind } from '../components/scheduler.ts'
import type { Invariant } from '../invariant.ts'
import type { Scene } from '../components/scheduling/scene.ts'
import type { StoreHistory } from '../state/cluster.ts'
import type { Choice, Seen, View } from '../state/history.ts'
import type { Namespace, Node, Pod, Uid } from '../state/objects.ts'
import { keyOf, resourceOfKey } from '../state/resources.ts'
import { isTerminal, sameValue } from '../components/objects.ts'
import { deciding, eachCommit, had, isRegistry, listed, objectOf, safety, settles, viewed, watching } from './define.ts'

const SCHEDULE_ONE = 'kubernetes pkg/scheduler/schedule_one.go'

const once = eachCommit(
  {
    id: 'SCHED-S1',
    sentence: 'a pod is bound to a node once',
    source: 'kubernetes pkg/registry/core/pod/storage/storage.go',
    sometimes: 'it had been found unschedulable before',
    ...safety,
  },
  'pods',
  ({ key, before, after, author }) => {
    const was = objectOf<Pod>(before)
    const is = objectOf<Pod>(after)
    if (was === undefined || is === undefined || was.metadata.uid !== is.metadata.uid) return 'vacuous'
    const from = was.spec.nodeName ?? ''
    const to = is.spec.nodeName ?? ''
    if (from !== '') return from === to ? 'vacuous' : { why: `${author} moved ${key} from ${from} to ${to || 'no node'}` }
    if (to === '') return 'vacuous'
    const refused = was.status.conditions?.some((condition) => condition.type === 'PodScheduled' && condition.status === 'False')
    return refused === true ? 'notable' : 'holds'
  },
)

const noOvercommit: Invariant = watching(
  {
    id: 'SCHED-S2',
    sentence: 'with one scheduler at work the pods on a node never ask for more than it has',
    source: 'https://kubernetes.io/docs/concepts/architecture/nodes/#node-capacity',
    kind: 'history',
    strength: 'safety',
    sometimes: 'the node had other pods',
    allows: ['ALLOW-12'],
  },
  ['Commit', 'Decision'],
  () => {
    const decisions = new Map<Uid, Seen<'Decision'>>()
    const binders = new Map<Uid, { author: string; revision: number }>()
    return {
      observe(next, { cluster }) {
        if (next.kind === 'Decision') {
          if (next.choice.kind === 'Bind') decisions.set(next.choice.pod.uid, next)
          return 'vacuous'
        }
        if (next.kind !== 'Commit' || resourceOfKey(next.key) !== 'pods') return 'vacuous'
        const pod = objectOf<Pod>(next.after)
        const name = pod?.spec.nodeName ?? ''
        if (pod === undefined || name === '' || (objectOf<Pod>(next.before)?.spec.nodeName ?? '') !== '') return 'vacuous'
        binders.set(pod.metadata.uid, { author: next.author, revision: next.revision })
        const decision = decisions.get(pod.metadata.uid)
        const node = objectOf<Node>(cluster.store.get(keyOf('nodes', undefined, name)))
        if (decision === undefined || node === undefined) return 'vacuous'
        const here: Pod[] = []
        for (const [key, stored] of cluster.store) {
          const other = stored.value as Pod
          if (key.startsWith('/registry/pods/') && other.spec.nodeName === name && !isTerminal(other)) here.push(other)
        }
        // Bound by another scheduler, and not seen when this was decided.
        const unseen = here.some((other) => {
          const binder = binders.get(other.metadata.uid)
          return binder !== undefined && binder.author !== next.author && binder.revision > (decision.view['pods'] ?? 0)
        })
        if (unseen) return 'vacuous'
        if (here.length > allocatable(node, 'pods') / 1000)
          return { why: `${name} has ${here.length} pods, it may have ${allocatable(node, 'pods') / 1000}` }
        for (const resource of new Set(here.flatMap((other) => [...requests(other).keys()]))) {
          const sum = here.reduce((total, other) => total + (requests(other).get(resource) ?? 0), 0)
          if (sum > allocatable(node, resource))
            return {
              why: `${next.author} overcommits ${name}: its pods ask for ${sum / 1000} ${resource}, it has ${allocatable(node, resource) / 1000}`,
            }
        }
        return here.length > 1 ? 'notable' : 'holds'
      },
    }
  },
)

/** What the scheduler decided by: what it saw, and its pods that it counts on nodes already. */
const sceneOf = (history: StoreHistory, view: View, choice: Choice & { readonly kind: 'Bind' }) => {
  const nodes = listed<Node>(history, view, 'nodes')
  const pod = viewed<Pod>(history, view, choice.pod)
  const assumed = new Map(choice.assumed.map(({ uid, node }) => [uid, node]))
  const pods = listed<Pod>(history, view, 'pods').flatMap((other) => {
    if (other === pod || isTerminal(other)) return []
    if ((other.spec.nodeName ?? '') !== '') return [other]
    const nodeName = assumed.get(other.metadata.uid)
    return nodeName === undefined ? [] : [{ ...other, spec: { ...other.spec, nodeName } }]
  })
  const scene: Scene = { nodes, pods, others: listed<Namespace>(history, view, 'namespaces') }
  return { scene, pod, node: nodes.find(({ metadata }) => metadata.name === choice.node) }
}

const feasibleAsSeen = deciding(
  {
    id: 'SCHED-S3',
    sentence: 'a pod is bound only to a node that is there and passes every filter, as the scheduler sees it and with what it assumes',
    source: SCHEDULE_ONE,
    sometimes: 'pods are assumed on that node',
    ...safety,
  },
  ['Bind'],
  ({ choice, view, process }, { history }) => {
    const { scene, pod, node } = sceneOf(history, view, choice)
    if (pod === undefined) return { why: `${process} binds ${choice.pod.name}, which was not in its view` }
    if (node === undefined) return { why: `${process} binds ${choice.pod.name} to ${choice.node}, a node that is not there` }
    const reason = infeasible(scene, pod, node, OF_THE_NODE)
    if (reason !== null) return { why: `${process} binds ${choice.pod.name} to ${choice.node}, though ${reason}` }
    return choice.assumed.some((one) => one.node === choice.node) ? 'notable' : 'holds'
  },
)

const asksOfOthers = ({ spec }: Pod): boolean =>
  (spec.topologySpreadConstraints ?? []).length > 0 || (spec.affinity?.podAffinity ?? spec.affinity?.podAntiAffinity) !== undefined

const amongPods = deciding(
  {
    id: 'SCHED-S4',
    sentence:
      'required pod affinity, anti-affinity of either side and hard topology spread hold when a pod is bound, as the scheduler sees it',
    source: 'KEP-895, https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#inter-pod-affinity-and-anti-affinity',
    sometimes: 'a pod that asks so of others is bound beside some',
    ...safety,
  },
  ['Bind'],
  ({ choice, view, process }, { history }) => {
    const { scene, pod, node } = sceneOf(history, view, choice)
    if (pod === undefined || node === undefined || ![pod, ...scene.pods].some(asksOfOthers)) return 'vacuous'
    const reason = infeasible(scene, pod, node, AMONG_PODS)
    if (reason !== null) return { why: `${process} binds ${choice.pod.name} to ${choice.node}, though ${reason}` }
    return asksOfOthers(pod) && scene.pods.length > 0 ? 'notable' : 'holds'
  },
)

const onlyItsOwn = deciding(
  {
    id: 'SCHED-S7',
    sentence: 'no pod with scheduling gates, being deleted, of another scheduler or with a node is bound',
    source: 'KEP-3521',
    sometimes: 'a pod is bound',
    ...safety,
  },
  ['Bind'],
  ({ choice, view, process }, { history }) => {
    const pod = viewed<Pod>(history, view, choice.pod)
    if (pod === undefined || pod.metadata.uid !== choice.pod.uid) return 'vacuous'
    const wrong = notToBind(pod)
    return wrong === null ? 'notable' : { why: `${process} binds ${choice.pod.name}, which ${wrong}` }
  },
)

const onlyDecides = eachCommit(
  {
    id: 'SCHED-S8',
    sentence: 'a scheduler writes bindings and what it says about pods, and nothing else',
    source: 'https://kubernetes.io/docs/concepts/scheduling-eviction/kube-scheduler/',
    sometimes: 'it says something about a pod',
    ...safety,
  },
  null,
  ({ key, before, after, author }) => {
    if (!author.startsWith('kube-scheduler') || !isRegistry(key) || resourceOfKey(key) === 'leases') return 'vacuous'
    const was = objectOf<Pod>(before)
    const is = objectOf<Pod>(after)
    if (resourceOfKey(key) !== 'pods' || was === undefined || is === undefined) return { why: `${author} wrote ${key}` }
    const { nodeName: _was, ...specWas } = was.spec
    const { nodeName: _is, ...specIs } = is.spec
    if (!sameValue(specWas, specIs)) return { why: `${author} changed the spec of ${key} beyond its node` }
    return sameValue(was.status, is.status) ? 'holds' : 'notable'
  },
)

export const SCHEDULING: readonly Invariant[] = [
  once,
  noOvercommit,
  feasibleAsSeen,
  amongPods,
  onlyItsOwn,
  onlyDecides,
  settles(
    {
      id: 'SCHED-L1',
      sentence: 'a pod for which there is room gets a node',
      source: 'kubernetes pkg/scheduler/backend/queue/scheduling_queue.go',
      sometimes: 'there were pods',
    },
    (object, waitsFor) => object.startsWith('Pod ') && waitsFor.startsWith('a node'),
    had('pods'),
  ),
]
