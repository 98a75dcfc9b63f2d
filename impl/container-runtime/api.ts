/**
 * Messages between the kubelet and the container runtime of its machine: the calls of CRI v1 that the slice needs.
 *
 * Ids are unique for ever. Stop and remove calls are idempotent: what is absent counts as done.
 * Source: kubernetes/kubernetes staging/src/k8s.io/cri-api/pkg/apis/runtime/v1/api.proto
 */
import type { HookKind, ProbeKind } from '../../model/state/history.ts'

export type CriRequest =
  | { readonly call: 'RunPodSandbox'; readonly pod: string; readonly name: string; readonly namespace: string; readonly attempt: number }
  | { readonly call: 'StopPodSandbox' | 'RemovePodSandbox'; readonly sandbox: string }
  /** Of one pod, or of all. */
  | { readonly call: 'ListPodSandbox' | 'ListContainers'; readonly pod?: string }
  | {
      readonly call: 'CreateContainer'
      readonly sandbox: string
      readonly container: string
      readonly attempt: number
      readonly init: boolean
      /** How the simulated program behaves: absent fields mean it runs until it is stopped. */
      readonly program: Program
    }
  | { readonly call: 'StartContainer' | 'RemoveContainer'; readonly id: string }
  | { readonly call: 'StopContainer'; readonly id: string; readonly timeoutMs: number; readonly reason: string }
  /**
   * Beside CRI's ExecSync these stand for what the kubelet asks of the pod's address: the same program answers, the same tells.
   * The program is asked, and has that long to answer.
   */
  | { readonly call: 'Probe'; readonly id: string; readonly probe: ProbeKind; readonly timeoutMs: number }
  /** Answered when the hook has ended. */
  | { readonly call: 'Hook'; readonly id: string; readonly hook: HookKind }

/** What the program in a container does, drawn by the runtime where it is a range. */
export interface Program {
  /** Exits by itself after this time with this code. Init containers do. */
  readonly exitsAfterMs?: readonly [number, number]
  readonly exitCode?: number
  /** Time from SIGTERM to exit; longer than the grace period: it is killed. */
  readonly stopMs: readonly [number, number]
  /** Time from start until it answers probes. */
  readonly readyAfterMs: readonly [number, number]
  readonly hooks?: Readonly<Partial<Record<HookKind, HookShape>>>
}
export interface HookShape {
  readonly takesMs: readonly [number, number]
  readonly succeeds: boolean
}

export interface SandboxStatus {
  readonly sandbox: string
  readonly pod: string
  readonly name: string
  readonly namespace: string
  readonly attempt: number
  readonly state: 'READY' | 'NOTREADY'
  readonly ip: string
}
export interface ContainerState {
  readonly id: string
  readonly sandbox: string
  readonly pod: string
  readonly container: string
  readonly attempt: number
  readonly init: boolean
  readonly state: 'CREATED' | 'RUNNING' | 'EXITED'
  readonly startedAtMs: number
  readonly finishedAtMs: number
  readonly exitCode: number
}
export type CriReply =
  | {
      readonly ok: true
      readonly id?: string
      readonly ip?: string
      readonly sandboxes?: readonly SandboxStatus[]
      readonly containers?: readonly ContainerState[]
      /** Of a probe or a hook. */
      readonly passed?: boolean
    }
  | { readonly ok: false; readonly message: string }

export type CriMessage =
  | { readonly kind: 'CriRequest'; readonly id: number; readonly request: CriRequest }
  | { readonly kind: 'CriReply'; readonly id: number; readonly reply: CriReply }
  /** A container of this pod changed its state. */
  | { readonly kind: 'CriEvent'; readonly pod: string }
  /** From the environment, not the kubelet: the program ends by itself. */
  | { readonly kind: 'ProgramEnds'; readonly nth: number; readonly exitCode: number }
  /** Likewise: it answers nothing for a while. */
  | { readonly kind: 'ProgramHangs'; readonly nth: number; readonly forMs: number }
