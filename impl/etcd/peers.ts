/**
 * How a member reaches the others: by which process each runs in, and for how long it has been heard from.
 *
 * Members keep a sign of life going between them beside what Raft says, so that each knows who is connected to it.
 * Source: server/etcdserver/api/rafthttp (stream.go, peer_status.go); server/etcdserver/cluster_util.go.
 */
import type { MemberId } from '../../model/state/keyspace.ts'
import type { MemberInfo } from '../../model/state/membership.ts'
import type { ClusterHost } from '../wire.ts'
import type { Membership } from './membership.ts'

/** What members say to each other beside Raft. */
export type PeerMessage =
  | { readonly kind: 'Alive'; readonly from: MemberId }
  /** A member that is to join asks who it is. */
  | { readonly kind: 'WhoAmI' }
  | { readonly kind: 'Members'; readonly members: readonly MemberInfo[] }
  /** You were removed. */
  | { readonly kind: 'Gone'; readonly id: MemberId }

/** A third of the time after which a silent connection is given up (ConnReadTimeout). */
export const ALIVE_MS = 1_667
const SILENT_MS = 5_000
/** How long a connection must have lasted to count as healthy (HealthInterval). */
const HEALTHY_MS = 5_000

interface Contact {
  sinceMs: number
  lastMs: number
}

export class Peers {
  private readonly host: ClusterHost
  private readonly membership: Membership
  private readonly contacts = new Map<MemberId, Contact>()
  /** Of those that this member has not applied yet. */
  private readonly learned = new Map<MemberId, string>()

  constructor(host: ClusterHost, membership: Membership) {
    this.host = host
    this.membership = membership
  }

  /** The process a member runs in; null: nobody has said so. */
  processOf(id: MemberId): string | null {
    return this.membership.processOf(id) ?? this.learned.get(id) ?? null
  }

  heard(id: MemberId, process: string): void {
    const nowMs = this.host.elapsed()
    const contact = this.contacts.get(id)
    if (contact === undefined) {
      this.contacts.set(id, { sinceMs: nowMs, lastMs: nowMs })
      this.learned.set(id, process)
      return
    }
    if (nowMs - contact.lastMs > SILENT_MS) contact.sinceMs = nowMs
    contact.lastMs = nowMs
  }

  /** Whether it has been connected to this member for a while. */
  isHealthy(id: MemberId): boolean {
    const contact = this.contacts.get(id)
    const nowMs = this.host.elapsed()
    return contact !== undefined && nowMs - contact.lastMs <= SILENT_MS && nowMs - contact.sinceMs >= HEALTHY_MS
  }

  tell(process: string, message: PeerMessage): void {
    this.host.send(process, { kind: 'Peer', message })
  }

  /** A sign of life to everybody else. */
  alive(own: MemberId): void {
    for (const { id } of this.membership.list()) {
      const process = this.processOf(id)
      if (id !== own && process !== null) this.tell(process, { kind: 'Alive', from: own })
    }
  }
}
