/** What each plugin of the scheduler has to say, by its name and as it is configured. */
import type { NodeAffinity } from '../../state/objects.ts'
import { imageScore, named, portsFree, schedulable, selected, selectionScore, tolerated, tolerationScore } from './nodes.ts'
import { podAffinity, podAffinityScore } from './pod-affinity.ts'
import { balanceScore, fitsResources, resourceScore, type Strategy } from './resources.ts'
import type { Constraint, Score } from './scene.ts'
import { spread, spreadScore, type Defaults } from './spread.ts'
import { volumesAllowed, volumesBindable, volumesWithinLimits, zoneMatches } from './volumes.ts'

export interface Args extends Defaults {
  readonly addedAffinity?: NodeAffinity
  readonly ignoredResources?: readonly string[]
  readonly ignoredResourceGroups?: readonly string[]
  readonly scoringStrategy?: Strategy
  readonly resources?: Strategy['resources']
  readonly hardPodAffinityWeight?: number
  readonly ignorePreferredTermsOfExistingPods?: boolean
}

export const CONSTRAINTS: Readonly<Record<string, (args: Args) => Constraint>> = {
  NodeName: () => named,
  NodeUnschedulable: () => schedulable,
  TaintToleration: () => tolerated,
  NodeAffinity: ({ addedAffinity }) => selected(addedAffinity),
  NodePorts: () => portsFree,
  NodeResourcesFit: ({ ignoredResources, ignoredResourceGroups }) => fitsResources(ignoredResources, ignoredResourceGroups),
  VolumeRestrictions: () => volumesAllowed,
  VolumeZone: () => zoneMatches,
  NodeVolumeLimits: () => volumesWithinLimits,
  VolumeBinding: () => volumesBindable,
  PodTopologySpread: spread,
  InterPodAffinity: () => podAffinity,
}

export const SCORES: Readonly<Record<string, (args: Args) => Score>> = {
  TaintToleration: () => tolerationScore,
  NodeAffinity: ({ addedAffinity }) => selectionScore(addedAffinity),
  NodeResourcesFit: ({ scoringStrategy = { type: 'LeastAllocated' } }) => resourceScore(scoringStrategy),
  NodeResourcesBalancedAllocation: ({ resources }) => balanceScore(resources),
  ImageLocality: () => imageScore,
  PodTopologySpread: spreadScore,
  InterPodAffinity: (args) => podAffinityScore(args.hardPodAffinityWeight, args.ignorePreferredTermsOfExistingPods),
}

/** What each score weighs where nothing else is configured. */
export const DEFAULT_WEIGHTS: Readonly<Record<string, number>> = {
  TaintToleration: 3,
  NodeAffinity: 2,
  PodTopologySpread: 2,
  InterPodAffinity: 2,
  NodeResourcesFit: 1,
  NodeResourcesBalancedAllocation: 1,
  ImageLocality: 1,
}

/** All scores together, each by its weight: one number for each node. */
export const totals: Score = (scene, pod, nodes) => {
  const weighed = Object.entries(DEFAULT_WEIGHTS).map(([name, weight]) => ({ weight, scores: SCORES[name]?.({})(scene, pod, nodes) ?? [] }))
  return nodes.map((_, place) => weighed.reduce((sum, { weight, scores }) => sum + weight * (scores[place] ?? 0), 0))
}

/** All of them hold; what never does outweighs what does not now. */
export const allOf =
  (constraints: readonly Constraint[]): Constraint =>
  (scene, pod, node) => {
    const verdicts = constraints.map((one) => one(scene, pod, node))
    return (['never', 'not now'] as const).find((verdict) => verdicts.includes(verdict)) ?? 'fits'
  }
