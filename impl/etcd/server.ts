/**
 * One etcd member: Raft below, the state machine above, the service to clients at the side.
 *
 * What is said that depends on the disk (votes, acknowledgements) waits until the disk has it.
 * Source: server/etcdserver/v3_server.go, server/etcdserver/raft.go.
 */
import type { Connection, ConnectionHandler } from '../../sim/host.ts'
import type { Header, Revision } from '../../model/state/keyspace.ts'
import type { Disk } from '../../model/state/history.ts'
import type { Timings } from '../../model/state/plan.ts'
import type { ClusterHost, ClusterProcess, Message, Program } from '../wire.ts'
import { Applier } from './applier.ts'
import type { Entry, RaftMessage } from './raft-message.ts'
import { Raft, type HardState } from './raft.ts'
import { requestTimeoutMs, Service } from './service.ts'

export interface MemberOptions {
  readonly members: readonly string[]
  readonly timings: Timings
}

interface WalRecord {
  readonly hardState: HardState
  /** Replace what the log held from the first of them on. */
  readonly entries: readonly Entry[]
}

const WAL = 'wal'
const HEARTBEAT_MS = 100
const ELECTION_MS = 1_000
const APPEND_ENTRIES = 256
const READ_RETRY_MS = 500

export const etcdMember =
  (options: MemberOptions): Program =>
  (host) =>
    new Member(host, options)

/** Whether a message may leave before what this member has written is durable. */
const needsNoDisk = (message: RaftMessage): boolean =>
  message.kind === 'Append' || message.kind === 'Heartbeat' || message.kind === 'ReadIndex'

class Member implements ClusterProcess {
  private readonly host: ClusterHost
  private readonly raft: Raft
  private readonly applier: Applier
  private readonly service: Service
  private readonly electionMs: number
  private readonly heartbeatMs: number
  private syncing = false
  private afterSync: { readonly to: string; readonly message: RaftMessage }[] = []
  private reads: (() => void)[] = []
  private readsInFlight: { context: number; index: number | null; done: (() => void)[] } | null = null
  private contexts = 0

  constructor(host: ClusterHost, options: MemberOptions) {
    this.host = host
    this.electionMs = options.timings.etcdElectionMs ?? ELECTION_MS
    this.heartbeatMs = options.timings.etcdHeartbeatMs ?? HEARTBEAT_MS
    this.applier = new Applier(
      {
        electionMs: this.electionMs,
        leaseCheckpointMs: options.timings.etcdLeaseCheckpointMs,
        compactionBatch: options.timings.etcdCompactionBatch,
        quotaBytes: options.timings.etcdQuotaBytes,
      },
      (revision) => this.header(revision),
    )
    this.raft = new Raft(
      host.name,
      options.members,
      { electionMs: this.electionMs, entriesMost: options.timings.etcdAppendEntries ?? APPEND_ENTRIES },
      host.random('election'),
      {
        elected: (term) => this.elected(term),
        steppedDown: (term, reason) => this.steppedDown(term, reason),
        committed: (index, entryTerm) => host.observe({ kind: 'Committed', member: host.name, term: this.raft.term, index, entryTerm }),
        readReady: (context, index) => this.readReady(context, index),
        steppedBack: (to, match, next) => host.observe({ kind: 'SteppedBack', member: host.name, term: this.raft.term, to, match, next }),
        proposalsDropped: (proposals) => {
          for (const { id } of proposals) this.service.dropped(id)
        },
      },
    )
    this.service = new Service(host, this.applier, this.electionMs, options.timings, {
      peers: options.members.filter((member) => member !== host.name),
      raft: this.raft,
      header: () => this.header(),
      linearizable: (done, late) => this.linearizable(done, late),
      flush: () => this.flush(),
    })
  }

  start(): void {
    let hardState: HardState = { term: 0, vote: null }
    const entries: Entry[] = []
    const records = this.host.disk.read(WAL)
    for (const { record, torn } of records) {
      // A torn record was never acknowledged: its checksum fails and the log ends before it.
      if (torn) break
      const written = record as WalRecord
      hardState = written.hardState
      entries.push(...written.entries)
    }
    if (records.at(-1)?.torn === true) this.host.disk.truncate(WAL, records.length - 1)
    this.raft.restore(hardState, entries)
    this.host.observe({ kind: 'Restored', member: this.host.name, electionMs: this.electionMs, ...this.diskFrom(1) })
    this.raft.resetElectionTimer(this.host.elapsed())
    this.armElection()
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
    host.observe({ kind: 'Elected', member: host.name, term, lastIndex: log.lastIndex, log: log.runs() })
    this.service.promote()
    const still = (): boolean => raft.role === 'leader' && raft.term === term
    const beat = (): void => {
      if (!still()) return
      raft.heartbeat()
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
    this.host.observe({ kind: 'SteppedDown', member: this.host.name, term, reason })
    this.service.demote()
    this.raft.resetElectionTimer(this.host.elapsed())
  }

  // Raft in and out

  receive(from: string, message: Message): void {
    if (message.kind !== 'Raft') return
    const raftMessage = message.message
    if (raftMessage.kind === 'Ask') this.service.memberAsked(from, raftMessage.id, raftMessage.request)
    else if (raftMessage.kind === 'Answer') this.service.answer(raftMessage.id, raftMessage.response)
    else this.raft.step(from, raftMessage, this.host.elapsed())
    this.flush()
  }

  /** Writes what changed, sends what may be sent, applies what is committed. */
  private flush(): void {
    const { raft, host } = this
    if (raft.hardStateChanged || raft.unwrittenFrom <= raft.log.lastIndex) {
      const entries = raft.log.slice(raft.unwrittenFrom, raft.log.lastIndex)
      this.unsyncedFrom = Math.min(this.unsyncedFrom, raft.unwrittenFrom)
      const record: WalRecord = { hardState: raft.hardState, entries }
      host.disk.append(WAL, record)
      raft.hardStateChanged = false
      raft.unwrittenFrom = raft.log.lastIndex + 1
      this.dirty = true
    }
    const { outbox } = raft
    raft.outbox = []
    for (const { to, message } of outbox) {
      if (needsNoDisk(message)) this.transmit(to, message)
      else this.afterSync.push({ to, message })
    }
    if (this.dirty) this.sync()
    else if (!this.syncing) this.sendAfterSync(this.afterSync.length)
    this.applyCommitted()
  }

  private dirty = false
  /** What was written since the last sync began starts here. */
  private unsyncedFrom = Infinity
  /** Term → sorts of message it has sent in it, for the observer. */
  private readonly spoken = new Map<number, Set<string>>()

  private transmit(to: string, message: RaftMessage): void {
    const { host } = this
    // A vote counts from the moment it is told to somebody.
    if (message.kind === 'VoteReply' && message.granted && !message.pre)
      host.observe({ kind: 'Voted', member: host.name, term: message.term, candidate: to })
    if (message.kind === 'VoteRequest' && !message.pre)
      host.observe({ kind: 'Voted', member: host.name, term: message.term, candidate: host.name })
    this.spoke(message)
    host.send(to, { kind: 'Raft', message })
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
    this.host.observe({ kind: 'Spoke', member: this.host.name, term, message: kind, pre })
  }

  /** One sync at a time; what piles up meanwhile goes into the next. */
  private sync(): void {
    if (this.syncing) return
    this.syncing = true
    this.dirty = false
    const ready = this.afterSync.length
    const { lastIndex, lastTerm } = this.raft.log
    const { term } = this.raft
    const disk = this.diskFrom(this.unsyncedFrom)
    this.unsyncedFrom = lastIndex + 1
    this.host.disk.sync(() => {
      this.syncing = false
      this.host.observe({ kind: 'Persisted', member: this.host.name, ...disk })
      this.sendAfterSync(ready)
      this.raft.wrote(lastIndex, lastTerm, term)
      this.flush()
    })
  }

  /** What a sync that begins now makes durable of the log from an index on. */
  private diskFrom(from: number): Disk {
    const { log, term, vote } = this.raft
    return { term, vote, from, lastIndex: log.lastIndex, log: log.runs(from) }
  }

  private sendAfterSync(count: number): void {
    for (const { to, message } of this.afterSync.splice(0, count)) this.transmit(to, message)
  }

  // Applying

  private applyCommitted(): void {
    const { raft, applier, host } = this
    while (applier.index < raft.commit) {
      const entry = raft.log.get(applier.index + 1)
      this.apply(entry)
      const { digest } = applier
      const { revision } = applier.mvcc
      host.observe({ kind: 'Applied', member: host.name, index: entry.index, term: entry.term, revision, digest })
    }
    const read = this.readsInFlight
    if (read !== null && read.index !== null && applier.index >= read.index) {
      this.readsInFlight = null
      for (const done of read.done) done()
      this.startReads()
    }
  }

  private apply(entry: Entry): void {
    const { host } = this
    const wanted = entry.proposal !== null && this.service.awaits(entry.proposal.id)
    const applied = this.applier.apply(entry, host.elapsed(), wanted)
    if (entry.proposal === null || applied.response === null) return
    const { author, via, auth } = entry.proposal
    const user = auth === undefined ? {} : { user: auth.user }
    for (const change of applied.changes)
      host.observe({ kind: 'Commit', ...change, author, via, ...user, index: entry.index, term: entry.term })
    for (const sighting of applied.sightings) host.observe(sighting)
    this.service.applied(entry.proposal, applied)
  }

  private header(revision: Revision = this.applier.mvcc.revision): Header {
    return { revision, raftTerm: this.raft.term, member: this.host.name }
  }

  // Clients

  accept(connection: Connection<Message>): ConnectionHandler<Message> {
    return this.service.accept(connection)
  }

  // Linearizable reads: one round at a time, for all that came before it

  /** Runs `done` once this member has applied all that was committed before now; otherwise `late`. */
  private linearizable(done: () => void, late: () => void): void {
    let open = true
    const timer = this.host.after(requestTimeoutMs(this.electionMs), () => {
      open = false
      late()
    })
    this.reads.push(() => {
      if (!open) return
      this.host.cancel(timer)
      done()
    })
    if (this.readsInFlight === null) this.startReads()
  }

  private startReads(): void {
    if (this.reads.length === 0) return
    const done = this.reads
    this.reads = []
    this.askIndex(done)
  }

  private askIndex(done: (() => void)[]): void {
    this.contexts++
    const round: NonNullable<Member['readsInFlight']> = { context: this.contexts, index: null, done }
    this.readsInFlight = round
    this.askAgain(round)
  }

  /** The same question until it is answered: all who wait for it asked before it was first put, so any answer will do. */
  private askAgain(round: NonNullable<Member['readsInFlight']>): void {
    this.raft.readIndex(round.context)
    this.host.after(READ_RETRY_MS, () => {
      if (this.readsInFlight !== round || round.index !== null) return
      this.askAgain(round)
      this.flush()
    })
  }

  private readReady(context: number, index: number): void {
    const round = this.readsInFlight
    if (round !== null && round.context === context) round.index = index
  }
}
