/** ReplicaSets, Deployments and garbage: what controllers may decide from what they saw. SEMANTICS 2.5 and 2.8. */
import type { Invariant, Judgement } from '../invariant.ts'
import type { ObjectRef, StoreHistory } from '../state/cluster.ts'
import type { Seen, View } from '../state/history.ts'
import type { Deployment, IntOrPercent, Pod, ReplicaSet } from '../state/objects.ts'
import { prefixOf, resourceOfKey } from '../state/resources.ts'
import { matchesLabels } from '../state/selector.ts'
import { controllerOf, deciding, eachCommit, had, has, isActive, isReady, isTerminal, jsonOf, keyOfRef, listed, objectOf, safety, sameValue, settles, viewed, watching } from './define.ts'

const RS = 'kubernetes pkg/controller/replicaset/replica_set.go'
const ROLLING = 'kubernetes pkg/controller/deployment/rolling.go'
const HASH = 'pod-template-hash'
const EXPECTATION_MS = 300_000

const share = (value: IntOrPercent, total: number, up: boolean): number =>
  typeof value === 'number' ? value : up ? Math.ceil((Number.parseFloat(value) * total) / 100) : Math.floor((Number.parseFloat(value) * total) / 100)
const limits = ({ spec }: Deployment): { most: number; least: number } => {
  const { rollingUpdate } = spec.strategy
  const surge = share(rollingUpdate?.maxSurge ?? 0, spec.replicas, true)
  const down = share(rollingUpdate?.maxUnavailable ?? 0, spec.replicas, false)
  const unavailable = surge === 0 && down === 0 ? 1 : Math.min(down, spec.replicas)
  return { most: spec.replicas + surge, least: spec.replicas - unavailable }
}
const templateOf = (template: ReplicaSet['spec']['template']): string => {
  const { [HASH]: _hash, ...labels } = template.metadata.labels ?? {}
  // Parts in a fixed order: two equal templates may list their fields differently.
  return jsonOf([sorted(labels), sorted(template.metadata.annotations ?? {}), sorted(template.spec)])
}
const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1)).map(([name, member]) => [name, sorted(member)]))
}

// ReplicaSets

const ownPodsOnly = deciding(
  { id: 'RS-S1', sentence: 'a ReplicaSet deletes or releases only pods of its own, and adopts only matching ones that nobody owns', source: 'kubernetes pkg/controller/controller_ref_manager.go', sometimes: 'a pod is adopted', ...safety },
  ['DeletePod', 'ReleasePod', 'AdoptPod'],
  ({ choice, view, process }, { history }) => {
    const pod = viewed<Pod>(history, view, choice.pod)
    if (pod === undefined || pod.metadata.uid !== choice.pod.uid) return { why: `${process} decided ${choice.kind} on ${choice.pod.name}, which was not in its view` }
    const owner = controllerOf(pod)
    if (choice.kind !== 'AdoptPod') return owner === choice.owner.uid ? 'holds' : { why: `${process} decided ${choice.kind} on ${choice.pod.name}, which belongs to ${owner ?? 'nobody'}` }
    const set = viewed<ReplicaSet>(history, view, choice.owner)
    if (owner !== undefined) return { why: `${process} adopts ${choice.pod.name}, which belongs to ${owner}` }
    if (set !== undefined && !matchesLabels(set.spec.selector, pod.metadata.labels)) return { why: `${process} adopts ${choice.pod.name}, which ${choice.owner.name} does not select` }
    return pod.metadata.deletionTimestamp === undefined ? 'notable' : { why: `${process} adopts ${choice.pod.name}, which is being deleted` }
  },
)

const noMoreThanMissing: Invariant = watching(
  { id: 'RS-S2', sentence: 'a ReplicaSet makes no more pods than it misses, counting those it has made and not seen yet, and deletes no more than it has too many', source: RS, sometimes: 'pods it made are not in its view yet', allows: ['ALLOW-4'], ...safety, kind: 'history' },
  ['Decision', 'Commit', 'ProcessEnded', 'StoppedLeading'],
  () => {
    /** process/owner → pods it made: revision and time. What it expects is lost with it. */
    const made = new Map<string, { revision: number; atMs: number }[]>()
    return {
      observe(next, { history }) {
        if (next.kind === 'ProcessEnded' || next.kind === 'StoppedLeading') {
          for (const key of made.keys()) if (key.startsWith(`${next.process}/`)) made.delete(key)
          return 'vacuous'
        }
        if (next.kind === 'Commit') {
          const pod = next.before === null && resourceOfKey(next.key) === 'pods' ? objectOf<Pod>(next.after) : undefined
          const owner = pod === undefined ? undefined : controllerOf(pod)
          if (owner === undefined) return 'vacuous'
          const key = `${next.author}/${owner}`
          made.set(key, [...(made.get(key) ?? []), { revision: next.revision, atMs: next.atMs }])
          return 'vacuous'
        }
        if (next.kind !== 'Decision' || (next.choice.kind !== 'CreatePod' && next.choice.kind !== 'DeletePod')) return 'vacuous'
        const { choice, view, process, atMs } = next
        const set = viewed<ReplicaSet>(history, view, choice.owner)
        if (set === undefined || set.metadata.uid !== choice.owner.uid) return { why: `${process} decided ${choice.kind} for ${choice.owner.name}, which was not in its view` }
        const active = listed<Pod>(history, view, 'pods').filter((pod) => controllerOf(pod) === choice.owner.uid && isActive(pod)).length
        const unseen = (made.get(`${process}/${choice.owner.uid}`) ?? []).filter((one) => one.revision > (view['pods'] ?? 0))
        if (unseen.some((one) => atMs - one.atMs >= EXPECTATION_MS)) return 'vacuous'
        if (choice.kind === 'DeletePod') return active > set.spec.replicas ? 'holds' : { why: `${process} deletes ${choice.pod.name} of ${choice.owner.name}, which wants ${set.spec.replicas} pods and had ${active}` }
        if (active + unseen.length + 1 > set.spec.replicas) {
          return { why: `${process} makes a pod for ${choice.owner.name}, which wants ${set.spec.replicas}: it saw ${active} and had made ${unseen.length} more` }
        }
        return unseen.length > 0 ? 'notable' : 'holds'
      },
    }
  },
)

const templateLabels = eachCommit(
  { id: 'RS-S5', sentence: 'a pod made for a ReplicaSet has the labels of its template', source: RS, sometimes: 'a pod is made', ...safety },
  'pods',
  ({ before, after, key }, { cluster }) => {
    const pod = before === null ? objectOf<Pod>(after) : undefined
    const owner = pod?.metadata.ownerReferences?.find((ref) => ref.controller === true && ref.kind === 'ReplicaSet')
    if (pod === undefined || owner === undefined) return 'vacuous'
    const set = objectOf<ReplicaSet>(cluster.store.get(`${prefixOf('replicasets', pod.metadata.namespace)}${owner.name}`))
    if (set === undefined || set.metadata.uid !== owner.uid) return 'vacuous'
    const missing = Object.entries(set.spec.template.metadata.labels ?? {}).find(([name, value]) => pod.metadata.labels?.[name] !== value)
    return missing === undefined ? 'notable' : { why: `${key} was made without the label ${missing[0]}=${missing[1]}` }
  },
)

// Deployments

const setsOf = (sets: readonly ReplicaSet[], uid: string): readonly ReplicaSet[] => sets.filter((set) => controllerOf(set) === uid)

/** What a controller has decided on one view of a Deployment: the latest for each of its sets. */
interface Sizes {
  readonly view: string
  readonly decided: Map<string, { readonly from: number; readonly to: number }>
}

const withinBounds: Invariant = watching(
  { id: 'DEP-S1', sentence: 'a rolling update grows only within the surge and takes away only what availability can spare, as it sees it', source: ROLLING, sometimes: 'a set shrinks', ...safety },
  ['Decision'],
  () => {
    const rounds = new Map<string, Sizes>()
    return {
      observe(next, { history }) {
        if (next.kind !== 'Decision' || next.choice.kind !== 'ScaleReplicaSet') return 'vacuous'
        const { choice, view, process } = next
        const deployment = viewed<Deployment>(history, view, choice.owner)
        if (deployment === undefined || deployment.spec.strategy.type !== 'RollingUpdate' || deployment.spec.paused === true) return 'vacuous'
        const sets = setsOf(listed<ReplicaSet>(history, view, 'replicasets'), choice.owner.uid)
        const resizing = sets.some((one) => one.spec.replicas > 0 && Number(one.metadata.annotations?.['deployment.kubernetes.io/desired-replicas'] ?? deployment.spec.replicas) !== deployment.spec.replicas)
        if (resizing) return 'vacuous'
        const key = `${process}/${choice.owner.uid}`
        const seen = jsonOf(view)
        const round = rounds.get(key)?.view === seen ? (rounds.get(key) as Sizes) : { view: seen, decided: new Map<string, { from: number; to: number }>() }
        rounds.set(key, round)
        round.decided.set(choice.replicaSet.uid, choice)
        return judgeSizes(deployment, sets, round, choice.to > choice.from, `${process} resizes ${choice.replicaSet.name} from ${choice.from} to ${choice.to}`)
      },
    }
  },
)

const judgeSizes = (deployment: Deployment, sets: readonly ReplicaSet[], { decided }: Sizes, grows: boolean, what: string): Judgement => {
  const { most, least } = limits(deployment)
  if (grows) {
    const after = sets.reduce((sum, set) => sum + (decided.get(set.metadata.uid)?.to ?? set.spec.replicas), 0)
    return after <= most || after <= deployment.spec.replicas ? 'holds' : { why: `${what}: ${after} in all, ${most} are allowed` }
  }
  let available = 0
  let taken = 0
  for (const set of sets) {
    const ready = set.status.availableReplicas ?? 0
    available += ready
    const size = decided.get(set.metadata.uid)
    // Those that are not available go first, and are missed by nobody.
    if (size !== undefined) taken += Math.max(0, size.from - size.to - Math.max(0, size.from - ready))
  }
  if (taken > 0 && available - taken < least) return { why: `${what}, leaving ${available - taken} available where ${least} are wanted` }
  return 'notable'
}

/** What a controller did not do of itself voids the bounds of a rollout in the world until it is whole again. */
const isHazard = ({ key, before, after, author }: Seen<'Commit'>): boolean => {
  const resource = resourceOfKey(key)
  if (resource === 'deployments') {
    const was = objectOf<Deployment>(before)?.spec
    const is = objectOf<Deployment>(after)?.spec
    return was === undefined || is === undefined || !sameValue([was.replicas, was.strategy, was.minReadySeconds, was.podReplacementPolicy, was.paused], [is.replicas, is.strategy, is.minReadySeconds, is.podReplacementPolicy, is.paused])
  }
  if (resource === 'replicasets') return after === null && !author.startsWith('kube-controller-manager')
  if (resource !== 'pods' || before === null) return false
  const was = before.value as Pod
  const is = objectOf<Pod>(after)
  if (was.metadata.deletionTimestamp !== undefined) return false
  // Deleted by somebody else, or failed by itself.
  if (is === undefined || is.metadata.deletionTimestamp !== undefined) return !author.startsWith('kube-controller-manager')
  return isTerminal(is) || (isReady(was) && !isReady(is))
}

/** ALLOW-10: the loop sized by a status that was of before the set's latest size. Counting what ends makes up for it. */
const readsOldStatus = (owner: ObjectRef, view: View, history: StoreHistory): boolean => {
  if (viewed<Deployment>(history, view, owner)?.spec.podReplacementPolicy === 'TerminationComplete') return false
  return setsOf(listed<ReplicaSet>(history, view, 'replicasets'), owner.uid).some((set) => (set.status.observedGeneration ?? 0) < (set.metadata.generation ?? 0))
}

const boundsInTheWorld: Invariant = watching(
  {
    id: 'DEP-S2',
    sentence: 'through a rollout enough pods stay available and no more exist than the surge allows; with podReplacementPolicy TerminationComplete those that are still ending count too',
    source: `${ROLLING}; KEP-3973`,
    kind: 'history',
    strength: 'safety',
    sometimes: 'pods of two templates exist',
    allows: ['ALLOW-4', 'ALLOW-7', 'ALLOW-10'],
  },
  ['Commit', 'Leading', 'FaultChanged', 'Decision', 'ProcessEnded'],
  () => {
    /** Deployments that were whole since the last thing that could excuse them. */
    const armed = new Set<string>()
    let faults = 0
    return {
      observe(next, { cluster, history }) {
        switch (next.kind) {
          case 'Leading':
            armed.clear()
            return 'vacuous'
          case 'ProcessEnded':
            if (next.process.startsWith('kube-controller-manager')) armed.clear()
            return 'vacuous'
          case 'FaultChanged':
            if (next.outcome === 'begun') faults++
            else if (next.outcome === 'ended') faults--
            armed.clear()
            return 'vacuous'
          case 'Decision':
            if (next.choice.kind === 'EvictPod' || next.choice.kind === 'ForceDeletePod') armed.clear()
            if (next.choice.kind === 'ScaleReplicaSet' && readsOldStatus(next.choice.owner, next.view, history)) armed.delete(next.choice.owner.uid)
            return 'vacuous'
          default:
        }
        if (next.kind !== 'Commit' || faults > 0) return 'vacuous'
        const resource = resourceOfKey(next.key)
        if (resource !== 'pods' && resource !== 'deployments' && resource !== 'replicasets') return 'vacuous'
        if (isHazard(next)) armed.clear()
        let verdict: Judgement = 'vacuous'
        for (const [key, stored] of cluster.store) {
          if (!key.startsWith('/registry/deployments/')) continue
          const judged = judgeRollout(stored.value as Deployment, cluster.store, armed, next.revision)
          if (typeof judged === 'object') return judged
          if (judged !== 'vacuous') verdict = judged
        }
        return verdict
      },
    }
  },
)

const judgeRollout = (deployment: Deployment, store: ReadonlyMap<string, { readonly value: unknown }>, armed: Set<string>, revision: number): Judgement => {
  const { uid, namespace, name } = deployment.metadata
  if (deployment.spec.strategy.type !== 'RollingUpdate' || deployment.spec.paused === true || deployment.metadata.deletionTimestamp !== undefined) return 'vacuous'
  /** Set → how many active pods it has beyond, or short of, what it is to have. */
  const sets = new Map<string, number>()
  for (const [key, stored] of store) {
    if (key.startsWith('/registry/replicasets/') && controllerOf(stored.value as ReplicaSet) === uid) sets.set((stored.value as ReplicaSet).metadata.uid, -(stored.value as ReplicaSet).spec.replicas)
  }
  let active = 0
  let ending = 0
  let ready = 0
  const templates = new Set<string>()
  for (const [key, stored] of store) {
    if (!key.startsWith(prefixOf('pods', namespace))) continue
    const pod = stored.value as Pod
    const owner = controllerOf(pod)
    if (owner === undefined || !sets.has(owner) || isTerminal(pod)) continue
    templates.add(owner)
    if (pod.metadata.deletionTimestamp !== undefined) ending++
    else {
      active++
      sets.set(owner, (sets.get(owner) ?? 0) + 1)
      if (isReady(pod)) ready++
    }
  }
  const { status, spec } = deployment
  const settled = [...sets.values()].every((beyond) => beyond === 0)
  const whole = settled && active === spec.replicas && ready === spec.replicas && ending === 0 && templates.size <= 1 && status.availableReplicas === spec.replicas && (status.observedGeneration ?? 0) >= (deployment.metadata.generation ?? 0)
  if (whole) {
    armed.add(uid)
    return 'holds'
  }
  if (!armed.has(uid)) return 'vacuous'
  const { most, least } = limits(deployment)
  const counted = spec.podReplacementPolicy === 'TerminationComplete' ? active + ending : active
  if (counted > most) return { why: `Deployment ${namespace}/${name} has ${active} pods${counted === active ? '' : ` and ${ending} that are still ending`} at revision ${revision}, ${most} are allowed` }
  if (ready < least) return { why: `Deployment ${namespace}/${name} has ${ready} pods available at revision ${revision}, at least ${least} were to stay` }
  return templates.size > 1 ? 'notable' : 'holds'
}

const recreateWaits = deciding(
  { id: 'DEP-S3', sentence: 'with Recreate a pod of the new template is only asked for when no old one is left, as it sees it', source: 'kubernetes pkg/controller/deployment/recreate.go', sometimes: 'there was an old template', allows: ['ALLOW-7'], ...safety },
  ['CreateReplicaSet', 'ScaleReplicaSet'],
  ({ choice, view, process }, { history }) => {
    const deployment = viewed<Deployment>(history, view, choice.owner)
    if (deployment?.spec.strategy.type !== 'Recreate' || deployment.spec.paused === true) return 'vacuous'
    const sets = setsOf(listed<ReplicaSet>(history, view, 'replicasets'), choice.owner.uid)
    const name = choice.kind === 'ScaleReplicaSet' ? choice.replicaSet.name : choice.name
    if (choice.kind === 'ScaleReplicaSet') {
      const set = sets.find((one) => one.metadata.name === name)
      if (choice.to <= choice.from || set === undefined || templateOf(set.spec.template) !== templateOf(deployment.spec.template)) return 'vacuous'
    }
    const old = new Set(sets.filter((set) => set.metadata.name !== name).map((set) => set.metadata.uid))
    const left = listed<Pod>(history, view, 'pods').find((pod) => old.has(controllerOf(pod) ?? '') && !isTerminal(pod))
    if (left !== undefined) return { why: `${process} asks for pods of ${name} while ${left.metadata.name} of an old template was still there` }
    return old.size > 0 ? 'notable' : 'holds'
  },
)

const oneSetATemplate = eachCommit(
  { id: 'DEP-S4', sentence: 'a Deployment has one ReplicaSet for each template', source: 'kubernetes pkg/controller/deployment/sync.go', sometimes: 'it has another set already', ...safety },
  'replicasets',
  ({ before, after, author, key }, { cluster }) => {
    const set = before === null ? objectOf<ReplicaSet>(after) : undefined
    const owner = set === undefined ? undefined : controllerOf(set)
    if (set === undefined || owner === undefined) return 'vacuous'
    const others = [...cluster.store].filter(([other]) => other !== key && other.startsWith('/registry/replicasets/')).map(([, stored]) => stored.value as ReplicaSet)
    const own = setsOf(others, owner)
    const twin = own.find((other) => templateOf(other.spec.template) === templateOf(set.spec.template))
    if (twin !== undefined) return { why: `${author} made ${set.metadata.name} for the template that ${twin.metadata.name} has` }
    return own.length > 0 ? 'notable' : 'holds'
  },
)

const cleansUpOld = deciding(
  { id: 'DEP-S6', sentence: 'clean-up takes only old ReplicaSets of which nothing is left', source: 'kubernetes pkg/controller/deployment/sync.go', sometimes: 'a set is taken', ...safety },
  ['DeleteReplicaSet'],
  ({ choice, view, process }, { history }) => {
    const set = viewed<ReplicaSet>(history, view, choice.replicaSet)
    const deployment = viewed<Deployment>(history, view, choice.owner)
    if (set === undefined || deployment === undefined) return 'vacuous'
    if (set.spec.replicas !== 0 || set.status.replicas !== 0) return { why: `${process} cleans up ${choice.replicaSet.name}, which wants ${set.spec.replicas} pods and has ${set.status.replicas}` }
    return templateOf(set.spec.template) === templateOf(deployment.spec.template) ? { why: `${process} cleans up ${choice.replicaSet.name}, which has the current template` } : 'notable'
  },
)

const pausedStays = deciding(
  { id: 'DEP-S7', sentence: 'a paused Deployment gets no ReplicaSet for a new template', source: 'https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#pausing-and-resuming-a-deployment', sometimes: 'a set is made for one that is not paused', ...safety },
  ['CreateReplicaSet'],
  ({ choice, view, process }, { history }) => {
    const deployment = viewed<Deployment>(history, view, choice.owner)
    if (deployment === undefined) return 'vacuous'
    return deployment.spec.paused === true ? { why: `${process} makes ${choice.name} for ${choice.owner.name}, which is paused` } : 'notable'
  },
)

const specIsTheUsers = eachCommit(
  { id: 'DEP-S8', sentence: "a Deployment's spec is its users': its controller never changes it", source: 'kubernetes pkg/controller/deployment', sometimes: 'its controller writes to it', ...safety },
  'deployments',
  ({ before, after, author, revision, key }) => {
    const was = objectOf<Deployment>(before)
    const is = objectOf<Deployment>(after)
    if (was === undefined || is === undefined || !author.startsWith('kube-controller-manager')) return 'vacuous'
    return sameValue(was.spec, is.spec) ? 'notable' : { why: `${author} changed the spec of ${key} at revision ${revision}` }
  },
)

// Garbage

const ownersGone = deciding(
  { id: 'GC-S1', sentence: 'an object is collected only when each of its owners is gone, or waits for it to go', source: 'kubernetes pkg/controller/garbagecollector/garbagecollector.go', sometimes: 'an owner was deleted', ...safety },
  ['CollectGarbage'],
  ({ choice, process }, { cluster }) => {
    if (choice.owners.length === 0) return { why: `${process} collects ${choice.object.name}, which has no owner` }
    for (const owner of choice.owners) {
      const held = objectOf(cluster.store.get(keyOfRef(owner)) ?? cluster.store.get(keyOfRef({ resource: owner.resource, name: owner.name })))
      if (held === undefined || held.metadata.uid !== owner.uid) continue
      const waits = held.metadata.deletionTimestamp !== undefined && held.metadata.finalizers?.includes('foregroundDeletion') === true
      if (!waits) return { why: `${process} collects ${choice.object.name}, whose owner ${owner.name} is there` }
    }
    return 'notable'
  },
)

const orphansStay = deciding(
  { id: 'GC-S3', sentence: 'what was to be orphaned is not collected', source: 'https://kubernetes.io/docs/concepts/architecture/garbage-collection/#orphaned-dependents', sometimes: 'something is collected', ...safety },
  ['CollectGarbage'],
  ({ choice, process }, { history }) => {
    for (const owner of choice.owners) {
      const last = history.versions(keyOfRef(owner)).findLast((version) => objectOf(version.after)?.metadata.uid === owner.uid)
      if (objectOf(last?.after)?.metadata.finalizers?.includes('orphan') === true) return { why: `${process} collects ${choice.object.name}, which ${owner.name} was to leave behind` }
    }
    return 'notable'
  },
)

export const WORKLOADS: readonly Invariant[] = [
  ownPodsOnly,
  noMoreThanMissing,
  templateLabels,
  settles({ id: 'RS-L1', sentence: 'a ReplicaSet gets as many ready pods as it wants, and its status says so', source: RS, sometimes: 'there is one at the end', allows: ['ALLOW-4'] }, (object) => object.startsWith('ReplicaSet '), has('replicasets')),
  withinBounds,
  boundsInTheWorld,
  recreateWaits,
  oneSetATemplate,
  cleansUpOld,
  pausedStays,
  specIsTheUsers,
  settles({ id: 'DEP-L1', sentence: 'a Deployment whose template can become ready gets all its replicas there, and none of another', source: 'https://kubernetes.io/docs/concepts/workloads/controllers/deployment/', sometimes: 'there is one at the end' }, (object) => object.startsWith('Deployment '), has('deployments')),
  ownersGone,
  orphansStay,
  settles({ id: 'GC-L1', sentence: 'what belonged to an owner that is gone goes too', source: 'https://kubernetes.io/docs/concepts/architecture/garbage-collection/', sometimes: 'owned objects existed', allows: ['ALLOW-22'] }, (_object, waitsFor) => waitsFor.includes('its owner is gone'), had('replicasets')),
]
