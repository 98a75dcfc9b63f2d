/** ReplicaSets and ReplicationControllers, seen from outside: how many pods there are, and what is said of those that cannot be. SEMANTICS 2.5. */
import type { Context, Invariant, Judgement } from '../invariant.ts'
import type { ObjectRef } from '../state/cluster.ts'
import type { Choice, Seen } from '../state/history.ts'
import type { ApiObject, Pod } from '../state/objects.ts'
import { selectorOf, type Replicating } from '../state/replication.ts'
import { prefixOf, resourceOfKey } from '../state/resources.ts'
import { matchesLabels } from '../state/selector.ts'
import { controllerOf, isActive } from '../components/objects.ts'
import { DRIFT, had, keyOfRef, objectOf, safety, settles, viewed, watching } from './define.ts'

const RS = 'kubernetes pkg/controller/replicaset/replica_set.go'
/** By a clock that may run fast. */
const EXPECTATION_MS = 300_000 * (1 - DRIFT)

type OnPods = Extract<Choice, { readonly kind: 'CreatePod' | 'DeletePod' | 'AdoptPod' | 'ReleasePod' }>
/** What a controller of sets decided on a pod; other owners of pods have rules of their own. */
const onPods = (choice: Choice): OnPods | null => {
  switch (choice.kind) {
    case 'CreatePod':
    case 'DeletePod':
    case 'AdoptPod':
    case 'ReleasePod':
      return choice.owner.resource === 'replicasets' || choice.owner.resource === 'replicationcontrollers' ? choice : null
    default:
      return null
  }
}

/** How a set is looked after. */
interface Care {
  readonly owner: ObjectRef
  /** Which life of which process does; another one may not see what this one made, nor this one what another does. */
  readonly process: string
  readonly life: number
  /** How many pods it was to keep, as it saw when it last asked for one, and when that was. */
  wants: number
  atMs: number
  /** Pods it asked for that are not made, and the revision of the last that was. */
  open: number
  made: number
  /** It asked for another before it saw that one. */
  unseen: boolean
  /** Somebody else had a hand in it, or something that was asked for was given up. */
  blurred: boolean
}

/** Active pods of the set that it selects: of others it is about to let go. */
const kept = ({ cluster }: Context, set: Replicating): number => {
  let count = 0
  for (const [key, { value }] of cluster.store) {
    if (!key.startsWith(prefixOf('pods', set.metadata.namespace))) continue
    const pod = value as Pod
    if (controllerOf(pod) === set.metadata.uid && isActive(pod) && matchesLabels(selectorOf(set), pod.metadata.labels)) count++
  }
  return count
}

const neverTooMany: Invariant = watching(
  {
    id: 'RS-S3',
    sentence:
      'a pod that is made for a ReplicaSet does not give it more than it wanted when the pod was asked for, while one life of one controller looks after it and gives up nothing that it asked for',
    source: `${RS} (expectations)`,
    sometimes: 'pods were not seen yet when more were asked for',
    allows: ['ALLOW-4'],
    ...safety,
    kind: 'history',
  },
  ['Decision', 'Commit', 'ProcessEnded', 'StoppedLeading'],
  () => {
    const lives = new Map<string, number>()
    /** Uid of a set → who looks after it. */
    const cares = new Map<string, Care>()
    const decided = ({ choice: any, view, process, atMs }: Seen<'Decision'>, { history }: Context): void => {
      const choice = onPods(any)
      if (choice === null) return
      const { owner } = choice
      const life = lives.get(process) ?? 0
      const care = cares.get(owner.uid) ?? { owner, process, life, wants: 0, atMs, open: 0, made: 0, unseen: false, blurred: false }
      cares.set(owner.uid, care)
      if (care.process !== process || care.life !== life) care.blurred = true
      care.unseen = care.made > (view['pods'] ?? 0)
      if (atMs - care.atMs >= EXPECTATION_MS && (care.open > 0 || care.unseen)) care.blurred = true
      if (choice.kind !== 'CreatePod') return
      care.open++
      care.atMs = atMs
      care.wants = viewed<Replicating>(history, view, owner)?.spec.replicas ?? 0
    }
    const committed = ({ key, before, after, author, revision }: Seen<'Commit'>, context: Context): Judgement => {
      const pod = resourceOfKey(key) === 'pods' ? objectOf<Pod>(after) : undefined
      const care = pod === undefined ? undefined : cares.get(controllerOf(pod) ?? '')
      if (pod === undefined || care === undefined) return 'vacuous'
      const was = objectOf<Pod>(before)
      const isGiven = was === undefined || controllerOf(was) !== controllerOf(pod)
      if (isGiven && author !== care.process) care.blurred = true
      if (was !== undefined) return 'vacuous'
      care.open--
      care.made = revision
      const set = objectOf<Replicating>(context.cluster.store.get(keyOfRef(care.owner)))
      if (care.blurred || set?.metadata.uid !== care.owner.uid) return 'vacuous'
      const active = kept(context, set)
      if (active > care.wants)
        return { why: `${author} makes ${pod.metadata.name} for ${set.metadata.name}, which wanted ${care.wants}: it has ${active} now` }
      return care.unseen ? 'notable' : 'holds'
    }
    return {
      observe(next, context) {
        if (next.kind === 'Commit') return committed(next, context)
        if (next.kind === 'Decision') decided(next, context)
        else {
          const { process } = next as Seen<'ProcessEnded' | 'StoppedLeading'>
          lives.set(process, (lives.get(process) ?? 0) + 1)
        }
        return 'vacuous'
      },
    }
  },
)

const failureOf = (set: Replicating | undefined) =>
  set?.status.conditions?.find(({ type, status }) => type === 'ReplicaFailure' && status === 'True')

const REASONS: Readonly<Record<string, string>> = { FailedCreate: 'create', FailedDelete: 'delete' }

const saysWhatFailed: Invariant = watching(
  {
    id: 'RS-R2',
    sentence: 'a ReplicaSet says that its pods cannot be made, or deleted, only after a request of its controller to do so has failed',
    source: 'kubernetes pkg/controller/replicaset/replica_set_utils.go (calculateStatus)',
    sometimes: 'one says so',
    ...safety,
    kind: 'history',
  },
  ['Decision', 'Invoke', 'Reply', 'Commit'],
  () => {
    /** Process → the set for which it makes its next request. */
    const about = new Map<string, string>()
    /** Call → what it would do, and for which set. */
    const calls = new Map<string, { readonly owner: string; readonly verb: string }>()
    /** process/set/verb of requests that failed since that process last told how the set is. */
    const failures = new Set<string>()
    return {
      observe(next) {
        if (next.kind === 'Decision') {
          const choice = onPods(next.choice)
          if (choice !== null) about.set(next.process, choice.owner.uid)
        } else if (next.kind === 'Invoke') {
          const owner = about.get(next.process)
          about.delete(next.process)
          if (owner !== undefined && next.request.kind === 'Api') calls.set(next.call, { owner, verb: next.request.verb })
        } else if (next.kind === 'Reply') {
          const call = calls.get(next.call)
          calls.delete(next.call)
          if (call !== undefined && next.outcome.kind !== 'done') failures.add(`${next.process}/${call.owner}/${call.verb}`)
        } else if (next.kind === 'Commit') return told(next, failures)
        return 'vacuous'
      },
    }
  },
)

const told = ({ key, before, after, author }: Seen<'Commit'>, failures: Set<string>): Judgement => {
  const set = objectOf<ApiObject>(after) as Replicating | undefined
  if ((set?.kind !== 'ReplicaSet' && set?.kind !== 'ReplicationController') || !author.startsWith('kube-controller-manager'))
    return 'vacuous'
  const now = failureOf(set)
  const verb = REASONS[now?.reason ?? '']
  const own = `${author}/${set.metadata.uid}`
  const failed = verb !== undefined && failures.has(`${own}/${verb}`)
  for (const each of Object.values(REASONS)) failures.delete(`${own}/${each}`)
  if (now === undefined || failureOf(objectOf<Replicating>(before)) !== undefined) return 'vacuous'
  return failed ? 'notable' : { why: `${author} says ${now.reason} of ${key}, where no such request of it had failed` }
}

/** Pods that are there and should not be, or that nobody looks after though somebody would. */
export const isLeftOver = (waitsFor: string): boolean =>
  waitsFor.startsWith('its surplus') || waitsFor.includes('its owner is gone') || waitsFor.startsWith('its adoption')

export const REPLICA_COUNTS: readonly Invariant[] = [
  neverTooMany,
  saysWhatFailed,
  settles(
    {
      id: 'RS-L2',
      sentence:
        'pods that are too many, or whose owner is gone, go; those that nobody owns are adopted by the ReplicaSet that selects them',
      source: `${RS}, pkg/controller/controller_ref_manager.go`,
      sometimes: 'there were ReplicaSets',
      allows: ['ALLOW-4'],
    },
    (object, waitsFor) => /^(Pod|ReplicaSet|ReplicationController) /.test(object) && isLeftOver(waitsFor),
    (context) => had('replicasets')(context) || had('replicationcontrollers')(context),
  ),
]
