/**
 * The state machine that the log drives: the same entries in the same order give every member the same state.
 *
 * Nothing here depends on the member it runs on but how its lessor counts times to live, how much of its disk it uses, and
 * that it leaves out reads which nobody there waits for.
 * Source: server/etcdserver/apply.
 */
import type { EtcdError, EtcdResponse, Header, KvRequest, Revision } from '../../model/state/keyspace.ts'
import type { AlarmMember } from '../../model/state/maintenance.ts'
import type { Sighting } from '../wire.ts'
import { Alarms } from './alarm.ts'
import { AuthStore, type AuthImage, type AuthInfo } from './auth.ts'
import { CORRUPT, LEASE_EXISTS, LEASE_TOO_LONG, NO_LEASE, NO_SPACE, NO_SPACE_LEFT } from './errors.ts'
import type { MembersLogRequest } from './log-request.ts'
import { Membership, type MembershipImage } from './membership.ts'
import { Lessor, TTL_MOST, type LeaseImage } from './lessor.ts'
import { Mvcc, type Change, type StoreImage } from './mvcc.ts'
import { Quota } from './quota.ts'
import type { Entry, Proposal } from './raft-message.ts'
import { Remembered } from './remembered.ts'
import { Tokens } from './tokens.ts'

export interface Applied {
  /** Null: the entry was applied before, its proposal having been duplicated on its way to the leader. */
  readonly response: EtcdResponse | EtcdError | null
  /** Of the new revision, in order; none: there is none. */
  readonly changes: readonly Change[]
  /** What the observer is told beside the changes. */
  readonly sightings: readonly Sighting[]
}

/** All that was applied up to an index. Immutable: it is kept and sent by reference. */
export interface StateImage {
  readonly index: number
  readonly term: number
  readonly store: StoreImage
  readonly leases: readonly LeaseImage[]
  readonly auth: AuthImage
  readonly alarms: readonly AlarmMember[]
  readonly membership: MembershipImage
  readonly proposals: readonly string[]
}

export interface ApplierOptions {
  readonly electionMs: number
  /** Absent: leases are not checkpointed. */
  readonly leaseCheckpointMs?: number | undefined
  readonly compactionBatch?: number | undefined
  readonly quotaBytes?: number | undefined
}

/** How many ids of applied proposals are remembered to apply a duplicated one once. */
const REMEMBERED = 4_096
const NO_CHANGES: readonly Change[] = []
const NO_SIGHTINGS: readonly Sighting[] = []
const NOTHING: Applied = { response: null, changes: NO_CHANGES, sightings: NO_SIGHTINGS }

export class Applier {
  readonly mvcc: Mvcc
  readonly lessor: Lessor
  readonly auth = new AuthStore()
  readonly alarms = new Alarms()
  readonly membership = new Membership()
  readonly quota: Quota
  /** Known to this member only, while it runs. */
  readonly tokens = new Tokens()
  /** The consistent index: of the last entry that was applied. */
  index = 0
  term = 0
  private readonly header: (revision: Revision) => Header
  private readonly proposals = new Remembered(REMEMBERED)

  constructor(options: ApplierOptions, header: (revision: Revision) => Header) {
    this.mvcc = new Mvcc(options.compactionBatch)
    this.lessor = new Lessor(options.electionMs, options.leaseCheckpointMs)
    this.quota = new Quota(this.mvcc, options.quotaBytes)
    this.header = header
  }

  /** Equal for members that applied the same. */
  get digest(): string {
    return this.mvcc.digest
  }

  /** nowMs: on the clock by which this member counts times to live. wanted: somebody here waits for the answer. */
  apply(entry: Entry, nowMs: number, wanted = true): Applied {
    if (entry.index !== this.index + 1) throw new Error('entries are applied in order, each once')
    this.index = entry.index
    this.term = entry.term
    const { proposal } = entry
    if (proposal === null || !this.proposals.add(proposal.id)) return NOTHING
    return this.perform(entry, proposal, nowMs, wanted)
  }

  private perform(entry: Entry, { request, auth: info, author }: Proposal, nowMs: number, wanted: boolean): Applied {
    const { mvcc, lessor, auth, alarms } = this
    switch (request.kind) {
      case 'Put':
      case 'DeleteRange':
      case 'Txn':
      case 'Range':
        return this.write(request, info, wanted)
      case 'Compact': {
        const problem = this.refusesAll() ?? mvcc.compact(request.revision)
        if (problem !== null) return refused(problem)
        return done({ kind: 'Compact', header: this.now }, { kind: 'Compacted', revision: request.revision })
      }
      case 'LeaseGrant': {
        const id = request.id === 0 ? entry.index * 1_000 + 1 : request.id
        const problem = this.refusesAll() ?? (alarms.has('NOSPACE') ? NO_SPACE : null) ?? this.grantable(id, request.ttlSeconds)
        if (problem !== null) return refused(problem)
        const ttlSeconds = lessor.grant(id, request.ttlSeconds, nowMs)
        mvcc.note(['granted', id, ttlSeconds])
        const response: EtcdResponse = { kind: 'LeaseGrant', header: this.now, id, ttlSeconds }
        return done(response, { kind: 'LeaseGranted', lease: id, ttlMs: ttlSeconds * 1000 })
      }
      case 'LeaseRevoke': {
        const { id } = request
        const problem = this.refusesAll() ?? this.mayWriteKeysOf(id, info)
        if (problem !== null) return refused(problem)
        if (!lessor.revoke(id)) return refused(NO_LEASE)
        mvcc.note(['revoked', id])
        const changes = mvcc.dropLease(id)
        const response: EtcdResponse = { kind: 'LeaseRevoke', header: this.now, id, ttlSeconds: -1 }
        return { response, changes, sightings: [{ kind: 'LeaseRevoked', lease: id, expired: author === 'lessor' }] }
      }
      case 'LeaseCheckpoint':
        for (const { id, remainingTtl } of request.checkpoints) lessor.checkpoint(id, remainingTtl)
        mvcc.note(request.checkpoints)
        return done({ kind: 'LeaseCheckpoint', header: this.now })
      case 'Alarm': {
        const raised = alarms.apply(request)
        const response: EtcdResponse = { kind: 'Alarm', header: this.now, alarms: raised }
        if (request.action === 'GET') return done(response)
        mvcc.note(alarms.all)
        return done(response, { kind: 'Alarmed', index: entry.index, alarms: alarms.all })
      }
      case 'Authenticate': {
        const token = `${request.token}.${entry.index}`
        this.tokens.assign(token, request.name, nowMs)
        return done({ kind: 'Authenticate', header: this.now, token })
      }
      case 'MemberAdd':
      case 'MemberRemove':
      case 'MemberPromote':
      case 'MemberUpdate':
      case 'MemberPublish':
      case 'Reconfigure':
        return this.reconfigure(request)
      default: {
        const { enabled, revision } = auth
        const response = auth.apply(request, info, this.now)
        if (auth.revision === revision && auth.enabled === enabled) return { response, changes: NO_CHANGES, sightings: NO_SIGHTINGS }
        mvcc.note(request)
        this.tokens.changed(request)
        const sighting: Sighting = { kind: 'AuthChanged', index: entry.index, authRevision: auth.revision, request }
        return { response, changes: [], sightings: [sighting] }
      }
    }
  }

  private reconfigure(request: MembersLogRequest): Applied {
    const { membership } = this
    const problem = membership.apply(request)
    if (problem !== null) return refused(problem)
    const added = request.kind === 'MemberAdd' && request.id !== undefined ? { member: membership.info(request.id) } : {}
    return done({ kind: 'Members', header: this.now, ...added, members: membership.list() })
  }

  private get now(): Header {
    return this.header(this.mvcc.revision)
  }

  private write(request: KvRequest, info: AuthInfo | undefined, wanted: boolean): Applied {
    const { mvcc, lessor, alarms, auth, quota } = this
    const cost = quota.cost(request)
    const problem =
      this.refusesAll() ??
      (cost > 0 && alarms.has('NOSPACE') ? NO_SPACE : null) ??
      auth.check(info, request) ??
      (request.kind === 'Put' ? this.mayWriteKeysOf(request.lease ?? 0, info) : null)
    if (problem !== null) return refused(problem)
    const fits = quota.fits(cost)
    const { response, changes } = mvcc.apply(request, this.header, lessor, wanted)
    // It is too late to refuse it: the other members may have had the room.
    return { response: fits || response.kind === 'Error' ? response : NO_SPACE_LEFT, changes, sightings: NO_SIGHTINGS }
  }

  /** A cluster whose members were found to differ does nothing more. */
  refusesAll(): EtcdError | null {
    return this.alarms.has('CORRUPT') ? CORRUPT : null
  }

  private grantable(id: number, ttlSeconds: number): EtcdError | null {
    if (ttlSeconds > TTL_MOST) return LEASE_TOO_LONG
    return this.lessor.has(id) ? LEASE_EXISTS : null
  }

  /** Who may not write a key may not end it by way of its lease either, nor put his keys beside it. */
  private mayWriteKeysOf(lease: number, info: AuthInfo | undefined): EtcdError | null {
    if (lease === 0 || this.auth.isAdmin(info) === null) return null
    for (const key of this.mvcc.keysOf(lease)) {
      const problem = this.auth.isPermitted(info, { key }, 'WRITE')
      if (problem !== null) return problem
    }
    return null
  }

  /** A request that changes nothing, on the state as it is. */
  read(request: KvRequest): EtcdResponse | EtcdError {
    return this.mvcc.apply(request, this.header, this.lessor).response
  }

  snapshot(): StateImage {
    const { index, term, mvcc, lessor, auth, alarms, membership, proposals } = this
    return {
      index,
      term,
      store: mvcc.image(),
      leases: lessor.image(),
      auth: auth.image(),
      alarms: alarms.all,
      membership: membership.image(),
      proposals: proposals.list(),
    }
  }

  /** Instead of all that was applied so far. */
  restore(snapshot: StateImage, nowMs: number): void {
    this.index = snapshot.index
    this.term = snapshot.term
    this.mvcc.restore(snapshot.store)
    this.lessor.restore(snapshot.leases, nowMs)
    this.auth.restore(snapshot.auth)
    this.alarms.restore(snapshot.alarms)
    this.membership.restore(snapshot.membership)
    this.proposals.replace(snapshot.proposals)
    this.quota.defragment()
  }
}

const refused = (response: EtcdError): Applied => ({ response, changes: NO_CHANGES, sightings: NO_SIGHTINGS })
const done = (response: EtcdResponse, ...sightings: readonly Sighting[]): Applied => ({ response, changes: [], sightings })
