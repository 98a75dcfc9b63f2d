/**
 * The probes of one pod's containers: a loop for each, begun when the container runs, and what they have come to.
 *
 * Startup gates the others. What one failed probe means is settled only after as many in a row as the threshold asks for.
 * Left out: probes of init containers; HTTP, gRPC and TCP probes are asked of the program like commands are.
 * Source: kubernetes/kubernetes pkg/kubelet/prober/{worker.go,prober_manager.go}.
 */
import type { Container, ContainerStatus, Probe } from '../../model/state/objects.ts'
import type { ProbeKind } from '../../model/state/history.ts'
import type { ContainerState } from '../container-runtime/api.ts'
import { sleep, spawn, type Task } from '../task.ts'
import type { ClusterHost } from '../wire.ts'
import type { Cri } from './cri.ts'

/** What its probes say of a container that runs. */
export interface Health {
  started: boolean
  ready: boolean
  /** The probe on whose account it has to be started anew. */
  failed: 'startup' | 'liveness' | null
}

interface Followed extends Health {
  readonly state: ContainerState
}

const KINDS = ['startup', 'liveness', 'readiness'] as const
export const probeOf = (container: Container, kind: ProbeKind): Probe | undefined => container[`${kind}Probe`]

export class Prober {
  private readonly host: ClusterHost
  private readonly cri: Cri
  /** When its kubelet started: soon after, probes are spread over their periods. */
  private readonly startedMs: number
  /** The periods of all its probes are counted from here. */
  private readonly anchorMs: number
  private readonly changed: () => void
  private readonly followed = new Map<string, Followed>()

  constructor(host: ClusterHost, cri: Cri, startedMs: number, changed: () => void) {
    this.host = host
    this.cri = cri
    this.startedMs = startedMs
    this.anchorMs = host.elapsed()
    this.changed = changed
  }

  /** Of a container that runs: its probes begin, unless they have. told: what was last said of it, perhaps by a kubelet before. */
  follow(container: Container, state: ContainerState, told: ContainerStatus | undefined): Health {
    const known = this.followed.get(container.name)
    if (known?.state.id === state.id) return known
    const wasReady = told?.containerID === state.id && told.ready
    const health: Followed = {
      state,
      started: container.startupProbe === undefined,
      ready: container.readinessProbe === undefined || wasReady,
      failed: null,
    }
    this.followed.set(container.name, health)
    for (const kind of KINDS) {
      const probe = probeOf(container, kind)
      if (probe !== undefined) spawn(this.loop(container.name, health, kind, probe))
    }
    return health
  }

  /** Null: it does not run. */
  healthOf(container: string): Health | null {
    return this.followed.get(container) ?? null
  }

  forget(container: string): void {
    this.followed.delete(container)
  }

  /** The pod is to end. */
  stop(): void {
    this.followed.clear()
  }

  private *loop(container: string, health: Followed, kind: ProbeKind, probe: Probe): Task<void> {
    const { host } = this
    const { initialDelaySeconds = 0, periodSeconds = 10, timeoutSeconds = 1, failureThreshold = 3, successThreshold = 1 } = probe
    const periodMs = periodSeconds * 1000
    if (host.elapsed() - this.startedMs < periodMs) yield* sleep(host, host.random('probes').between(0, periodMs))
    let last: boolean | null = null
    let run = 0
    for (;;) {
      yield* sleep(host, periodMs - ((host.elapsed() - this.anchorMs) % periodMs))
      if (this.followed.get(container) !== health || (kind === 'startup' && health.started)) return
      if (host.now() - health.state.startedAtMs < initialDelaySeconds * 1000) continue
      if (kind !== 'startup' && !health.started) continue
      const reply = yield* this.cri.call({ call: 'Probe', id: health.state.id, probe: kind, timeoutMs: timeoutSeconds * 1000 })
      // A probe that could not be made says nothing.
      if (!reply.ok || reply.passed === undefined) continue
      const { passed } = reply
      run = passed === last ? run + 1 : 1
      last = passed
      if (run < (passed ? successThreshold : failureThreshold)) continue
      this.settle(container, health, kind, passed)
      if (health.failed === kind) return
    }
  }

  private settle(container: string, health: Followed, kind: ProbeKind, passed: boolean): void {
    const { started, ready, failed } = health
    if (kind === 'readiness') health.ready = passed
    else if (!passed) health.failed = kind
    else if (kind === 'startup') health.started = true
    const same = started === health.started && ready === health.ready && failed === health.failed
    if (!same && this.followed.get(container) === health) this.changed()
  }
}
