/**
 * Pods leave a node with a NoExecute taint once they have tolerated it: that is said of them first, then they are deleted.
 *
 * Time is left out: what is tolerated for a while may be over at any moment. So every order of events that some length of
 * that while allows is there; a taint that goes before keeps them, as far as it is seen.
 * Source: kubernetes pkg/controller/tainteviction
 */
import type { Node, Pod } from '../state/objects.ts'
import { conditionOf, isDeleting, withCondition } from './objects.ts'
import { asks, client, MANAGER, refOf, removal } from './request.ts'
import { noExecuteTaints, toleratedMs } from './tolerated.ts'
import { seen } from './view.ts'

export const DISRUPTED = 'DisruptionTarget'

/** By how long a pod tolerates taints. */
export const evictingAfter = (tolerates: typeof toleratedMs): ReturnType<typeof client> =>
  client('taint-eviction', (system) => {
    const nodes = seen<Node>(system, MANAGER, 'nodes').map(({ value }) => value)
    return seen<Pod>(system, MANAGER, 'pods').flatMap((held) => {
      const { value: pod } = held
      const node = nodes.find(({ metadata }) => metadata.name === pod.spec.nodeName)
      const taints = noExecuteTaints(node)
      const tolerated = tolerates(pod, taints)
      if (node === undefined || taints.length === 0 || tolerated === null || isDeleting(pod)) return []
      const choice = { kind: 'EvictPod' as const, pod: refOf(pod), node: node.metadata.name, toleratedMs: tolerated, waitedMs: tolerated }
      // A patch: it adds to what there is, which it need not have seen.
      const live = system.keyspace.kvs.get(held.key)?.value as Pod | undefined
      if (live?.metadata.uid !== pod.metadata.uid) return []
      if (conditionOf(live.status.conditions, DISRUPTED) === 'True') return [asks(MANAGER, choice, removal(held))]
      const conditions = withCondition(live.status.conditions, { type: DISRUPTED, status: 'True' })
      return [asks(MANAGER, choice, { verb: 'status', value: { ...live, status: { ...live.status, conditions } }, version: null })]
    })
  })

export const taintEviction = evictingAfter(toleratedMs)
