/** A claim that is for one pod: the scheduler gives no second one a node, a kubelet mounts it for no second one. SEMANTICS 2.12. */
import { isForOnePod, volumeNamedOnNode } from '../components/attachments.ts'
import { objectOf as seenObject } from '../components/scheduling/scene.ts'
import { claimNames } from '../components/scheduling/volumes.ts'
import type { Context, Invariant, Judgement } from '../invariant.ts'
import type { Seen } from '../state/history.ts'
import type { PersistentVolume, PersistentVolumeClaim, Pod } from '../state/objects.ts'
import { keyOf } from '../state/resources.ts'
import { NOTED, VolumeNotes } from './attachments.ts'
import { objectOf, watching } from './define.ts'
import { decided, isScheduling } from './scheduling/decided.ts'

const ONE_POD = 'ReadWriteOncePod'

/** As the scheduler saw it, with the pods that it counts on nodes already. */
const judgeBinding = (seen: Seen<'Decision'>, { history }: Context): Judgement => {
  if (!isScheduling(seen) || seen.choice.kind !== 'Bind') return 'vacuous'
  const { pod, scene, pods } = decided(seen, history)
  if (pod === undefined) return 'vacuous'
  const { name, namespace } = pod.metadata
  const isAlone = (claim: string): boolean =>
    seenObject<PersistentVolumeClaim>(scene, 'PersistentVolumeClaim', claim, namespace)?.spec.accessModes?.includes(ONE_POD) === true
  const claims = claimNames(pod).filter(isAlone)
  if (claims.length === 0) return 'vacuous'
  const uses = (other: Pod): boolean => other.metadata.namespace === namespace && claimNames(other).some((claim) => claims.includes(claim))
  const nodes = new Set(scene.nodes.map(({ metadata }) => metadata.name))
  const user = scene.pods.find((other) => nodes.has(other.spec.nodeName ?? '') && uses(other))
  if (user !== undefined)
    return { why: `${seen.process} binds ${name}, whose claim is for one pod and in use by ${user.metadata.name} on ${user.spec.nodeName}` }
  return pods.some((other) => other !== pod && uses(other)) ? 'notable' : 'holds'
}

const judgeMount = ({ volume, node, pod }: Seen<'VolumeMounted'>, { cluster }: Context, notes: VolumeNotes): Judgement => {
  const object = objectOf<PersistentVolume>(cluster.store.get(keyOf('persistentvolumes', undefined, volumeNamedOnNode(volume))))
  if (object === undefined || !isForOnePod(object)) return 'vacuous'
  const other = [...notes.podsWith(volume, node)].find((uid) => uid !== pod)
  if (other !== undefined) return { why: `${node} mounts ${volume}, which is for one pod, for pod ${pod} while pod ${other} has it` }
  return notes.wasMounted(volume, node) ? 'notable' : 'holds'
}

export const SINGLE_POD_CLAIMS: readonly Invariant[] = [
  watching(
    {
      id: 'VOL-S7',
      sentence:
        'a pod is bound only if no other pod on a node that is there uses a claim of it that is for one pod, as the scheduler sees it, and such a volume is mounted for one pod at a time',
      source: 'KEP-2485',
      kind: 'history',
      strength: 'safety',
      sometimes: 'another pod wants it too, or had it there before',
    },
    NOTED,
    () => {
      const notes = new VolumeNotes()
      return {
        observe(next, context) {
          const judgement =
            next.kind === 'Decision'
              ? judgeBinding(next, context)
              : next.kind === 'VolumeMounted'
                ? judgeMount(next as Seen<'VolumeMounted'>, context, notes)
                : 'vacuous'
          notes.observe(next)
          return judgement
        },
      }
    },
  ),
]
