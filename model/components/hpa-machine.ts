/**
 * An autoscaler looks at what the pods of its target use, and sets as many replicas as that asks for and its rules allow.
 *
 * It looks whenever it likes; to look and to write are two steps, and the write is refused when the target has changed in
 * between. What the rules of scaling look back to it remembers. What a pod uses is its even share of the load, measured at
 * once. Left out: what it says of itself in its status, on which nobody acts, and that it forgets when it begins anew.
 * Source: kubernetes pkg/controller/podautoscaler/horizontal.go
 */
import type { HorizontalPodAutoscaler, ScalingRules, Usage } from '../state/autoscaling.ts'
import type { Choice } from '../state/history.ts'
import type { KubernetesObject } from '../state/kinds.ts'
import type { Pod } from '../state/objects.ts'
import { selectorOf, type Replicating } from '../state/replication.ts'
import { keyOf, resourceOfKind } from '../state/resources.ts'
import { matchesLabels } from '../state/selector.ts'
import type { Autoscaling, AutoscalerAction, Component, System } from '../state/system.ts'
import { serve } from './apiserver.ts'
import { limitOf, recommended } from './hpa.ts'
import { isDeleting, sameValue } from './objects.ts'
import { MANAGER, refOf } from './request.ts'
import { seen, type Held } from './view.ts'

type Autoscaler = HorizontalPodAutoscaler
type Behavior = Autoscaler['spec']['behavior']

const NOTHING: Autoscaling = { recommendations: [], changes: [], scaling: null, keptAtMs: null }

const usageOf = ({ running, loads }: System, { metadata }: Replicating, pods: readonly Pod[]): Usage => {
  const load = loads.get(`${metadata.namespace}/${metadata.name}`)
  if (load === null) return {}
  const runs = new Set([...running.values()].map(({ pod }) => pod))
  const sharing = pods.filter((pod) => runs.has(pod.metadata.uid))
  return Object.fromEntries(sharing.map((pod) => [pod.metadata.uid, Math.floor((load ?? 0) / sharing.length)]))
}

// What is remembered

/** Without what no window and no period reaches any more. */
const recent = (memory: Autoscaling, { scaleUp, scaleDown }: Behavior, nowMs: number): Autoscaling => {
  const rules = [scaleUp, scaleDown]
  const windowMs = Math.max(...rules.map(({ stabilizationWindowSeconds }) => stabilizationWindowSeconds)) * 1000
  const periodMs = Math.max(...rules.flatMap(({ policies }) => policies.map(({ periodSeconds }) => periodSeconds))) * 1000
  return {
    ...memory,
    recommendations: memory.recommendations.filter(({ atMs }) => nowMs - atMs < windowMs),
    changes: memory.changes.filter(({ atMs }) => nowMs - atMs <= periodMs),
  }
}

/** No more than the least that was recommended in the window of going up, no fewer than the most in that of going down. */
const stabilized = (replicas: number, current: number, memory: Autoscaling, { scaleUp, scaleDown }: Behavior, nowMs: number): number => {
  const within = ({ stabilizationWindowSeconds }: ScalingRules): readonly number[] =>
    memory.recommendations.flatMap((one) => (nowMs - one.atMs < stabilizationWindowSeconds * 1000 ? [one.replicas] : []))
  const least = Math.min(replicas, ...within(scaleUp))
  const most = Math.max(replicas, ...within(scaleDown))
  return current < least ? least : Math.min(current, most)
}

const limited = (replicas: number, current: number, { changes }: Autoscaling, behavior: Behavior, nowMs: number): number => {
  if (replicas > current) return Math.min(replicas, Math.max(current, limitOf(behavior.scaleUp, current, changes, nowMs, true)))
  return Math.max(replicas, Math.min(current, limitOf(behavior.scaleDown, current, changes, nowMs, false)))
}

// Looking

interface Judged {
  readonly replicas: number
  readonly choices: readonly Choice[]
  readonly after: Autoscaling
}

const judged = (system: System, autoscaler: Autoscaler, target: Replicating, memory: Autoscaling): Judged => {
  const { minReplicas, maxReplicas, behavior } = autoscaler.spec
  const { nowMs } = system
  const current = target.spec.replicas
  const bounded = (replicas: number): number => Math.min(maxReplicas, Math.max(minReplicas, replicas))
  const still = { choices: [], after: { ...memory, keptAtMs: null } }
  if (current === 0) return { ...still, replicas: current }
  if (bounded(current) !== current) return { ...still, replicas: bounded(current) }
  const pods = seen<Pod>(system, MANAGER, 'pods')
    .map(({ value }) => value)
    .filter((pod) => pod.metadata.namespace === target.metadata.namespace && matchesLabels(selectorOf(target), pod.metadata.labels))
  const usage = usageOf(system, target, pods)
  const asked = recommended(autoscaler, current, pods, usage, nowMs)
  const choice = { owner: refOf(autoscaler), target: refOf(target), current, replicas: asked, usage, nowMs }
  const choices: readonly Choice[] = [{ kind: 'Recommend', ...choice }]
  if (asked === null) return { ...still, replicas: current, choices }
  const replicas = bounded(limited(stabilized(asked, current, memory, behavior, nowMs), current, memory, behavior, nowMs))
  const rules = asked > current ? behavior.scaleUp : behavior.scaleDown
  const isKept = bounded(asked) !== replicas && rules.selectPolicy !== 'Disabled'
  const isNew = memory.recommendations.every((one) => one.atMs !== nowMs || one.replicas !== asked)
  const recommendations = isNew ? [...memory.recommendations, { atMs: nowMs, replicas: asked }] : memory.recommendations
  return { replicas, choices, after: { ...memory, recommendations, keptAtMs: isKept ? nowMs : null } }
}

/** What it still knows, when it looks, of what it has noted. */
export type Remember = (memory: Autoscaling) => Autoscaling

const looks = (
  system: System,
  { value: autoscaler }: Held<Autoscaler>,
  known: Autoscaling,
  remember: Remember,
): readonly AutoscalerAction[] => {
  const { kind, name } = autoscaler.spec.scaleTargetRef
  const resource = resourceOfKind(kind)?.resource ?? kind
  const held = system.keyspace.kvs.get(keyOf(resource, autoscaler.metadata.namespace, name))
  if (isDeleting(autoscaler) || held === undefined) return []
  const target = held.value as Replicating
  const memory = recent(known, autoscaler.spec.behavior, system.nowMs)
  const { replicas, choices, after } = judged(system, autoscaler, target, remember(memory))
  const look = { kind: 'JudgeLoad' as const, process: MANAGER, autoscaler: autoscaler.metadata.uid, reads: resource }
  const from = target.spec.replicas
  // To find again what it found is no step.
  if (replicas === from) return sameValue(after, known) ? [] : [{ ...look, choices, after }]
  const scale: Choice = { kind: 'Autoscale', owner: refOf(autoscaler), target: refOf(target), from, to: replicas }
  const scaling = { target: keyOf(resource, autoscaler.metadata.namespace, name), version: held.modRevision, replicas }
  return [{ ...look, choices: [...choices, scale], after: { ...after, scaling } }]
}

// Writing

const scaled = (system: System, uid: string, memory: Autoscaling): System => {
  const noted = (after: System, changes: Autoscaling['changes']): System => ({
    ...after,
    autoscalings: new Map(after.autoscalings).set(uid, { ...memory, changes, scaling: null }),
  })
  const { scaling, changes } = memory
  const target = scaling === null ? undefined : (system.keyspace.kvs.get(scaling.target)?.value as Replicating | undefined)
  if (scaling === null || target === undefined) return noted(system, changes)
  const value = { ...target, spec: { ...target.spec, replicas: scaling.replicas } } as KubernetesObject
  const after = serve(system, { process: MANAGER, request: { verb: 'update', value, version: scaling.version }, remembered: false })
  if (after === system) return noted(system, changes)
  return noted(after, [...changes, { atMs: system.nowMs, by: scaling.replicas - target.spec.replicas }])
}

/** By what it still knows of what it has noted. */
export const autoscalingBy = (remember: Remember): Component<System, AutoscalerAction> => ({
  name: 'horizontal-pod-autoscaler',

  enabled: (system) =>
    seen<Autoscaler>(system, MANAGER, 'horizontalpodautoscalers').flatMap((held): readonly AutoscalerAction[] => {
      const { uid } = held.value.metadata
      const memory = system.autoscalings.get(uid) ?? NOTHING
      if (memory.scaling === null) return looks(system, held, memory, remember)
      return [{ kind: 'ScaleTarget', process: MANAGER, autoscaler: uid, target: memory.scaling.target }]
    }),

  next(system, action) {
    if (action.kind === 'JudgeLoad') return { ...system, autoscalings: new Map(system.autoscalings).set(action.autoscaler, action.after) }
    return scaled(system, action.autoscaler, system.autoscalings.get(action.autoscaler) ?? NOTHING)
  },
})

export const autoscaler = autoscalingBy((memory) => memory)
