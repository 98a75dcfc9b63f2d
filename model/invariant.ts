/**
 * An invariant is a sentence and a predicate over what was seen.
 *
 * The same one is judged on histories (of the simulation, of real software, recorded) and, where it needs only the
 * state and one step, on the explorer's model states. It says why it fails and counts how often it was not vacuous.
 */
import type { Cluster, StoreHistory } from './state/cluster.ts'
import type { Observation, ObservationKind } from './state/history.ts'

/** An id of SEMANTICS Part 2, such as 'ETCD-S17'. */
export type InvariantId = string

export type Judgement =
  /** Its antecedent did not hold: says nothing. */
  | 'vacuous'
  | 'holds'
  /** Holds, and the interesting case that its `sometimes` names was reached. */
  | 'notable'
  | Violation
export interface Violation {
  /** What is wrong, naming objects, revisions, processes: one line. */
  readonly why: string
}

export interface Context {
  /** The state after the observation. */
  readonly cluster: Cluster
  readonly history: StoreHistory
  /** What waits in that state: worked out when first asked for. */
  pending(): readonly Pending[]
}

/** A fresh one for each run; may keep mutable notes of its own. */
export interface Watcher {
  observe(next: Observation, context: Context): Judgement
  /** Judged once, when the history has ended. */
  end?(context: Context): Judgement
}

export interface Invariant {
  readonly id: InvariantId
  readonly sentence: string
  /** Docs page, KEP, paper, upstream path. */
  readonly source: string
  readonly kind: 'state' | 'step' | 'history' | 'convergence'
  readonly strength: 'safety' | 'liveness'
  /** The interesting case that a campaign must reach for the invariant to mean something. */
  readonly sometimes: string
  /** ALLOW rules that are granted, such as 'ALLOW-4'. */
  readonly allows: readonly string[]
  /** Judges each observation by itself, with the state and the history of the store: it keeps nothing in between. */
  readonly memoryless?: true
  /** Kinds of observation it wants to see; no others are handed to it. */
  readonly hears: readonly ObservationKind[]
  /** Of commits it wants to see those of this resource only. */
  readonly resource?: string
  start(): Watcher
}

/** Why the cluster has not converged: one object and what it waits for. */
export interface Pending {
  /** 'Deployment default/web' */
  readonly object: string
  /** One line a user understands. */
  readonly waitsFor: string
  /**
   * Nothing the system could do would end it: the specification itself finds no feasible node, the Secret is not there,
   * the program keeps crashing, or it only waits for such an object. Reported to the user, not a failure to converge.
   */
  readonly blocked: boolean
  /** For pods: the workload they belong to, 'Deployment default/web'. */
  readonly of?: string
  /** It only waits for others that are listed too. */
  readonly derived?: boolean
  /** It is tried again and again: what is written of it is no sign of unrest. */
  readonly endless?: boolean
}
