/**
 * How a container is stopped: its preStop hook first, within the grace period, then TERM with what is left of it.
 *
 * Source: kubernetes/kubernetes pkg/kubelet/kuberuntime/kuberuntime_container.go (killContainer).
 */
import type { Container } from '../../model/state/objects.ts'
import type { ContainerState, CriReply } from '../container-runtime/api.ts'
import { spawn, wait, type Task } from '../task.ts'
import type { ClusterHost } from '../wire.ts'
import type { Cri } from './cri.ts'

/** Every container gets that long, whatever its hook has taken. */
const GRACE_LEAST_MS = 2_000

export class Stopper {
  private readonly host: ClusterHost
  private readonly cri: Cri
  /** Container id → the grace it was given last: it may only become shorter. */
  private readonly asked = new Map<string, number>()

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
    // A hook that is under way already is not waited for any longer.
    if (before !== undefined || container?.lifecycle?.preStop === undefined) yield* this.terminate(id, graceMs, reason)
    else spawn(this.afterHook(id, graceMs, reason))
  }

  private *afterHook(id: string, graceMs: number, reason: string): Task<void> {
    const begunMs = this.host.elapsed()
    yield* this.within(graceMs, this.cri.call({ call: 'Hook', id, hook: 'preStop' }))
    const leftMs = graceMs - (this.host.elapsed() - begunMs)
    yield* this.terminate(id, Math.max(GRACE_LEAST_MS, leftMs), reason)
  }

  private *terminate(id: string, timeoutMs: number, reason: string): Task<void> {
    const reply = yield* this.cri.call({ call: 'StopContainer', id, timeoutMs, reason })
    // Nobody heard it: it is asked again.
    if (!reply.ok) this.asked.delete(id)
  }

  /** What the task comes to, or null when that takes longer. */
  private within(ms: number, task: Task<CriReply>): Task<CriReply | null> {
    return wait<CriReply | null>((resume) => {
      let open = true
      const done = (reply: CriReply | null): void => {
        if (!open) return
        open = false
        this.host.cancel(timer)
        resume(reply)
      }
      const timer = this.host.after(ms, () => done(null))
      spawn(task, done)
    })
  }
}
