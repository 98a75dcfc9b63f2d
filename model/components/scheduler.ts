/**
 * The scheduler gives each pod that waits a node on which it fits, as far as it sees.
 *
 * It says which nodes are allowed, not which is best: scores and the order of the queue are left out, so that any
 * implementation that picks among feasible nodes refines it. Preemption is left out: nobody here has a priority.
 * Source: kubernetes pkg/scheduler/schedule_one.go
 */
import type { Placed } from '../state/history.ts'
import type { ApiObject, Node, Pod } from '../state/objects.ts'
import type { Request, System } from '../state/system.ts'
import { infeasible } from './feasible.ts'
import { isActive, isBound, isTerminal, sameValue, withCondition } from './objects.ts'
import { asks, asksAndRemembers, client, refOf } from './request.ts'
import { known, seen, type Held } from './view.ts'

const SCHEDULER = 'kube-scheduler'

/** Why it is not for this scheduler to bind; null: it is. */
export const notToBind = (pod: Pod): string | null => {
  if ((pod.spec.schedulingGates ?? []).length > 0) return 'has scheduling gates'
  if (pod.metadata.deletionTimestamp !== undefined) return 'is being deleted'
  if (pod.spec.schedulerName !== 'default-scheduler') return `is for ${pod.spec.schedulerName}`
  return isBound(pod) ? `is on ${pod.spec.nodeName}` : null
}

const unschedulable = ({ value: pod }: Held<Pod>, assumed: readonly Placed[]): Request => {
  const reason = 'no node is feasible'
  const said = { type: 'PodScheduled', status: 'False' as const, reason: 'Unschedulable', message: reason }
  const conditions = withCondition(pod.status.conditions, said)
  return asks(
    SCHEDULER,
    { kind: 'Unschedulable', pod: refOf(pod), reason, assumed, promised: [] },
    { verb: 'status', value: { ...pod, status: { ...pod.status, conditions } }, version: null },
  )
}

/** Scheduling by a given knowledge of the pods: what its view shows, and what it assumes since. */
export const schedulingBy = (podsKnown: (system: System, process: string) => readonly Held<Pod>[]): ReturnType<typeof client> =>
  client('scheduler', (system) => {
    const pods = podsKnown(system, SCHEDULER)
    const shown = new Map(seen<Pod>(system, SCHEDULER, 'pods').map(({ key, value }) => [key, value]))
    const nodes = seen<Node>(system, SCHEDULER, 'nodes')
    const assumed = pods.flatMap(({ key, value }) =>
      isBound(value) && !isBound(shown.get(key) ?? value) ? [{ uid: value.metadata.uid, node: value.spec.nodeName ?? '' }] : [],
    )
    const scene = {
      nodes: nodes.map(({ value }) => value),
      pods: pods.map(({ value }) => value).filter((other) => isBound(other) && !isTerminal(other)),
      others: seen<ApiObject>(system, SCHEDULER, 'namespaces').map(({ value }) => value),
    }
    const waiting = pods.filter(({ value }) => isActive(value) && notToBind(value) === null)
    return waiting.flatMap((held) => {
      const pod = refOf(held.value)
      const fits = nodes.filter(({ value: node }) => infeasible(scene, held.value, node) === null)
      if (fits.length === 0) {
        const told = unschedulable(held, assumed)
        return told.request.verb === 'status' && sameValue(told.request.value, held.value) ? [] : [told]
      }
      return fits.map(({ value: { metadata } }) =>
        asksAndRemembers(
          SCHEDULER,
          { kind: 'Bind', pod, node: metadata.name, assumed, promised: [] },
          { verb: 'bind', key: held.key, uid: pod.uid, node: metadata.name },
        ),
      )
    })
  })

export const scheduler = schedulingBy((system, process) => known<Pod>(system, process, 'pods'))
