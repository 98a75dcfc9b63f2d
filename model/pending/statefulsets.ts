/** StatefulSets. */
import { isInRange, ordinalOf, partitionOf } from '../components/ordinals.ts'
import { REVISION } from '../components/template.ts'
import type { Pending } from '../invariant.ts'
import type { Pod } from '../state/objects.ts'
import type { StatefulSet } from '../state/stateful.ts'
import { all, beingDeleted, isEnding, isLost, isReady, isTerminal, label, podsOf, type Waiting } from './picture.ts'

export const statefulSetsPending: Waiting = (picture) =>
  all<StatefulSet>(picture, 'statefulsets').flatMap((set) => {
    const { metadata, spec, status } = set
    const own = podsOf(picture, set).filter((pod) => !isTerminal(pod))
    if (isEnding(set)) return [beingDeleted(picture, set, own)]
    // Nobody can say that it has ended, so nobody may take its place.
    const stuck = picture.pods.find((pod) => isEnding(pod) && isLost(picture, pod.spec.nodeName ?? '') && isNamedBy(set, pod))
    const waitsForPods = own.some((pod) => picture.blocked.get(pod.metadata.uid) === true)
    const row = (waitsFor: string): readonly Pending[] => [
      {
        object: label(set),
        waitsFor: stuck === undefined ? waitsFor : `${waitsFor} (${stuck.metadata.name} cannot end: ${stuck.spec.nodeName} is lost)`,
        blocked: waitsForPods || stuck !== undefined,
        derived: waitsForPods && stuck === undefined,
      },
    ]
    if ((status.observedGeneration ?? 0) < (metadata.generation ?? 0)) return row('its controller to see its latest change')
    const replicas = own.filter((pod) => !isEnding(pod) && isInRange(set, ordinalOf(pod.metadata.name)))
    if (replicas.length !== spec.replicas) return row(`${spec.replicas} pods: it has ${replicas.length}`)
    if (own.length !== spec.replicas) return row(`pods that it does not want to end: ${own.length - spec.replicas} are left`)
    const ready = replicas.filter(isReady).length
    if (ready !== spec.replicas) return row(`${spec.replicas} pods to be ready: ${ready} are`)
    const late = replicas.find((pod) => isToBeUpdated(set, pod))
    if (late !== undefined) return row(`${late.metadata.name} to be made anew from its current template`)
    const { replicas: told, readyReplicas = 0, availableReplicas = 0 } = status
    return [told, readyReplicas, availableReplicas].every((count) => count === spec.replicas)
      ? []
      : row('its status to agree with its pods')
  })

/** With OnDelete it waits for its user. */
const isToBeUpdated = (set: StatefulSet, pod: Pod): boolean =>
  set.spec.updateStrategy.type === 'RollingUpdate' &&
  ordinalOf(pod.metadata.name) >= partitionOf(set) &&
  pod.metadata.labels?.[REVISION] !== set.status.updateRevision

/** One of an earlier set of that name as well: the name is taken. */
const isNamedBy = ({ metadata }: StatefulSet, pod: Pod): boolean =>
  pod.metadata.namespace === metadata.namespace && pod.metadata.name === `${metadata.name}-${ordinalOf(pod.metadata.name)}`
