/** The scheduler only decides, once for each pod, and only what fits; of what fits, the best. SEMANTICS 2.9. */
import { AMONG_PODS, OF_THE_NODE } from '../../components/feasible.ts'
import { sameValue } from '../../components/objects.ts'
import { notToBind } from '../../components/scheduler.ts'
import { totals } from '../../components/scheduling/plugins.ts'
import type { Invariant, Judgement } from '../../invariant.ts'
import type { Seen } from '../../state/history.ts'
import type { Node, PersistentVolume, PersistentVolumeClaim, Pod, Uid } from '../../state/objects.ts'
import { resourceOfKey } from '../../state/resources.ts'
import { deciding, eachCommit, isRegistry, objectOf, safety, viewed, watching, type Deciding } from '../define.ts'
import { decided, whyNot, type Decided } from './decided.ts'

export const SCHEDULE_ONE = 'kubernetes pkg/scheduler/schedule_one.go'

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

/** The decision, who is to be bound and where, as the scheduler saw them. Vacuous: one of them was not in its view. */
const binding = (
  fields: Parameters<typeof deciding>[0],
  judge: (seen: Deciding<'Bind'>, picture: Decided, pod: Pod, node: Node) => Judgement,
): Invariant =>
  deciding(fields, ['Bind'], (seen, { history }) => {
    const picture = decided(seen, history)
    const node = picture.scene.nodes.find(({ metadata }) => metadata.name === seen.choice.node)
    return picture.pod === undefined || node === undefined ? 'vacuous' : judge(seen, picture, picture.pod, node)
  })

const feasibleAsSeen = deciding(
  {
    id: 'SCHED-S3',
    sentence:
      'a pod is bound only to a node that is there and passes every filter, as the scheduler sees it, with what it assumes and those it keeps room for',
    source: SCHEDULE_ONE,
    sometimes: 'pods are assumed on that node',
    ...safety,
  },
  ['Bind'],
  (seen, { history }) => {
    const { choice, process } = seen
    const picture = decided(seen, history)
    const node = picture.scene.nodes.find(({ metadata }) => metadata.name === choice.node)
    if (picture.pod === undefined) return { why: `${process} binds ${choice.pod.name}, which was not in its view` }
    if (node === undefined) return { why: `${process} binds ${choice.pod.name} to ${choice.node}, a node that is not there` }
    const reason = whyNot(picture, picture.pod, node, OF_THE_NODE)
    if (reason !== null) return { why: `${process} binds ${choice.pod.name} to ${choice.node}, though ${reason}` }
    return choice.assumed.some((one) => one.node === choice.node) ? 'notable' : 'holds'
  },
)

const asksOfOthers = ({ spec }: Pod): boolean =>
  (spec.topologySpreadConstraints ?? []).length > 0 || (spec.affinity?.podAffinity ?? spec.affinity?.podAntiAffinity) !== undefined

const amongPods = binding(
  {
    id: 'SCHED-S4',
    sentence:
      'required pod affinity, anti-affinity of either side and hard topology spread hold when a pod is bound, as the scheduler sees it',
    source: 'KEP-895, https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#inter-pod-affinity-and-anti-affinity',
    sometimes: 'a pod that asks so of others is bound beside some',
    ...safety,
  },
  ({ choice, process }, picture, pod, node) => {
    if (![pod, ...picture.scene.pods].some(asksOfOthers)) return 'vacuous'
    const reason = whyNot(picture, pod, node, AMONG_PODS)
    if (reason !== null) return { why: `${process} binds ${choice.pod.name} to ${choice.node}, though ${reason}` }
    return asksOfOthers(pod) && picture.scene.pods.length > 0 ? 'notable' : 'holds'
  },
)

/** Of more nodes only a part is looked at. */
export const ALL_NODES_MOST = 99

const best = binding(
  {
    id: 'SCHED-S5',
    sentence: 'of the nodes that pass every filter a pod gets one with the highest total score, or the one that was promised to it',
    source: `${SCHEDULE_ONE}, https://kubernetes.io/docs/reference/scheduling/config/#scheduling-plugins`,
    sometimes: 'some of them are worse than others',
    ...safety,
  },
  ({ choice, process }, picture, pod, node) => {
    const { nodes } = picture.scene
    if (nodes.length > ALL_NODES_MOST) return 'vacuous'
    const feasible = nodes.filter((one) => whyNot(picture, pod, one) === null)
    const promised = feasible.find(({ metadata }) => metadata.name === pod.status.nominatedNodeName)
    if (promised === node) return 'holds'
    if (promised !== undefined)
      return { why: `${process} binds ${choice.pod.name} to ${choice.node}, though ${promised.metadata.name} was promised to it and fits` }
    const scores = totals(picture.scene, pod, feasible)
    const most = Math.max(...scores)
    const own = scores[feasible.indexOf(node)]
    if (own === undefined) return 'vacuous'
    if (own < most) {
      const better = feasible[scores.indexOf(most)]?.metadata.name
      return { why: `${process} binds ${choice.pod.name} to ${choice.node}, which scores ${own}, though ${better} scores ${most}` }
    }
    return scores.some((score) => score < most) ? 'notable' : 'holds'
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

/** Gives a free volume to a claim, or says on which node a claim is to have one made. */
const choosesStorage = ({ key, before, after }: Seen<'Commit'>): boolean => {
  if (before === null || after === null) return false
  if (resourceOfKey(key) === 'persistentvolumeclaims')
    return sameValue((before.value as PersistentVolumeClaim).spec, (after.value as PersistentVolumeClaim).spec)
  if (resourceOfKey(key) !== 'persistentvolumes') return false
  const { claimRef: held, ...was } = (before.value as PersistentVolume).spec
  const { claimRef: _given, ...is } = (after.value as PersistentVolume).spec
  return held === undefined && sameValue(was, is)
}

const onlyDecides = watching(
  {
    id: 'SCHED-S8',
    sentence:
      'a scheduler writes bindings, what it says about pods, which volume or node their claims are to have, and the ends of those it makes room by: nothing else',
    source: 'https://kubernetes.io/docs/concepts/scheduling-eviction/kube-scheduler/',
    sometimes: 'it makes room',
    kind: 'history',
    strength: 'safety',
  },
  ['Decision', 'Commit'],
  () => {
    const victims = new Set<Uid>()
    return {
      observe(next) {
        if (next.kind === 'Decision' && next.choice.kind === 'Preempt') for (const { uid } of next.choice.victims) victims.add(uid)
        if (next.kind !== 'Commit' || !next.author.startsWith('kube-scheduler') || !isRegistry(next.key)) return 'vacuous'
        const { key, author } = next
        if (resourceOfKey(key) === 'leases') return 'vacuous'
        if (choosesStorage(next)) return 'holds'
        const [was, is] = [objectOf<Pod>(next.before), objectOf<Pod>(next.after)]
        if (resourceOfKey(key) !== 'pods' || was === undefined) return { why: `${author} wrote ${key}` }
        const ends = is === undefined || (is.metadata.deletionTimestamp !== undefined && was.metadata.deletionTimestamp === undefined)
        if (ends) return victims.has(was.metadata.uid) ? 'notable' : { why: `${author} deleted ${key}, without making room for anybody` }
        const { nodeName: _was, ...specWas } = was.spec
        const { nodeName: _is, ...specIs } = is.spec
        return sameValue(specWas, specIs) ? 'holds' : { why: `${author} changed the spec of ${key} beyond its node` }
      },
    }
  },
)

const givesBack = watching(
  {
    id: 'SCHED-S9',
    sentence: 'a pod whose binding was refused takes no room any more when the scheduler decides next',
    source: 'kubernetes pkg/scheduler/schedule_one.go (handleBindingCycleError)',
    sometimes: 'it is tried again',
    kind: 'history',
    strength: 'safety',
  },
  ['Invoke', 'Reply', 'Decision', 'ProcessStarted'],
  () => {
    /** Process → pod it binds, by its place, → uid; call → whom it binds; process → whose binding was refused. */
    const binds = new Map<string, Map<string, Uid>>()
    const calls = new Map<string, Uid>()
    const refused = new Map<string, Set<Uid>>()
    const placeOf = ({ namespace, name }: { readonly namespace?: string; readonly name?: string }): string => `${namespace}/${name}`
    return {
      observe(next): Judgement {
        if (next.kind === 'Invoke' && next.request.kind === 'Api' && next.request.verb === 'bind') {
          const uid = binds.get(next.process)?.get(placeOf(next.request))
          if (uid !== undefined) calls.set(next.call, uid)
        } else if (next.kind === 'Reply' && next.outcome.kind === 'refused') {
          const uid = calls.get(next.call)
          if (uid !== undefined) refused.set(next.process, (refused.get(next.process) ?? new Set()).add(uid))
        } else if (next.kind === 'ProcessStarted') {
          refused.delete(next.process)
        } else if (next.kind === 'Decision' && 'assumed' in next.choice) {
          const { choice, process } = next
          const open = refused.get(process)
          const kept = choice.assumed.find(({ uid }) => open?.has(uid) === true)
          if (choice.kind === 'Bind')
            binds.set(process, (binds.get(process) ?? new Map<string, Uid>()).set(placeOf(choice.pod), choice.pod.uid))
          if (kept !== undefined) return { why: `${process} still counts ${kept.uid} on ${kept.node}, where its binding was refused` }
          if (open === undefined || open.size === 0) return 'vacuous'
          return open.delete(choice.pod.uid) ? 'notable' : 'holds'
        }
        return 'vacuous'
      },
    }
  },
)

export const BINDINGS: readonly Invariant[] = [once, feasibleAsSeen, amongPods, best, onlyItsOwn, onlyDecides, givesBack]
