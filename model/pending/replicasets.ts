/** ReplicaSets. */
import { refused } from './refused.ts'
import type { Pending } from '../invariant.ts'
import { selectorOf, type Replicating } from '../state/replication.ts'
import { matchesLabels } from '../state/selector.ts'
import { beingDeleted, conditionOf, controllerOf, isEnding, isReady, isTerminal, label, podsOf, type Waiting } from './picture.ts'

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
    const fails = conditionOf(status.conditions, 'ReplicaFailure')?.status === 'True'
    if (why !== null) {
      const silent = fails ? [] : [{ object: label(set), waitsFor: 'its status to say that its pods are refused', blocked: false }]
      return [{ object: label(set), waitsFor: why, blocked: true }, ...silent]
    }
    if (own.length > spec.replicas) return row(`its surplus to end: it wants ${spec.replicas} pods and it has ${own.length}`)
    if (own.length < spec.replicas) return row(`${spec.replicas} pods: it has ${own.length}`)
    if ((status.observedGeneration ?? 0) < (metadata.generation ?? 0)) return row('its controller to see its latest change')
    if (ready !== spec.replicas) return row(`${spec.replicas} pods to be ready: ${ready} are`)
    const agrees = status.replicas === spec.replicas && (status.readyReplicas ?? 0) === ready && (status.availableReplicas ?? 0) === ready
    if (!agrees) return row('its status to agree with its pods')
    return fails ? row('its status to say no more that its pods cannot be made or deleted') : []
  })

/** Pods without an owner that a set would take. */
export const orphansPending: Waiting = ({ pods, sets }) =>
  pods.flatMap((pod) => {
    if (isTerminal(pod) || isEnding(pod) || controllerOf(pod) !== undefined) return []
    const wants = (set: Replicating): boolean =>
      !isEnding(set) && set.metadata.namespace === pod.metadata.namespace && matchesLabels(selectorOf(set), pod.metadata.labels)
    const taker = sets.find(wants)
    return taker === undefined ? [] : [{ object: label(pod), waitsFor: `its adoption by ${label(taker)}`, blocked: false }]
  })
