/** What lasts of a StatefulSet's pods: one of each name at a time, its labels, its claims, its template. SEMANTICS 2.6. */
import { claimsOf, isInRange, ordinalOf, partitionOf } from '../components/ordinals.ts'
import type { Context, Invariant, Judgement } from '../invariant.ts'
import type { StoreHistory } from '../state/cluster.ts'
import type { Seen } from '../state/history.ts'
import type { Namespace, OwnerReference, PersistentVolumeClaim, Pod } from '../state/objects.ts'
import { keyOf, resourceOfKey } from '../state/resources.ts'
import type { StatefulSet } from '../state/stateful.ts'
import { controllerOf } from '../components/objects.ts'
import { eachCommit, objectOf, safety, viewed, watching } from './define.ts'
import { isOfTemplate, revisionNamed, revisionOf } from './revisions.ts'

const UTILS = 'kubernetes pkg/controller/statefulset/stateful_set_utils.go'
const MANAGER = 'kube-controller-manager'

const ownerOf = (pod: Pod | undefined): OwnerReference | undefined =>
  pod?.metadata.ownerReferences?.find((ref) => ref.controller === true && ref.kind === 'StatefulSet')

/** The set that owns a pod, as it was last. */
const setOf = (history: StoreHistory, pod: Pod, { name, uid }: OwnerReference): StatefulSet | undefined =>
  versionsOf(history, pod.metadata.namespace, name, uid).at(-1)
const versionsOf = (history: StoreHistory, namespace: string | undefined, name: string, uid: string): readonly StatefulSet[] =>
  history.versions(keyOf('statefulsets', namespace, name)).flatMap(({ after }) => {
    const set = objectOf<StatefulSet>(after)
    return set?.metadata.uid === uid ? [set] : []
  })

const oneOfEach: Invariant = watching(
  {
    id: 'STS-S1',
    sentence: 'of each pod name of a StatefulSet one runs at most, unless somebody forced an earlier one out of the API',
    source: 'https://kubernetes.io/docs/tasks/run-application/force-delete-stateful-set-pod/, kubernetes#59848',
    sometimes: 'a pod runs whose name another had before it',
    ...safety,
    kind: 'history',
  },
  ['Commit', 'Decision', 'ContainerStarted'],
  () => {
    /** Pod uid → the set and name it is of. */
    const identities = new Map<string, string>()
    /** Pods of which nobody confirmed that they had ended: their user's choice, or their node's removal. */
    const forced = new Set<string>()
    const ran = new Map<string, string>()
    return {
      observe(next, { cluster }) {
        if (next.kind === 'Decision') {
          if (next.choice.kind === 'ForceDeletePod') forced.add(next.choice.pod.uid)
          return 'vacuous'
        }
        if (next.kind === 'Commit') {
          if (resourceOfKey(next.key) !== 'pods') return 'vacuous'
          const pod = objectOf<Pod>(next.after ?? next.before)
          const owner = ownerOf(pod)
          if (pod !== undefined && owner !== undefined) identities.set(pod.metadata.uid, `${owner.uid}/${pod.metadata.name}`)
          if (next.after === null && pod !== undefined && next.author.startsWith('user')) forced.add(pod.metadata.uid)
          return 'vacuous'
        }
        if (next.kind !== 'ContainerStarted') return 'vacuous'
        const identity = identities.get(next.pod)
        if (identity === undefined) return 'vacuous'
        const other = [...cluster.running.values()].find(
          ({ pod }) => pod !== next.pod && identities.get(pod) === identity && !forced.has(pod) && !forced.has(next.pod),
        )
        if (other !== undefined)
          return { why: `${next.podName} runs as ${next.pod} on ${next.node} while it still runs as ${other.pod} on ${other.node}` }
        const before = ran.get(identity)
        ran.set(identity, next.pod)
        return before === undefined || before === next.pod ? 'holds' : 'notable'
      },
    }
  },
)

const identity = eachCommit(
  {
    id: 'STS-S5',
    sentence: 'a pod of a StatefulSet has the host name, labels and claims of its name, and its claims were made before it',
    source: UTILS,
    sometimes: 'it has claims',
    ...safety,
  },
  'pods',
  ({ before, after, key }, { history }) => {
    const pod = before === null ? objectOf<Pod>(after) : undefined
    const owner = ownerOf(pod)
    const set = pod === undefined || owner === undefined ? undefined : setOf(history, pod, owner)
    if (pod === undefined || set === undefined) return 'vacuous'
    const { name, namespace, labels } = pod.metadata
    const ordinal = ordinalOf(name)
    if (name !== `${set.metadata.name}-${ordinal}`) return { why: `${key} is not named after ${set.metadata.name} and an ordinal` }
    const facts: readonly (readonly [string, string | undefined, string])[] = [
      ['host name', pod.spec.hostname, name],
      ['subdomain', pod.spec.subdomain ?? '', set.spec.serviceName ?? ''],
      ['label pod-name', labels?.['statefulset.kubernetes.io/pod-name'], name],
      ['label pod-index', labels?.['apps.kubernetes.io/pod-index'], String(ordinal)],
    ]
    const wrong = facts.find(([, is, wanted]) => is !== wanted)
    if (wrong !== undefined) return { why: `${key} has the ${wrong[0]} ${wrong[1]}, not ${wrong[2]}` }
    const wanted = claimsOf(set, name)
    const named = (pod.spec.volumes ?? []).flatMap(({ persistentVolumeClaim }) => persistentVolumeClaim?.claimName ?? [])
    for (const claim of wanted) {
      if (!named.includes(claim)) return { why: `${key} does not use its claim ${claim}` }
      if (history.versions(keyOf('persistentvolumeclaims', namespace, claim)).length === 0)
        return { why: `${key} was made before its claim ${claim}` }
    }
    return wanted.length > 0 ? 'notable' : 'holds'
  },
)

/** Why a claim may not be given these owners; null: it may, or nothing says it may not. */
const notToOwn = (claim: PersistentVolumeClaim, owner: OwnerReference, { history }: Context): string | null => {
  const { namespace } = claim.metadata
  if (owner.kind === 'StatefulSet') {
    const versions = versionsOf(history, namespace, owner.name, owner.uid)
    const asked = versions.some(({ spec }) => spec.persistentVolumeClaimRetentionPolicy.whenDeleted === 'Delete')
    return asked ? null : `goes with the set ${owner.name}, which retains its claims when it is deleted`
  }
  if (owner.kind !== 'Pod') return null
  const pod = objectOf<Pod>(history.versions(keyOf('pods', namespace, owner.name)).findLast(({ after }) => after !== null)?.after)
  const set = ownerOf(pod)
  if (set === undefined) return null
  const asked = versionsOf(history, namespace, set.name, set.uid).some(
    (version) => version.spec.persistentVolumeClaimRetentionPolicy.whenScaled === 'Delete' && !isInRange(version, ordinalOf(owner.name)),
  )
  return asked ? null : `goes with the pod ${owner.name}, whose set retains its claims, or wants that pod`
}

const isTerminating = ({ cluster }: Context, namespace: string | undefined): boolean =>
  objectOf<Namespace>(cluster.store.get(keyOf('namespaces', undefined, namespace ?? '')))?.metadata.deletionTimestamp !== undefined

const judgeClaim = ({ before, after, key, author }: Seen<'Commit'>, context: Context): Judgement => {
  const was = objectOf<PersistentVolumeClaim>(before)
  const is = objectOf<PersistentVolumeClaim>(after)
  if (was === undefined || !author.startsWith(MANAGER)) return 'vacuous'
  const ends = was.metadata.deletionTimestamp === undefined && (is === undefined || is.metadata.deletionTimestamp !== undefined)
  const owners = was.metadata.ownerReferences ?? []
  if (ends && owners.length === 0 && !isTerminating(context, was.metadata.namespace))
    return { why: `${author} deletes ${key}, which nobody said goes with anything` }
  const fresh = (is?.metadata.ownerReferences ?? []).filter(({ uid }) => owners.every((owner) => owner.uid !== uid))
  for (const owner of fresh) {
    const why = notToOwn(was, owner, context)
    if (why !== null) return { why: `${author} lets ${key} end: it ${why}` }
  }
  return ends || fresh.length > 0 ? 'notable' : 'vacuous'
}

const claimsStay = eachCommit(
  {
    id: 'STS-S6',
    sentence: 'claims of a StatefulSet outlive their pods and the set, unless its retention policy says otherwise',
    source: 'https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#persistentvolumeclaim-retention, KEP-1847',
    sometimes: 'a claim is to go by its policy, or a pod goes whose claims stay',
    ...safety,
  },
  null,
  (seen, context) => {
    const resource = resourceOfKey(seen.key)
    if (resource === 'persistentvolumeclaims') return judgeClaim(seen, context)
    if (resource !== 'pods' || seen.after !== null) return 'vacuous'
    const pod = objectOf<Pod>(seen.before)
    const owner = ownerOf(pod)
    const set = pod === undefined || owner === undefined ? undefined : setOf(context.history, pod, owner)
    if (pod === undefined || set === undefined) return 'vacuous'
    const there = (claim: string): boolean => context.cluster.store.has(keyOf('persistentvolumeclaims', pod.metadata.namespace, claim))
    const claims = claimsOf(set, pod.metadata.name)
    return claims.length > 0 && claims.every(there) ? 'notable' : 'holds'
  },
)

/** The template a pod was to be made of; null: any. */
const judgeTemplate = (set: StatefulSet, pod: Pod, history: StoreHistory): string | null => {
  const { name, namespace } = pod.metadata
  const label = revisionOf(pod)
  const revision = revisionNamed(history, namespace, label)
  if (revision === undefined) return `${name} is made of the revision ${label}, which is not there`
  const images = (containers: Pod['spec']['containers']): string => containers.map(({ image = '' }) => image).join(',')
  if (images(revision.data.spec.template.spec.containers) !== images(pod.spec.containers))
    return `${name} is said to be of ${label}, but is of another template`
  const { currentRevision } = set.status
  const stays = set.spec.updateStrategy.type === 'RollingUpdate' && ordinalOf(name) < partitionOf(set) && currentRevision !== undefined
  if (stays) return label === currentRevision ? null : `${name} is below the partition and made of ${label}, not of ${currentRevision}`
  return isOfTemplate(revision, set.spec.template) ? null : `${name} is made of ${label}, which is not the current template`
}

/** Why a set may not say now that an update is complete. */
const judgeCompletion = ({ spec, status, metadata }: StatefulSet): string | null => {
  const { replicas, updatedReplicas, readyReplicas, currentRevision, updateRevision } = status
  const complete = [replicas, updatedReplicas, readyReplicas].every((count) => count === spec.replicas)
  return complete && currentRevision === updateRevision
    ? null
    : `${metadata.name} says it is all of ${currentRevision}: of ${spec.replicas} it has ${replicas}, ${updatedReplicas} updated, ${readyReplicas} ready`
}

const revisions: Invariant = watching(
  {
    id: 'STS-S7',
    sentence:
      'pods below the partition are made of the current revision and others of the newest; the current one moves only when all are updated and ready',
    source: UTILS,
    sometimes: 'an update is complete, or a pod is made again below the partition',
    ...safety,
    kind: 'history',
  },
  ['Decision', 'Commit'],
  () => {
    /** process/namespace/pod → the sets that it decided by to make it: a request may take effect later than the next is decided. */
    const decided = new Map<string, StatefulSet[]>()
    return {
      observe(next, { history }) {
        if (next.kind === 'Decision') {
          const { choice, view, process } = next
          if (choice.kind !== 'CreatePod' || choice.owner.resource !== 'statefulsets') return 'vacuous'
          const set = viewed<StatefulSet>(history, view, choice.owner)
          const place = `${process}/${choice.owner.namespace}/${choice.name}`
          if (set !== undefined) decided.set(place, [...(decided.get(place) ?? []), set])
          return 'vacuous'
        }
        if (next.kind !== 'Commit') return 'vacuous'
        const { key, before, after, author } = next
        const resource = resourceOfKey(key)
        if (resource === 'pods' && before === null) {
          const pod = objectOf<Pod>(after)
          const sets = decided.get(`${author}/${pod?.metadata.namespace}/${pod?.metadata.name}`)
          if (pod === undefined || sets === undefined) return 'vacuous'
          const reasons = sets.map((set) => judgeTemplate(set, pod, history))
          const [why] = reasons
          if (why !== undefined && why !== null && !reasons.includes(null)) return { why: `${author} makes ${key}: ${why}` }
          return sets.some((set) => ordinalOf(pod.metadata.name) < partitionOf(set)) ? 'notable' : 'holds'
        }
        if (resource !== 'statefulsets') return 'vacuous'
        const was = objectOf<StatefulSet>(before)
        const is = objectOf<StatefulSet>(after)
        const from = was?.status.currentRevision
        if (from === undefined || is === undefined || from === is.status.currentRevision) return 'vacuous'
        // Nothing tells any more what it was; nor does one that a set of the same name left behind, which will go with it.
        const known = objectOf(history.versions(keyOf('controllerrevisions', is.metadata.namespace, from)).at(-1)?.after)
        if (known === undefined || controllerOf(known) !== is.metadata.uid) return 'vacuous'
        const why = judgeCompletion(is)
        return why === null ? 'notable' : { why: `${author}: ${why}` }
      },
    }
  },
)

export const STATEFUL_IDENTITY: readonly Invariant[] = [oneOfEach, identity, claimsStay, revisions]
