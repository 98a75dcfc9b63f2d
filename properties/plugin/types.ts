/** What a module of a controller of one's own needs for its types: all in one place, none of it at run time. */
export type { ControllerPlugin, CustomKind } from './plugin.ts'
export type { Context, Invariant, Judgement, Pending } from '../../model/invariant.ts'
export type { Cluster } from '../../model/state/cluster.ts'
export type { Manifest, UserAction } from '../../model/state/plan.ts'
