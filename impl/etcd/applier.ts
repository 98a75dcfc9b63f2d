/**
 * The state machine that the log drives: the same entries in the same order give every member the same state.
 *
 * Nothing here depends on the member it runs on but the times to live that its lessor counts on its own clock.
 * Source: server/etcdserver/apply.
 */
import type { EtcdError, EtcdResponse, Header, LeaseId, Revision, TxnRequest } from '../../model/state/keyspace.ts'
import type { Sighting } from '../wire.ts'
import { Lessor } from './lessor.ts'
import { Mvcc, NO_LEASE, refusal, type Change, type StoreImage } from './mvcc.ts'
import type { Entry, Proposal } from './raft-message.ts'

export interface Applied {
  /** Null: the entry was applied before, its proposal having been duplicated on its way to the leader. */
  readonly response: EtcdResponse | EtcdError | null
  /** Of the new revision, in order; none: there is none. */
  readonly changes: readonly Change[]
  /** What the observer is told beside the changes. */
  readonly sightings: readonly Sighting[]
}

/** All that was applied up to an index. Immutable: it is kept and sent by reference. */
export interface Snapshot {
  readonly index: number
  readonly term: number
  readonly store: StoreImage
  readonly leases: readonly (readonly [LeaseId, number])[]
  readonly proposals: readonly string[]
}

/** How many ids of applied proposals are remembered to apply a duplicated one once. */
const REMEMBERED = 4_096
const NOTHING: Applied = { response: null, changes: [], sightings: [] }

export class Applier {
  readonly mvcc = new Mvcc()
  readonly lessor: Lessor
  /** The consistent index: of the last entry that was applied. */
  index = 0
  term = 0
  private readonly header: (revision: Revision) => Header
  private proposals = new Set<string>()

  constructor(electionMs: number, header: (revision: Revision) => Header) {
    this.lessor = new Lessor(electionMs)
    this.header = header
  }

  /** Equal for members that applied the same. */
  get digest(): string {
    return this.mvcc.digest
  }

  /** nowMs: on the clock by which this member counts times to live. */
  apply(entry: Entry, nowMs: number): Applied {
    if (entry.index !== this.index + 1) throw new Error('entries are applied in order, each once')
    this.index = entry.index
    this.term = entry.term
    const { proposal } = entry
    if (proposal === null || this.proposals.has(proposal.id)) return NOTHING
    this.proposals.add(proposal.id)
    if (this.proposals.size > REMEMBERED) this.proposals.delete(this.proposals.values().next().value as string)
    return this.perform(entry, proposal, nowMs)
  }

  private perform(entry: Entry, { request, author }: Proposal, nowMs: number): Applied {
    const { mvcc, lessor } = this
    switch (request.kind) {
      case 'Put':
      case 'DeleteRange':
      case 'Txn':
      case 'Range':
        return { ...mvcc.apply(request, this.header, lessor), sightings: [] }
      case 'Compact': {
        const problem = mvcc.compact(request.revision)
        if (problem !== null) return refused(problem)
        return done({ kind: 'Compact', header: this.header(mvcc.revision) }, { kind: 'Compacted', revision: request.revision })
      }
      case 'LeaseGrant': {
        const id = request.id === 0 ? entry.index * 1_000 + 1 : request.id
        if (lessor.has(id)) return refused(refusal('etcdserver: lease already exists'))
        const ttlSeconds = lessor.grant(id, request.ttlSeconds, nowMs)
        const response: EtcdResponse = { kind: 'LeaseGrant', header: this.header(mvcc.revision), id, ttlSeconds }
        return done(response, { kind: 'LeaseGranted', lease: id, ttlMs: ttlSeconds * 1000 })
      }
      case 'LeaseRevoke': {
        const { id } = request
        if (!lessor.revoke(id)) return refused(NO_LEASE)
        const changes = mvcc.dropLease(id)
        const response: EtcdResponse = { kind: 'LeaseRevoke', header: this.header(mvcc.revision), id, ttlSeconds: -1 }
        return { response, changes, sightings: [{ kind: 'LeaseRevoked', lease: id, expired: author === 'lessor' }] }
      }
      case 'LeaseKeepAlive':
      case 'LeaseTimeToLive':
      case 'LeaseLeases':
      case 'Status':
        throw new Error(`${request.kind} does not go through the log`)
    }
  }

  /** A transaction that changes nothing, on the state as it is. */
  read(request: TxnRequest): EtcdResponse | EtcdError {
    return this.mvcc.apply(request, this.header, this.lessor).response
  }

  snapshot(): Snapshot {
    const { index, term, mvcc, lessor, proposals } = this
    return { index, term, store: mvcc.image(), leases: lessor.held(), proposals: [...proposals] }
  }

  /** Instead of all that was applied so far. */
  restore(snapshot: Snapshot, nowMs: number): void {
    this.index = snapshot.index
    this.term = snapshot.term
    this.mvcc.restore(snapshot.store)
    this.lessor.restore(snapshot.leases, nowMs)
    this.proposals = new Set(snapshot.proposals)
  }
}

const refused = (response: EtcdError): Applied => ({ response, changes: [], sightings: [] })
const done = (response: EtcdResponse, sighting: Sighting): Applied => ({ response, changes: [], sightings: [sighting] })
