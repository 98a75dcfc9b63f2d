/** The scores of the default profile that the slice needs. Whole numbers from 0 to 100, as upstream computes them. */
import type { NodeInfo, PodInfo, ScorePlugin } from '../framework.ts'
import { SCORE_MOST } from '../framework.ts'
import { tolerates } from '../../taints.ts'

/** Shares of CPU and memory that would be taken, in millionths. */
const MILLION = 1_000_000
const shares = ({ request }: PodInfo, { requestedNonZero, allocatable }: NodeInfo): readonly number[] =>
  (['cpu', 'memory'] as const).flatMap((name) => {
    const capacity = allocatable.get(name) ?? 0
    if (capacity === 0) return []
    return [Math.min(MILLION, Math.floor(((requestedNonZero[name] + request.nonZero[name]) * MILLION) / capacity))]
  })

const leastAllocated: ScorePlugin = {
  name: 'NodeResourcesFit',
  weight: 1,
  score: (pod, node) => {
    const taken = shares(pod, node)
    if (taken.length === 0) return 0
    const scores = taken.map((share) => Math.floor(((MILLION - share) * SCORE_MOST) / MILLION))
    return Math.floor(scores.reduce((sum, score) => sum + score, 0) / scores.length)
  },
}

const balancedAllocation: ScorePlugin = {
  name: 'NodeResourcesBalancedAllocation',
  weight: 1,
  score: (pod, node) => {
    const [cpu, memory] = shares(pod, node)
    if (cpu === undefined || memory === undefined) return 0
    // The standard deviation of two numbers is half their difference.
    return Math.floor(((MILLION - Math.abs(cpu - memory) / 2) * SCORE_MOST) / MILLION)
  },
}

const taintToleration: ScorePlugin = {
  name: 'TaintToleration',
  weight: 3,
  score: ({ pod }, { node }) =>
    (node.spec.taints ?? []).filter(
      (taint) => taint.effect === 'PreferNoSchedule' && !(pod.spec.tolerations ?? []).some((toleration) => tolerates(toleration, taint)),
    ).length,
  normalize: (counts) => {
    const most = Math.max(...counts)
    return counts.map((count) => (most === 0 ? SCORE_MOST : SCORE_MOST - Math.floor((SCORE_MOST * count) / most)))
  },
}

export const SCORES: readonly ScorePlugin[] = [leastAllocated, balancedAllocation, taintToleration]
