/**
 * Evictions on their way through API servers: each reads the pod's budget, takes a unit of it, and then deletes the pod.
 *
 * These are three steps: others of the cluster come in between, and other servers. A unit is taken only from the budget as
 * it was read; who is too late reads again. Left out: pods that need no unit (not ready, ended, without a budget), and
 * that a server may stop in the middle, after which its unit is given back with time.
 * Source: kubernetes pkg/registry/core/pod/storage/eviction.go
 */
import type { Key } from '../state/keyspace.ts'
import type { Pod } from '../state/objects.ts'
import type { PodDisruptionBudget } from '../state/policy.ts'
import type { Action, ApiRequest, Component, System } from '../state/system.ts'
import { serve } from './apiserver.ts'
import { covers } from './disruption.ts'
import { stored, type Held } from './view.ts'

export interface Eviction {
  readonly pod: Key
  readonly phase: 'asked' | 'read' | 'granted' | 'refused' | 'done'
  /** As it was read. */
  readonly budget: Held<PodDisruptionBudget> | null
}
export interface EvictionState {
  readonly system: System
  /** One under way in each API server. */
  readonly evictions: readonly Eviction[]
}
/** The next step of the eviction in a server, or whatever the cluster does meanwhile. */
export type EvictionStep = { readonly kind: 'Evicts'; readonly server: number } | { readonly kind: 'Meanwhile'; readonly action: Action }

export const asked = (system: System, pods: readonly Key[]): EvictionState => ({
  system,
  evictions: pods.map((pod) => ({ pod, phase: 'asked', budget: null })),
})

const podAt = ({ keyspace }: System, key: Key): Pod | undefined => keyspace.kvs.get(key)?.value as Pod | undefined

const hasUnits = ({ metadata, status }: PodDisruptionBudget): boolean =>
  status.disruptionsAllowed > 0 && (status.observedGeneration ?? 0) >= (metadata.generation ?? 0)

const less = (budget: PodDisruptionBudget, pod: string): PodDisruptionBudget => ({
  ...budget,
  status: {
    ...budget.status,
    disruptionsAllowed: budget.status.disruptionsAllowed - 1,
    disruptedPods: { ...budget.status.disruptedPods, [pod]: budget.metadata.creationTimestamp },
  },
})

/** How a server writes the budget with a unit less. */
export type Take = (read: Held<PodDisruptionBudget>, after: PodDisruptionBudget) => ApiRequest
const guarded: Take = ({ version }, after) => ({ verb: 'status', value: after, version })

const step = (system: System, eviction: Eviction, server: number, take: Take): readonly [System, Eviction] => {
  const process = `kube-apiserver-${server}`
  const pod = podAt(system, eviction.pod)
  if (pod === undefined) return [system, { ...eviction, phase: 'done', budget: null }]
  switch (eviction.phase) {
    case 'asked': {
      const budget = stored<PodDisruptionBudget>(system, 'poddisruptionbudgets').find(({ value }) => covers(value, pod))
      if (budget === undefined || !hasUnits(budget.value)) return [system, { ...eviction, phase: 'refused' }]
      return [system, { ...eviction, phase: 'read', budget }]
    }
    case 'read': {
      const read = eviction.budget as Held<PodDisruptionBudget>
      const after = serve(system, { process, request: take(read, less(read.value, pod.metadata.name)), remembered: false })
      return [after, { ...eviction, phase: after === system ? 'asked' : 'granted', budget: null }]
    }
    case 'granted': {
      const request = { verb: 'delete', key: eviction.pod, uid: pod.metadata.uid, propagation: 'Background' } as const
      return [serve(system, { process, request, remembered: false }), { ...eviction, phase: 'done' }]
    }
    case 'refused':
    case 'done':
      return [system, eviction]
  }
}

/** Evictions beside what the rest of the cluster does. */
export const evictingBy = (take: Take, cluster: Component<System, Action>): Component<EvictionState, EvictionStep> => ({
  name: 'evictions',

  enabled: ({ system, evictions }) => [
    ...evictions.flatMap(({ phase }, server) => (phase === 'refused' || phase === 'done' ? [] : [{ kind: 'Evicts' as const, server }])),
    ...cluster.enabled(system).map((action) => ({ kind: 'Meanwhile' as const, action })),
  ],

  next({ system, evictions }, action) {
    if (action.kind === 'Meanwhile') return { system: cluster.next(system, action.action), evictions }
    const [after, eviction] = step(system, evictions[action.server] as Eviction, action.server, take)
    return { system: after, evictions: evictions.with(action.server, eviction) }
  },
})

export const evicting = (cluster: Component<System, Action>): Component<EvictionState, EvictionStep> => evictingBy(guarded, cluster)
