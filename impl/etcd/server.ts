/**
 * The etcd process: finds out which member it is, from its disk, from the cluster it begins with, or from those it joins.
 *
 * Source: server/etcdserver/bootstrap.go.
 */
import type { Connection, ConnectionHandler } from '../../sim/host.ts'
import type { MemberId } from '../../model/state/keyspace.ts'
import type { MemberInfo } from '../../model/state/membership.ts'
import type { Timings } from '../../model/state/plan.ts'
import type { ClusterHost, ClusterProcess, Message, Program } from '../wire.ts'
import { Applier } from './applier.ts'
import { NOBODY } from './configuration.ts'
import { Node } from './node.ts'
import type { HardState } from './raft.ts'
import type { Snapshot } from './snapshot.ts'
import { Wal, WalError, type Held } from './wal.ts'

export interface MemberOptions {
  /** The cluster begins with these. */
  readonly members: readonly string[]
  /** Processes that may know the cluster it is to join (of --initial-cluster). */
  readonly peers?: readonly string[]
  /** It joins a cluster that exists (--initial-cluster-state); otherwise, and when this is absent, it is one of those that begin it. */
  readonly joins?: () => boolean
  /** Whether the operator starts it for this member: not for one that ran here before, of which others may not have heard yet that it is gone. */
  readonly isNew?: (member: MemberId) => boolean
  readonly timings: Timings
}

/** Of the entry that made the cluster, which nobody's log holds any more: who joins is sent a snapshot. */
const FIRST_INDEX = 1
const FIRST_TERM = 1
const ASK_MS = 1_000
/** A disk that cannot be trusted does not become better by itself. */
const REFUSED_RESTART_MS = 10_000

const NOTHING_YET: HardState = { term: 0, vote: null, commit: 0 }

export const etcdMember =
  (options: MemberOptions): Program =>
  (host) =>
    new Server(host, options)

/** What a cluster begins with: nothing but its members, as if it had been restored from a snapshot of that. */
export const firstSnapshot = (members: readonly MemberId[]): Snapshot => {
  const configuration = { ...NOBODY, voters: members.toSorted() }
  const applier = new Applier({ electionMs: 0 }, () => ({ revision: 1, raftTerm: FIRST_TERM, member: '' }))
  applier.index = FIRST_INDEX
  applier.term = FIRST_TERM
  applier.membership.restore({ configuration, members: members.map((id) => [id, { name: id, peerUrls: [id] }]), removed: [] })
  return { index: FIRST_INDEX, term: FIRST_TERM, configuration, state: applier.snapshot() }
}

class Server implements ClusterProcess {
  private readonly host: ClusterHost
  private readonly options: MemberOptions
  private readonly wal: Wal
  /** Null: it has no place in a cluster yet. */
  private node: Node | null = null
  private created = false

  constructor(host: ClusterHost, options: MemberOptions) {
    this.host = host
    this.options = options
    this.wal = new Wal(host.disk)
  }

  start(): void {
    let held
    try {
      held = this.wal.recover()
    } catch (error) {
      if (!(error instanceof WalError)) throw error
      this.host.exit(error.message, REFUSED_RESTART_MS)
      return
    }
    const joins = this.options.joins?.() === true
    this.created = held !== null
    // A first start that was cut short is done again.
    const begun = held !== null && (held.state.term > 0 || joins)
    if (begun && held !== null) this.begin(held.id, held)
    else if (joins) this.askWhoIAm()
    else this.bootstrap()
  }

  private begin(id: MemberId, held: Omit<Held, 'id'>): void {
    this.node = new Node(this.host, id, this.wal, this.options.timings)
    this.node.start({ id, ...held })
  }

  private bootstrap(): void {
    const { host, wal } = this
    const snapshot = firstSnapshot(this.options.members)
    const state: HardState = { term: FIRST_TERM, vote: null, commit: snapshot.index }
    if (!this.created) wal.create(host.name)
    wal.saveSnapshot(snapshot, true)
    wal.save(state, [])
    host.disk.sync(() => this.begin(host.name, { state, snapshot, entries: [] }))
  }

  private askWhoIAm(): void {
    const { host } = this
    if (this.node !== null) return
    for (const peer of this.options.peers ?? this.options.members) {
      if (peer !== host.name) host.send(peer, { kind: 'Peer', message: { kind: 'WhoAmI' } })
    }
    host.after(ASK_MS, () => this.askWhoIAm())
  }

  /** Somebody knows the members: one that was added for this process and has never started is this one. */
  private told(members: readonly MemberInfo[]): void {
    const { host, wal, options } = this
    const own = members.find(({ id, name, peerUrls }) => name === '' && peerUrls.includes(host.name) && options.isNew?.(id) !== false)
    if (own === undefined || this.created) return
    this.created = true
    wal.create(own.id)
    host.disk.sync(() => this.begin(own.id, { state: NOTHING_YET, snapshot: null, entries: [] }))
  }

  receive(from: string, message: Message): void {
    if (this.node !== null) this.node.receive(from, message)
    else if (message.kind === 'Peer' && message.message.kind === 'Members' && this.options.joins?.() === true)
      this.told(message.message.members)
  }

  accept(connection: Connection<Message>): ConnectionHandler<Message> {
    if (this.node !== null) return this.node.accept(connection)
    connection.close()
    return { message() {}, closed() {} }
  }
}
