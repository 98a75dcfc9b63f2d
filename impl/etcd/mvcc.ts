/**
 * The multi-version store: every change of a key has a revision, and can be read at it until it is compacted.
 *
 * The records are what the disk holds, in the order of their revisions; the index of each key's versions is made of them.
 * Compaction makes revisions unreadable at once and takes their records away later, a batch at a time.
 * Source: https://etcd.io/docs/v3.6/learning/data_model/, server/storage/mvcc.
 */
import { RunningHash } from '../../sim/hash.ts'
import type {
  EtcdError,
  Header,
  Key,
  KeyRange,
  KvRequest,
  KvResponse,
  LeaseId,
  PutRequest,
  RangeRequest,
  RangeResponse,
  Revision,
  Stored,
} from '../../model/state/keyspace.ts'
import { keepsNewest, revisionAfter } from './compaction.ts'
import { COMPACTED, FUTURE } from './errors.ts'
import { answerRange, keyValue } from './range.ts'
import { inRange, isOneKey, sizeOf } from './request.ts'
import { check, resolve, withoutReads, type Leases, type Operation } from './txn.ts'

export interface Change {
  readonly revision: Revision
  readonly key: Key
  readonly before: Stored | null
  /** Null: the key was deleted. */
  readonly after: Stored | null
}

/** What the disk holds of a store. Immutable. */
export interface StoreImage {
  readonly records: readonly Change[]
  /** The latest compaction that was asked for, and the latest whose records are all gone. */
  readonly scheduled: Revision
  readonly finished: Revision
  readonly hash: RunningHash
}

const COMPACTION_BATCH = 1_000
/** Of a record, beside key and value: its revisions, version and lease. */
const RECORD_BYTES = 48
const NONE: readonly Change[] = []

export class Mvcc {
  revision: Revision = 1
  /** Revisions below it are unreadable. */
  compacted: Revision = 0
  /** Bytes of all records. */
  bytes = 0
  private records: Change[] = []
  private readonly versions = new Map<Key, Change[]>()
  /** All keys that have a version, in order. */
  private readonly keys: Key[] = []
  private readonly leaseKeys = new Map<LeaseId, Set<Key>>()
  private running = new RunningHash()
  /** Of the request in progress. */
  private fresh: Change[] = []
  private finished: Revision = 0
  /** Records before it are looked through for what the compaction in progress takes away. */
  private scrubbed = 0
  private readonly compactionBatch: number

  constructor(compactionBatch = COMPACTION_BATCH) {
    this.compactionBatch = compactionBatch
  }

  /** Equal for members that applied the same. */
  get digest(): string {
    return this.running.hex
  }

  /** Something beside the keys changed that all members agree on. */
  note(value: unknown): void {
    this.running.value(value)
  }

  image(): StoreImage {
    return { records: [...this.records], scheduled: this.compacted, finished: this.finished, hash: this.running.copy() }
  }

  restore(image: StoreImage): void {
    this.records = [...image.records]
    this.revision = revisionAfter(this.records, image.scheduled)
    this.compacted = image.scheduled
    this.finished = image.finished
    this.scrubbed = 0
    this.running = image.hash.copy()
    this.versions.clear()
    this.leaseKeys.clear()
    this.bytes = 0
    for (const record of this.records) {
      const versions = this.versions.get(record.key)
      if (versions === undefined) this.versions.set(record.key, [record])
      else versions.push(record)
      this.bytes += bytesOf(record)
    }
    this.keys.length = 0
    for (const key of this.versions.keys()) this.keys.push(key)
    this.keys.sort((one, other) => (one < other ? -1 : 1))
    this.prune()
    for (const [key, versions] of this.versions) this.attach(versions.at(-1)?.after?.lease ?? 0, key)
  }

  // Reading

  private at(key: Key, revision: Revision): Stored | null {
    const versions = this.versions.get(key)
    if (versions === undefined) return null
    for (let index = versions.length - 1; index >= 0; index--) {
      const version = versions[index] as Change
      if (version.revision <= revision) return version.after
    }
    return null
  }

  latest(key: Key): Stored | null {
    return this.versions.get(key)?.at(-1)?.after ?? null
  }

  private place(key: Key): number {
    let low = 0
    let high = this.keys.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.keys[middle] as Key) < key) low = middle + 1
      else high = middle
    }
    return low
  }

  /** In the order of keys, what a range holds at a revision. */
  each(range: KeyRange, revision: Revision, visit: (key: Key, stored: Stored) => void): void {
    if (isOneKey(range)) {
      const stored = this.at(range.key, revision)
      if (stored !== null) visit(range.key, stored)
      return
    }
    for (let index = this.place(range.key); index < this.keys.length; index++) {
      const key = this.keys[index] as Key
      if (!inRange(key, range)) return
      const stored = this.at(key, revision)
      if (stored !== null) visit(key, stored)
    }
  }

  range(request: RangeRequest, header: Header): RangeResponse | EtcdError {
    return this.readable(request.revision ?? 0) ?? answerRange(this, request, this.revision, header)
  }

  /** Null: the revision can be read; 0 stands for the current one. */
  readable(revision: Revision): EtcdError | null {
    if (revision > this.revision) return FUTURE
    return revision > 0 && revision < this.compacted ? COMPACTED : null
  }

  /** The changes from a revision on that has not been compacted. */
  changesFrom(revision: Revision): readonly Change[] {
    return this.records.slice(this.placeOf(revision))
  }

  private placeOf(revision: Revision): number {
    let low = 0
    let high = this.records.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.records[middle] as Change).revision < revision) low = middle + 1
      else high = middle
    }
    return low
  }

  keysOf(lease: LeaseId): readonly Key[] {
    return [...(this.leaseKeys.get(lease) ?? [])].toSorted()
  }

  /** Of what can be read at a revision, and before it since the compaction: equal whether or not that is finished. */
  hashAt(revision: Revision): string {
    const hash = new RunningHash()
    hash.number(this.compacted)
    for (const record of this.records) {
      if (record.revision > revision) break
      if (record.revision <= this.compacted && !this.isKept(record)) continue
      hash.number(record.revision)
      hash.text(record.key)
      hash.value(record.after)
    }
    return hash.hex
  }

  // Writing: one call is one revision at most

  /**
   * Applies a request that may write. `changes` are those of the new revision, in order. Reads that nobody waits for
   * (`wanted` false) are left out.
   */
  apply(
    request: KvRequest,
    header: (revision: Revision) => Header,
    leases: Leases,
    wanted = true,
  ): { response: KvResponse | EtcdError; changes: readonly Change[] } {
    const operation = request.kind === 'Txn' ? resolve(this, request) : request
    const problem = check(this, operation, leases)
    if (problem !== null) return { response: problem, changes: NONE }
    const response = this.perform(wanted ? operation : withoutReads(operation), header)
    return { response, changes: this.seal() }
  }

  /** Deletes the keys of a lease, all in one revision. */
  dropLease(lease: LeaseId): readonly Change[] {
    for (const key of this.keysOf(lease)) this.remove(key)
    this.leaseKeys.delete(lease)
    return this.seal()
  }

  private seal(): readonly Change[] {
    const changes = this.fresh
    if (changes.length === 0) return NONE
    this.fresh = []
    this.revision++
    for (const change of changes) {
      this.records.push(change)
      this.bytes += bytesOf(change)
      this.running.number(change.revision)
      this.running.text(change.key)
      this.running.value(change.after === null ? null : change.after.value)
      this.running.number(change.after?.lease ?? 0)
    }
    return changes
  }

  private perform(operation: Operation, header: (revision: Revision) => Header): KvResponse {
    switch (operation.kind) {
      case 'Put': {
        const before = this.put(operation)
        if (operation.prevKv !== true || before === null) return { kind: 'Put', header: header(this.revisionNow) }
        return { kind: 'Put', header: header(this.revisionNow), prevKv: keyValue(operation.key, before) }
      }
      case 'DeleteRange': {
        const gone: { key: Key; stored: Stored }[] = []
        this.each(operation, this.revisionNow, (key, stored) => gone.push({ key, stored }))
        for (const { key } of gone) this.remove(key)
        const prev = operation.prevKv === true ? { prevKvs: gone.map(({ key, stored }) => keyValue(key, stored)) } : {}
        return { kind: 'DeleteRange', header: header(this.revisionNow), deleted: gone.length, ...prev }
      }
      case 'Range':
        return answerRange(this, operation, this.revisionNow, header(this.revisionNow))
      case 'Taken': {
        const responses = operation.operations.map((inside) => this.perform(inside, header))
        return { kind: 'Txn', header: header(this.revisionNow), succeeded: operation.succeeded, responses }
      }
    }
  }

  /** The revision that changes of the request in progress get; without any, the current one. Its reads see them. */
  private get revisionNow(): Revision {
    return this.fresh.length > 0 ? this.revision + 1 : this.revision
  }

  private put(request: PutRequest): Stored | null {
    const { key } = request
    const before = this.latest(key)
    const revision = this.revision + 1
    const lease = (request.ignoreLease === true ? before?.lease : request.lease) ?? 0
    const value = request.ignoreValue === true ? before?.value : request.value
    this.detach(key, before)
    this.attach(lease, key)
    const createRevision = before?.createRevision ?? revision
    const after: Stored = { value, createRevision, modRevision: revision, version: (before?.version ?? 0) + 1, lease }
    this.record({ revision, key, before, after })
    return before
  }

  private remove(key: Key): void {
    const before = this.latest(key)
    if (before === null) return
    this.detach(key, before)
    this.record({ revision: this.revision + 1, key, before, after: null })
  }

  private attach(lease: LeaseId, key: Key): void {
    if (lease === 0) return
    const keys = this.leaseKeys.get(lease)
    if (keys === undefined) this.leaseKeys.set(lease, new Set([key]))
    else keys.add(key)
  }

  private detach(key: Key, before: Stored | null): void {
    if (before !== null && before.lease !== 0) this.leaseKeys.get(before.lease)?.delete(key)
  }

  private record(change: Change): void {
    const versions = this.versions.get(change.key)
    if (versions === undefined) {
      this.versions.set(change.key, [change])
      this.keys.splice(this.place(change.key), 0, change.key)
    } else versions.push(change)
    // Most have one: no room is made for more.
    if (this.fresh.length === 0) this.fresh = [change]
    else this.fresh.push(change)
  }

  // Compaction

  /** Makes revisions below `revision` unreadable. */
  compact(revision: Revision): EtcdError | null {
    if (revision <= this.compacted) return COMPACTED
    if (revision > this.revision) return FUTURE
    this.compacted = revision
    this.scrubbed = 0
    this.running.number(-revision)
    this.prune()
    return null
  }

  /** Takes the versions that the compaction makes unreadable out of the index. */
  private prune(): void {
    const { compacted, versions: index } = this
    let emptied = false
    for (const [key, versions] of index) {
      let newest = -1
      while (newest + 1 < versions.length && (versions[newest + 1] as Change).revision <= compacted) newest++
      if (newest < 0) continue
      versions.splice(0, keepsNewest(versions[newest] as Change, compacted) ? newest : newest + 1)
      if (versions.length > 0) continue
      index.delete(key)
      emptied = true
    }
    if (!emptied) return
    const left = this.keys.filter((key) => index.has(key))
    this.keys.length = 0
    for (const key of left) this.keys.push(key)
  }

  private isKept(record: Change): boolean {
    return this.versions.get(record.key)?.[0] === record
  }

  /** Takes the next batch of records away that nothing can read any more. False: none is left. */
  scrub(): boolean {
    if (this.finished === this.compacted) return false
    const end = Math.min(this.placeOf(this.compacted + 1), this.scrubbed + this.compactionBatch)
    const looked = this.records.slice(this.scrubbed, end)
    const kept = looked.filter((record) => this.isKept(record))
    for (const record of looked) if (!this.isKept(record)) this.bytes -= bytesOf(record)
    if (kept.length < looked.length) this.records.splice(this.scrubbed, looked.length, ...kept)
    this.scrubbed += kept.length
    if (looked.length === this.compactionBatch) return true
    this.finished = this.compacted
    return false
  }
}

const bytesOf = ({ key, after }: Change): number => key.length + (after === null ? 0 : sizeOf(after.value)) + RECORD_BYTES
