/**
 * What keeps a member in order: room on its disk, alarms, hashes by which members find that they differ.
 *
 * Source: server/etcdserver/api/v3rpc/maintenance.go, server/etcdserver/corrupt.go, server/storage/mvcc/kvstore_compaction.go.
 */
import type { EtcdError, EtcdRequest, EtcdResponse } from '../../model/state/keyspace.ts'
import type { AlarmMember, HashKvRequest, HashKvResponse } from '../../model/state/maintenance.ts'
import type { Timings } from '../../model/state/plan.ts'
import type { ClusterHost } from '../wire.ts'
import type { Applier, StateImage } from './applier.ts'
import { Mvcc } from './mvcc.ts'
import type { Answer, Asker, Consensus, Service } from './service.ts'

type MaintenanceRequest = HashKvRequest | (EtcdRequest & { kind: 'Defragment' | 'Snapshot' | 'Status' })

const SCRUB_PAUSE_MS = 10

export class Maintenance {
  private readonly host: ClusterHost
  private readonly service: Service
  private readonly applier: Applier
  private readonly consensus: Consensus
  private readonly corruptCheckMs: number | undefined
  private scrubbing = false

  constructor(host: ClusterHost, service: Service, applier: Applier, consensus: Consensus, timings: Timings) {
    this.host = host
    this.service = service
    this.applier = applier
    this.consensus = consensus
    this.corruptCheckMs = timings.etcdCorruptCheckMs
  }

  request(request: MaintenanceRequest, { auth: info }: Asker, answer: Answer): void {
    const { applier, consensus, host } = this
    const forbidden = request.kind === 'Status' ? null : applier.auth.isAdmin(info)
    if (forbidden !== null) {
      answer(forbidden)
      return
    }
    switch (request.kind) {
      case 'Status':
        answer(this.status())
        return
      case 'HashKv':
        answer(this.hash(request))
        return
      case 'Defragment':
        applier.quota.defragment()
        host.disk.sync(() => answer({ kind: 'Defragment', header: consensus.header() }))
        return
      case 'Snapshot':
        answer(this.snapshot())
    }
  }

  private snapshot(): EtcdResponse {
    const blob = this.applier.snapshot()
    // Of what is saved, as whoever restores it will read it, not of the store that it was taken from.
    const saved = new Mvcc()
    saved.restore(blob.store)
    const hash = saved.hashAt(saved.revision)
    return { kind: 'Snapshot', header: this.consensus.header(), hash, compactRevision: saved.compacted, blob }
  }

  private status(): EtcdResponse {
    const { applier, consensus } = this
    const { raft } = consensus
    return {
      kind: 'Status',
      header: consensus.header(),
      leader: raft.leader,
      raftIndex: raft.commit,
      raftAppliedIndex: applier.index,
      dbSize: applier.quota.size,
      dbSizeInUse: applier.quota.inUse,
      alarms: applier.alarms.all,
    }
  }

  private hash({ revision: asked }: HashKvRequest): HashKvResponse | EtcdError {
    const { mvcc } = this.applier
    const problem = mvcc.readable(asked)
    if (problem !== null) return problem
    const revision = asked === 0 ? mvcc.revision : asked
    const hash = mvcc.hashAt(revision)
    this.host.observe({ kind: 'Hashed', member: this.consensus.id, revision, compactRevision: mvcc.compacted, hash })
    return { kind: 'HashKv', header: this.consensus.header(), hash, hashRevision: revision, compactRevision: mvcc.compacted }
  }

  /** Raises an alarm once. */
  raise(alarm: AlarmMember): void {
    const { service, applier } = this
    const raised = applier.alarms.all.some((one) => one.memberId === alarm.memberId && one.alarm === alarm.alarm)
    if (!raised) service.propose({ kind: 'Alarm', action: 'ACTIVATE', ...alarm }, service.asItself('member'), () => {})
  }

  // Compaction goes on between requests, a batch at a time

  compacted(atOnce: boolean): void {
    const { mvcc } = this.applier
    if (atOnce) while (mvcc.scrub());
    else if (!this.scrubbing) this.scrub()
  }

  private scrub(): void {
    this.scrubbing = this.applier.mvcc.scrub()
    if (this.scrubbing) this.host.after(SCRUB_PAUSE_MS, () => this.scrub())
  }

  // Members that differ

  /** The leader compares the others with itself, now and again. */
  promote(): void {
    const { host, consensus, corruptCheckMs } = this
    if (corruptCheckMs === undefined) return
    const { term } = consensus.raft
    const check = (): void => {
      if (consensus.raft.role !== 'leader' || consensus.raft.term !== term) return
      this.compare()
      consensus.flush()
      host.after(corruptCheckMs, check)
    }
    host.after(corruptCheckMs, check)
  }

  private compare(): void {
    const own = this.hash({ kind: 'HashKv', revision: 0 })
    if (own.kind === 'Error') return
    for (const { id: peer } of this.applier.membership.list()) {
      if (peer === this.consensus.id) continue
      this.service.ask(peer, { kind: 'HashKv', revision: own.hashRevision }, (theirs) => {
        // Who lags, or has compacted meanwhile, cannot be compared with.
        if (theirs.kind !== 'HashKv' || theirs.compactRevision !== own.compactRevision) return
        if (theirs.hash !== own.hash) this.raise({ memberId: peer, alarm: 'CORRUPT' })
      })
    }
  }
}

/**
 * A snapshot that was saved, as a new cluster begins with it: nothing of the old one's log, nobody's requests in flight.
 * bumpRevision: how much higher its revisions go on, all before marked as compacted, so that no client that has seen more
 * than was saved takes what it is told for old. Source: etcdutl/snapshot/v3_snapshot.go.
 */
export const restoredCluster = (saved: StateImage, bumpRevision = 0): StateImage => {
  const { store } = saved
  const revision = Math.max(store.records.at(-1)?.revision ?? 1, store.scheduled) + bumpRevision
  const bumped = bumpRevision > 0 ? { ...store, scheduled: revision } : store
  return { ...saved, index: 0, term: 0, store: bumped, alarms: [], proposals: [] }
}
