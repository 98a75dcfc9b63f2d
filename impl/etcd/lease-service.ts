/**
 * Leases as clients and the clock see them. Only the leader renews, ends and checkpoints them; others pass requests on.
 *
 * Source: server/etcdserver/v3_server.go (LeaseRenew, LeaseTimeToLive), server/lease/lessor.go.
 */
import type { Timer } from '../../sim/host.ts'
import type {
  EtcdError,
  EtcdResponse,
  LeaseId,
  LeaseKeepAliveRequest,
  LeaseLeasesRequest,
  LeaseTimeToLiveRequest,
} from '../../model/state/keyspace.ts'
import type { ClusterHost } from '../wire.ts'
import type { Applier } from './applier.ts'
import { NO_LEADER, NO_LEASE } from './errors.ts'
import type { LogRequest } from './log-request.ts'
import type { Answer, Asker, Consensus, Service } from './service.ts'

type LeaseRequest = LeaseKeepAliveRequest | LeaseTimeToLiveRequest | LeaseLeasesRequest

const CHECK_LEAST_MS = 100

export class LeaseService {
  private readonly host: ClusterHost
  private readonly service: Service
  private readonly applier: Applier
  private readonly consensus: Consensus
  private timer: Timer | null = null
  /** Renewals of leases whose time is up: answered when the revocation that is on its way has come or failed. */
  private readonly late = new Map<LeaseId, Answer[]>()

  constructor(host: ClusterHost, service: Service, applier: Applier, consensus: Consensus) {
    this.host = host
    this.service = service
    this.applier = applier
    this.consensus = consensus
  }

  request(request: LeaseRequest, asker: Asker, answer: Answer): void {
    const { service, consensus, applier } = this
    const { leader } = consensus.raft
    // The leader is not told on whose behalf it is asked.
    const forbidden = this.hides(request, asker)
    if (forbidden !== null) answer(forbidden)
    else if (request.kind === 'LeaseLeases') answer({ kind: 'LeaseLeases', header: consensus.header(), leases: applier.lessor.ids })
    else if (leader === null) answer(NO_LEADER)
    else if (leader !== consensus.id) service.ask(leader, request, answer)
    else if (request.kind === 'LeaseKeepAlive') this.renew(request.id, answer)
    else service.linearizable(() => answer(this.hides(request, asker) ?? this.timeToLive(request)), answer)
  }

  /** Null: he may know every key that he asks for. */
  private hides(request: LeaseRequest, { auth }: Asker): EtcdError | null {
    if (request.kind !== 'LeaseTimeToLive' || request.keys !== true) return null
    for (const key of this.applier.mvcc.keysOf(request.id)) {
      const problem = this.applier.auth.isPermitted(auth, { key }, 'READ')
      if (problem !== null) return problem
    }
    return null
  }

  private timeToLive({ id, keys }: LeaseTimeToLiveRequest): EtcdResponse {
    const { lessor, mvcc } = this.applier
    const ttlSeconds = lessor.remaining(id, this.host.elapsed())
    const held = keys === true && lessor.has(id) ? { keys: mvcc.keysOf(id) } : {}
    return { kind: 'LeaseTimeToLive', header: this.consensus.header(), id, ttlSeconds, grantedTtlSeconds: lessor.granted(id), ...held }
  }

  /** Only after a quorum has confirmed that this member still leads. */
  private renew(id: LeaseId, answer: Answer): void {
    const { lessor } = this.applier
    const found = lessor.find(id)
    if (found === null) {
      // Who began to lead just now may not have applied the grant yet.
      this.service.linearizable(() => {
        if (lessor.has(id)) this.renew(id, answer)
        else answer(NO_LEASE)
      }, answer)
      return
    }
    this.service.linearizable(() => {
      if (found.expiring && lessor.has(id)) this.late.set(id, [...(this.late.get(id) ?? []), answer])
      else if (found.remainingSeconds > 0) this.forget(id, () => this.renewed(id, found, answer))
      else this.renewed(id, found, answer)
    }, answer)
  }

  private renewed(id: LeaseId, found: NonNullable<ReturnType<Applier['lessor']['find']>>, answer: Answer): void {
    const ttlSeconds = this.applier.lessor.renew(id, found, this.host.elapsed())
    this.arm()
    answer(ttlSeconds === null ? NO_LEASE : { kind: 'LeaseKeepAlive', header: this.consensus.header(), id, ttlSeconds })
  }

  /** What was written down of a lease that is renewed holds no longer: another leader must not go by it. */
  private forget(id: LeaseId, then: () => void): void {
    const { service } = this
    service.propose({ kind: 'LeaseCheckpoint', checkpoints: [{ id, remainingTtl: 0 }] }, service.asItself('lessor'), then)
  }

  applied(request: LogRequest, response: EtcdResponse | EtcdError): void {
    if (response.kind === 'LeaseGrant') this.arm()
    if (request.kind !== 'LeaseRevoke') return
    for (const answer of this.late.get(request.id) ?? []) answer(NO_LEASE)
    this.late.delete(request.id)
  }

  /** This member is the one to decide when leases end. */
  promote(): void {
    this.applier.lessor.promote(this.host.elapsed())
    this.arm()
  }

  demote(): void {
    this.applier.lessor.demote()
    const late = [...this.late]
    this.late.clear()
    for (const [id, answers] of late)
      for (const answer of answers) this.request({ kind: 'LeaseKeepAlive', id }, this.service.asItself('member'), answer)
  }

  private arm(): void {
    const { host, consensus, service } = this
    const { lessor } = this.applier
    const next = lessor.nextDueMs()
    if (this.timer !== null) host.cancel(this.timer)
    this.timer = null
    if (next === null) return
    const waitMs = Math.max(CHECK_LEAST_MS, next - host.elapsed())
    this.timer = host.after(waitMs, () => {
      this.timer = null
      const asker = service.asItself('lessor')
      for (const id of lessor.expired(host.elapsed())) service.propose({ kind: 'LeaseRevoke', id }, asker, () => {})
      const checkpoints = lessor.checkpoints(host.elapsed())
      if (checkpoints.length > 0) service.propose({ kind: 'LeaseCheckpoint', checkpoints }, asker, () => {})
      consensus.flush()
      this.arm()
    })
  }
}
