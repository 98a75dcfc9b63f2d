/**
 * A pod's status from what its containers do.
 *
 * Source: kubernetes/kubernetes pkg/kubelet/kubelet_pods.go (getPhase), pkg/kubelet/status/generate.go.
 */
import type { Condition, Container, ContainerStatus, Pod, PodPhase, PodStatus } from '../../model/state/objects.ts'
import type { ContainerState } from '../container-runtime/api.ts'
import { conditionOf, withCondition } from '../objects.ts'
import { rfc3339 } from '../time.ts'
import type { Health } from './prober.ts'

export interface Observed {
  /** The newest container of each name. */
  readonly containers: ReadonlyMap<string, ContainerState>
  /** Why a container is not running, by name: 'CrashLoopBackOff', 'CreateContainerConfigError'. */
  readonly waiting: ReadonlyMap<string, { readonly reason: string; readonly message: string }>
  /** What probes say of a container; null where it does not run. */
  health(container: string): Health | null
  readonly podIP: string | null
  readonly hostIP: string
  readonly nowMs: number
  /** All its containers are to stop, or have. */
  readonly terminating: boolean
}

const statusOfContainer = (container: Container, pod: Pod, seen: Observed, before: ContainerStatus | undefined): ContainerStatus => {
  const { name } = container
  const state = seen.containers.get(name)
  const waiting = seen.waiting.get(name)
  if (state === undefined || state.state === 'CREATED') {
    // A machine that lost its containers does not make them unhappen.
    const lost = before?.containerID !== undefined && state === undefined
    if (lost && (seen.terminating || pod.spec.restartPolicy === 'Never')) {
      const finishedAt = rfc3339(seen.nowMs)
      const terminated = before.state.terminated ?? { exitCode: 137, reason: 'ContainerStatusUnknown', finishedAt }
      return { ...before, ready: false, started: false, state: { terminated } }
    }
    const reason = waiting ?? { reason: 'ContainerCreating', message: '' }
    const kept = before?.containerID === undefined ? {} : { containerID: before.containerID }
    return { name, ready: false, started: false, restartCount: before?.restartCount ?? 0, state: { waiting: reason }, ...kept }
  }
  const restartCount = Math.max(state.attempt, before?.restartCount ?? 0)
  const common = { name, restartCount, containerID: state.id }
  if (state.state === 'RUNNING') {
    const health = seen.health(name)
    const ready = health?.started === true && health.ready && !seen.terminating
    return { ...common, ready, started: health?.started ?? true, state: { running: { startedAt: rfc3339(state.startedAtMs) } } }
  }
  if (waiting !== undefined && !seen.terminating) return { ...common, ready: false, started: false, state: { waiting } }
  const reason = state.exitCode === 0 ? 'Completed' : 'Error'
  const terminated = { exitCode: state.exitCode, reason, finishedAt: rfc3339(state.finishedAtMs) }
  return { ...common, ready: false, started: false, state: { terminated } }
}

const phaseOf = (pod: Pod, init: readonly ContainerStatus[], app: readonly ContainerStatus[], terminating: boolean): PodPhase => {
  const before = pod.status.phase
  if (before === 'Succeeded' || before === 'Failed') return before
  const done = app.filter((status) => status.state.terminated !== undefined)
  const failedInit = init.some((status) => (status.state.terminated?.exitCode ?? 0) !== 0)
  if (pod.spec.restartPolicy === 'Never' && failedInit) return 'Failed'
  const over = done.length === app.length && app.length > 0
  const clean = done.every((status) => status.state.terminated?.exitCode === 0)
  if (over && pod.spec.restartPolicy === 'Never') return clean ? 'Succeeded' : 'Failed'
  if (over && clean && pod.spec.restartPolicy === 'OnFailure') return 'Succeeded'
  if (terminating && done.length + app.filter((status) => status.state.waiting !== undefined).length === app.length) {
    return over && clean ? 'Succeeded' : 'Failed'
  }
  const begun = app.every((status) => status.state.running !== undefined || status.restartCount > 0 || status.containerID !== undefined)
  return begun || before === 'Running' ? 'Running' : 'Pending'
}

export const statusOf = (pod: Pod, seen: Observed): PodStatus => {
  const before = new Map(
    [...(pod.status.initContainerStatuses ?? []), ...(pod.status.containerStatuses ?? [])].map((status) => [status.name, status]),
  )
  const each = (container: Container): ContainerStatus => statusOfContainer(container, pod, seen, before.get(container.name))
  const init = (pod.spec.initContainers ?? []).map(each)
  const app = pod.spec.containers.map(each)
  const phase = phaseOf(pod, init, app, seen.terminating)
  const initialized =
    init.every((status) => status.state.terminated?.exitCode === 0) || app.some((status) => status.containerID !== undefined)
  const ready = phase === 'Running' && app.every((status) => status.ready)
  const now = rfc3339(seen.nowMs)
  const set = (conditions: readonly Condition[] | undefined, type: string, holds: boolean, reason: string): readonly Condition[] => {
    const next: Condition = { type, status: holds ? 'True' : 'False', lastTransitionTime: now, ...(holds ? {} : { reason }) }
    const held = conditionOf(conditions, type)
    return held !== undefined && held.status === next.status && held.reason === next.reason
      ? (conditions ?? [])
      : withCondition(conditions, next)
  }
  const why = phase === 'Succeeded' ? 'PodCompleted' : 'ContainersNotReady'
  let { conditions } = pod.status
  conditions = set(conditions, 'Initialized', initialized, 'ContainersNotInitialized')
  conditions = set(conditions, 'ContainersReady', ready, why)
  conditions = set(conditions, 'Ready', ready, why)
  const { message: _message, ...kept } = pod.status
  return {
    ...kept,
    phase,
    conditions,
    hostIP: seen.hostIP,
    ...(seen.podIP === null ? {} : { podIP: seen.podIP }),
    startTime: pod.status.startTime ?? now,
    ...(init.length === 0 ? {} : { initContainerStatuses: init }),
    containerStatuses: app,
  }
}
