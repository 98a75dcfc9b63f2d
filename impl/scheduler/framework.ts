/**
 * The scheduling framework: where plugins take part in placing a pod.
 *
 * Source: https://kubernetes.io/docs/concepts/scheduling-eviction/scheduling-framework/
 */
import type { Node, Pod } from '../../model/state/objects.ts'
import type { PodRequest } from './request.ts'

/** A node as the scheduler sees it: the object, and the pods that are bound to it or assumed to be. */
export interface NodeInfo {
  readonly node: Node
  readonly pods: ReadonlyMap<string, Pod>
  /** Thousandths by resource: what its pods ask for, and what there is. */
  readonly requested: ReadonlyMap<string, number>
  readonly allocatable: ReadonlyMap<string, number>
  readonly podsMost: number
  /** With what is not asked for counted at its usual size: for scores only. */
  readonly requestedNonZero: { readonly cpu: number; readonly memory: number }
}

export interface PodInfo {
  readonly pod: Pod
  readonly request: PodRequest
}

/** Null: passes. Otherwise the reason, in the words of the upstream plugin. */
export interface FilterPlugin {
  readonly name: string
  filter(pod: PodInfo, node: NodeInfo): string | null
}

/** 0 to 100 after normalizing, times the weight. */
export interface ScorePlugin {
  readonly name: string
  readonly weight: number
  score(pod: PodInfo, node: NodeInfo): number
  normalize?(scores: readonly number[]): readonly number[]
}

export interface Profile {
  /** Null: may enter the queue. Otherwise why not. */
  preEnqueue(pod: Pod): string | null
  /** Negative: the first pod comes first. */
  queueSort(one: Queued, other: Queued): number
  readonly filters: readonly FilterPlugin[]
  readonly scores: readonly ScorePlugin[]
}

export interface Queued {
  readonly pod: Pod
  /** When it first entered the queue, and how often it was tried. */
  readonly sinceMs: number
  attempts: number
}

export const SCORE_MOST = 100
