/** Who is tried when: nobody who could have a node is turned away or forgotten, and nobody keeps others from their turn. */
import { isBound } from '../../components/objects.ts'
import { notToBind } from '../../components/scheduler.ts'
import { priority } from '../../components/scheduling/preemption.ts'
import type { Invariant, Judgement } from '../../invariant.ts'
import type { StoreHistory } from '../../state/cluster.ts'
import { prefixOf, RESOURCES } from '../../state/resources.ts'
import type { Pod, Uid } from '../../state/objects.ts'
import { deciding, DRIFT, had, objectOf, safety, settles, watching, type Fields } from '../define.ts'
import { ALL_NODES_MOST, SCHEDULE_ONE } from './bindings.ts'
import { decided, heldBack, isScheduling, whyNot, type Decision } from './decided.ts'

const QUEUE = 'kubernetes pkg/scheduler/internal/queue/scheduling_queue.go'

const workConserving = deciding(
  {
    id: 'SCHED-S5b',
    sentence:
      'a pod is found unschedulable only when no node passes every filter, as the scheduler sees it: of few nodes all are looked at',
    source: `${SCHEDULE_ONE} (numFeasibleNodesToFind)`,
    sometimes: 'a node would do but for those that room is kept for',
    ...safety,
  },
  ['Unschedulable'],
  (seen, { history }) => {
    const picture = decided(seen, history)
    const { pod, scene } = picture
    if (pod === undefined || scene.nodes.length > ALL_NODES_MOST || heldBack(seen, picture, history)) return 'vacuous'
    const node = scene.nodes.find((one) => whyNot(picture, pod, one) === null)
    if (node !== undefined)
      return { why: `${seen.process} finds no node for ${seen.choice.pod.name}, though ${node.metadata.name} would do` }
    return scene.nodes.some((one) => whyNot({ ...picture, promised: [] }, pod, one) === null) ? 'notable' : 'holds'
  },
)

/** What one process has tried since it began to lead. */
class Tries {
  private readonly byPod = new Map<Uid, { readonly count: number; readonly atMs: number; readonly spec: Pod['spec'] | undefined }>()
  /** Pod that waits for its first try → pods tried meanwhile, and how often. */
  readonly overtaken = new Map<Uid, Map<Uid, number>>()

  of(uid: Uid) {
    return this.byPod.get(uid)
  }

  add(uid: Uid, atMs: number, spec: Pod['spec'] | undefined): void {
    const before = this.byPod.get(uid)
    // One that was changed begins anew.
    this.byPod.set(uid, { count: before?.spec === spec ? (before?.count ?? 0) + 1 : 1, atMs, spec })
    this.overtaken.delete(uid)
  }
}

type Judge = (decision: Decision, tries: Tries, history: StoreHistory) => Judgement

/** Judges each try of a pod by the tries before. */
const trying = (fields: Omit<Fields, 'kind' | 'strength'> & Pick<Fields, 'strength'>, judge: Judge): Invariant =>
  watching({ ...fields, kind: 'history' }, ['Decision', 'ProcessStarted', 'Leading'], () => {
    const byProcess = new Map<string, Tries>()
    return {
      observe(next, { history }) {
        if (next.kind === 'ProcessStarted' || next.kind === 'Leading') byProcess.delete(next.process)
        if (next.kind !== 'Decision' || !isScheduling(next) || next.choice.kind === 'Preempt') return 'vacuous'
        const tries = byProcess.get(next.process) ?? new Tries()
        byProcess.set(next.process, tries)
        const judgement = judge(next, tries, history)
        tries.add(next.choice.pod.uid, next.atMs, decided(next, history).pod?.spec)
        return judgement
      },
    }
  })

/** Pods of the view that are to be bound and have not been tried once. */
const untried = (decision: Decision, tries: Tries, history: StoreHistory): readonly Pod[] => {
  const assumed = new Set(decision.choice.assumed.map(({ uid }) => uid))
  return decided(decision, history).pods.filter((other) => {
    const { uid } = other.metadata
    return uid !== decision.choice.pod.uid && !assumed.has(uid) && tries.of(uid) === undefined && notToBind(other) === null
  })
}

const inOrder = trying(
  {
    id: 'SCHED-S10',
    sentence: 'a pod is tried only when none of higher priority waits for its first try',
    source: 'https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/#effect-of-pod-priority-on-scheduling-order',
    sometimes: 'one of lower priority waits',
    strength: 'safety',
  },
  (decision, tries, history) => {
    const { pod } = decided(decision, history)
    const waiting = untried(decision, tries, history)
    if (pod === undefined || waiting.length === 0) return 'vacuous'
    const first = waiting.find((other) => priority(other) > priority(pod))
    if (first !== undefined) {
      const worth = `of priority ${priority(first)}`
      return { why: `${decision.process} tries ${pod.metadata.name}, while ${first.metadata.name} ${worth} has not been tried` }
    }
    return waiting.some((other) => priority(other) < priority(pod)) ? 'notable' : 'holds'
  },
)

const BACK_OFF_LEAST_MS = 1_000
const BACK_OFF_MOST_MS = 10_000
/** A second try may be due at the very moment when another pod is seen first. */
const OVERTAKEN_MOST = 2

const takesTurns = trying(
  {
    id: 'SCHED-L3',
    sentence: 'a pod that found no node waits longer after each try, and none is tried again and again while another waits for its first',
    source: QUEUE,
    sometimes: 'a pod is tried that found no node before',
    strength: 'liveness',
  },
  (decision, tries, history) => {
    const picture = decided(decision, history)
    const { pod } = picture
    if (pod === undefined || heldBack(decision, picture, history)) return 'vacuous'
    const { uid, name } = pod.metadata
    for (const other of untried(decision, tries, history)) {
      const overtaken = tries.overtaken.get(other.metadata.uid) ?? new Map<Uid, number>()
      tries.overtaken.set(other.metadata.uid, overtaken)
      const times = (overtaken.get(uid) ?? 0) + 1
      overtaken.set(uid, times)
      if (times > OVERTAKEN_MOST)
        return { why: `${decision.process} tries ${name} ${times} times, while ${other.metadata.name} waits for its first try` }
    }
    const before = tries.of(uid)
    if (before === undefined || before.spec !== pod.spec) return 'holds'
    const waited = decision.atMs - before.atMs
    const due = Math.min(BACK_OFF_MOST_MS, BACK_OFF_LEAST_MS * 2 ** (before.count - 1))
    if (waited < due * (1 - DRIFT)) return { why: `${decision.process} tries ${name} again after ${waited} ms, ${due} ms were due` }
    return 'notable'
  },
)

/** Until caches, connections and leases are as they should be. */
const SETTLED_MS = 60_000
/** The longest back-off, and as much again for messages and what else is to be done. */
const WOKEN_MS = 2 * BACK_OFF_MOST_MS

const wokenUp: Invariant = watching(
  {
    id: 'SCHED-L1b',
    sentence: 'in calm a pod that found no node is tried soon after one would do, not only when it has been put aside for long',
    source: `${QUEUE} (MoveAllToActiveOrBackoffQueue)`,
    sometimes: 'a pod that found no node is bound',
    kind: 'history',
    strength: 'liveness',
  },
  ['Decision', 'Commit', 'PhaseBegan', 'ProcessStarted', 'Leading'],
  () => {
    let calmMs = Infinity
    /** Times and revisions in calm, ascending. */
    const moments: { readonly atMs: number; readonly revision: number }[] = []
    /** Process → pod → when it last found no node for it. */
    const turnedAway = new Map<string, Map<Uid, number>>()
    return {
      observe(next, { history }): Judgement {
        if (next.kind === 'PhaseBegan' && next.phase !== 'end') calmMs = next.phase === 'calm' ? next.atMs : Infinity
        if (next.kind === 'Commit' && calmMs < Infinity) moments.push({ atMs: next.atMs, revision: next.revision })
        if (next.kind === 'ProcessStarted' || next.kind === 'Leading') turnedAway.delete(next.process)
        if (next.kind !== 'Decision' || !isScheduling(next) || next.choice.kind === 'Preempt') return 'vacuous'
        const { uid, name } = next.choice.pod
        const mine = turnedAway.get(next.process) ?? new Map<Uid, number>()
        turnedAway.set(next.process, mine)
        const since = mine.get(uid)
        mine.set(uid, next.atMs)
        if (next.choice.kind === 'Unschedulable' || since === undefined) return 'vacuous'
        const atMs = next.atMs - WOKEN_MS
        const moment = moments.findLast((one) => one.atMs <= atMs)
        if (moment === undefined || since >= atMs || atMs < calmMs + SETTLED_MS) return 'notable'
        const node = wouldDo(history, next, moment.revision)
        if (node === null) return 'notable'
        return {
          why: `${next.process} tries ${name} after ${next.atMs - since} ms, though ${node} would have done for ${WOKEN_MS} ms or more`,
        }
      },
    }
  },
)

/** The node that would have done for a pod by the store as it was; room is kept for those to whom it was promised. */
const wouldDo = (history: StoreHistory, { choice }: Decision, revision: number): string | null => {
  const view = Object.fromEntries(RESOURCES.map(({ resource }) => [resource, revision]))
  const promised = history.listAt('pods', revision).flatMap(({ stored }) => {
    const { metadata, status } = stored.value as Pod
    const node = status.nominatedNodeName ?? ''
    return node === '' || isBound(stored.value as Pod) ? [] : [{ uid: metadata.uid, node }]
  })
  const asked: Decision = { kind: 'Decision', atMs: 0, process: '', view, choice: { ...choice, assumed: [], promised } }
  const picture = decided(asked, history)
  const { pod, scene } = picture
  if (pod === undefined || notToBind(pod) !== null || heldBack(asked, picture, history)) return null
  return scene.nodes.find((node) => whyNot(picture, pod, node) === null)?.metadata.name ?? null
}

const bindsInTheEnd = settles(
  {
    id: 'SCHED-L1',
    sentence: 'a pod for which there is room gets a node',
    source: QUEUE,
    sometimes: 'there were pods',
  },
  (object, waitsFor) => object.startsWith('Pod ') && waitsFor.startsWith('a node'),
  had('pods'),
)

const makesRoomInTheEnd = settles(
  {
    id: 'SCHED-L2',
    sentence: 'a pod for which room can be made by pods of lower priority gets a node, or one of higher priority does',
    source: 'https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/',
    sometimes: 'pods were not all worth the same',
  },
  (object, waitsFor) => object.startsWith('Pod ') && waitsFor.startsWith('room'),
  ({ history }) => {
    const pods = history.keys(prefixOf('pods')).flatMap((key) => objectOf<Pod>(history.versions(key)[0]?.after) ?? [])
    return new Set(pods.map(priority)).size > 1
  },
)

export const QUEUES: readonly Invariant[] = [workConserving, inOrder, bindsInTheEnd, wokenUp, makesRoomInTheEnd, takesTurns]
