/**
 * The containers of one machine. They outlive the runtime's process (each has a shim of its own), not the machine.
 */
import type { ContainerState, Program, SandboxStatus } from './api.ts'

export interface RunningProgram {
  readonly program: Program
  /** On the machine's monotonic clock; null: it does not end by itself. */
  readonly exitsAtMs: number | null
  readonly readyAtMs: number
  /** Set while it is being stopped: when it exits, and whether it has to be killed. */
  stopping: { readonly atMs: number; readonly killed: boolean } | null
}

export class MachineContainers {
  readonly sandboxes = new Map<string, SandboxStatus>()
  readonly containers = new Map<string, ContainerState>()
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
    this.containers.clear()
    this.programs.clear()
    return ran
  }
}
