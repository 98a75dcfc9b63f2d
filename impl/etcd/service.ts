/**
 * What a member does for its clients: requests, watches, and the leases whose time is up.
 *
 * What changes the state goes through the log; what reads it waits until this member has caught up with the moment it was
 * asked, or is answered at once where the client does not mind an old answer.
 * Source: server/etcdserver/v3_server.go, server/etcdserver/api/v3rpc.
 */
import type { Connection, ConnectionHandler, Timer } from '../../sim/host.ts'
import type { EtcdError, EtcdRequest, EtcdResponse, Header, LeaseId } from '../../model/state/keyspace.ts'
import type { ClusterHost, Message } from '../wire.ts'
import type { EtcdClientMessage } from './api.ts'
import type { Applied, Applier } from './applier.ts'
import { COMPACTED, FUTURE, isReadOnly, NO_LEASE, refusal } from './mvcc.ts'
import type { Proposal, RaftMessage } from './raft-message.ts'
import type { Raft } from './raft.ts'
import { WatchHub } from './watch.ts'

/** What the service needs of the member that it is a part of. */
export interface Consensus {
  readonly raft: Raft
  header(): Header
  /** Runs `done` once this member has applied all that was committed before now; `late` if that takes too long. */
  linearizable(done: () => void, late: () => void): void
  /** What Raft was given goes on its way. */
  flush(): void
}

const unsure = (message: string): EtcdError => ({ kind: 'Error', message, definite: false })
const TIMED_OUT = unsure('etcdserver: request timed out')
const NO_LEADER = refusal('etcdserver: no leader')
const LEASE_CHECK_LEAST_MS = 100

/** 5 s for disk and queue and two election timeouts, as etcd's ReqTimeout. */
export const requestTimeoutMs = (electionMs: number): number => 5_000 + 2 * electionMs

type Answer = (response: EtcdResponse | EtcdError) => void

export class Service {
  private readonly host: ClusterHost
  private readonly applier: Applier
  private readonly electionMs: number
  private readonly consensus: Consensus
  private readonly hub: WatchHub
  /** Changes what a proposal's id starts with, so that ids of two incarnations never meet. */
  private readonly incarnation: number
  private proposals = 0
  private readonly waiting = new Map<string, { readonly answer: Answer; readonly timer: Timer }>()
  private leaseTimer: Timer | null = null

  constructor(host: ClusterHost, applier: Applier, electionMs: number, consensus: Consensus) {
    this.host = host
    this.applier = applier
    this.electionMs = electionMs
    this.consensus = consensus
    this.hub = new WatchHub(applier.mvcc)
    this.incarnation = host.random('incarnation').below(2 ** 32)
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
    this.consensus.flush()
  }

  private request(request: EtcdRequest, author: string, via: string, answer: Answer): void {
    const { consensus, applier } = this
    const { mvcc, lessor } = applier
    switch (request.kind) {
      case 'Range':
        if (request.serializable === true) answer(mvcc.range(request, consensus.header()))
        else this.linearizable(() => answer(mvcc.range(request, consensus.header())), answer)
        return
      case 'Txn':
        if (isReadOnly(request)) this.linearizable(() => answer(applier.read(request)), answer)
        else this.propose(request, author, via, answer)
        return
      case 'Status':
        answer(this.status())
        return
      case 'LeaseKeepAlive':
        this.keepAlive(request.id, answer)
        return
      case 'LeaseTimeToLive': {
        const ttlSeconds = lessor.remaining(request.id, this.host.elapsed())
        answer({ kind: 'LeaseTimeToLive', header: consensus.header(), id: request.id, ttlSeconds })
        return
      }
      case 'LeaseLeases':
        answer({ kind: 'LeaseLeases', header: consensus.header(), leases: lessor.ids })
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

  private status(): EtcdResponse {
    const { raft } = this.consensus
    return {
      kind: 'Status',
      header: this.consensus.header(),
      leader: raft.leader,
      raftIndex: raft.commit,
      raftAppliedIndex: this.applier.index,
    }
  }

  private linearizable(done: () => void, answer: Answer): void {
    this.consensus.linearizable(done, () => answer(TIMED_OUT))
  }

  // The log

  private propose(request: EtcdRequest, author: string, via: string, answer: Answer): void {
    const { raft } = this.consensus
    if (raft.leader === null) answer(NO_LEADER)
    else raft.propose([{ id: this.expectAnswer(answer), request, author, via }])
  }

  /** An id under which the answer will come, if it comes in time. */
  private expectAnswer(answer: Answer): string {
    const id = `${this.host.name}/${this.incarnation}/${this.proposals++}`
    const timer = this.host.after(requestTimeoutMs(this.electionMs), () => this.answer(id, TIMED_OUT))
    this.waiting.set(id, { answer, timer })
    return id
  }

  private answer(id: string, response: EtcdResponse | EtcdError): void {
    const waiting = this.waiting.get(id)
    if (waiting === undefined) return
    this.waiting.delete(id)
    this.host.cancel(waiting.timer)
    waiting.answer(response)
  }

  /** An entry was applied. */
  applied({ id }: Proposal, { response, changes }: Applied): void {
    if (changes.length > 0) this.hub.notify(changes)
    if (response === null) return
    if (response.kind === 'LeaseGrant') this.armLeases()
    this.answer(id, response)
  }

  /** A proposal never got into a log: there was no leader to take it. */
  dropped(id: string): void {
    this.answer(id, NO_LEADER)
  }

  // Leases

  /** This member leads from now on: it is the one to decide when leases end. */
  promote(): void {
    this.applier.lessor.promote(this.host.elapsed())
    this.armLeases()
  }

  demote(): void {
    this.applier.lessor.demote()
  }

  private keepAlive(lease: LeaseId, answer: Answer): void {
    const { leader, term } = this.consensus.raft
    if (leader === this.host.name) {
      this.renew(lease, (ttlSeconds) => answer(this.renewed(lease, ttlSeconds)))
    } else if (leader === null) answer(NO_LEADER)
    else {
      const id = this.expectAnswer(answer)
      this.host.send(leader, { kind: 'Raft', message: { kind: 'KeepAlive', term, id, lease } })
    }
  }

  /** Only after a quorum has confirmed that this member still leads. */
  private renew(lease: LeaseId, done: (ttlSeconds: number) => void): void {
    this.consensus.linearizable(
      () => done(this.applier.lessor.renew(lease, this.host.elapsed()) ?? -1),
      () => {},
    )
  }

  private renewed(lease: LeaseId, ttlSeconds: number): EtcdResponse | EtcdError {
    return ttlSeconds < 0 ? NO_LEASE : { kind: 'LeaseKeepAlive', header: this.consensus.header(), id: lease, ttlSeconds }
  }

  /** By a member that does not lead, on behalf of its client. */
  keepAliveAsked(from: string, id: string, lease: LeaseId): void {
    const { raft } = this.consensus
    if (raft.role !== 'leader') return
    this.renew(lease, (ttlSeconds) => {
      const message: RaftMessage = { kind: 'KeepAliveReply', term: raft.term, id, lease, ttlSeconds }
      this.host.send(from, { kind: 'Raft', message })
    })
  }

  keepAliveAnswered({ id, lease, ttlSeconds }: RaftMessage & { kind: 'KeepAliveReply' }): void {
    this.answer(id, this.renewed(lease, ttlSeconds))
  }

  private armLeases(): void {
    const { host, consensus } = this
    const { lessor } = this.applier
    const next = lessor.nextExpiryMs()
    if (this.leaseTimer !== null) host.cancel(this.leaseTimer)
    this.leaseTimer = null
    if (next === null) return
    const waitMs = Math.max(LEASE_CHECK_LEAST_MS, next - host.elapsed())
    this.leaseTimer = host.after(waitMs, () => {
      this.leaseTimer = null
      for (const id of lessor.expired(host.elapsed())) {
        const request = { kind: 'LeaseRevoke' as const, id }
        consensus.raft.propose([{ id: this.expectAnswer(() => {}), request, author: 'lessor', via: host.name }])
      }
      consensus.flush()
      this.armLeases()
    })
  }
}
