/** The state of the composed system as the explorer walks it: small, immutable, shared between states. */
import type { Cluster, RunningContainer } from './cluster.ts'
import type { Key, LeaseId, Revision, Stored, WatchEvent } from './keyspace.ts'

/** One component, or the whole: which actions are possible, and what each does. */
export interface Component<State, Action> {
  readonly name: string
  /** Every action whose guard holds, in a fixed order. Guards live nowhere else. */
  enabled(state: State): readonly Action[]
  /** Total on `enabled(state)`; never mutates `state`. */
  next(state: State, action: Action): State
}

/** etcd's store as one sequential machine. */
export interface Keyspace {
  readonly revision: Revision
  /** Revisions below cannot be read any more; 0: never compacted. */
  readonly compacted: Revision
  readonly kvs: ReadonlyMap<Key, Stored>
  readonly leases: ReadonlyMap<LeaseId, { readonly ttlSeconds: number }>
  /** What each revision changed, from the first that is kept. */
  readonly changes: readonly (readonly WatchEvent[])[]
}

/** What users still do, one step after another. */
export type UserStep =
  | { readonly kind: 'Create'; readonly resource: string; readonly value: { readonly metadata: { readonly name: string } } }
  | { readonly kind: 'Scale' | 'SetImage'; readonly deployment: string; readonly to: number | string }
  /** kubectl rollout undo: back to the template of the revision before. */
  | { readonly kind: 'Rollback'; readonly deployment: string }
  | {
      readonly kind: 'Delete'
      readonly resource: string
      readonly name: string
      readonly propagation: 'Background' | 'Foreground' | 'Orphan'
    }
  | { readonly kind: 'Cordon'; readonly node: string }

export interface System {
  readonly keyspace: Keyspace
  /** Processes that may lag, and the store as each has seen it; all others see everything at once. */
  readonly views: ReadonlyMap<string, Keyspace>
  /** '<process> <key>' → revision of its own last write there, which it waits to see before it acts on that key again. */
  readonly own: ReadonlyMap<string, Revision>
  /** uid of a pod the scheduler bound → its node, until its view shows it. */
  readonly assumed: ReadonlyMap<string, string>
  /** How many objects there have been of a key: makes uids. */
  readonly incarnations: ReadonlyMap<Key, number>
  readonly running: ReadonlyMap<string, RunningContainer>
  readonly rules: Cluster['rules']
  readonly machinesDown: ReadonlySet<string>
  /** What the environment may still do. */
  readonly users: readonly UserStep[]
  readonly crashesLeft: number
  readonly exitsLeft: number
}

export const clusterOf = ({ keyspace, running, rules, machinesDown }: System): Cluster => ({
  nowMs: 0,
  phase: 'calm',
  revision: keyspace.revision,
  store: keyspace.kvs,
  running,
  rules,
  machinesDown,
  processesDown: new Set(),
})
