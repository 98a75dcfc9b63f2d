/** DaemonSets: one pod a node, updated within bounds. SEMANTICS 2.6. */
import * as daemons from '../components/daemons.ts'
import { controllerOf, isDeleting, isReady, isTerminal } from '../components/objects.ts'
import { isAvailable } from '../components/ordinals.ts'
import type { Context, Invariant, Judgement } from '../invariant.ts'
import type { StoreHistory } from '../state/cluster.ts'
import type { Node, Pod } from '../state/objects.ts'
import type { ControllerRevision, DaemonSet } from '../state/stateful.ts'
import { has, listed, objectOf, safety, settles, viewed, watching, type Deciding } from './define.ts'
import { Expected } from './expected.ts'
import { isOfTemplate, revisionOf } from './revisions.ts'

const DAEMON = 'kubernetes pkg/controller/daemon'
const HASH = 'controller.kubernetes.io/hash'

type Decision = Deciding<'CreatePod' | 'DeletePod'>

/** What a decision about a pod of a set was made on. */
interface Scene {
  readonly set: DaemonSet
  readonly nodes: readonly Node[]
  /** Of the set, without those that are over and on their way out. */
  readonly pods: readonly Pod[]
  readonly available: (pod: Pod) => boolean
  readonly isNew: (pod: Pod) => boolean
}

const sceneOf = ({ choice, view }: Decision, history: StoreHistory): Scene | null => {
  const set = viewed<DaemonSet>(history, view, choice.owner)
  if (set === undefined || set.metadata.uid !== choice.owner.uid) return null
  const pods = listed<Pod>(history, view, 'pods').filter(
    (pod) => controllerOf(pod) === set.metadata.uid && !(isTerminal(pod) && isDeleting(pod)),
  )
  const known = revisionsOf(history, set)
  return {
    set,
    pods,
    nodes: listed<Node>(history, view, 'nodes'),
    available: (pod) => isAvailable(pod, set.spec.minReadySeconds ?? 0, choice.nowMs ?? Infinity),
    isNew: (pod) => isOfTemplate(known.get(revisionOf(pod)), set.spec.template),
  }
}

/** Its revisions by the hash that its pods carry. */
const revisionsOf = (history: StoreHistory, { metadata }: DaemonSet): ReadonlyMap<string, ControllerRevision> => {
  const found = new Map<string, ControllerRevision>()
  for (const key of history.keys(`/registry/controllerrevisions/${metadata.namespace}/${metadata.name}-`))
    for (const { after } of history.versions(key)) {
      const revision = objectOf<ControllerRevision>(after)
      if (revision !== undefined) found.set(revision.metadata.labels?.[HASH] ?? '', revision)
    }
  return found
}

const isDaemon = (next: { readonly kind: string }): next is Decision => {
  const { choice } = next as Decision
  return (
    next.kind === 'Decision' &&
    ((choice.kind as string) === 'CreatePod' || (choice.kind as string) === 'DeletePod') &&
    choice.owner.resource === 'daemonsets'
  )
}

const on = ({ pods }: Scene, node: string): readonly Pod[] => pods.filter((pod) => daemons.placeOf(pod) === node)
const lasting = (pods: readonly Pod[]): readonly Pod[] => pods.filter((pod) => !isDeleting(pod))

/** Why a node may not be given a pod; null: it may. begun: nodes that were given one on the same view. */
const notToCreate = (scene: Scene, node: string, begun: ReadonlySet<string>): string | null => {
  const { set, nodes, isNew, available } = scene
  const place = nodes.find(({ metadata }) => metadata.name === node)
  if (place === undefined) return 'is not there'
  const wanted = nodes.filter((one) => daemons.wanted(set, one))
  const here = on(scene, node)
  const { surge } = daemons.limits(set, wanted.length)
  if (here.length === 0) return wanted.includes(place) ? null : 'is not to have one'
  const kept = lasting(here)
  if (surge === 0 || kept.some(isNew)) return `has ${here[0]?.metadata.name}`
  if (kept.length !== 1) return `has ${here.length} of which ${kept.length} stay`
  if (kept.every((pod) => !available(pod))) return null
  const surging = wanted.flatMap(({ metadata: { name: other } }) => {
    const both = lasting(on(scene, other))
    return other !== node && both.length > 1 && !both.some((pod) => isNew(pod) && available(pod)) ? [other] : []
  })
  // Where the old one is not available nothing is taken from the surge.
  const taken = new Set([...surging, ...[...begun].filter((other) => lasting(on(scene, other)).some(available))])
  return taken.size < surge ? null : `would be one more than the ${surge} that may have two`
}

/** What a process has decided on one and the same view of a set. */
class Begun {
  private readonly places = new Map<string, { readonly view: string; readonly names: Set<string> }>()

  note({ process, view, choice }: Decision, name: string): ReadonlySet<string> {
    const place = `${process}/${choice.owner.uid}/${choice.kind}`
    const text = JSON.stringify(view)
    const held = this.places.get(place)
    const names = held?.view === text ? held.names : new Set<string>()
    const before = new Set([...names].filter((other) => other !== name))
    this.places.set(place, { view: text, names: names.add(name) })
    return before
  }
}

const oneANode: Invariant = watching(
  {
    id: 'DS-S1',
    sentence:
      'a DaemonSet makes a pod only for a node that wants one and has none, or an old one beside which the surge allows another, counting those it has made and not seen yet',
    source: `${DAEMON}/daemon_controller.go`,
    sometimes: 'a node gets a second pod by the surge',
    allows: ['ALLOW-4'],
    ...safety,
    kind: 'history',
  },
  ['Decision', 'Commit', 'ProcessEnded', 'StoppedLeading'],
  () => {
    const expected = new Expected()
    const begun = new Begun()
    return {
      observe(next, { history }) {
        if (next.kind === 'ProcessEnded' || next.kind === 'StoppedLeading') {
          expected.ends(next)
          return 'vacuous'
        }
        if (next.kind === 'Commit') {
          expected.commits(next, daemons.placeOf)
          return 'vacuous'
        }
        if (!isDaemon(next) || next.choice.kind !== 'CreatePod') return 'vacuous'
        const { choice, view, process, atMs } = next
        const scene = sceneOf(next, history)
        if (scene === null) return { why: `${process} makes a pod for ${choice.owner.name}, which was not in its view` }
        const node = choice.node ?? ''
        const others = begun.note(next, node)
        const shown = view['pods'] ?? 0
        expected.asks(process, choice.owner.uid, shown, node)
        if ((expected.unseen(process, choice.owner.uid, shown, atMs, node) ?? 0) > 0)
          return { why: `${process} makes a pod of ${choice.owner.name} for ${node}, where it has just made one that it has not seen yet` }
        const why = notToCreate(scene, node, others)
        if (why !== null) return { why: `${process} makes a pod of ${choice.owner.name} for ${node}, which ${why}` }
        return on(scene, node).length > 0 ? 'notable' : 'holds'
      },
    }
  },
)

/** Why a pod goes that has neither failed nor is where none may stay, nor one too many of its kind; null: for one of those reasons. */
const updates = (scene: Scene, pod: Pod): boolean => {
  const { set, nodes, isNew } = scene
  const node = nodes.find(({ metadata }) => metadata.name === daemons.placeOf(pod))
  if (isTerminal(pod) || node === undefined || !daemons.mayStay(set, node)) return false
  const like = lasting(on(scene, daemons.placeOf(pod))).filter((other) => !isTerminal(other) && isNew(other) === isNew(pod))
  return like.length === 1
}

/** Decisions to take a pod away that is alone of its kind on a node that wants one. */
const updating = (
  fields: Parameters<typeof watching>[0],
  judge: (scene: Scene, pod: Pod, begun: ReadonlySet<string>, surges: boolean) => Judgement,
): Invariant =>
  watching({ ...fields, kind: 'history' }, ['Decision'], () => {
    const begun = new Begun()
    return {
      observe(next, { history }: Context) {
        if (!isDaemon(next) || next.choice.kind !== 'DeletePod') return 'vacuous'
        const { uid, name } = next.choice.pod
        const scene = sceneOf(next, history)
        const pod = scene?.pods.find(({ metadata }) => metadata.uid === uid)
        if (scene === null || pod === undefined) return { why: `${next.process} takes ${name} away, which was not in its view` }
        const others = begun.note(next, uid)
        if (!updates(scene, pod)) return 'vacuous'
        const total = scene.nodes.filter((one) => daemons.wanted(scene.set, one)).length
        return judge(scene, pod, others, daemons.limits(scene.set, total).surge > 0)
      },
    }
  })

const withinUnavailable = updating(
  {
    id: 'DS-S2',
    sentence: 'an update takes an available pod away only while fewer nodes are without one than may be, as its controller sees them',
    source: `${DAEMON}/update.go, kubernetes#119317`,
    sometimes: 'an available pod is taken away',
    ...safety,
  },
  (scene, pod, begun, surges) => {
    const { set, nodes, available, isNew } = scene
    const node = daemons.placeOf(pod)
    const others = lasting(on(scene, node)).filter((other) => other !== pod && !isTerminal(other))
    // With a surge, or beside another, it is for others to say.
    if (surges || others.length > 0) return 'vacuous'
    if (isNew(pod))
      return { why: `${pod.metadata.name} of ${set.metadata.name} is taken from ${node} though it is of the current template` }
    if (set.spec.updateStrategy.type === 'OnDelete') return { why: `${pod.metadata.name} is taken from ${node}, which is left to its user` }
    if (!available(pod)) return 'holds'
    const wanted = nodes.filter((one) => daemons.wanted(set, one))
    const isWell = ({ metadata }: Node): boolean =>
      lasting(on(scene, metadata.name)).some((other) => available(other) && !begun.has(other.metadata.uid))
    const down = wanted.filter((one) => !isWell(one)).length
    const most = daemons.limits(set, wanted.length).unavailable
    return down < most
      ? 'notable'
      : {
          why: `${pod.metadata.name} of ${set.metadata.name} is taken from ${node} while ${down} nodes are without an available one: ${most} may be`,
        }
  },
)

const surgedFirst = updating(
  {
    id: 'DS-S3',
    sentence: 'with a surge an old pod goes only when the new one on its node is available, or it was not ready itself',
    source: 'KEP-1591',
    sometimes: 'an old pod goes for an available new one',
    ...safety,
  },
  (scene, pod, _begun, surges) => {
    const { set, available, isNew } = scene
    if (!surges) return 'vacuous'
    const node = daemons.placeOf(pod)
    if (isNew(pod))
      return { why: `${pod.metadata.name} of ${set.metadata.name} is taken from ${node} though it is of the current template` }
    const fresh = lasting(on(scene, node)).find((other) => isNew(other))
    if (fresh !== undefined && available(fresh)) return 'notable'
    if (!isReady(pod) && fresh !== undefined) return 'holds'
    return { why: `${pod.metadata.name} of ${set.metadata.name} is taken from ${node} before a new one there is available` }
  },
)

export const DAEMONSETS: readonly Invariant[] = [
  oneANode,
  withinUnavailable,
  surgedFirst,
  settles(
    {
      id: 'DS-L1',
      sentence: 'every node that is to have one has one ready pod of the current template, and no other node has any',
      source: DAEMON,
      sometimes: 'there is one at the end',
      allows: ['ALLOW-18'],
    },
    (object) => object.startsWith('DaemonSet '),
    has('daemonsets'),
  ),
]
