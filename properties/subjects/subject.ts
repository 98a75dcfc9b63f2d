/**
 * A subject turns a plan into a history. The simulated reference implementation is the first; real etcd
 * processes, a live or recorded Kubernetes API and the model itself under the explorer come as others.
 */
import type { Pending } from '../../model/invariant.ts'
import type { History } from '../../model/state/history.ts'
import type { Plan } from '../../model/state/plan.ts'

export interface Run {
  readonly history: History
  /** Running hash over all observations, 16 hex digits: equal for equal runs. */
  readonly hash: string
  /** Virtual milliseconds simulated, and events delivered. */
  readonly simulatedMs: number
  readonly events: number
  /** Virtual ms from the start of calm until nothing was pending any more; null: it never converged, or it was not asked. */
  readonly convergedAfterMs: number | null
  /** What still waits at the end, blocked or not. Empty where convergence is not asked. */
  readonly pending: readonly Pending[]
}

export interface Subject {
  readonly name: string
  run(plan: Plan): Run
}
