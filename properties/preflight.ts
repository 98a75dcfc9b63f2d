/** The user's manifests on a calm day: what the API server refuses is said before anything is shaken. */
import type { ClusterShape, Manifest, Plan } from '../model/state/plan.ts'
import { applied } from './generators/manifests.ts'
import { CALM_WEATHER } from './generators/plan.ts'
import { simulated } from './subjects/simulated.ts'

export interface Refusal {
  /** 'Deployment default/web' */
  readonly object: string
  readonly message: string
  /** Only because of what else there is: a quota is used up. */
  readonly forOthers: boolean
}

const GAP_MS = 2_000
const QUIET_MS = 1_000
/** Custom objects are taken some seconds after their definitions, and users only try again now and then. */
const QUIET_CUSTOM_MS = 12_000

export const calmPlan = (manifests: readonly Manifest[], cluster: ClusterShape): Plan => {
  const actions = applied(manifests)
  return {
    format: 1,
    suite: 'manifests',
    seed: 'calm',
    cluster,
    weather: CALM_WEATHER,
    actions,
    stormMs: (actions.at(-1)?.atMs ?? 0) + GAP_MS,
    calmMs: 60_000,
    quietMs: manifests.some(({ kind }) => kind === 'CustomResourceDefinition') ? QUIET_CUSTOM_MS : QUIET_MS,
  }
}

export const refusals = (manifests: readonly Manifest[], cluster: ClusterShape): readonly Refusal[] =>
  simulated()
    .run(calmPlan(manifests, cluster))
    .history.flatMap((seen) => {
      const [object = '', message] = seen.kind === 'UserActed' && seen.action === 'Apply' ? seen.detail.split(': refused: ') : []
      return message === undefined ? [] : [{ object, message, forOthers: message.includes('exceeded quota: ') }]
    })
