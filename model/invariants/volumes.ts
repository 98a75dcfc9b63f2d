/** Storage: claims and volumes belong together one to one, fit, and outlive their users. SEMANTICS 2.12. */
import { attachmentsIn } from '../components/attachments.ts'
import { isTerminal } from '../components/objects.ts'
import { claimNames, fits, reaches } from '../components/scheduling/volumes.ts'
import type { Context, Invariant, Judgement } from '../invariant.ts'
import { STILL_ATTACHED } from '../pending/claims.ts'
import type { Seen } from '../state/history.ts'
import type { Node, PersistentVolume, PersistentVolumeClaim, Pod, StorageClass } from '../state/objects.ts'
import { keyOf, prefixOf, resourceOfKey } from '../state/resources.ts'
import { each, eachCommit, had, objectOf, safety, settles } from './define.ts'

const BINDER = 'kubernetes pkg/controller/volume/persistentvolume/pv_controller.go'
const DOCS = 'https://kubernetes.io/docs/concepts/storage/persistent-volumes/'
/** How long a cache may lag. */
const LAG_MS = 60_000
const SELECTED_NODE = 'volume.kubernetes.io/selected-node'
const PROVISIONED_BY = 'pv.kubernetes.io/provisioned-by'

const claimNamed = ({ cluster }: Context, namespace: string | undefined, name: string): PersistentVolumeClaim | undefined =>
  objectOf(cluster.store.get(keyOf('persistentvolumeclaims', namespace, name)))
const volumeNamed = ({ cluster }: Context, name: string): PersistentVolume | undefined =>
  objectOf(cluster.store.get(keyOf('persistentvolumes', undefined, name)))
const all = function* <T>({ cluster }: Context, resource: string): Generator<T> {
  for (const [key, { value }] of cluster.store) if (key.startsWith(prefixOf(resource))) yield value as T
}

const judgeVolume = ({ before, after, key, author }: Seen<'Commit'>): Judgement => {
  const from = objectOf<PersistentVolume>(before)?.spec.claimRef?.uid
  const is = objectOf<PersistentVolume>(after)?.spec.claimRef
  if (from === undefined || is?.uid === undefined) return 'vacuous'
  return from === is.uid ? 'holds' : { why: `${author} gives ${key} to ${is.namespace}/${is.name} while it belongs to ${from}` }
}

const judgeBinding = ({ before, after, key, author }: Seen<'Commit'>, context: Context): Judgement => {
  const was = objectOf<PersistentVolumeClaim>(before)
  const is = objectOf<PersistentVolumeClaim>(after)
  const name = is?.spec.volumeName ?? ''
  if (is === undefined || name === '') return 'vacuous'
  const from = was?.spec.volumeName ?? ''
  if (from !== '' && from !== name) return { why: `${author} moves ${key} from the volume ${from} to ${name}` }
  if (is.status?.phase !== 'Bound' || was?.status?.phase === 'Bound') return 'holds'
  const owner = volumeNamed(context, name)?.spec.claimRef
  if (owner?.uid !== is.metadata.uid)
    return { why: `${author} says ${key} is bound to ${name}, which belongs to ${owner?.name ?? 'nobody'}` }
  for (const other of all<PersistentVolumeClaim>(context, 'persistentvolumeclaims'))
    if (other.metadata.uid !== is.metadata.uid && other.spec.volumeName === name && other.status?.phase === 'Bound')
      return { why: `${key} and ${other.metadata.namespace}/${other.metadata.name} are both bound to ${name}` }
  return 'notable'
}

const oneToOne = eachCommit(
  {
    id: 'VOL-S1',
    sentence: 'a claim has one volume and a volume one claim: neither changes hands while it is held',
    source: BINDER,
    sometimes: 'a claim is bound',
    ...safety,
  },
  null,
  (seen, context) => {
    const resource = resourceOfKey(seen.key)
    if (resource === 'persistentvolumes') return judgeVolume(seen)
    return resource === 'persistentvolumeclaims' ? judgeBinding(seen, context) : 'vacuous'
  },
)

const fitting = each(
  {
    id: 'VOL-S2',
    sentence: 'a container starts when all claims of its pod are bound, each to a volume that fits it and reaches the node',
    source: DOCS,
    sometimes: 'its pod has claims',
    ...safety,
  },
  'ContainerStarted',
  ({ pod: uid, node: on, podName }, context) => {
    const { cluster } = context
    for (const pod of all<Pod>(context, 'pods')) {
      if (pod.metadata.uid !== uid) continue
      const node = objectOf<Node>(cluster.store.get(keyOf('nodes', undefined, on)))
      for (const name of claimNames(pod)) {
        const claim = claimNamed(context, pod.metadata.namespace, name)
        if (claim?.status?.phase !== 'Bound') return { why: `${podName} starts on ${on} though its claim ${name} is not bound` }
        const volume = volumeNamed(context, claim.spec.volumeName ?? '')
        if (volume === undefined || (volume.metadata.deletionTimestamp === undefined && !fits(volume, claim)))
          return { why: `${podName} starts on ${on} with the claim ${name}, whose volume ${claim.spec.volumeName} does not fit it` }
        if (node !== undefined && !reaches(volume, node))
          return { why: `${podName} starts on ${on}, which its volume ${volume.metadata.name} does not reach` }
      }
      return claimNames(pod).length > 0 ? 'notable' : 'vacuous'
    }
    return 'vacuous'
  },
)

const inUse = eachCommit(
  {
    id: 'VOL-S8',
    sentence: 'a claim that is deleted stays until nothing runs any more of the pods that use it, a volume until its claim is gone',
    source: 'kubernetes pkg/controller/volume/pvcprotection',
    sometimes: 'one goes that had been used',
    ...safety,
  },
  null,
  ({ before, after, key }, context) => {
    const resource = resourceOfKey(key)
    if (after !== null) return 'vacuous'
    if (resource === 'persistentvolumes') {
      const { claimRef } = (objectOf<PersistentVolume>(before) as PersistentVolume).spec
      const claim = claimRef === undefined ? undefined : claimNamed(context, claimRef.namespace, claimRef.name)
      const held = claim !== undefined && claim.metadata.uid === claimRef?.uid && claim.status?.phase === 'Bound'
      return held ? { why: `${key} is gone while ${claimRef?.name} is bound to it` } : 'holds'
    }
    if (resource !== 'persistentvolumeclaims') return 'vacuous'
    const { metadata, status } = objectOf<PersistentVolumeClaim>(before) as PersistentVolumeClaim
    const running = new Set([...context.cluster.running.values()].map(({ pod }) => pod))
    for (const pod of all<Pod>(context, 'pods')) {
      const mine = pod.metadata.namespace === metadata.namespace && claimNames(pod).includes(metadata.name)
      if (mine && !isTerminal(pod) && running.has(pod.metadata.uid))
        return { why: `${key} is gone while ${pod.metadata.name} runs with it` }
    }
    return status?.phase === 'Bound' ? 'notable' : 'holds'
  },
)

const reclaimed = eachCommit(
  {
    id: 'VOL-S9',
    sentence: 'a volume is deleted by the system only if it was made for a claim that is gone, is to go with it, and is attached nowhere',
    source: `${DOCS}#reclaiming`,
    sometimes: 'one is',
    ...safety,
  },
  'persistentvolumes',
  ({ before, after, key, author }, context) => {
    const was = objectOf<PersistentVolume>(before)
    const is = objectOf<PersistentVolume>(after)
    const ends = is === undefined || is.metadata.deletionTimestamp !== undefined
    if (was === undefined || was.metadata.deletionTimestamp !== undefined || !ends || !author.startsWith('kube-')) return 'vacuous'
    const { claimRef, persistentVolumeReclaimPolicy } = was.spec
    if (persistentVolumeReclaimPolicy !== 'Delete') return { why: `${author} deletes ${key}, which is to be retained` }
    const claim = claimRef === undefined ? undefined : claimNamed(context, claimRef.namespace, claimRef.name)
    // One that was made in vain may go: its claim has another.
    const holds = claim?.metadata.uid === claimRef?.uid && claim?.spec.volumeName === was.metadata.name
    if (holds) return { why: `${author} deletes ${key}, whose claim ${claimRef?.name} is there` }
    const at = attachmentsIn(context.cluster).find(({ spec }) => spec.source.persistentVolumeName === was.metadata.name)
    return at === undefined ? 'notable' : { why: `${author} deletes ${key}, which is attached to ${at.spec.nodeName}` }
  },
)

const consumerFirst = eachCommit(
  {
    id: 'VOL-S10',
    sentence: 'a claim whose class waits for its first consumer gets a volume only when a pod that uses it has been given a node',
    source: 'https://kubernetes.io/docs/concepts/storage/storage-classes/#volume-binding-mode',
    sometimes: 'it does',
    ...safety,
  },
  'persistentvolumes',
  ({ before, after, key, author, atMs }, context) => {
    const was = objectOf<PersistentVolume>(before)
    const is = objectOf<PersistentVolume>(after)
    const ref = is?.spec.claimRef
    // Its user meant it for this claim.
    if (ref?.uid === undefined || was?.spec.claimRef !== undefined || author.startsWith('user')) return 'vacuous'
    const classKey = keyOf('storageclasses', undefined, is?.spec.storageClassName ?? '')
    const storageClass = objectOf<StorageClass>(context.cluster.store.get(classKey))
    if (storageClass?.volumeBindingMode !== 'WaitForFirstConsumer') return 'vacuous'
    if (author.startsWith('kube-scheduler')) return 'notable'
    const versions = context.history.versions(keyOf('persistentvolumeclaims', ref.namespace, ref.name))
    const chosen = versions.some(({ after: version }) => {
      const claim = objectOf<PersistentVolumeClaim>(version)
      return claim !== undefined && claim.metadata.uid === ref.uid && claim.metadata.annotations?.[SELECTED_NODE] !== undefined
    })
    if (chosen) return 'notable'
    // Where its class is made after the claim, whoever binds it may not have seen the class yet: then nothing is to be waited for.
    const classMs = context.history.versions(classKey)[0]?.atMs ?? 0
    if (classMs > (versions[0]?.atMs ?? 0) && atMs - classMs < LAG_MS) return 'vacuous'
    return { why: `${author} gives ${key} to ${ref.name}, for which no node was chosen yet` }
  },
)

const madeOnce = eachCommit(
  {
    id: 'VOL-S11',
    sentence: 'for a claim one volume is made at most, however often that is tried',
    source: BINDER,
    sometimes: 'one is made',
    ...safety,
  },
  'persistentvolumes',
  ({ before, after, key }, context) => {
    const made = objectOf<PersistentVolume>(after)
    const { uid } = made?.spec.claimRef ?? {}
    const isMade = ({ metadata }: PersistentVolume): boolean => metadata.annotations?.[PROVISIONED_BY] !== undefined
    if (before !== null || made === undefined || uid === undefined || !isMade(made)) return 'vacuous'
    for (const other of all<PersistentVolume>(context, 'persistentvolumes'))
      if (other.metadata.name !== made.metadata.name && isMade(other) && other.spec.claimRef?.uid === uid)
        return { why: `${key} and ${other.metadata.name} were both made for ${made.spec.claimRef?.name}` }
    return 'notable'
  },
)

export const VOLUMES: readonly Invariant[] = [
  oneToOne,
  fitting,
  inUse,
  reclaimed,
  consumerFirst,
  madeOnce,
  settles(
    {
      id: 'VOL-L1',
      sentence: 'a claim that some volume fits, or that one is made for, is bound; what was made for claims that are gone goes',
      source: DOCS,
      sometimes: 'there was one',
    },
    (object, waitsFor) => object.startsWith('PersistentVolume') && !waitsFor.endsWith(STILL_ATTACHED),
    had('persistentvolumeclaims'),
  ),
]
