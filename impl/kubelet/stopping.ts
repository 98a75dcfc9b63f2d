/**
 * How a container is stopped: its preStop hook first, within the grace period, then TERM with what is left of it.
 *
 * Source: kubernetes/kubernetes pkg/kubelet/kuberuntime/kuberuntime_container.go (killContainer).
 */
import type { Container } from '../../model/state/objects.ts'
import type { ContainerState } from '../container-runtime/api.ts'
import { spawn, wait, type Task } from '../task.ts'
import type { ClusterHost } from '../wire.ts'
import type { Cri } from './cri.ts'

/** Every container gets that long, whatever its hook has taken. */
const GRACE_LEAST_MS = 2_000

/** A hook under way: by when it has to have ended, and what ends the wait for it. */
interface Hook {
  endsAtMs: number
  over: () => void
}

export class Stopper {
  private readonly host: ClusterHost
  private readonly cri: Cri
  /** Container id → the grace it was given last: it may only become shorter. */
  private readonly asked = new Map<string, number>()
  private readonly hooks = new Map<string, Hook>()

  constructor(host: ClusterHost, cri: Cri) {
    this.host = host
    this.cri = cri
  }

  /** Returns when it has been told to stop, or when its hook has begun. */
  *stop(container: Container | undefined, { id }: ContainerState, graceAskedMs: number, reason: string): Task<void> {
    const graceMs = Math.max(graceAskedMs, GRACE_LEAST_MS)
    const before = this.asked.get(id)
    if (before !== undefined && before <= graceMs) return
    this.asked.set(id, graceMs)
    const hook = this.hooks.get(id)
    if (hook !== undefined) this.allow(hook, graceMs)
    else if (before !== undefined || container?.lifecycle?.preStop === undefined) yield* this.terminate(id, graceMs, reason)
    else spawn(this.afterHook(id, graceMs, reason))
  }

  private *afterHook(id: string, graceMs: number, reason: string): Task<void> {
    const hook: Hook = { endsAtMs: Infinity, over: () => {} }
    this.hooks.set(id, hook)
    yield* wait<void>((resume) => {
      hook.over = () => {
        if (this.hooks.get(id) !== hook) return
        this.hooks.delete(id)
        resume()
      }
      this.allow(hook, graceMs)
      spawn(this.cri.call({ call: 'Hook', id, hook: 'preStop' }), hook.over)
    })
    yield* this.terminate(id, Math.max(GRACE_LEAST_MS, hook.endsAtMs - this.host.elapsed()), reason)
  }

  private allow(hook: Hook, graceMs: number): void {
    hook.endsAtMs = Math.min(hook.endsAtMs, this.host.elapsed() + graceMs)
    this.host.after(graceMs, () => hook.over())
  }

  private *terminate(id: string, timeoutMs: number, reason: string): Task<void> {
    const reply = yield* this.cri.call({ call: 'StopContainer', id, timeoutMs, reason })
    // Nobody heard it: it is asked again.
    if (!reply.ok) this.asked.delete(id)
  }
}
