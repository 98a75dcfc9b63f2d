/**
 * One etcd member: Raft below, the multi-version store above, clients and watches at the side.
 *
 * What is said that depends on the disk (votes, acknowledgements) waits until the disk has it.
 * Source: server/etcdserver/v3_server.go, server/etcdserver/raft.go.
 */
import type { Connection, ConnectionHandler, Timer } from '../../sim/host.ts'
import type { EtcdError, EtcdRequest, EtcdResponse, Header, KvRequest, LeaseId, Revision } from '../../model/state/keyspace.ts'
import type { Disk } from '../../model/state/history.ts'
import type { Timings } from '../../model/state/plan.ts'
import type { ClusterHost, ClusterProcess, Message, Program } from '../wire.ts'
import type { EtcdClientMessage } from './api.ts'
import { Applier } from './applier.ts'
import { COMPACTED, FUTURE, isReadOnly, NO_LEASE, refusal } from './mvcc.ts'
import type { Entry, RaftMessage } from './raft-message.ts'
import { Raft, type HardState } from './raft.ts'
import { WatchHub } from './watch.ts'

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
/** 5 s for disk and queue and two election timeouts, as etcd's ReqTimeout. */
const REQUEST_TIMEOUT_MS = 5_000
const READ_RETRY_MS = 500
const LEASE_CHECK_LEAST_MS = 100

const unsure = (message: string): EtcdError => ({ kind: 'Error', message, definite: false })
const TIMED_OUT = unsure('etcdserver: request timed out')
const NO_LEADER = refusal('etcdserver: no leader')

type Answer = (response: EtcdResponse | EtcdError) => void

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
  private readonly hub: WatchHub
  private readonly electionMs: number
  private readonly heartbeatMs: number
  private syncing = false
  private afterSync: { readonly to: string; readonly message: RaftMessage }[] = []
  /** Changes what a proposal's id starts with, so that ids of two incarnations never meet. */
  private readonly incarnation: number
  private proposals = 0
  private readonly waiting = new Map<string, Answer>()
  private reads: (() => void)[] = []
  private readsInFlight: { context: number; index: number | null; done: (() => void)[] } | null = null
  private contexts = 0
  private leaseTimer: Timer | null = null

  constructor(host: ClusterHost, options: MemberOptions) {
    this.host = host
    this.electionMs = options.timings.etcdElectionMs ?? ELECTION_MS
    this.heartbeatMs = options.timings.etcdHeartbeatMs ?? HEARTBEAT_MS
    this.applier = new Applier(this.electionMs, (revision) => this.header(revision))
    this.hub = new WatchHub(this.applier.mvcc)
    this.incarnation = host.random('incarnation').below(2 ** 32)
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
          for (const proposal of proposals) this.answer(proposal.id, NO_LEADER)
        },
      },
    )
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
    this.applier.lessor.promote(host.elapsed())
    this.armLeases()
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
    this.applier.lessor.demote()
    this.raft.resetElectionTimer(this.host.elapsed())
  }

  // Raft in and out

  receive(from: string, message: Message): void {
    if (message.kind !== 'Raft') return
    const raftMessage = message.message
    if (raftMessage.kind === 'KeepAlive') this.keepAliveAsked(from, raftMessage.id, raftMessage.lease)
    else if (raftMessage.kind === 'KeepAliveReply') this.keepAliveAnswered(raftMessage.id, raftMessage.lease, raftMessage.ttlSeconds)
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
  /** Sorts of message it has sent in its term, for the observer. */
  private readonly spoken = new Set<string>()

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
    const sort = `${term} ${kind}${pre ? ' pre' : ''}`
    if (this.spoken.has(sort)) return
    this.spoken.add(sort)
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
    const { host, hub } = this
    const { response, changes, sightings } = this.applier.apply(entry, host.elapsed())
    if (entry.proposal === null || response === null) return
    const { id, author, via } = entry.proposal
    for (const change of changes) host.observe({ kind: 'Commit', ...change, author, via, index: entry.index, term: entry.term })
    if (changes.length > 0) hub.notify(changes)
    for (const sighting of sightings) host.observe(sighting)
    if (response.kind === 'LeaseGrant') this.armLeases()
    this.answer(id, response)
  }

  private header(revision: Revision = this.applier.mvcc.revision): Header {
    return { revision, raftTerm: this.raft.term, member: this.host.name }
  }

  private answer(id: string, response: EtcdResponse | EtcdError): void {
    const answer = this.waiting.get(id)
    if (answer === undefined) return
    this.waiting.delete(id)
    answer(response)
  }

  // Clients

  accept(connection: Connection<Message>): ConnectionHandler<Message> {
    return {
      message: (message) => this.asked(connection, message as EtcdClientMessage),
      closed: () => this.hub.drop(connection),
    }
  }

  private asked(connection: Connection<Message>, message: EtcdClientMessage): void {
    switch (message.kind) {
      case 'EtcdRequest':
        this.request(message.request, message.author, connection.peer, (response) =>
          connection.send({ kind: 'EtcdReply', id: message.id, response }),
        )
        break
      case 'WatchCreate':
        this.hub.create(connection, message.watch, message.create)
        break
      case 'WatchCancel':
        this.hub.cancel(connection, message.watch)
        break
      case 'WatchProgress':
        this.hub.progress(connection)
        break
    }
    this.flush()
  }

  private request(request: EtcdRequest, author: string, via: string, answer: Answer): void {
    const { raft } = this
    const { mvcc } = this.applier
    switch (request.kind) {
      case 'Range':
        if (request.serializable === true) answer(mvcc.range(request, this.header()))
        else this.linearizable(() => answer(mvcc.range(request, this.header())), answer)
        return
      case 'Txn':
        if (isReadOnly(request)) this.linearizable(() => answer(this.readTxn(request)), answer)
        else this.propose(request, author, via, answer)
        return
      case 'Status':
        answer({
          kind: 'Status',
          header: this.header(),
          leader: raft.leader,
          raftIndex: raft.commit,
          raftAppliedIndex: this.applier.index,
        })
        return
      case 'LeaseKeepAlive':
        this.keepAlive(request.id, answer)
        return
      case 'LeaseTimeToLive': {
        const ttlSeconds = this.applier.lessor.remaining(request.id, this.host.elapsed())
        answer({ kind: 'LeaseTimeToLive', header: this.header(), id: request.id, ttlSeconds })
        return
      }
      case 'LeaseLeases':
        answer({ kind: 'LeaseLeases', header: this.header(), leases: this.applier.lessor.ids })
        return
      case 'Compact':
        if (request.revision <= mvcc.compacted) answer(COMPACTED)
        else if (request.revision > mvcc.revision) answer(FUTURE)
        else this.propose(request, author, via, answer)
        return
      case 'Put':
      case 'DeleteRange':
      case 'LeaseGrant':
      case 'LeaseRevoke':
        this.propose(request, author, via, answer)
    }
  }

  private readTxn(request: KvRequest): EtcdResponse | EtcdError {
    return this.applier.mvcc.apply(request, (revision) => this.header(revision), this.applier.lessor).response
  }

  private propose(request: EtcdRequest, author: string, via: string, answer: Answer): void {
    if (this.raft.leader === null) {
      answer(NO_LEADER)
      return
    }
    const id = this.expectAnswer(answer)
    this.raft.propose([{ id, request, author, via }])
  }

  /** An id under which the answer will come, if it comes in time. */
  private expectAnswer(answer: Answer): string {
    const id = `${this.host.name}/${this.incarnation}/${this.proposals++}`
    this.waiting.set(id, answer)
    this.host.after(REQUEST_TIMEOUT_MS + 2 * this.electionMs, () => this.answer(id, TIMED_OUT))
    return id
  }

  // Linearizable reads: one round at a time, for all that came before it

  private linearizable(done: () => void, answer: Answer): void {
    let open = true
    this.reads.push(() => {
      if (!open) return
      open = false
      done()
    })
    this.host.after(REQUEST_TIMEOUT_MS + 2 * this.electionMs, () => {
      if (!open) return
      open = false
      answer(TIMED_OUT)
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

  // Leases

  private keepAlive(lease: LeaseId, answer: Answer): void {
    const { leader } = this.raft
    if (leader === this.host.name) {
      this.renew(lease, (ttlSeconds) => answer(this.renewed(lease, ttlSeconds)))
    } else if (leader === null) answer(NO_LEADER)
    else {
      const id = this.expectAnswer(answer)
      this.host.send(leader, { kind: 'Raft', message: { kind: 'KeepAlive', term: this.raft.term, id, lease } })
    }
  }

  /** Only after a quorum has confirmed that this member still leads. */
  private renew(lease: LeaseId, done: (ttlSeconds: number) => void): void {
    this.linearizable(
      () => done(this.applier.lessor.renew(lease, this.host.elapsed()) ?? -1),
      () => {},
    )
  }

  private renewed(lease: LeaseId, ttlSeconds: number): EtcdResponse | EtcdError {
    return ttlSeconds < 0 ? NO_LEASE : { kind: 'LeaseKeepAlive', header: this.header(), id: lease, ttlSeconds }
  }

  private keepAliveAsked(from: string, id: string, lease: LeaseId): void {
    if (this.raft.role !== 'leader') return
    this.renew(lease, (ttlSeconds) => {
      const message: RaftMessage = { kind: 'KeepAliveReply', term: this.raft.term, id, lease, ttlSeconds }
      this.host.send(from, { kind: 'Raft', message })
    })
  }

  private keepAliveAnswered(id: string, lease: LeaseId, ttlSeconds: number): void {
    this.answer(id, this.renewed(lease, ttlSeconds))
  }

  private armLeases(): void {
    const next = this.applier.lessor.nextExpiryMs()
    if (this.leaseTimer !== null) this.host.cancel(this.leaseTimer)
    this.leaseTimer = null
    if (next === null) return
    const waitMs = Math.max(LEASE_CHECK_LEAST_MS, next - this.host.elapsed())
    this.leaseTimer = this.host.after(waitMs, () => {
      this.leaseTimer = null
      for (const id of this.applier.lessor.expired(this.host.elapsed())) {
        const proposal = { id: this.expectAnswer(() => {}), request: { kind: 'LeaseRevoke' as const, id } }
        this.raft.propose([{ ...proposal, author: 'lessor', via: this.host.name }])
      }
      this.flush()
      this.armLeases()
    })
  }
}
