/**
 * The containers of one machine. They outlive the runtime's process (each has a shim of its own), not the machine.
 */
import type { ContainerState, Program, SandboxStatus } from './api.ts'

export interface RunningProgram {
  readonly program: Program
  /** On the machine's monotonic clock; null: it does not end by itself. */
  readonly exitsAtMs: number | null
  readonly readyAtMs: number
  /** It answers nothing before. */
  hangsUntilMs: number
  /** Set while it is being stopped: when it exits, and whether it has to be killed. */
  stopping: { readonly atMs: number; readonly killed: boolean } | null
}

/** By id, and those of one pod, in the order in which they came. */
class OfPods<T extends { readonly pod: string }> extends Map<string, T> {
  private readonly byPod = new Map<string, Map<string, T>>()

  of(pod: string): readonly T[] {
    return [...(this.byPod.get(pod)?.values() ?? [])]
  }

  override set(id: string, one: T): this {
    const held = this.byPod.get(one.pod)
    if (held === undefined) this.byPod.set(one.pod, new Map([[id, one]]))
    else held.set(id, one)
    return super.set(id, one)
  }

  override delete(id: string): boolean {
    const pod = this.get(id)?.pod ?? ''
    const held = this.byPod.get(pod)
    held?.delete(id)
    if (held?.size === 0) this.byPod.delete(pod)
    return super.delete(id)
  }

  override clear(): void {
    this.byPod.clear()
    super.clear()
  }
}

export class MachineContainers {
  readonly sandboxes = new OfPods<SandboxStatus>()
  readonly containers = new OfPods<ContainerState>()
  /** Addresses of the sandboxes that are ready, by what each adds to the subnet's. */
  readonly addresses = new Set<number>()
  readonly programs = new Map<string, RunningProgram>()
  private ids = 0

  /** Unique on the machine for ever, power losses included. */
  nextId(prefix: string): string {
    this.ids++
    return `${prefix}-${this.ids}`
  }

  /** Power loss: returns what ran. */
  wipe(): readonly ContainerState[] {
    const ran = [...this.containers.values()].filter((container) => container.state === 'RUNNING')
    this.sandboxes.clear()
    this.addresses.clear()
    this.containers.clear()
    this.programs.clear()
    return ran
  }
}
