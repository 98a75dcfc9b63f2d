/**
 * What a member does for its clients: requests, watches, and on whose behalf they are made.
 *
 * What changes the state goes through the log; what reads it waits until this member has caught up with the moment it was
 * asked, or is answered at once where the client does not mind an old answer.
 * Source: server/etcdserver/v3_server.go, server/etcdserver/api/v3rpc.
 */
import type { Connection, ConnectionHandler, Timer } from '../../sim/host.ts'
import type { EtcdError, EtcdRequest, EtcdResponse, Header, KvRequest, MemberId } from '../../model/state/keyspace.ts'
import type { Timings } from '../../model/state/plan.ts'
import type { ClusterHost, Message } from '../wire.ts'
import type { EtcdClientMessage } from './api.ts'
import type { Applied, Applier } from './applier.ts'
import type { AuthInfo } from './auth.ts'
import { isVoter } from './configuration.ts'
import { INVALID_TOKEN, NO_LEADER, NO_SPACE, NO_SPACE_LEFT, NOT_FOR_LEARNER, REQUEST_TOO_LARGE, TIMED_OUT } from './errors.ts'
import { LeaseService } from './lease-service.ts'
import type { LogRequest } from './log-request.ts'
import { Maintenance } from './maintenance.ts'
import { changeOf } from './membership.ts'
import type { Peers } from './peers.ts'
import type { Proposal, RaftMessage } from './raft-message.ts'
import type { Raft } from './raft.ts'
import { Reconfiguring } from './reconfiguring.ts'
import { checkRequest, isReadOnly, requestSize } from './request.ts'
import { WatchHub } from './watch.ts'

/** What the service needs of the member that it is a part of. */
export interface Consensus {
  /** This member. */
  readonly id: MemberId
  readonly raft: Raft
  readonly peers: Peers
  header(): Header
  /** Runs `done` once this member has applied all that was committed before now; `late` if that takes too long. */
  linearizable(done: () => void, late: () => void): void
  send(to: MemberId, message: RaftMessage): void
  /** What Raft was given goes on its way. */
  flush(): void
}

/** 5 s for disk and queue and two election timeouts, as etcd's ReqTimeout. */
export const requestTimeoutMs = (electionMs: number): number => 5_000 + 2 * electionMs

/** Who asks: for the history, and for what he may do. */
export interface Asker {
  readonly author: string
  readonly via: string
  readonly auth: AuthInfo | undefined
}
export type Answer = (response: EtcdResponse | EtcdError) => void

const REQUEST_BYTES_MOST = 1_572_864
const TOKEN_LETTERS = 16

export class Service {
  private readonly host: ClusterHost
  private readonly applier: Applier
  private readonly timeoutMs: number
  private readonly consensus: Consensus
  private readonly hub: WatchHub
  private readonly leases: LeaseService
  private readonly maintenance: Maintenance
  private readonly reconfiguring: Reconfiguring
  private readonly requestBytesMost: number
  /** Changes what a proposal's id starts with, so that ids of two incarnations never meet. */
  private readonly incarnation: number
  private proposals = 0
  private readonly waiting = new Map<string, { readonly answer: Answer; readonly timer: Timer }>()

  constructor(host: ClusterHost, applier: Applier, electionMs: number, timings: Timings, consensus: Consensus) {
    this.host = host
    this.applier = applier
    this.timeoutMs = requestTimeoutMs(electionMs)
    this.consensus = consensus
    this.requestBytesMost = timings.etcdMaxRequestBytes ?? REQUEST_BYTES_MOST
    this.hub = new WatchHub(host, applier.mvcc, timings, this.requestBytesMost)
    this.leases = new LeaseService(host, this, applier, consensus)
    this.maintenance = new Maintenance(host, this, applier, consensus, timings)
    this.reconfiguring = new Reconfiguring(host, this, applier, consensus, this.timeoutMs)
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
      case 'EtcdRequest': {
        const { id, request, author, token } = message
        const answer: Answer = (response) => connection.send({ kind: 'EtcdReply', id, response })
        this.recognize(token, answer, (auth) => this.request(request, { author, via: connection.peer, auth }, answer))
        break
      }
      case 'WatchCreate': {
        const { watch, create, token } = message
        const refuse = (error: EtcdError): void => connection.send({ kind: 'WatchCanceled', watch, reason: error.message })
        if (!this.serves) {
          refuse(NOT_FOR_LEARNER)
          break
        }
        this.recognize(token, refuse, (auth) => {
          const problem = this.applier.auth.isPermitted(auth, create, 'READ')
          if (problem === null) this.hub.create(connection, watch, create)
          else refuse(problem)
        })
        break
      }
      case 'WatchCancel':
        this.hub.cancel(connection, message.watch)
        break
      case 'WatchProgress':
        this.hub.progress(connection)
        break
      case 'WatchReceived':
        this.hub.received(connection, message.responses)
        break
    }
    this.consensus.flush()
  }

  /** Whom a token stands for. A member that has not applied as much as the one that gave it out waits until it has. */
  private recognize(token: string | undefined, refuse: (error: EtcdError) => void, go: (auth: AuthInfo | undefined) => void): void {
    const { auth, tokens, index } = this.applier
    if (token === undefined) {
      go(undefined)
      return
    }
    const look = (): void => {
      if (!auth.enabled) {
        go(undefined)
        return
      }
      const user = tokens.user(token, this.host.elapsed())
      if (user === undefined) refuse(INVALID_TOKEN)
      else go({ user, revision: auth.revision })
    }
    if (Number(token.split('.')[1]) <= index) look()
    else this.consensus.linearizable(look, () => refuse(INVALID_TOKEN))
  }

  /** Who does not vote answers only what anybody may answer from an old state. */
  private get serves(): boolean {
    return isVoter(this.applier.membership.configuration, this.consensus.id)
  }

  private request(request: EtcdRequest, asker: Asker, answer: Answer): void {
    if (!this.serves && request.kind !== 'Status' && !(request.kind === 'Range' && request.serializable === true)) {
      answer(NOT_FOR_LEARNER)
      return
    }
    switch (request.kind) {
      case 'Range':
      case 'Txn':
      case 'Put':
      case 'DeleteRange': {
        const wrong = checkRequest(request)
        if (wrong !== null) answer(wrong)
        else if (isReadOnly(request)) this.read(request, asker.auth, answer)
        else this.write(request, asker, answer)
        return
      }
      case 'LeaseGrant':
        this.write(request, asker, answer)
        return
      case 'LeaseKeepAlive':
      case 'LeaseTimeToLive':
      case 'LeaseLeases':
        this.leases.request(request, asker, answer)
        return
      case 'HashKv':
      case 'Defragment':
      case 'Snapshot':
      case 'Status':
        this.maintenance.request(request, asker, answer)
        return
      case 'MemberAdd':
      case 'MemberRemove':
      case 'MemberPromote':
      case 'MemberUpdate':
      case 'MemberList':
      case 'Reconfigure':
      case 'MoveLeader':
        this.reconfiguring.request(request, asker, answer)
        return
      case 'Authenticate':
        this.authenticate(request.name, request.password, asker, answer)
        return
      default:
        this.propose(request, asker, answer)
    }
  }

  private read(request: KvRequest, info: AuthInfo | undefined, answer: Answer): void {
    const { applier } = this
    const look = (): void => {
      const problem = applier.refusesAll() ?? applier.auth.check(info, request)
      answer(problem ?? applier.read(request))
    }
    if (request.kind === 'Range' && request.serializable === true) look()
    else this.linearizable(look, answer)
  }

  linearizable(done: () => void, answer: Answer): void {
    this.consensus.linearizable(done, () => answer(TIMED_OUT))
  }

  // The log

  /** What needs room: refused by the first member that has none left, which tells the others. */
  private write(request: LogRequest, asker: Asker, answer: Answer): void {
    const { quota } = this.applier
    if (quota.fits(quota.cost(request))) {
      this.propose(request, asker, answer)
      return
    }
    this.maintenance.raise({ memberId: this.consensus.id, alarm: 'NOSPACE' })
    answer(NO_SPACE)
  }

  propose(request: LogRequest, { author, via, auth }: Asker, answer: Answer): void {
    const { raft } = this.consensus
    if (requestSize(request) > this.requestBytesMost) answer(REQUEST_TOO_LARGE)
    else if (raft.leader === null) answer(NO_LEADER)
    else {
      const change = changeOf(request)
      const given = { ...(auth === undefined ? {} : { auth }), ...(change === null ? {} : { change }) }
      raft.propose([{ id: this.expectAnswer(answer), request, author, via, ...given }])
    }
  }

  /** A member that was added tells the others that it has started, until they know. */
  publish(): void {
    const { id } = this.consensus
    const { membership } = this.applier
    if (!membership.has(id) || membership.info(id).name !== '') return
    this.propose({ kind: 'MemberPublish', id, name: this.host.name }, this.asItself('member'), () => {})
    this.consensus.flush()
  }

  /** What members say to each other on behalf of their clients. False: it is Raft's own. */
  receive(from: MemberId, message: RaftMessage): boolean {
    if (message.kind === 'Ask') this.memberAsked(from, message.id, message.request)
    else if (message.kind === 'Answer') this.answer(message.id, message.response)
    else return false
    return true
  }

  /** Asks another member what only it can answer. */
  ask(member: MemberId, request: EtcdRequest, answer: Answer): void {
    const { term } = this.consensus.raft
    this.consensus.send(member, { kind: 'Ask', term, id: this.expectAnswer(answer), request })
  }

  private memberAsked(from: MemberId, id: string, request: EtcdRequest): void {
    const { raft } = this.consensus
    const forLeader = request.kind === 'LeaseKeepAlive' || request.kind === 'LeaseTimeToLive' || request.kind === 'MemberPromote'
    // Who asked will ask the leader again once he has heard of it.
    if (forLeader && raft.role !== 'leader') return
    this.request(request, this.asItself('member'), (response) =>
      this.consensus.send(from, { kind: 'Answer', term: raft.term, id, response }),
    )
  }

  /** The member on its own behalf: it may do everything. */
  asItself(author: string): Asker {
    const { enabled, revision } = this.applier.auth
    return { author, via: this.host.name, auth: enabled ? { user: 'root', revision } : undefined }
  }

  /** An id under which the answer will come, if it comes in time. */
  private expectAnswer(answer: Answer): string {
    const id = `${this.host.name}/${this.incarnation}/${this.proposals++}`
    const timer = this.host.after(this.timeoutMs, () => this.answer(id, TIMED_OUT))
    this.waiting.set(id, { answer, timer })
    return id
  }

  answer(id: string, response: EtcdResponse | EtcdError): void {
    const waiting = this.waiting.get(id)
    if (waiting === undefined) return
    this.waiting.delete(id)
    this.host.cancel(waiting.timer)
    waiting.answer(response)
  }

  /** Whether somebody here waits for what becomes of a proposal. */
  awaits(id: string): boolean {
    return this.waiting.has(id)
  }

  /** An entry was applied. */
  applied({ id, request }: Proposal, { response, changes }: Applied): void {
    if (changes.length > 0) this.hub.notify(changes)
    if (response === null) return
    this.leases.applied(request, response)
    if (request.kind === 'Compact' && response.kind === 'Compact') this.maintenance.compacted(request.physical === true && this.awaits(id))
    if (response === NO_SPACE_LEFT) this.maintenance.raise({ memberId: this.consensus.id, alarm: 'NOSPACE' })
    this.answer(id, response)
  }

  /** The whole state was replaced by a snapshot, or is what the disk held. */
  restored(): void {
    this.hub.restored()
    this.maintenance.compacted(false)
  }

  /** A proposal never got into a log: there was no leader to take it. */
  dropped(id: string): void {
    this.answer(id, NO_LEADER)
  }

  /** This member leads from now on. */
  promote(): void {
    this.leases.promote()
    this.maintenance.promote()
  }

  demote(): void {
    this.leases.demote()
  }

  // Users

  /** Until the password that was found right is that of the auth revision at which the token is made. */
  private authenticate(name: string, password: string, asker: Asker, answer: Answer): void {
    const { auth } = this.applier
    this.linearizable(() => {
      const wrong = auth.checkPassword(name, password)
      if (wrong !== null) {
        answer(wrong)
        return
      }
      const { revision } = auth
      this.propose({ kind: 'Authenticate', name, token: this.token() }, asker, (response) => {
        if (response.kind === 'Error' || auth.revision === revision) answer(response)
        else this.authenticate(name, password, asker, answer)
      })
    }, answer)
  }

  private token(): string {
    const random = this.host.random('token')
    return Array.from({ length: TOKEN_LETTERS }, () => String.fromCharCode(97 + random.below(26))).join('')
  }
}
