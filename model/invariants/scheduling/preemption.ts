/** Room is made for a pod only by those worth less, only when it helps, by as few as possible, where it costs least. */
import { DEFAULT_FILTERS } from '../../components/feasible.ts'
import { sameValue } from '../../components/objects.ts'
import { allOf } from '../../components/scheduling/plugins.ts'
import { cheapest, importance, priority, victimsOn, waitsForVictims } from '../../components/scheduling/preemption.ts'
import { podsOn, type Constraint } from '../../components/scheduling/scene.ts'
import type { Invariant, Judgement } from '../../invariant.ts'
import type { Seen } from '../../state/history.ts'
import type { Node, Pod, Uid } from '../../state/objects.ts'
import { resourceOfKey } from '../../state/resources.ts'
import { deciding, objectOf, safety, watching, type Deciding } from '../define.ts'
import { ALL_NODES_MOST } from './bindings.ts'
import { crowded, decided, isScheduling, whyNot, type Decided } from './decided.ts'

const PREEMPTION = 'https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/'
const DEFAULT_PREEMPTION = 'kubernetes pkg/scheduler/framework/preemption/preemption.go, KEP-268, KEP-902'

interface Preempted {
  readonly seen: Deciding<'Preempt'>
  readonly picture: Decided
  readonly pod: Pod
  readonly node: Node
  readonly victims: readonly Pod[]
}

const preempting = (fields: Parameters<typeof deciding>[0], judge: (preempted: Preempted) => Judgement): Invariant =>
  deciding(fields, ['Preempt'], (seen, { history }) => {
    const { choice, process } = seen
    const picture = decided(seen, history)
    const node = picture.scene.nodes.find(({ metadata }) => metadata.name === choice.node)
    const { pod } = picture
    if (pod === undefined || node === undefined)
      return { why: `${process} makes room on ${choice.node} for ${choice.pod.name}: one of them was not in its view` }
    const uids = new Set(choice.victims.map(({ uid }) => uid))
    return judge({ seen, picture, pod, node, victims: podsOn(picture.scene, node).filter(({ metadata }) => uids.has(metadata.uid)) })
  })

/** As a constraint: with, and without, those for whom room is kept. */
const keeping = ({ promised }: Decided): Constraint => {
  const all = allOf(DEFAULT_FILTERS.map(({ constraint }) => constraint))
  return (scene, pod, node) => {
    const full = crowded(scene, promised, pod, node)
    const kept = full === scene ? 'fits' : all(full, pod, node)
    return kept === 'fits' ? all(scene, pod, node) : kept
  }
}

const nameOf = ({ metadata }: Pod): string => metadata.name

const onlyLower = preempting(
  {
    id: 'SCHED-S6',
    sentence:
      'only pods of lower priority make room, never for one that may not preempt, nor while others that go for its sake are on their way',
    source: PREEMPTION,
    sometimes: 'pods of the same priority, or a higher one, stay on that node',
    ...safety,
  },
  ({ seen: { choice, process }, picture, pod, node, victims }) => {
    const what = `${process} makes room on ${choice.node} for ${nameOf(pod)}`
    if (pod.spec.preemptionPolicy === 'Never') return { why: `${what}, which never preempts` }
    const promised = picture.scene.nodes.find(({ metadata }) => metadata.name === pod.status.nominatedNodeName)
    if (promised !== undefined && waitsForVictims(picture.scene, pod) && keeping(picture)(picture.scene, pod, promised) !== 'never')
      return { why: `${what}, while pods on ${promised.metadata.name} are still on their way out for its sake` }
    if (victims.length !== choice.victims.length) return { why: `${what} by pods that are not there` }
    const worth = victims.find((victim) => priority(victim) >= priority(pod))
    if (worth !== undefined)
      return { why: `${what} by ${nameOf(worth)}, of priority ${priority(worth)}, no lower than its ${priority(pod)}` }
    return podsOn(picture.scene, node).some((other) => priority(other) >= priority(pod)) ? 'notable' : 'holds'
  },
)

const asFewAsPossible = preempting(
  {
    id: 'SCHED-S6b',
    sentence: 'room is made only where the pod then fits, and no victim could have stayed with those that matter as much or more',
    source: PREEMPTION,
    sometimes: 'pods of lower priority stay on that node',
    ...safety,
  },
  ({ seen: { choice, process }, picture, pod, node, victims }) => {
    const { scene } = picture
    const what = `${process} makes room on ${choice.node} for ${nameOf(pod)}`
    const without = (gone: readonly Pod[]): string | null =>
      whyNot({ ...picture, scene: { ...scene, pods: scene.pods.filter((other) => !gone.includes(other)) } }, pod, node)
    if (victims.length === 0 || without([]) === null) return { why: `${what}, where it fits as it is` }
    const still = without(victims)
    if (still !== null) return { why: `${what} by ${victims.map(nameOf).join(', ')}, though ${still} even so` }
    const stay = podsOn(scene, node).filter((other) => priority(other) < priority(pod) && !victims.includes(other))
    // Whom a disruption budget keeps is asked first, whatever it matters.
    const budgeted = scene.others.some(({ kind }) => kind === 'PodDisruptionBudget')
    const needless = victims.find((victim) => {
      const later = budgeted ? [] : stay.filter((other) => importance(victim, other) < 0)
      return without([...victims.filter((other) => other !== victim), ...later]) === null
    })
    if (needless !== undefined) return { why: `${what} by ${nameOf(needless)} among others, which could have stayed` }
    return stay.length > 0 ? 'notable' : 'holds'
  },
)

/** Two that matter the same, and are not the same: either may be asked first, which may cost more or less. */
const undecided = (pods: readonly Pod[]): boolean =>
  pods.some((one, place) =>
    pods
      .slice(0, place)
      .some(
        (other) =>
          importance(one, other) === 0 &&
          !(sameValue(one.metadata.labels, other.metadata.labels) && sameValue(one.spec.containers, other.spec.containers)),
      ),
  )

const whereItCostsLeast = preempting(
  {
    id: 'SCHED-S6c',
    sentence:
      'room is made on the node where it violates the fewest budgets, then where the most important victim matters least, their priorities sum to least, they are fewest, and the first of them started last',
    source: DEFAULT_PREEMPTION,
    sometimes: 'there was a choice',
    ...safety,
  },
  ({ seen: { choice, process }, picture, pod, node }) => {
    const { scene } = picture
    if (scene.nodes.length > ALL_NODES_MOST) return 'vacuous'
    const lower = (one: Node): readonly Pod[] => podsOn(scene, one).filter((other) => priority(other) < priority(pod))
    if (scene.nodes.some((one) => undecided(lower(one)))) return 'vacuous'
    const constraint = keeping(picture)
    const hopeful = scene.nodes.filter((one) => constraint(scene, pod, one) !== 'never')
    const candidates = hopeful.flatMap((one) => victimsOn(scene, pod, one, constraint) ?? [])
    const found = cheapest(candidates)
    if (found.some((one) => one.node === node.metadata.name)) return candidates.length > 1 ? 'notable' : 'holds'
    const [better] = found
    const instead = better === undefined ? 'nowhere' : `${better.node} by ${better.victims.map(nameOf).join(', ')}`
    return { why: `${process} makes room for ${nameOf(pod)} on ${choice.node}, though ${instead} costs less` }
  },
)

const keepsItsPromises = watching(
  {
    id: 'SCHED-S6d',
    sentence: 'the room that is made for a pod is kept for it, from the decision on and by whoever schedules, and for nobody else',
    source: PREEMPTION,
    sometimes: 'room is kept for another pod than the one that is decided on',
    kind: 'history',
    strength: 'safety',
    allows: ['ALLOW-13'],
  },
  ['Decision', 'Commit', 'ProcessStarted'],
  () => {
    /** Pod → nodes on which room was ever made for it. */
    const ever = new Map<Uid, Set<string>>()
    /** Process → pod → what it decided of it last: the node, null where it made no room, and the pod as it saw it. */
    const last = new Map<string, Map<Uid, { readonly node: string | null; readonly pod: Pod | undefined }>>()
    return {
      observe(next, { history }): Judgement {
        if (next.kind === 'ProcessStarted') last.delete(next.process)
        if (next.kind === 'Commit') return promisedByRight(next, ever)
        if (next.kind !== 'Decision' || !isScheduling(next)) return 'vacuous'
        const { choice, process } = next
        const { pod, pods } = decided(next, history)
        const own = last.get(process) ?? new Map<Uid, { readonly node: string | null; readonly pod: Pod | undefined }>()
        last.set(process, own)
        const kept = new Map(choice.promised.map(({ uid, node }) => [uid, node]))
        const assumed = new Set(choice.assumed.map(({ uid }) => uid))
        for (const other of pods) {
          const { uid, deletionTimestamp } = other.metadata
          if ((other.spec.nodeName ?? '') !== '' || deletionTimestamp !== undefined || assumed.has(uid)) continue
          const node = kept.get(uid)
          const shown = other.status.nominatedNodeName ?? ''
          const decision = own.get(uid)
          if (node !== undefined && node !== shown && ever.get(uid)?.has(node) !== true)
            return { why: `${process} keeps room on ${node} for ${nameOf(other)}, for which nobody made it` }
          // What it decided itself counts until it sees the pod change; then what it sees.
          const promised = decision?.pod === other ? decision.node : shown || null
          if (promised !== null && node !== promised)
            return { why: `${process} keeps no room on ${promised} for ${nameOf(other)}, to which it is promised` }
        }
        own.set(choice.pod.uid, { node: choice.kind === 'Preempt' ? choice.node : null, pod })
        if (choice.kind === 'Preempt') ever.set(choice.pod.uid, (ever.get(choice.pod.uid) ?? new Set<string>()).add(choice.node))
        if (kept.size === 0) return 'vacuous'
        return [...kept.keys()].some((uid) => uid !== choice.pod.uid) ? 'notable' : 'holds'
      },
    }
  },
)

/** A scheduler writes a promise only after it has made room there. */
const promisedByRight = ({ key, author, before, after }: Seen<'Commit'>, ever: ReadonlyMap<Uid, ReadonlySet<string>>): Judgement => {
  if (resourceOfKey(key) !== 'pods' || !author.startsWith('kube-scheduler')) return 'vacuous'
  const [was, is] = [objectOf<Pod>(before), objectOf<Pod>(after)]
  const promised = is?.status.nominatedNodeName ?? ''
  if (is === undefined || promised === '' || promised === was?.status.nominatedNodeName) return 'vacuous'
  if (ever.get(is.metadata.uid)?.has(promised) === true) return 'holds'
  return { why: `${author} promises ${promised} to ${nameOf(is)}, where it made no room for it` }
}

export const PREEMPTIONS: readonly Invariant[] = [onlyLower, asFewAsPossible, whereItCostsLeast, keepsItsPromises]
