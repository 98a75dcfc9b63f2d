/**
 * The state of a whole cluster as an omniscient observer would write it down.
 *
 * The explorer's states extend it; for a history one fold rebuilds it, observation after observation.
 */
import type { Key, Revision, Stored } from './keyspace.ts'
import type { Uid } from './objects.ts'
import type { ResourceName } from './resources.ts'

export interface ObjectRef {
  readonly resource: ResourceName
  readonly namespace?: string
  readonly name: string
  readonly uid: Uid
}

export interface RunningContainer {
  readonly id: string
  readonly node: string
  readonly pod: Uid
  readonly container: string
  readonly init: boolean
  readonly startedAtMs: number
}

/** A pod has a volume on a node. volume: as the node's status names it. */
export interface Mount {
  readonly volume: string
  readonly node: string
  readonly pod: Uid
}

export interface Cluster {
  readonly nowMs: number
  /** rest: it had come to rest, and something is done to it. A calm follows each storm and each rest. */
  readonly phase: 'storm' | 'calm' | 'rest' | 'end'
  /** The store's current revision. */
  readonly revision: Revision
  /** The store's current state, E. Values under '/registry/' are API objects. */
  readonly store: ReadonlyMap<Key, Stored>
  /** run(t): the containers that run, by id. */
  readonly running: ReadonlyMap<string, RunningContainer>
  /** Rules of each node: 'namespace/service:port' → backends. */
  readonly rules: ReadonlyMap<string, Readonly<Record<string, { readonly clusterIP: string; readonly backends: readonly string[] }>>>
  /** What the pods of a workload ('namespace/name') have to do, in thousandths of a core; null: nobody measures it. */
  readonly loads: ReadonlyMap<string, number | null>
  /** Machines that are down now (crashed and not restarted). */
  readonly machinesDown: ReadonlySet<string>
  readonly processesDown: ReadonlySet<string>
  /**
   * 'uid/container' → how often in a row it was stopped without having passed a startup or liveness probe since it was asked.
   * Absent: nobody is asked.
   */
  readonly unanswered?: ReadonlyMap<string, number>
  /** Nodes that users are emptying, and of which pods. */
  readonly drains: ReadonlyMap<string, readonly Uid[]>
}

/** The store as it was: every version of every key, and the state at any revision. */
export interface StoreHistory {
  /** The value of a key at a revision, or undefined when it did not exist then. */
  at(key: Key, revision: Revision): Stored | undefined
  /** All versions of a key, ascending; after null is a deletion. */
  versions(
    key: Key,
  ): readonly { readonly revision: Revision; readonly atMs: number; readonly author: string; readonly after: Stored | null }[]
  /** Keys of a resource that existed at a revision, with their values, in key order. */
  listAt(resource: ResourceName, revision: Revision): readonly { readonly key: Key; readonly stored: Stored }[]
  /** Keys ever written, by prefix, in order of first write. */
  keys(prefix: string): readonly Key[]
}
