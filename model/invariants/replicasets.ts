/** ReplicaSets and ReplicationControllers: what the controller may create and delete from what it saw. SEMANTICS 2.5. */
import type { Invariant } from '../invariant.ts'
import type { ObjectRef, StoreHistory } from '../state/cluster.ts'
import type { ProcessName, Seen, View } from '../state/history.ts'
import type { Pod } from '../state/objects.ts'
import { selectorOf, type Replicating } from '../state/replication.ts'
import { keyOf, prefixOf, resourceOfKey } from '../state/resources.ts'
import { matchesLabels } from '../state/selector.ts'
import { controllerOf, isActive, sameValue } from '../components/objects.ts'
import { lowerRanked, tellsOf } from '../components/replicaset.ts'
import { Expected } from './expected.ts'
import { isLeftOver } from './replica-counts.ts'
import { deciding, eachCommit, has, listed, objectOf, safety, settles, viewed, watching } from './define.ts'

const RS = 'kubernetes pkg/controller/replicaset/replica_set.go'

/** Other owners of pods make and delete them by rules of their own. */
const isSet = ({ resource }: ObjectRef): boolean => resource === 'replicasets' || resource === 'replicationcontrollers'

const KINDS: ReadonlyMap<string, string> = new Map([
  ['ReplicaSet', 'replicasets'],
  ['ReplicationController', 'replicationcontrollers'],
])

/** Whether it took in a pod since its view: the same round goes on with it as its own. */
const hasAdopted =
  (history: StoreHistory, view: View, process: ProcessName, owner: string) =>
  (pod: Pod): boolean =>
    controllerOf(pod) === undefined &&
    history
      .versions(keyOf('pods', pod.metadata.namespace, pod.metadata.name))
      .some(
        ({ revision, author, after }) =>
          revision > (view['pods'] ?? 0) && author === process && after !== null && controllerOf(after.value as Pod) === owner,
      )

const activeOf = (history: StoreHistory, view: View, process: ProcessName, owner: string): readonly Pod[] => {
  const adopted = hasAdopted(history, view, process, owner)
  return listed<Pod>(history, view, 'pods').filter((pod) => isActive(pod) && (controllerOf(pod) === owner || adopted(pod)))
}

const ownPodsOnly = deciding(
  {
    id: 'RS-S1',
    sentence: 'a ReplicaSet deletes or releases only pods of its own, and adopts only matching ones that nobody owns',
    source: 'kubernetes pkg/controller/controller_ref_manager.go',
    sometimes: 'a pod is adopted',
    ...safety,
  },
  ['DeletePod', 'ReleasePod', 'AdoptPod'],
  ({ choice, view, process }, { history }) => {
    const pod = viewed<Pod>(history, view, choice.pod)
    if (pod === undefined || pod.metadata.uid !== choice.pod.uid)
      return { why: `${process} decided ${choice.kind} on ${choice.pod.name}, which was not in its view` }
    const owner = controllerOf(pod)
    if (choice.kind !== 'AdoptPod')
      return owner === choice.owner.uid || hasAdopted(history, view, process, choice.owner.uid)(pod)
        ? 'holds'
        : { why: `${process} decided ${choice.kind} on ${choice.pod.name}, which belongs to ${owner ?? 'nobody'}` }
    const set = viewed<Replicating>(history, view, choice.owner)
    if (owner !== undefined) return { why: `${process} adopts ${choice.pod.name}, which belongs to ${owner}` }
    if (set !== undefined && !matchesLabels(selectorOf(set), pod.metadata.labels))
      return { why: `${process} adopts ${choice.pod.name}, which ${choice.owner.name} does not select` }
    return pod.metadata.deletionTimestamp === undefined
      ? 'notable'
      : { why: `${process} adopts ${choice.pod.name}, which is being deleted` }
  },
)

const noMoreThanMissing: Invariant = watching(
  {
    id: 'RS-S2',
    sentence:
      'a ReplicaSet makes no more pods than it misses, counting those it has made and not seen yet, and deletes no more than it has too many',
    source: RS,
    sometimes: 'pods it made are not in its view yet',
    allows: ['ALLOW-4'],
    ...safety,
    kind: 'history',
  },
  ['Decision', 'Commit', 'ProcessEnded', 'StoppedLeading'],
  () => {
    const expected = new Expected()
    return {
      observe(next, { history }) {
        if (next.kind === 'ProcessEnded' || next.kind === 'StoppedLeading') {
          expected.ends(next)
          return 'vacuous'
        }
        if (next.kind === 'Commit') {
          expected.commits(next)
          return 'vacuous'
        }
        if (next.kind !== 'Decision' || (next.choice.kind !== 'CreatePod' && next.choice.kind !== 'DeletePod')) return 'vacuous'
        const { choice, view, process, atMs } = next
        if (!isSet(choice.owner)) return 'vacuous'
        const { uid } = choice.owner
        const shown = view['pods'] ?? 0
        if (choice.kind === 'CreatePod') expected.asks(process, uid, shown)
        const set = viewed<Replicating>(history, view, choice.owner)
        if (set === undefined || set.metadata.uid !== uid)
          return { why: `${process} decided ${choice.kind} for ${choice.owner.name}, which was not in its view` }
        const active = activeOf(history, view, process, uid).length
        const unseen = expected.unseen(process, uid, shown, atMs)
        if (unseen === null) return 'vacuous'
        if (choice.kind === 'DeletePod')
          return active > set.spec.replicas
            ? 'holds'
            : {
                why: `${process} deletes ${choice.pod.name} of ${choice.owner.name}, which wants ${set.spec.replicas} pods and had ${active}`,
              }
        if (active + unseen + 1 > set.spec.replicas) {
          return {
            why: `${process} makes a pod for ${choice.owner.name}, which wants ${set.spec.replicas}: it saw ${active} and had made ${unseen} more`,
          }
        }
        return unseen > 0 ? 'notable' : 'holds'
      },
    }
  },
)

const templateLabels = eachCommit(
  {
    id: 'RS-S5',
    sentence: 'a pod made for a ReplicaSet has the labels of its template',
    source: RS,
    sometimes: 'a pod is made',
    ...safety,
  },
  'pods',
  ({ before, after, key }, { cluster }) => {
    const pod = before === null ? objectOf<Pod>(after) : undefined
    const owner = pod?.metadata.ownerReferences?.find((ref) => ref.controller === true && KINDS.has(ref.kind))
    if (pod === undefined || owner === undefined) return 'vacuous'
    const set = objectOf<Replicating>(cluster.store.get(`${prefixOf(KINDS.get(owner.kind) ?? '', pod.metadata.namespace)}${owner.name}`))
    if (set === undefined || set.metadata.uid !== owner.uid) return 'vacuous'
    const missing = Object.entries(set.spec.template.metadata.labels ?? {}).find(([name, value]) => pod.metadata.labels?.[name] !== value)
    return missing === undefined ? 'notable' : { why: `${key} was made without the label ${missing[0]}=${missing[1]}` }
  },
)

const leastMissedFirst = deciding(
  {
    id: 'RS-S4',
    sentence: 'of its pods a ReplicaSet deletes first those without a node, then those that are not ready, as it sees them',
    source: 'kubernetes pkg/controller/controller_utils.go (ActivePodsWithRanks)',
    sometimes: 'others stay that are missed more',
    ...safety,
  },
  ['DeletePod'],
  ({ choice, view, process }, { history }) => {
    if (!isSet(choice.owner)) return 'vacuous'
    const set = viewed<Replicating>(history, view, choice.owner)
    const active = activeOf(history, view, process, choice.owner.uid)
    const victim = active.find((pod) => pod.metadata.uid === choice.pod.uid)
    if (set === undefined || victim === undefined) return 'vacuous'
    const excess = active.length - set.spec.replicas
    const before = lowerRanked(victim, active)
    if (before >= excess)
      return {
        why: `${process} deletes ${choice.pod.name} of ${choice.owner.name}, which has ${excess} too many: ${before} others are missed less`,
      }
    return active.some((pod) => lowerRanked(pod, active) > before) ? 'notable' : 'holds'
  },
)

interface Told {
  readonly replicas: number
  readonly readyReplicas?: number
  readonly terminatingReplicas?: number
}
const numbersOf = ({ replicas, readyReplicas = 0, terminatingReplicas = 0 }: Told): string =>
  `${replicas} pods, ${readyReplicas} ready, ${terminatingReplicas} ending`

const statusIsTrue: Invariant = watching(
  {
    id: 'RS-R1',
    sentence: 'what a ReplicaSet says of its pods was true at some moment: its controller counts what it saw, all at one revision',
    source: `${RS} (calculateStatus)`,
    sometimes: 'it was no longer true when it was written',
    ...safety,
  },
  ['Commit'],
  () => {
    /** Set → what its pods were, one entry a change, the newest last. */
    const past = new Map<string, string[]>()
    /** Sets that were given pods, or lost them: those count before it is seen. */
    const blurred = new Set<string>()
    return {
      observe(next, { cluster }) {
        const { key, before, after, author } = next as Seen<'Commit'>
        const resource = resourceOfKey(key)
        if (resource === 'pods') {
          const owners = [before, after].map((stored) => objectOf<Pod>(stored)).map((pod) => pod && controllerOf(pod))
          if (before !== null && after !== null && owners[0] !== owners[1])
            for (const uid of owners) if (uid !== undefined) blurred.add(uid)
          for (const uid of new Set(owners)) {
            if (uid === undefined) continue
            const pods: Pod[] = []
            for (const [place, { value }] of cluster.store)
              if (place.startsWith('/registry/pods/') && controllerOf(value as Pod) === uid) pods.push(value as Pod)
            past.set(uid, [...(past.get(uid) ?? []), numbersOf(tellsOf(pods))])
          }
          return 'vacuous'
        }
        const set = objectOf<Replicating>(after)
        if (
          (resource !== 'replicasets' && resource !== 'replicationcontrollers') ||
          set === undefined ||
          !author.startsWith('kube-controller-manager')
        )
          return 'vacuous'
        const was = objectOf<Replicating>(before)
        if (was === undefined || sameValue(was.status, set.status) || blurred.has(set.metadata.uid)) return 'vacuous'
        const told = numbersOf(set.status)
        const seen = [numbersOf({ replicas: 0 }), ...(past.get(set.metadata.uid) ?? [])]
        if (!seen.includes(told)) return { why: `${author} says of ${key} that it has ${told}, which it never had` }
        return seen.at(-1) === told ? 'holds' : 'notable'
      },
    }
  },
)

export const REPLICASETS: readonly Invariant[] = [
  leastMissedFirst,
  statusIsTrue,
  ownPodsOnly,
  noMoreThanMissing,
  templateLabels,
  settles(
    {
      id: 'RS-L1',
      sentence: 'a ReplicaSet gets as many ready pods as it wants, and its status says so',
      source: RS,
      sometimes: 'there is one at the end',
      allows: ['ALLOW-4'],
    },
    (object, waitsFor) => /^(ReplicaSet|ReplicationController) /.test(object) && !isLeftOver(waitsFor),
    has('replicasets'),
  ),
]
