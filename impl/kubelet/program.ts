/** What the simulated program of a container does: what the plan says of its image, and what its manifest says itself. */
import type { Container, LifecycleHandler, Pod } from '../../model/state/objects.ts'
import type { ProgramShape } from '../../model/state/plan.ts'
import type { HookShape, Program } from '../container-runtime/api.ts'
import type { ClusterHost } from '../wire.ts'

type Span = readonly [number, number]

const READY_AFTER_MS: Span = [500, 3_000]
const INIT_RUNS_MS: Span = [500, 2_000]
/** Of a program that ends by itself. */
const RUNS_MS: Span = [1_000, 6_000]
const HOOK_MS: Span = [50, 500]
const SUCCEEDS: readonly number[] = [0]

interface Parts {
  readonly host: ClusterHost
  readonly stopMs: Span
  readonly programs: Readonly<Record<string, ProgramShape>>
}

/** attempt: how often it was started before. */
export const programOf = ({ host, stopMs, programs }: Parts, pod: Pod, container: Container, init: boolean, attempt: number): Program => {
  const { runsMs = RUNS_MS, exitCodes = SUCCEEDS, startsMs = [READY_AFTER_MS], postStartFails = 0 } = programs[container.image ?? ''] ?? {}
  const { postStart, preStop } = container.lifecycle ?? {}
  const hooks = {
    ...(postStart === undefined ? {} : { postStart: hookOf(postStart, attempt >= postStartFails) }),
    ...(preStop === undefined ? {} : { preStop: hookOf(preStop, true) }),
  }
  const readyAfterMs = startsMs[Math.min(attempt, startsMs.length - 1)] ?? READY_AFTER_MS
  const program = { stopMs, readyAfterMs, hooks }
  if (init) return { ...program, exitsAfterMs: INIT_RUNS_MS, exitCode: 0 }
  if (pod.spec.restartPolicy === 'Always') return program
  return { ...program, exitsAfterMs: runsMs, exitCode: exitCodes[host.random('exit').below(exitCodes.length)] ?? 0 }
}

/** It takes as long as it says that it sleeps, or a moment. */
const hookOf = ({ sleep, exec }: LifecycleHandler, succeeds: boolean): HookShape => {
  const said = sleep?.seconds ?? Number(/\bsleep\s+(\d+)\b/.exec((exec?.command ?? []).join(' '))?.[1] ?? 0)
  return { takesMs: said === 0 ? HOOK_MS : [said * 1000, said * 1000], succeeds }
}
