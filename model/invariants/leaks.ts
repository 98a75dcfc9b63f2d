/** Nothing stays behind of what is gone. SEMANTICS 2.13. */
import { ITS_END } from '../pending/picture.ts'
import type { Context, Invariant } from '../invariant.ts'
import type { Cluster } from '../state/cluster.ts'
import type { Observation, Seen } from '../state/history.ts'
import type { Pod, Service } from '../state/objects.ts'
import { keyOf, prefixOf } from '../state/resources.ts'
import { isRegistry, objectOf, watching } from './define.ts'

const OF_PODS = prefixOf('pods')
const OF_SERVICES = prefixOf('services')
const OF_NODE_LEASES = `${prefixOf('leases')}kube-node-lease/`
const TAKEN_ADDRESSES = '/registry/ranges/serviceips'
/** The repair loop passes every three minutes, and frees what three passes did not find in use. */
const REPAIRED_MS = 3 * 180_000 + 60_000

interface Held {
  readonly what: string
  readonly node: string
  readonly pod: string
}

/** What nodes and the storage back end hold on behalf of objects, and when services let their addresses go. */
class Possessions {
  private readonly held = new Map<string, Held>()
  /** 'volume node' → VolumeAttachment. */
  private readonly attached = new Map<string, string>()
  private readonly byUsers = new Set<string>()
  /** Address → when its service went, and whether all was well from then on. */
  private readonly freed = new Map<string, { readonly atMs: number; isSure: boolean }>()
  private resting = false

  observe(next: Observation): void {
    switch (next.kind) {
      case 'SandboxCreated':
        this.held.set(next.sandbox, { what: `sandbox ${next.sandbox}`, node: next.node, pod: next.pod })
        return
      case 'SandboxRemoved':
        this.held.delete(next.sandbox)
        return
      case 'VolumeMounted':
        this.held.set(mountOf(next), { what: `mount of ${next.volume}`, node: next.node, pod: next.pod })
        return
      case 'VolumeUnmounted':
        this.held.delete(mountOf(next))
        return
      case 'VolumeAttached':
        this.attached.set(`${next.volume} ${next.node}`, next.attachment)
        return
      case 'VolumeDetached':
        this.attached.delete(`${next.volume} ${next.node}`)
        return
      case 'ProcessEnded':
        if (next.reason === 'machine crash') for (const [id, { node }] of this.held) if (node === next.machine) this.held.delete(id)
        return
      case 'FaultChanged':
        if (next.outcome === 'begun') for (const one of this.freed.values()) one.isSure = false
        return
      case 'PhaseBegan':
        if (next.phase === 'rest') this.resting = true
        return
      case 'Commit':
        this.commit(next)
        return
      default:
    }
  }

  private commit({ key, before, after, author, atMs }: Seen<'Commit'>): void {
    if (isRegistry(key) && before === null && author.startsWith('user')) this.byUsers.add(key)
    if (!key.startsWith(OF_SERVICES)) return
    const was = objectOf<Service>(before)?.spec.clusterIP
    const is = objectOf<Service>(after)?.spec.clusterIP
    if (is !== undefined) this.freed.delete(is)
    else if (was !== undefined) this.freed.set(was, { atMs, isSure: this.resting })
  }

  /** What users made, they have all taken away again. */
  areAllDeleted({ store }: Cluster): boolean {
    return this.byUsers.size > 0 && [...this.byUsers].every((key) => !store.has(key))
  }

  /** Null: nothing is left of what is gone. */
  leak(context: Context): string | null {
    const { cluster } = context
    const uids = new Set<string>()
    for (const [key, { value }] of cluster.store) if (key.startsWith(OF_PODS)) uids.add((value as Pod).metadata.uid)
    for (const { what, node, pod } of this.held.values()) {
      if (!uids.has(pod) && !cluster.machinesDown.has(node)) return `${what} is left on ${node}, of pod ${pod}, which is gone`
    }
    for (const [where, attachment] of this.attached) {
      if (!cluster.store.has(keyOf('volumeattachments', undefined, attachment)))
        return `${where.replace(' ', ' stays attached to ')}, and ${attachment}, which asked for it, is gone`
    }
    return addressLeft(cluster, this.freed) ?? leaseLeft(cluster) ?? rulesLeft(cluster) ?? deletionLeft(context)
  }
}

const mountOf = ({ volume, node, pod }: Seen<'VolumeMounted' | 'VolumeUnmounted'>): string => `${volume} ${node} ${pod}`

const addressLeft = (cluster: Cluster, freed: ReadonlyMap<string, { readonly atMs: number; readonly isSure: boolean }>): string | null => {
  const taken = (cluster.store.get(TAKEN_ADDRESSES)?.value ?? {}) as Readonly<Record<string, string>>
  for (const [address, { atMs, isSure }] of freed) {
    // Who deleted the service may have been lost before it freed the address: then the repair loop does.
    if (address in taken && (isSure || cluster.nowMs - atMs > REPAIRED_MS))
      return `address ${address} is still taken ${Math.round((cluster.nowMs - atMs) / 1000)} s after service ${taken[address]} has gone`
  }
  return null
}

const leaseLeft = ({ store }: Cluster): string | null => {
  for (const key of store.keys()) {
    if (!key.startsWith(OF_NODE_LEASES)) continue
    const node = key.slice(OF_NODE_LEASES.length)
    if (!store.has(keyOf('nodes', undefined, node))) return `the lease of ${node} is left, which is no node any more`
  }
  return null
}

const rulesLeft = ({ store, rules, machinesDown, processesDown }: Cluster): string | null => {
  for (const [node, services] of rules) {
    if (machinesDown.has(node) || processesDown.has(`kube-proxy-${node}`)) continue
    for (const port of Object.keys(services)) {
      const name = port.slice(0, port.lastIndexOf(':'))
      if (!store.has(`${OF_SERVICES}${name}`)) return `${node} has rules for service ${name}, which is gone`
    }
  }
  return null
}

const deletionLeft = (context: Context): string | null => {
  const row = context.pending().find(({ waitsFor, blocked }) => !blocked && waitsFor === ITS_END)
  return row === undefined ? null : `${row.object} is being deleted and does not come to its end`
}

const nothingStaysBehind: Invariant = watching(
  {
    id: 'CL-L4',
    sentence: 'of what is gone nothing stays behind: no finalizer, address, rule, attachment, mount, sandbox, nor the lease of a dead node',
    source: 'https://kubernetes.io/docs/concepts/architecture/garbage-collection/',
    kind: 'convergence',
    strength: 'liveness',
    sometimes: 'users deleted all that they had made',
  },
  [
    ...(['SandboxCreated', 'SandboxRemoved', 'VolumeMounted', 'VolumeUnmounted', 'VolumeAttached', 'VolumeDetached'] as const),
    ...(['ProcessEnded', 'FaultChanged', 'PhaseBegan', 'Commit'] as const),
  ],
  () => {
    const possessions = new Possessions()
    return {
      observe(next, context) {
        possessions.observe(next)
        if (next.kind !== 'PhaseBegan' || next.phase !== 'end') return 'vacuous'
        const leak = possessions.leak(context)
        if (leak !== null) return { why: leak }
        return possessions.areAllDeleted(context.cluster) ? 'notable' : 'holds'
      },
    }
  },
)

export const LEAKS: readonly Invariant[] = [nothingStaysBehind]
