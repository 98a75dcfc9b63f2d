/**
 * Rebuilds the state of the cluster from a history, observation after observation.
 *
 * It keeps mutable maps behind read-only interfaces: a history is long, and only its end is looked at each time.
 */
import type { Context, Pending } from './invariant.ts'
import { pending } from './pending.ts'
import type { Cluster, RunningContainer, StoreHistory } from './state/cluster.ts'
import type { Observation, Seen } from './state/history.ts'
import type { Key, Revision, Stored } from './state/keyspace.ts'
import { prefixOf } from './state/resources.ts'

interface Version {
  readonly revision: Revision
  readonly atMs: number
  readonly author: string
  readonly after: Stored | null
}

class Ledger implements StoreHistory {
  private readonly byKey = new Map<Key, Version[]>()

  add(key: Key, version: Version): void {
    const versions = this.byKey.get(key)
    if (versions === undefined) this.byKey.set(key, [version])
    else versions.push(version)
  }

  at(key: Key, revision: Revision): Stored | undefined {
    const versions = this.byKey.get(key) ?? []
    for (let index = versions.length - 1; index >= 0; index--) {
      const version = versions[index] as Version
      if (version.revision <= revision) return version.after ?? undefined
    }
    return undefined
  }

  versions(key: Key): readonly Version[] {
    return this.byKey.get(key) ?? []
  }

  listAt(resource: string, revision: Revision): readonly { readonly key: Key; readonly stored: Stored }[] {
    return this.keys(prefixOf(resource)).flatMap((key) => {
      const stored = this.at(key, revision)
      return stored === undefined ? [] : [{ key, stored }]
    })
  }

  keys(prefix: string): readonly Key[] {
    return [...this.byKey.keys()].filter((key) => key.startsWith(prefix))
  }
}

type Rules = Seen<'RulesSwapped'>['rules']

class State implements Cluster {
  nowMs = 0
  phase: Cluster['phase'] = 'storm'
  revision: Revision = 1
  readonly store = new Map<Key, Stored>()
  readonly running = new Map<string, RunningContainer>()
  readonly rules = new Map<string, Rules>()
  readonly loads = new Map<string, number | null>()
  readonly machinesDown = new Set<string>()
  readonly processesDown = new Set<string>()
  readonly drains = new Map<string, readonly string[]>()
  readonly unanswered = new Map<string, number>()
}

export class Fold {
  private readonly state = new State()
  private readonly ledger = new Ledger()
  /** Containers that have failed a startup or liveness probe, and passed none since. */
  private readonly silent = new Set<string>()
  /** Of this very state; null: nobody asked. */
  private waiting: readonly Pending[] | null = null
  readonly context: Context = {
    cluster: this.state,
    history: this.ledger,
    pending: () => (this.waiting ??= pending(this.state)),
  }

  observe(next: Observation): void {
    const { state } = this
    this.waiting = null
    state.nowMs = next.atMs
    switch (next.kind) {
      case 'Commit':
        this.commit(next)
        return
      case 'ContainerStarted': {
        const { id, node, pod, container, init, atMs } = next
        state.running.set(id, { id, node, pod, container, init, startedAtMs: atMs })
        return
      }
      case 'ContainerExited': {
        state.running.delete(next.id)
        const key = `${next.pod}/${next.container}`
        if (this.silent.delete(next.id) && next.by === 'stop') state.unanswered.set(key, (state.unanswered.get(key) ?? 0) + 1)
        return
      }
      case 'Probed':
        if (next.probe === 'readiness') return
        if (!next.passed) this.silent.add(next.id)
        else if (this.silent.delete(next.id) || state.unanswered.size > 0) state.unanswered.delete(`${next.pod}/${next.container}`)
        return
      case 'LoadSet':
        state.loads.set(next.workload, next.milliCpu)
        return
      case 'RulesSwapped':
        state.rules.set(next.node, next.rules)
        return
      case 'ProcessStarted':
        state.processesDown.delete(next.process)
        state.machinesDown.delete(next.machine)
        // A proxy that starts has an empty table of its own; the node's rules are still the old ones.
        return
      case 'ProcessEnded':
        state.processesDown.add(next.process)
        if (next.reason === 'machine crash') {
          state.machinesDown.add(next.machine)
          state.rules.delete(next.machine)
        }
        return
      case 'DrainChanged':
        if (next.outcome === 'begun') state.drains.set(next.node, next.pods)
        else state.drains.delete(next.node)
        return
      case 'PhaseBegan':
        state.phase = next.phase
        return
      default:
    }
  }

  private commit({ key, revision, after, atMs, author }: Seen<'Commit'>): void {
    const { state } = this
    if (after === null) state.store.delete(key)
    else state.store.set(key, after)
    state.revision = revision
    this.ledger.add(key, { revision, atMs, author, after })
  }
}
