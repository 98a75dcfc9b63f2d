/** Rolling updates and Recreate: how many pods there may be, and how few ready. SEMANTICS 2.5. */
import type { Invariant, Judgement } from '../invariant.ts'
import type { ObjectRef, StoreHistory } from '../state/cluster.ts'
import type { Seen, View } from '../state/history.ts'
import type { ApiObject, Deployment, Pod, ReplicaSet } from '../state/objects.ts'
import { prefixOf, resourceOfKey } from '../state/resources.ts'
import { isLeaving } from '../components/namespace.ts'
import { controllerOf, isReady, isTerminal, jsonOf, sameValue } from '../components/objects.ts'
import { deciding, listed, objectOf, safety, viewed, watching } from './define.ts'
import { growsTooFar, shrinksTooFar } from '../components/rollout.ts'
import { limits, setsOf, templateOf } from '../components/template.ts'

const ROLLING = 'kubernetes pkg/controller/deployment/rolling.go'

/** What a controller has decided on one view of a Deployment: the latest for each of its sets. */
interface Round {
  readonly view: string
  readonly decided: Map<string, { readonly from: number; readonly to: number }>
}

const withinBounds: Invariant = watching(
  {
    id: 'DEP-S1',
    sentence: 'a rolling update grows only within the surge and takes away only what availability can spare, as it sees it',
    source: ROLLING,
    sometimes: 'a set shrinks',
    ...safety,
  },
  ['Decision'],
  () => {
    const rounds = new Map<string, Round>()
    return {
      observe(next, { history }) {
        if (next.kind !== 'Decision' || next.choice.kind !== 'ScaleReplicaSet') return 'vacuous'
        const { choice, view, process } = next
        const deployment = viewed<Deployment>(history, view, choice.owner)
        if (deployment === undefined || deployment.spec.strategy.type !== 'RollingUpdate' || deployment.spec.paused === true)
          return 'vacuous'
        const sets = setsOf(listed<ReplicaSet>(history, view, 'replicasets'), choice.owner.uid)
        const resizing = sets.some(
          (one) =>
            one.spec.replicas > 0 &&
            Number(one.metadata.annotations?.['deployment.kubernetes.io/desired-replicas'] ?? deployment.spec.replicas) !==
              deployment.spec.replicas,
        )
        if (resizing) return 'vacuous'
        const key = `${process}/${choice.owner.uid}`
        const seen = jsonOf(view)
        const round =
          rounds.get(key)?.view === seen
            ? (rounds.get(key) as Round)
            : { view: seen, decided: new Map<string, { from: number; to: number }>() }
        rounds.set(key, round)
        round.decided.set(choice.replicaSet.uid, choice)
        return judgeSizes(
          deployment,
          sets,
          round,
          choice.to > choice.from,
          `${process} resizes ${choice.replicaSet.name} from ${choice.from} to ${choice.to}`,
        )
      },
    }
  },
)

const judgeSizes = (deployment: Deployment, sets: readonly ReplicaSet[], { decided }: Round, grows: boolean, what: string): Judgement => {
  const wrong = (grows ? growsTooFar : shrinksTooFar)(deployment, sets, decided)
  if (wrong !== null) return { why: `${what}: ${wrong}` }
  return grows ? 'holds' : 'notable'
}

/** What a controller did not do of itself voids the bounds of a rollout in the world until it is whole again. */
const isHazard = ({ key, before, after, author }: Seen<'Commit'>, evicted: ReadonlySet<string>): boolean => {
  const resource = resourceOfKey(key)
  if (resource === 'deployments') {
    const was = objectOf<Deployment>(before)?.spec
    const is = objectOf<Deployment>(after)?.spec
    return (
      was === undefined ||
      is === undefined ||
      !sameValue(
        [was.replicas, was.strategy, was.minReadySeconds, was.podReplacementPolicy, was.paused],
        [is.replicas, is.strategy, is.minReadySeconds, is.podReplacementPolicy, is.paused],
      )
    )
  }
  if (resource === 'replicasets') return after === null && !author.startsWith('kube-controller-manager')
  if (resource !== 'pods' || before === null) return false
  const was = before.value as Pod
  const is = objectOf<Pod>(after)
  if (was.metadata.deletionTimestamp !== undefined) return false
  // Deleted by somebody else or for the sake of its node, or failed by itself.
  if (is === undefined || is.metadata.deletionTimestamp !== undefined)
    return evicted.has(was.metadata.uid) || !author.startsWith('kube-controller-manager')
  return isTerminal(is) || (isReady(was) && !isReady(is))
}

/** ALLOW-10: the loop went by a status that lags behind: it knows neither all that is active nor all that ends. */
const readsOldStatus = (
  owner: ObjectRef,
  view: View,
  history: StoreHistory,
  store: ReadonlyMap<string, { readonly value: unknown }>,
): boolean =>
  setsOf(listed<ReplicaSet>(history, view, 'replicasets'), owner.uid).some(({ metadata, status }) => {
    if ((status.observedGeneration ?? 0) < (metadata.generation ?? 0)) return true
    let active = 0
    let ending = 0
    for (const [key, stored] of store) {
      if (!key.startsWith(prefixOf('pods', metadata.namespace))) continue
      const pod = stored.value as Pod
      if (controllerOf(pod) !== metadata.uid || isTerminal(pod)) continue
      if (pod.metadata.deletionTimestamp === undefined) active++
      else ending++
    }
    return active !== (status.replicas ?? 0) || ending !== (status.terminatingReplicas ?? 0)
  })

const boundsInTheWorld: Invariant = watching(
  {
    id: 'DEP-S2',
    sentence:
      'through a rollout enough pods stay available and no more exist than the surge allows; with podReplacementPolicy TerminationComplete those that are still ending count too',
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
    /** Pods that are to leave their node: by their uids, since their deletion is written some time after it was decided. */
    const evicted = new Set<string>()
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
            if (next.choice.kind === 'EvictPod' || next.choice.kind === 'ForceDeletePod') evicted.add(next.choice.pod.uid)
            if (next.choice.kind === 'ScaleReplicaSet' && readsOldStatus(next.choice.owner, next.view, history, cluster.store))
              armed.delete(next.choice.owner.uid)
            return 'vacuous'
          default:
        }
        if (next.kind !== 'Commit' || faults > 0) return 'vacuous'
        const resource = resourceOfKey(next.key)
        if (resource !== 'pods' && resource !== 'deployments' && resource !== 'replicasets') return 'vacuous'
        if (isHazard(next, evicted)) armed.clear()
        let verdict: Judgement = 'vacuous'
        const deployments = prefixOf('deployments', objectOf<ApiObject>(next.after ?? next.before)?.metadata.namespace)
        for (const [key, stored] of cluster.store) {
          if (!key.startsWith(deployments)) continue
          const judged = judgeRollout(stored.value as Deployment, cluster.store, armed, next.revision)
          if (typeof judged === 'object') return judged
          if (judged !== 'vacuous') verdict = judged
        }
        return verdict
      },
    }
  },
)

const judgeRollout = (
  deployment: Deployment,
  store: ReadonlyMap<string, { readonly value: unknown }>,
  armed: Set<string>,
  revision: number,
): Judgement => {
  const { uid, namespace, name } = deployment.metadata
  if (
    deployment.spec.strategy.type !== 'RollingUpdate' ||
    deployment.spec.paused === true ||
    deployment.metadata.deletionTimestamp !== undefined ||
    isLeaving(store, namespace)
  )
    return 'vacuous'
  /** Set → how many active pods it has beyond, or short of, what it is to have. */
  const sets = new Map<string, number>()
  const [ofSets, ofPods] = [prefixOf('replicasets', namespace), prefixOf('pods', namespace)]
  for (const [key, stored] of store) {
    if (key.startsWith(ofSets) && controllerOf(stored.value as ReplicaSet) === uid)
      sets.set((stored.value as ReplicaSet).metadata.uid, -(stored.value as ReplicaSet).spec.replicas)
  }
  let active = 0
  let ending = 0
  let ready = 0
  const templates = new Set<string>()
  for (const [key, stored] of store) {
    if (!key.startsWith(ofPods)) continue
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
  const whole =
    settled &&
    active === spec.replicas &&
    ready === spec.replicas &&
    ending === 0 &&
    templates.size <= 1 &&
    status.availableReplicas === spec.replicas &&
    (status.observedGeneration ?? 0) >= (deployment.metadata.generation ?? 0)
  if (whole) {
    armed.add(uid)
    return 'holds'
  }
  if (!armed.has(uid)) return 'vacuous'
  const { most, least } = limits(deployment)
  const counted = spec.podReplacementPolicy === 'TerminationComplete' ? active + ending : active
  if (counted > most)
    return {
      why: `Deployment ${namespace}/${name} has ${active} pods${counted === active ? '' : ` and ${ending} that are still ending`} at revision ${revision}, ${most} are allowed`,
    }
  if (ready < least)
    return { why: `Deployment ${namespace}/${name} has ${ready} pods available at revision ${revision}, at least ${least} were to stay` }
  return templates.size > 1 ? 'notable' : 'holds'
}

const recreateWaits = deciding(
  {
    id: 'DEP-S3',
    sentence: 'with Recreate a pod of the new template is only asked for when no old one is left, as it sees it',
    source: 'kubernetes pkg/controller/deployment/recreate.go',
    sometimes: 'there was an old template',
    allows: ['ALLOW-7'],
    ...safety,
  },
  ['CreateReplicaSet', 'ScaleReplicaSet'],
  ({ choice, view, process }, { history }) => {
    const deployment = viewed<Deployment>(history, view, choice.owner)
    if (deployment?.spec.strategy.type !== 'Recreate' || deployment.spec.paused === true) return 'vacuous'
    const sets = setsOf(listed<ReplicaSet>(history, view, 'replicasets'), choice.owner.uid)
    const name = choice.kind === 'ScaleReplicaSet' ? choice.replicaSet.name : choice.name
    if (choice.kind === 'ScaleReplicaSet') {
      const set = sets.find((one) => one.metadata.name === name)
      if (choice.to <= choice.from || set === undefined || templateOf(set.spec.template) !== templateOf(deployment.spec.template))
        return 'vacuous'
    }
    const old = new Set(sets.filter((set) => set.metadata.name !== name).map((set) => set.metadata.uid))
    const left = listed<Pod>(history, view, 'pods').find((pod) => old.has(controllerOf(pod) ?? '') && !isTerminal(pod))
    if (left !== undefined)
      return { why: `${process} asks for pods of ${name} while ${left.metadata.name} of an old template was still there` }
    return old.size > 0 ? 'notable' : 'holds'
  },
)

export const ROLLOUT: readonly Invariant[] = [withinBounds, boundsInTheWorld, recreateWaits]
