/** ReplicaSets. */
import { refused } from './refused.ts'
import type { Pending } from '../invariant.ts'
import { beingDeleted, isEnding, isReady, isTerminal, label, podsOf, type Waiting } from './picture.ts'

export const setsPending: Waiting = (picture) =>
  picture.sets.flatMap((set) => {
    const { metadata, spec, status } = set
    if (isEnding(set)) return [beingDeleted(picture, set, podsOf(picture, set))]
    const own = podsOf(picture, set).filter((pod) => !isTerminal(pod) && !isEnding(pod))
    const waitsForPods = own.some((pod) => picture.blocked.get(pod.metadata.uid) === true)
    const ready = own.filter(isReady).length
    const row = (waitsFor: string): readonly Pending[] => [{ object: label(set), waitsFor, blocked: waitsForPods, derived: waitsForPods }]
    const why = own.length < spec.replicas ? refused(picture, spec.template, set) : null
    if (why !== null) picture.blocked.set(metadata.uid, true)
    if (why !== null) return [{ object: label(set), waitsFor: why, blocked: true }]
    if (own.length !== spec.replicas) return row(`${spec.replicas} pods: it has ${own.length}`)
    if ((status.observedGeneration ?? 0) < (metadata.generation ?? 0)) return row('its controller to see its latest change')
    if (ready !== spec.replicas) return row(`${spec.replicas} pods to be ready: ${ready} are`)
    const agrees = status.replicas === spec.replicas && (status.readyReplicas ?? 0) === ready && (status.availableReplicas ?? 0) === ready
    return agrees ? [] : row('its status to agree with its pods')
  })
