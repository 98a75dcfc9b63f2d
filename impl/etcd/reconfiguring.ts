/**
 * What a member does when it is asked to change who the members are, or who leads them.
 *
 * Source: server/etcdserver/server.go (AddMember, RemoveMember, PromoteMember, MoveLeader). Error texts are the real server's.
 */
import type { EtcdResponse } from '../../model/state/keyspace.ts'
import type {
  MemberAddRequest,
  MemberPromoteRequest,
  MembershipRequest,
  MembersRequest,
  MoveLeaderRequest,
} from '../../model/state/membership.ts'
import type { ClusterHost } from '../wire.ts'
import type { Applier } from './applier.ts'
import { isLearner } from './configuration.ts'
import {
  BAD_PEER_URLS,
  BAD_TRANSFEREE,
  LEARNER_NOT_READY,
  NO_LEADER,
  NO_MEMBER,
  NOT_ENOUGH_STARTED,
  NOT_LEADER,
  TRANSFER_TOO_LONG,
  UNHEALTHY,
} from './errors.ts'
import { isReady } from './membership.ts'
import type { Answer, Asker, Consensus, Service } from './service.ts'

const TRANSFER_LOOK_MS = 100

export class Reconfiguring {
  private readonly host: ClusterHost
  private readonly service: Service
  private readonly applier: Applier
  private readonly consensus: Consensus
  private readonly timeoutMs: number

  constructor(host: ClusterHost, service: Service, applier: Applier, consensus: Consensus, timeoutMs: number) {
    this.host = host
    this.service = service
    this.applier = applier
    this.consensus = consensus
    this.timeoutMs = timeoutMs
  }

  request(request: MembersRequest, asker: Asker, answer: Answer): void {
    const forbidden = request.kind === 'MemberList' ? null : this.applier.auth.isAdmin(asker.auth)
    if (forbidden !== null) {
      answer(forbidden)
      return
    }
    switch (request.kind) {
      case 'MemberList':
        this.service.linearizable(() => answer(this.list()), answer)
        return
      case 'MoveLeader':
        this.moveLeader(request, answer)
        return
      case 'MemberAdd':
        this.add(request, asker, answer)
        return
      case 'MemberPromote':
        this.promote(request, asker, answer)
        return
      case 'MemberRemove':
      case 'MemberUpdate':
      case 'Reconfigure':
        this.change(request, asker, answer)
    }
  }

  private list(): EtcdResponse {
    return { kind: 'Members', header: this.consensus.header(), members: this.applier.membership.list() }
  }

  private add(request: MemberAddRequest, asker: Asker, answer: Answer): void {
    const [process] = request.peerUrls
    if (process === undefined) answer(BAD_PEER_URLS)
    else this.change({ ...request, id: this.applier.membership.newId(process) }, asker, answer)
  }

  /** With --strict-reconfig-check a change that endangers the quorum is not even proposed. */
  private change(request: MembershipRequest, asker: Asker, answer: Answer): void {
    const { peers, id: own } = this.consensus
    const { membership } = this.applier
    if (!membership.enoughStarted(request)) answer(NOT_ENOUGH_STARTED)
    else if (!membership.healthy(request, (id) => id === own || peers.isHealthy(id))) answer(UNHEALTHY)
    else this.service.propose(request, asker, answer)
  }

  /** Only the leader knows how far the learner is: another member passes it on. */
  private promote(request: MemberPromoteRequest, asker: Asker, answer: Answer): void {
    const { raft, id: own } = this.consensus
    const { leader } = raft
    if (leader === null) answer(NO_LEADER)
    else if (leader !== own) this.service.ask(leader, request, answer)
    else {
      const match = raft.matchOf(request.id)
      if (match === null) answer(NO_MEMBER)
      else if (!isReady(match, raft.matchOf(own) ?? 0)) answer(LEARNER_NOT_READY)
      else this.change(request, asker, answer)
    }
  }

  private moveLeader({ target }: MoveLeaderRequest, answer: Answer): void {
    const { raft, id: own } = this.consensus
    const { membership } = this.applier
    if (raft.leader !== own) {
      answer(NOT_LEADER)
      return
    }
    if (!membership.has(target) || isLearner(membership.configuration, target)) {
      answer(BAD_TRANSFEREE)
      return
    }
    const nowMs = this.host.elapsed()
    if (target !== own) raft.transferLeader(target, nowMs)
    const look = (): void => {
      if (raft.leader === target) answer({ kind: 'MoveLeader', header: this.consensus.header() })
      else if (this.host.elapsed() - nowMs >= this.timeoutMs) answer(TRANSFER_TOO_LONG)
      else this.host.after(TRANSFER_LOOK_MS, look)
    }
    look()
  }
}
