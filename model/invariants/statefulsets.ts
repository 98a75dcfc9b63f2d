/** StatefulSets: one pod of each name, made and ended in order, updated within bounds. SEMANTICS 2.6. */
import { controllerOf, isDeleting, isTerminal } from '../components/objects.ts'
import * as ordinals from '../components/ordinals.ts'
import { isOfTemplate, revisionNamed, revisionOf } from './revisions.ts'
import type { Context, Invariant, Judgement } from '../invariant.ts'
import type { Cluster, StoreHistory } from '../state/cluster.ts'
import type { Node, Pod } from '../state/objects.ts'
import { keyOf } from '../state/resources.ts'
import type { StatefulSet } from '../state/stateful.ts'
import { deciding, has, listed, objectOf, safety, settles, viewed, watching, type Deciding, type Fields } from './define.ts'
import { STATEFUL_IDENTITY } from './stateful-identity.ts'

const OUT_OF_SERVICE = 'node.kubernetes.io/out-of-service'
const CONTROL = 'kubernetes pkg/controller/statefulset/stateful_set_control.go'

/** What a decision about a pod of a set was made on. */
interface Scene {
  readonly set: StatefulSet
  readonly name: string
  readonly ordinal: number
  readonly pods: readonly Pod[]
  /** The pod it is about, as it was seen. */
  readonly pod: Pod | undefined
  readonly history: StoreHistory
  readonly available: (pod: Pod | undefined) => boolean
}

const sceneOf = ({ choice, view }: Deciding<'CreatePod' | 'DeletePod'>, history: StoreHistory): Scene | null => {
  const set = viewed<StatefulSet>(history, view, choice.owner)
  if (set === undefined || set.metadata.uid !== choice.owner.uid) return null
  const pods = listed<Pod>(history, view, 'pods').filter((pod) => controllerOf(pod) === choice.owner.uid)
  const name = choice.kind === 'CreatePod' ? choice.name : choice.pod.name
  const available = (pod: Pod | undefined): boolean =>
    pod !== undefined && ordinals.isAvailable(pod, set.spec.minReadySeconds ?? 0, choice.nowMs ?? Infinity)
  const pod = pods.find(({ metadata }) => metadata.name === name)
  return { set, name, ordinal: ordinals.ordinalOf(name), pods, pod, history, available }
}

/** Decisions of a set's controller on its pods. */
const onPods = (
  fields: Fields,
  kind: 'CreatePod' | 'DeletePod',
  judge: (scene: Scene, seen: Deciding<'CreatePod' | 'DeletePod'>) => Judgement,
) =>
  deciding(fields, [kind], (seen, { history }) => {
    if (seen.choice.owner.resource !== 'statefulsets') return 'vacuous'
    const scene = sceneOf(seen, history)
    return scene === null
      ? { why: `${seen.process} decided ${kind} for ${seen.choice.owner.name}, which was not in its view` }
      : judge(scene, seen)
  })

const wellBelow = ({ set, pods, ordinal, available }: Scene): Pod | string | null => {
  for (let below = ordinals.startOf(set); below < ordinal; below++) {
    const pod = pods.find(({ metadata }) => ordinals.ordinalOf(metadata.name) === below)
    if (!available(pod)) return pod ?? `${set.metadata.name}-${below}`
  }
  return null
}

const madeInOrder = onPods(
  {
    id: 'STS-S2',
    sentence: 'an ordered set makes a pod only when all before it are running, ready and available, as its controller sees them',
    source: CONTROL,
    sometimes: 'there are pods before it',
    ...safety,
  },
  'CreatePod',
  (scene, { process }) => {
    const { set, name, ordinal, pod } = scene
    if (pod !== undefined) return { why: `${process} makes ${name}, which it still sees` }
    if (!ordinals.isInRange(set, ordinal)) return { why: `${process} makes ${name}, but the set ends before it` }
    if (set.spec.podManagementPolicy !== 'OrderedReady') return 'holds'
    const unwell = wellBelow(scene)
    if (unwell !== null)
      return {
        why: `${process} makes ${name} though ${typeof unwell === 'string' ? `${unwell} is missing` : `${unwell.metadata.name} is not available`}`,
      }
    return ordinal > ordinals.startOf(set) ? 'notable' : 'holds'
  },
)

const endedInOrder = onPods(
  {
    id: 'STS-S3',
    sentence: 'an ordered set that shrinks ends its highest pod, when all others are well but for at most the first that is not',
    source: CONTROL,
    sometimes: 'an ordered set shrinks',
    ...safety,
  },
  'DeletePod',
  ({ set, name, ordinal, pod, pods, available }, { process }) => {
    if (pod === undefined) return { why: `${process} ends ${name}, which was not in its view` }
    if (ordinals.isInRange(set, ordinal)) return 'vacuous'
    if (set.spec.podManagementPolicy !== 'OrderedReady') return 'holds'
    const condemned = pods.filter(({ metadata }) => !ordinals.isInRange(set, ordinals.ordinalOf(metadata.name)))
    const higher = condemned.find(({ metadata }) => ordinals.ordinalOf(metadata.name) > ordinal)
    if (higher !== undefined) return { why: `${process} ends ${name} before ${higher.metadata.name}` }
    const replicas = pods.filter((other) => !condemned.includes(other))
    if (replicas.length < set.spec.replicas || !replicas.every(available))
      return { why: `${process} ends ${name} while those that are to stay are not all available` }
    if (!available(pod) && !condemned.every((other) => other === pod || available(other)))
      return { why: `${process} ends ${name}, which is not available, while a lower one is not either` }
    return 'notable'
  },
)

const isUpdated = ({ set, history }: Scene, pod: Pod): boolean =>
  isOfTemplate(revisionNamed(history, set.metadata.namespace, revisionOf(pod)), set.spec.template)

/** Why the controller may not take a pod away for an update now; null: it may. */
const notYet = (scene: Scene, pod: Pod, begun: ReadonlySet<string>): string | null => {
  const { set, pods, ordinal, available } = scene
  const { updateStrategy } = set.spec
  if (isUpdated(scene, pod)) return 'is of the current template'
  if (updateStrategy.type === 'OnDelete') return 'is left to its user'
  if (ordinal < ordinals.partitionOf(set)) return 'is below the partition'
  const replicas = pods.filter(({ metadata }) => ordinals.isInRange(set, ordinals.ordinalOf(metadata.name)))
  const above = replicas.filter(({ metadata }) => ordinals.ordinalOf(metadata.name) > ordinal)
  const late = above.find((other) => !isUpdated(scene, other) && !isDeleting(other) && !begun.has(other.metadata.uid))
  if (late !== undefined) return `comes after ${late.metadata.name}`
  if (updateStrategy.rollingUpdate?.maxUnavailable === undefined) {
    const places = ordinals.startOf(set) + set.spec.replicas - 1 - ordinal
    return above.length === places && above.every(available) ? null : 'comes before all above it are available again'
  }
  const down = set.spec.replicas - replicas.filter((other) => available(other) && !begun.has(other.metadata.uid)).length
  const most = ordinals.mostUnavailable(set)
  return down < most ? null : `would be one more than the ${most} that may be unavailable`
}

const updatedInOrder = watching(
  {
    id: 'STS-S4',
    sentence:
      'an update takes pods away from the highest down to the partition, one at a time or as many as may be unavailable, as its controller sees them',
    source: CONTROL,
    sometimes: 'a pod is taken away for an update',
    ...safety,
    kind: 'history',
  },
  ['Decision'],
  () => {
    /** process/set → what it took away on one and the same view. */
    const begun = new Map<string, { readonly view: string; readonly uids: Set<string> }>()
    return {
      observe(next, { history }) {
        const seen = next as Deciding<'DeletePod'>
        if ((seen.choice.kind as string) !== 'DeletePod' || seen.choice.owner.resource !== 'statefulsets') return 'vacuous'
        const scene = sceneOf(seen, history)
        const pod = scene?.pod
        if (scene === null || pod === undefined || isTerminal(pod) || !ordinals.isInRange(scene.set, scene.ordinal)) return 'vacuous'
        const place = `${seen.process}/${scene.set.metadata.uid}`
        const view = JSON.stringify(seen.view)
        const before = begun.get(place)
        const uids = before?.view === view ? before.uids : new Set<string>()
        // It may have been tried before on the same view.
        const why = notYet(scene, pod, new Set([...uids].filter((uid) => uid !== pod.metadata.uid)))
        begun.set(place, { view, uids: uids.add(pod.metadata.uid) })
        return why === null ? 'notable' : { why: `${seen.process} takes ${scene.name} away, which ${why}` }
      },
    }
  },
)

/** The sets that had a pod on a node that a user has given up since. */
const bereft = ({ cluster, history }: Context): ReadonlySet<string> => {
  const sets = new Set<string>()
  for (const key of history.keys('/registry/pods/'))
    for (const { after } of history.versions(key)) {
      const pod = objectOf<Pod>(after)
      const owner = pod?.metadata.ownerReferences?.find(({ kind }) => kind === 'StatefulSet')
      if (owner !== undefined && isGivenUp(cluster, pod?.spec.nodeName ?? ''))
        sets.add(`StatefulSet ${pod?.metadata.namespace}/${owner.name}`)
    }
  return sets
}
const isGivenUp = ({ machinesDown, store }: Cluster, name: string): boolean => {
  const node = objectOf<Node>(store.get(keyOf('nodes', undefined, name)))
  if (node === undefined) return name !== ''
  return machinesDown.has(name) && node.spec.taints?.some(({ key }) => key === OUT_OF_SERVICE) === true
}

export const STATEFULSETS: readonly Invariant[] = [
  ...STATEFUL_IDENTITY,
  madeInOrder,
  endedInOrder,
  updatedInOrder,
  // What is said of fewer is told first.
  settles(
    {
      id: 'STS-L2',
      sentence: 'pods of a StatefulSet run elsewhere once a user has removed their node, or said of a lost one that it is out of service',
      source: 'https://kubernetes.io/docs/tasks/run-application/force-delete-stateful-set-pod/',
      sometimes: 'a set had a pod on such a node',
      allows: ['ALLOW-15', 'ALLOW-18'],
    },
    (object, _waitsFor, context) => bereft(context).has(object),
    (context) => bereft(context).size > 0,
  ),
  settles(
    {
      id: 'STS-L1',
      sentence: 'a StatefulSet gets all its pods, ready and of the template they are to have',
      source: CONTROL,
      sometimes: 'there is one at the end',
      allows: ['ALLOW-15', 'ALLOW-18'],
    },
    (object) => object.startsWith('StatefulSet '),
    has('statefulsets'),
  ),
]
