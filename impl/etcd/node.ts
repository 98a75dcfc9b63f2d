/**
 * A member that has its place in the cluster: Raft below, the state machine above, the service to clients at the side.
 *
 * What is said that depends on the disk (votes, acknowledgements) waits until the disk has it.
 * Source: server/etcdserver/raft.go, server/etcdserver/server.go.
 */
import type { Connection, ConnectionHandler } from '../../sim/host.ts'
import type { Disk } from '../../model/state/history.ts'
import type { Header, MemberId, Revision } from '../../model/state/keyspace.ts'
import type { Timings } from '../../model/state/plan.ts'
import { NOW, type ClusterHost, type Message, type Sighting } from '../wire.ts'
import { Applier } from './applier.ts'
import type { Change } from './mvcc.ts'
import { ALIVE_MS, Peers } from './peers.ts'
import type { Entry, Proposal, RaftLetter, RaftMessage } from './raft-message.ts'
import { Raft } from './raft.ts'
import { Reads } from './reads.ts'
import { requestTimeoutMs, Service } from './service.ts'
import type { Snapshot } from './snapshot.ts'
import type { Held, Wal } from './wal.ts'

const HEARTBEAT_MS = 100
const ELECTION_MS = 1_000
const APPEND_ENTRIES = 256
/** Appends that may be under way to one member (etcd's maxInflightMsgs), and entries in them. */
const INFLIGHT_MESSAGES = 512
const INFLIGHT_ENTRIES = 16_384
/** Entries applied between two snapshots (--snapshot-count), and kept after one for slow followers. */
const SNAPSHOT_COUNT = 10_000
const CATCH_UP_ENTRIES = 5_000
/** Why a member ends for good. */
export const REMOVED = 'the member has been permanently removed from the cluster'
/** Its supervisor starts it again all the same. */
const REMOVED_RESTART_MS = 10_000

const NO_ENTRIES: readonly Entry[] = []

/** Whether a message may leave before what this member has written is durable. */
const needsNoDisk = (message: RaftMessage): boolean =>
  message.kind === 'Append' || message.kind === 'Heartbeat' || message.kind === 'ReadIndex' || message.kind === 'Install'

export class Node {
  private readonly host: ClusterHost
  private readonly id: MemberId
  private readonly wal: Wal
  private readonly raft: Raft
  private readonly applier: Applier
  private readonly service: Service
  private readonly reads: Reads
  private readonly peers: Peers
  private readonly electionMs: number
  private readonly heartbeatMs: number
  private readonly snapshotCount: number
  private readonly catchUpEntries: number
  private snapshotIndex = 0
  private flushing = false
  private dirty = false
  private syncing = false
  private afterSync: RaftLetter[] = []
  /** What was written since the last sync began starts here. */
  private unsyncedFrom = Infinity
  /** Term → sorts of message it has sent in it, for the observer. */
  private readonly spoken = new Map<number, Set<string>>()

  constructor(host: ClusterHost, id: MemberId, wal: Wal, timings: Timings) {
    this.host = host
    this.id = id
    this.wal = wal
    this.electionMs = timings.etcdElectionMs ?? ELECTION_MS
    this.heartbeatMs = timings.etcdHeartbeatMs ?? HEARTBEAT_MS
    this.snapshotCount = timings.etcdSnapshotCount ?? SNAPSHOT_COUNT
    this.catchUpEntries = timings.etcdCatchUpEntries ?? CATCH_UP_ENTRIES
    this.applier = new Applier(
      {
        electionMs: this.electionMs,
        leaseCheckpointMs: timings.etcdLeaseCheckpointMs,
        compactionBatch: timings.etcdCompactionBatch,
        quotaBytes: timings.etcdQuotaBytes,
      },
      (revision) => this.header(revision),
    )
    this.peers = new Peers(host, this.applier.membership)
    this.raft = this.newRaft(timings)
    this.reads = new Reads(host, requestTimeoutMs(this.electionMs), {
      ask: (context) => this.raft.readIndex(context),
      flush: () => this.flush(),
      applied: () => this.applier.index,
    })
    this.service = new Service(host, this.applier, this.electionMs, timings, {
      id,
      raft: this.raft,
      peers: this.peers,
      header: () => this.header(),
      linearizable: (done, late) => this.reads.linearizable(done, late),
      send: (to, message) => this.transmit({ kind: 'Raft', from: id, to, message }),
      flush: () => this.flush(),
    })
  }

  private newRaft(timings: Timings): Raft {
    const { host, id } = this
    const options = {
      electionMs: this.electionMs,
      entriesMost: timings.etcdAppendEntries ?? APPEND_ENTRIES,
      window: { messagesMost: timings.etcdInflightMessages ?? INFLIGHT_MESSAGES, entriesMost: INFLIGHT_ENTRIES },
    }
    return new Raft(id, options, host.random('election'), {
      elected: (term) => this.elected(term),
      steppedDown: (term, reason) => this.steppedDown(term, reason),
      campaigned: (term, pre) => host.observe({ kind: 'Campaigned', member: id, term, pre }),
      committed: (index, entryTerm) => host.observe({ atMs: NOW, kind: 'Committed', member: id, term: this.raft.term, index, entryTerm }),
      readReady: (context, index) => this.reads.ready(context, index),
      steppedBack: (to, match, next) => host.observe({ atMs: NOW, kind: 'SteppedBack', member: id, term: this.raft.term, to, match, next }),
      proposalsDropped: (proposals) => {
        for (const one of proposals) this.service.dropped(one.id)
      },
      snapshot: () => this.snapshot(),
      installed: (snapshot) => this.installed(snapshot),
    })
  }

  /** Goes on from what its disk held. */
  start({ state, snapshot, entries }: Held): void {
    const { raft, host, applier } = this
    raft.restore(state, snapshot, entries)
    const disk = this.diskFrom(1)
    host.observe({ kind: 'Restored', member: this.id, electionMs: this.electionMs, ...disk })
    if (snapshot !== null) this.restoreState(snapshot)
    const { commit, log, term } = raft
    if (commit > applier.index) host.observe({ kind: 'Committed', member: this.id, term, index: commit, entryTerm: log.termAt(commit) })
    raft.resetElectionTimer(host.elapsed())
    this.armElection()
    this.keepAlive()
    this.flush()
  }

  private restoreState(snapshot: Snapshot): void {
    const { index, term } = snapshot
    this.applier.restore(snapshot.state, this.host.elapsed())
    this.snapshotIndex = index
    const { revision, digest } = this.stateNow()
    this.host.observe({ kind: 'Installed', member: this.id, index, term, revision, digest })
    this.observeConfiguration(index)
  }

  private stateNow(): { readonly revision: Revision; readonly digest: string } {
    return { revision: this.applier.mvcc.revision, digest: this.applier.digest }
  }

  private observeConfiguration(index: number): void {
    const { configuration } = this.applier.membership
    this.host.observe({ kind: 'Configured', member: this.id, index, configuration })
  }

  // Time

  private armElection(): void {
    const { raft, host } = this
    host.after(raft.electionDueMs - host.elapsed(), () => {
      if (raft.role !== 'leader' && raft.electionDueMs <= host.elapsed()) {
        raft.electionTimeout(host.elapsed())
        this.flush()
      } else if (raft.role === 'leader') raft.resetElectionTimer(host.elapsed())
      this.armElection()
    })
  }

  private elected(term: number): void {
    const { host, raft } = this
    const { log } = raft
    host.observe({ kind: 'Elected', member: this.id, term, lastIndex: log.lastIndex, log: log.runs() })
    this.service.promote()
    const still = (): boolean => raft.role === 'leader' && raft.term === term
    const beat = (): void => {
      if (!still()) return
      raft.heartbeat(host.elapsed())
      this.flush()
      host.after(this.heartbeatMs, beat)
    }
    const check = (): void => {
      if (!still()) return
      raft.checkQuorum()
      this.flush()
      host.after(this.electionMs, check)
    }
    host.after(this.heartbeatMs, beat)
    host.after(this.electionMs, check)
  }

  private steppedDown(term: number, reason: string): void {
    this.host.observe({ kind: 'SteppedDown', member: this.id, term, reason })
    this.service.demote()
    this.raft.resetElectionTimer(this.host.elapsed())
  }

  private keepAlive(): void {
    this.peers.alive(this.id)
    this.service.publish()
    this.host.after(ALIVE_MS, () => this.keepAlive())
  }

  // Messages

  receive(process: string, message: Message): void {
    if (message.kind === 'Raft') this.receiveRaft(process, message)
    else if (message.kind === 'Peer') {
      const { message: said } = message
      if (said.kind === 'WhoAmI') this.peers.tell(process, { kind: 'Members', members: this.applier.membership.list() })
      else if (said.kind === 'Alive') this.heard(said.from, process)
      else if (said.kind === 'Gone' && said.id === this.id) this.leave()
    }
  }

  /** False: it is not to be listened to. */
  private heard(from: MemberId, process: string): boolean {
    if (this.applier.membership.wasRemoved(from)) {
      this.peers.tell(process, { kind: 'Gone', id: from })
      return false
    }
    this.peers.heard(from, process)
    return true
  }

  private receiveRaft(process: string, { from, to, message }: RaftLetter): void {
    // Meant for one that ran here before.
    if (to !== this.id || !this.heard(from, process)) return
    if (!this.service.receive(from, message)) this.raft.step(from, message, this.host.elapsed())
    this.flush()
  }

  private leave(): void {
    this.host.exit(REMOVED, REMOVED_RESTART_MS)
  }

  // Out

  /** Writes what changed, sends what may be sent, applies what is committed, until nothing of this is left. */
  private flush(): void {
    // What is applied may answer a client, whose request is another thing to flush.
    if (this.flushing) return
    this.flushing = true
    const { raft } = this
    do {
      this.write()
      this.sendOut()
      this.applyCommitted()
    } while (raft.outbox.length > 0 || raft.hardStateChanged || raft.unwrittenFrom <= raft.log.lastIndex)
    this.flushing = false
    if (this.dirty) this.sync()
    else if (!this.syncing) this.sendAfterSync(this.afterSync.length)
  }

  private write(): void {
    const { raft } = this
    const { unwrittenFrom, log } = raft
    const entries = unwrittenFrom <= log.lastIndex ? log.slice(unwrittenFrom, log.lastIndex) : NO_ENTRIES
    if (this.wal.save(raft, entries)) this.dirty = true
    if (entries.length > 0) this.unsyncedFrom = Math.min(this.unsyncedFrom, raft.unwrittenFrom)
    raft.hardStateChanged = false
    raft.unwrittenFrom = raft.log.lastIndex + 1
  }

  private sendOut(): void {
    const { outbox } = this.raft
    if (outbox.length === 0) return
    this.raft.outbox = []
    for (const letter of outbox) {
      if (needsNoDisk(letter.message)) this.transmit(letter)
      else this.afterSync.push(letter)
    }
  }

  private transmit(letter: RaftLetter): void {
    const { host } = this
    const { to, message } = letter
    const process = this.peers.processOf(to)
    if (process === null) return
    // A vote counts from the moment it is told to somebody.
    if (message.kind === 'VoteReply' && message.granted && !message.pre)
      host.observe({ kind: 'Voted', member: this.id, term: message.term, candidate: to })
    if (message.kind === 'VoteRequest' && !message.pre)
      host.observe({ kind: 'Voted', member: this.id, term: message.term, candidate: this.id })
    if (message.kind === 'Install') this.expectInstalled(to, message.snapshot.index)
    this.spoke(message)
    host.send(process, letter)
  }

  /** Whether a snapshot arrives nobody says but the member itself: after a while it is asked. */
  private expectInstalled(to: MemberId, index: number): void {
    this.host.after(2 * this.electionMs, () => {
      this.raft.snapshotOverdue(to, index)
      this.flush()
    })
  }

  private spoke(message: RaftMessage): void {
    const { kind, term } = message
    // As in etcd, what is only passed on to the leader speaks for no term.
    if (kind === 'ReadIndex' || kind === 'Propose') return
    const pre = (kind === 'VoteRequest' || kind === 'VoteReply') && message.pre
    const sort = pre ? `${kind} pre` : kind
    const sorts = this.spoken.get(term)
    if (sorts === undefined) this.spoken.set(term, new Set([sort]))
    else if (sorts.has(sort)) return
    else sorts.add(sort)
    this.host.observe({ kind: 'Spoke', member: this.id, term, message: kind, pre })
  }

  /** One sync at a time; what piles up meanwhile goes into the next. */
  private sync(): void {
    if (this.syncing) return
    this.syncing = true
    this.dirty = false
    const { raft, host } = this
    const ready = this.afterSync.length
    const { lastIndex, lastTerm } = raft.log
    const disk = this.diskFrom(this.unsyncedFrom)
    this.unsyncedFrom = Infinity
    host.disk.sync(() => {
      this.syncing = false
      const { term, vote, from, lastIndex: last, log } = disk
      host.observe({ atMs: NOW, kind: 'Persisted', member: this.id, term, vote, from, lastIndex: last, log })
      this.sendAfterSync(ready)
      raft.wrote(lastIndex, lastTerm, disk.term, host.elapsed())
      this.flush()
    })
  }

  /** What a sync that begins now makes durable of the log from an index on. */
  private diskFrom(from: number): Disk {
    const { log, term, vote } = this.raft
    const first = Math.min(Math.max(from, log.firstIndex), log.lastIndex + 1)
    return { term, vote, from: first, lastIndex: log.lastIndex, log: log.runs(first) }
  }

  private sendAfterSync(count: number): void {
    for (const letter of this.afterSync.splice(0, count)) this.transmit(letter)
  }

  // Applying

  private applyCommitted(): void {
    const { raft, applier } = this
    if (applier.index < raft.commit) {
      while (applier.index < raft.commit) this.apply(raft.log.get(applier.index + 1))
      raft.appliedTo(applier.index)
      if (applier.index - this.snapshotIndex >= this.snapshotCount) this.takeSnapshot()
    }
    this.reads.applied()
  }

  private apply(entry: Entry): void {
    const { host, raft } = this
    const { proposal } = entry
    const applied = this.applier.apply(entry, host.elapsed(), proposal !== null && this.service.awaits(proposal.id))
    if (proposal !== null && applied.response !== null) {
      for (const change of applied.changes) host.observe(commitOf(change, proposal, entry))
      for (const sighting of applied.sightings) host.observe(sighting)
      this.service.applied(proposal, applied)
    }
    const { index, term } = entry
    const { mvcc, digest } = this.applier
    host.observe({ atMs: NOW, kind: 'Applied', member: this.id, index, term, revision: mvcc.revision, digest })
    if (proposal?.change === undefined) return
    this.observeConfiguration(entry.index)
    raft.configure(this.applier.membership.configuration)
    if (this.applier.membership.wasRemoved(this.id)) this.leave()
  }

  private header(revision: Revision = this.applier.mvcc.revision): Header {
    return { revision, raftTerm: this.raft.term, member: this.id }
  }

  // Snapshots

  private snapshot(): Snapshot {
    const { index, term, membership } = this.applier
    return { index, term, configuration: membership.configuration, state: this.applier.snapshot() }
  }

  private takeSnapshot(): void {
    const snapshot = this.snapshot()
    this.wal.saveSnapshot(snapshot, false)
    this.snapshotIndex = snapshot.index
    this.raft.compactTo(snapshot.index - this.catchUpEntries)
    this.host.observe({ kind: 'SnapshotTaken', member: this.id, index: snapshot.index, firstIndex: this.raft.log.firstIndex })
  }

  /** The leader sent one: it is on the disk before the leader is told so. */
  private installed(snapshot: Snapshot): void {
    this.wal.saveSnapshot(snapshot, true)
    this.dirty = true
    this.unsyncedFrom = Math.min(this.unsyncedFrom, snapshot.index + 1)
    this.restoreState(snapshot)
    this.service.restored()
  }

  // Clients

  accept(connection: Connection<Message>): ConnectionHandler<Message> {
    return this.service.accept(connection)
  }
}

const commitOf = ({ revision, key, before, after }: Change, { author, via, auth }: Proposal, { index, term }: Entry): Sighting =>
  auth === undefined
    ? { atMs: NOW, kind: 'Commit', revision, key, before, after, author, via, index, term }
    : { atMs: NOW, kind: 'Commit', revision, key, before, after, author, via, user: auth.user, index, term }
