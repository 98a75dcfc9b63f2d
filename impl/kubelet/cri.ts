/** The kubelet's line to the container runtime of its machine. */
import type { Connection } from '../../sim/host.ts'
import type { ContainerState, CriMessage, CriReply, CriRequest, SandboxStatus } from '../container-runtime/api.ts'
import { wait, type Task } from '../task.ts'
import type { ClusterHost, Message } from '../wire.ts'

const RECONNECT_MS = 1_000
const GONE: CriReply = { ok: false, message: 'the container runtime does not answer' }

export class Cri {
  private readonly host: ClusterHost
  private readonly runtime: string
  private readonly onEvent: (pod: string | null) => void
  private connection: Connection<Message> | null = null
  private readonly pending = new Map<number, (reply: CriReply) => void>()
  private ids = 0

  constructor(host: ClusterHost, runtime: string, onEvent: (pod: string | null) => void) {
    this.host = host
    this.runtime = runtime
    this.onEvent = onEvent
  }

  connect(): void {
    const connection = this.host.dial(this.runtime, {
      opened: () => this.onEvent(null),
      message: (message) => {
        const told = message as CriMessage
        if (told.kind === 'CriEvent') this.onEvent(told.pod)
        else if (told.kind === 'CriReply') {
          const resume = this.pending.get(told.id)
          this.pending.delete(told.id)
          resume?.(told.reply)
        }
      },
      closed: () => {
        this.connection = null
        const pending = [...this.pending.values()]
        this.pending.clear()
        for (const resume of pending) resume(GONE)
        this.host.after(RECONNECT_MS, () => this.connect())
      },
    })
    this.connection = connection
  }

  call(request: CriRequest): Task<CriReply> {
    return wait<CriReply>((resume) => {
      const id = this.ids++
      if (this.connection === null) {
        this.host.after(0, () => resume(GONE))
        return
      }
      this.pending.set(id, resume)
      this.connection.send({ kind: 'CriRequest', id, request })
    })
  }

  /** What there is of one pod, or of all. Null: the runtime does not answer. */
  *seen(pod?: string): Task<{ sandboxes: readonly SandboxStatus[]; containers: readonly ContainerState[] } | null> {
    const of = pod === undefined ? {} : { pod }
    const sandboxes = yield* this.call({ call: 'ListPodSandbox', ...of })
    const containers = yield* this.call({ call: 'ListContainers', ...of })
    if (!sandboxes.ok || !containers.ok) return null
    return { sandboxes: sandboxes.sandboxes ?? [], containers: containers.containers ?? [] }
  }
}
