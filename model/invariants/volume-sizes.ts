/** Volumes and claims grow, and never shrink; a claim says no more than there is. SEMANTICS 2.12. */
import { volumeNamedOnNode } from '../components/attachments.ts'
import type { Context, Invariant, Judgement } from '../invariant.ts'
import type { Seen } from '../state/history.ts'
import type { PersistentVolume, PersistentVolumeClaim, ResourceList, StorageClass } from '../state/objects.ts'
import { thousandths } from '../state/quantity.ts'
import { keyOf, resourceOfKey } from '../state/resources.ts'
import { objectOf, watching } from './define.ts'

const sizeOf = (amounts: ResourceList | undefined): number => thousandths(amounts?.['storage'] ?? '0')

/** Whether its class lets volumes grow, or ever did: a server may not have seen a change. */
const mayGrow = ({ spec }: PersistentVolumeClaim, { history }: Context): boolean =>
  history
    .versions(keyOf('storageclasses', undefined, spec.storageClassName ?? ''))
    .some(({ after }) => objectOf<StorageClass>(after)?.allowVolumeExpansion === true)

const judgeAsking = (was: PersistentVolumeClaim, is: PersistentVolumeClaim, key: string, context: Context): Judgement => {
  const [before, after] = [sizeOf(was.spec.resources?.requests), sizeOf(is.spec.resources?.requests)]
  if (after === before) return 'vacuous'
  if (after < before) return after > sizeOf(was.status?.capacity) ? 'holds' : { why: `${key} asks for less, and for no more than it has` }
  if (was.status?.phase !== 'Bound') return { why: `${key} asks for more before it is bound` }
  return mayGrow(is, context) ? 'holds' : { why: `${key} asks for more than its class allows` }
}

/** Volume → how large it is, by the storage back end. */
type Sizes = ReadonlyMap<string, number>

const judgeClaim = ({ before, after, key, author }: Seen<'Commit'>, sizes: Sizes, context: Context): Judgement => {
  const was = objectOf<PersistentVolumeClaim>(before)
  const is = objectOf<PersistentVolumeClaim>(after)
  if (is === undefined) return 'vacuous'
  const [had, has] = [sizeOf(was?.status?.capacity), sizeOf(is.status?.capacity)]
  if (has < had) return { why: `${author} says that ${key} has become smaller` }
  const actual = sizes.get(is.spec.volumeName ?? '')
  if (has > had && actual !== undefined && has > actual) return { why: `${author} says that ${key} is larger than its volume is` }
  const asking = was === undefined ? 'vacuous' : judgeAsking(was, is, key, context)
  if (asking !== 'vacuous') return asking
  return had > 0 && has > had ? 'notable' : 'vacuous'
}

const judgeVolume = ({ before, after, key, author }: Seen<'Commit'>, sizes: Map<string, number>): Judgement => {
  const was = objectOf<PersistentVolume>(before)
  const is = objectOf<PersistentVolume>(after)
  if (is === undefined || is.spec.csi === undefined) return 'vacuous'
  const has = sizeOf(is.spec.capacity)
  if (was === undefined) {
    sizes.set(is.metadata.name, has)
    return 'vacuous'
  }
  const had = sizeOf(was.spec.capacity)
  // What users write by hand is theirs to know.
  if (has === had || author.startsWith('user')) return 'vacuous'
  if (has < had) return { why: `${author} makes ${key} smaller` }
  return has > (sizes.get(is.metadata.name) ?? has) ? { why: `${author} says that ${key} is larger than it is` } : 'holds'
}

const grows: Invariant = watching(
  {
    id: 'VOL-S13',
    sentence:
      'a claim asks for more only when it is bound and its class allows it, never for as little as it has; nothing becomes smaller, or is said to be larger than it is',
    source: 'KEP-1790',
    kind: 'history',
    strength: 'safety',
    sometimes: 'a claim has become larger',
  },
  ['Commit', 'VolumeExpanded'],
  () => {
    const sizes = new Map<string, number>()
    return {
      observe(next, context) {
        if (next.kind === 'VolumeExpanded') {
          sizes.set(volumeNamedOnNode(next.volume), thousandths(next.size))
          return 'vacuous'
        }
        const commit = next as Seen<'Commit'>
        const resource = resourceOfKey(commit.key)
        if (resource === 'persistentvolumeclaims') return judgeClaim(commit, sizes, context)
        return resource === 'persistentvolumes' ? judgeVolume(commit, sizes) : 'vacuous'
      },
    }
  },
)

export const VOLUME_SIZES: readonly Invariant[] = [grows]
