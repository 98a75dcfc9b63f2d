/** Deployments. */
import type { Pending } from '../invariant.ts'
import type { Deployment } from '../state/objects.ts'
import { all, beingDeleted, controllerOf, isEnding, isLost, label, type Waiting } from './picture.ts'

const surgeOf = ({ spec }: Deployment): number => {
  const { maxSurge = 0 } = spec.strategy.rollingUpdate ?? {}
  return typeof maxSurge === 'number' ? maxSurge : Math.ceil((Number.parseFloat(maxSurge) * spec.replicas) / 100)
}

export const deploymentsPending: Waiting = (picture) =>
  all<Deployment>(picture, 'deployments').flatMap((deployment) => {
    const { metadata, spec, status } = deployment
    const own = picture.sets.filter((set) => controllerOf(set) === metadata.uid)
    const uids = new Set(own.map((set) => set.metadata.uid))
    const pods = picture.pods.filter((pod) => uids.has(controllerOf(pod) ?? ''))
    if (isEnding(deployment)) return [beingDeleted(picture, deployment, pods)]
    const waitsForPods =
      pods.some((pod) => picture.blocked.get(pod.metadata.uid) === true) ||
      own.some((set) => picture.blocked.get(set.metadata.uid) === true)
    const stuck = pods.find((pod) => isEnding(pod) && isLost(picture, pod.spec.nodeName ?? ''))
    const waitsForNode = (spec.podReplacementPolicy === 'TerminationComplete' || spec.strategy.type === 'Recreate') && stuck !== undefined
    const row = (waitsFor: string): readonly Pending[] => [
      {
        object: label(deployment),
        waitsFor: waitsForNode ? `${waitsFor} (${stuck.metadata.name} cannot end: ${stuck.spec.nodeName} is lost)` : waitsFor,
        blocked: waitsForPods || waitsForNode,
        derived: waitsForPods && !waitsForNode,
      },
    ]
    if ((status.observedGeneration ?? 0) < (metadata.generation ?? 0)) return row('its controller to see its latest change')
    const { updatedReplicas = 0, availableReplicas = 0, replicas = 0 } = status
    // One that was paused before it had a set gets none.
    if (spec.paused === true && own.length === 0) return []
    // A paused rollout stays where it is; only the number of replicas is kept, of two templates within the surge.
    if (spec.paused === true)
      return replicas >= spec.replicas && replicas <= spec.replicas + surgeOf(deployment)
        ? []
        : row(`${spec.replicas} replicas: it has ${replicas}`)
    if (updatedReplicas !== spec.replicas) return row(`${spec.replicas} replicas of its current template: ${updatedReplicas} are`)
    if (replicas !== spec.replicas) return row(`old replicas to end: ${replicas - updatedReplicas} are left`)
    return availableReplicas === spec.replicas ? [] : row(`${spec.replicas} replicas to be available: ${availableReplicas} are`)
  })
