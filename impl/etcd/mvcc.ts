/**
 * The multi-version store: every change of a key has a revision, and can be read at it until it is compacted.
 *
 * Source: https://etcd.io/docs/v3.6/learning/data_model/, server/storage/mvcc. Error texts are the real server's.
 */
import { RunningHash } from '../../sim/hash.ts'
import type {
  Compare,
  EtcdError,
  Header,
  Key,
  KeyRange,
  KeyValue,
  KvRequest,
  KvResponse,
  LeaseId,
  RangeRequest,
  RangeResponse,
  Revision,
  Stored,
  TxnRequest,
  Value,
} from '../../model/state/keyspace.ts'

export interface Change {
  readonly revision: Revision
  readonly key: Key
  readonly before: Stored | null
  readonly after: Stored | null
}

/** All that a store holds. Immutable. */
export interface StoreImage {
  readonly revision: Revision
  readonly compacted: Revision
  readonly versions: readonly (readonly [Key, readonly Version[]])[]
  readonly changes: readonly Change[]
  readonly hash: RunningHash
}

interface Version {
  readonly revision: Revision
  readonly stored: Stored | null
}

export const refusal = (message: string): EtcdError => ({ kind: 'Error', message, definite: true })
export const COMPACTED = refusal('etcdserver: mvcc: required revision has been compacted')
export const FUTURE = refusal('etcdserver: mvcc: required revision is a future revision')
export const DUPLICATE_KEY = refusal('etcdserver: duplicate key given in txn request')
export const NO_LEASE = refusal('etcdserver: requested lease not found')
export const TOO_MANY_OPERATIONS = refusal('etcdserver: too many operations in txn request')
export const EMPTY_KEY = refusal('etcdserver: key is not provided')

const OPERATIONS_MOST = 128

/** Upper bound of a range: '\0' stands for no end. */
export const inRange = (key: Key, { key: from, rangeEnd }: KeyRange): boolean =>
  rangeEnd === undefined ? key === from : key >= from && (rangeEnd === '\0' || key < rangeEnd)

export class Mvcc {
  revision: Revision = 1
  compacted: Revision = 0
  private readonly versions = new Map<Key, Version[]>()
  /** All keys that have a version, in order. */
  private readonly keys: Key[] = []
  /** Changes after the compacted revision, in order: what watches that start in the past are served from. */
  private changes: Change[] = []
  private readonly leaseKeys = new Map<LeaseId, Set<Key>>()
  private running = new RunningHash()
  /** Of the transaction in progress. */
  private fresh: Change[] = []

  /** Equal for members that applied the same. */
  get digest(): string {
    return this.running.hex
  }

  image(): StoreImage {
    const { revision, compacted, changes } = this
    const versions = this.keys.map((key): [Key, Version[]] => [key, [...(this.versions.get(key) ?? [])]])
    return { revision, compacted, versions, changes: [...changes], hash: this.running.copy() }
  }

  restore(image: StoreImage): void {
    this.revision = image.revision
    this.compacted = image.compacted
    this.changes = [...image.changes]
    this.running = image.hash.copy()
    this.versions.clear()
    this.leaseKeys.clear()
    this.keys.length = 0
    for (const [key, versions] of image.versions) {
      this.keys.push(key)
      this.versions.set(key, [...versions])
      const lease = versions.at(-1)?.stored?.lease ?? 0
      if (lease !== 0) this.attach(lease, key)
    }
  }

  // Reading

  private at(key: Key, revision: Revision): Stored | null {
    const versions = this.versions.get(key)
    if (versions === undefined) return null
    for (let index = versions.length - 1; index >= 0; index--) {
      const version = versions[index] as Version
      if (version.revision <= revision) return version.stored
    }
    return null
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

  private *keysIn(range: KeyRange): Generator<Key> {
    if (range.rangeEnd === undefined) {
      yield range.key
      return
    }
    for (let index = this.place(range.key); index < this.keys.length; index++) {
      const key = this.keys[index] as Key
      if (!inRange(key, range)) return
      yield key
    }
  }

  range(request: RangeRequest, header: Header): RangeResponse | EtcdError {
    const revision = request.revision ?? 0
    if (revision > this.revision) return FUTURE
    if (revision > 0 && revision < this.compacted) return COMPACTED
    const wanted = revision > 0 ? revision : this.revision
    const limit = request.limit ?? 0
    const kvs: KeyValue[] = []
    let count = 0
    for (const key of this.keysIn(request)) {
      const stored = this.at(key, wanted)
      if (stored === null) continue
      count++
      if (request.countOnly === true || (limit > 0 && kvs.length >= limit)) continue
      kvs.push({ key, ...stored, ...(request.keysOnly === true ? { value: '' } : {}) })
    }
    return { kind: 'Range', header, kvs, count, more: request.countOnly !== true && kvs.length < count }
  }

  /** The changes after a revision that has not been compacted. */
  changesFrom(revision: Revision): readonly Change[] {
    let low = 0
    let high = this.changes.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.changes[middle] as Change).revision < revision) low = middle + 1
      else high = middle
    }
    return this.changes.slice(low)
  }

  // Writing: one call is one revision at most

  /** Applies a request that may write. `changes` are those of the new revision, in order. */
  apply(
    request: KvRequest,
    header: (revision: Revision) => Header,
    leases: { has(lease: LeaseId): boolean },
  ): { response: KvResponse | EtcdError; changes: readonly Change[] } {
    this.fresh = []
    const problem = this.check(request, leases)
    if (problem !== null) return { response: problem, changes: [] }
    const response = this.perform(request, header)
    return { response, changes: this.seal() }
  }

  /** Deletes the keys of a lease, all in one revision. */
  dropLease(lease: LeaseId): readonly Change[] {
    this.fresh = []
    const keys = [...(this.leaseKeys.get(lease) ?? [])].toSorted()
    for (const key of keys) this.remove(key)
    this.leaseKeys.delete(lease)
    return this.seal()
  }

  private seal(): readonly Change[] {
    const changes = this.fresh
    if (changes.length === 0) return changes
    this.revision++
    for (const change of changes) {
      this.changes.push(change)
      this.running.number(change.revision)
      this.running.text(change.key)
      this.running.value(change.after === null ? null : change.after.value)
      this.running.number(change.after?.lease ?? 0)
    }
    return changes
  }

  private perform(request: KvRequest, header: (revision: Revision) => Header): KvResponse {
    switch (request.kind) {
      case 'Put': {
        const before = this.latest(request.key)
        this.put(request.key, request.value, request.lease ?? 0)
        const prev = request.prevKv === true && before !== null ? { prevKv: { key: request.key, ...before } } : {}
        return { kind: 'Put', header: header(this.revisionNow), ...prev }
      }
      case 'DeleteRange': {
        const gone: KeyValue[] = []
        for (const key of [...this.keysIn(request)]) {
          const before = this.latest(key)
          if (before === null) continue
          gone.push({ key, ...before })
          this.remove(key)
        }
        const prev = request.prevKv === true ? { prevKvs: gone } : {}
        return { kind: 'DeleteRange', header: header(this.revisionNow), deleted: gone.length, ...prev }
      }
      case 'Range':
        return this.rangeInside(request, header)
      case 'Txn': {
        const succeeded = request.compare.every((compare) => this.compare(compare))
        const branch = succeeded ? request.success : request.failure
        const responses = branch.map((operation) => this.perform(operation, header))
        return { kind: 'Txn', header: header(this.revisionNow), succeeded, responses }
      }
    }
  }

  /** The revision that changes of the transaction in progress get; without any, the current one. */
  private get revisionNow(): Revision {
    return this.fresh.length > 0 ? this.revision + 1 : this.revision
  }

  /** Reads of a transaction see its own earlier writes. */
  private rangeInside(request: RangeRequest, header: (revision: Revision) => Header): RangeResponse {
    const now = this.revision
    this.revision = this.revisionNow
    const response = this.range(request, header(this.revision)) as RangeResponse
    this.revision = now
    return response
  }

  private latest(key: Key): Stored | null {
    return this.versions.get(key)?.at(-1)?.stored ?? null
  }

  private put(key: Key, value: Value, lease: LeaseId): void {
    const before = this.latest(key)
    const revision = this.revision + 1
    this.unlink(key, before)
    if (lease !== 0) this.attach(lease, key)
    const createRevision = before?.createRevision ?? revision
    const after: Stored = { value, createRevision, modRevision: revision, version: (before?.version ?? 0) + 1, lease }
    this.record({ revision, key, before, after })
  }

  private remove(key: Key): void {
    const before = this.latest(key)
    if (before === null) return
    this.unlink(key, before)
    this.record({ revision: this.revision + 1, key, before, after: null })
  }

  private attach(lease: LeaseId, key: Key): void {
    let keys = this.leaseKeys.get(lease)
    if (keys === undefined) {
      keys = new Set()
      this.leaseKeys.set(lease, keys)
    }
    keys.add(key)
  }

  private unlink(key: Key, before: Stored | null): void {
    if (before !== null && before.lease !== 0) this.leaseKeys.get(before.lease)?.delete(key)
  }

  private record(change: Change): void {
    let versions = this.versions.get(change.key)
    if (versions === undefined) {
      versions = []
      this.versions.set(change.key, versions)
      this.keys.splice(this.place(change.key), 0, change.key)
    }
    versions.push({ revision: change.revision, stored: change.after })
    this.fresh.push(change)
  }

  /** Holds for each key of the range; where there is none, for one that was never written. */
  private compare(compare: Compare): boolean {
    const there = [...this.keysIn(compare)].map((key) => this.latest(key)).filter((stored) => stored !== null)
    if (compare.target === 'value')
      return there.length > 0 && there.every(({ value }) => holds(String(value), compare.result, String(compare.operand)))
    const { target, result, operand } = compare
    const held = there.length === 0 ? [null] : there
    return held.every((stored) => holds(numberOf(stored, target), result, Number(operand)))
  }

  private check(request: KvRequest, leases: { has(lease: LeaseId): boolean }): EtcdError | null {
    switch (request.kind) {
      case 'Put':
        if (request.key === '') return EMPTY_KEY
        return request.lease !== undefined && request.lease !== 0 && !leases.has(request.lease) ? NO_LEASE : null
      case 'DeleteRange':
        return null
      case 'Range':
        if ((request.revision ?? 0) > this.revision) return FUTURE
        return request.revision !== undefined && request.revision > 0 && request.revision < this.compacted ? COMPACTED : null
      case 'Txn':
        return this.checkTxn(request, leases)
    }
  }

  private checkTxn(request: TxnRequest, leases: { has(lease: LeaseId): boolean }): EtcdError | null {
    const longest = Math.max(request.compare.length, request.success.length, request.failure.length)
    if (longest > OPERATIONS_MOST) return TOO_MANY_OPERATIONS
    for (const branch of [request.success, request.failure]) {
      if (writesTwice(branch)) return DUPLICATE_KEY
    }
    const branch = request.compare.every((compare) => this.compare(compare)) ? request.success : request.failure
    for (const operation of branch) {
      const problem = this.check(operation, leases)
      if (problem !== null) return problem
    }
    return null
  }

  /** Makes revisions below `revision` unreadable. */
  compact(revision: Revision): EtcdError | null {
    if (revision <= this.compacted) return COMPACTED
    if (revision > this.revision) return FUTURE
    this.compacted = revision
    this.running.number(-revision)
    this.changes = [...this.changesFrom(revision + 1)]
    for (const [key, versions] of this.versions) {
      let newest = -1
      while (newest + 1 < versions.length && (versions[newest + 1] as Version).revision <= revision) newest++
      if (newest < 0) continue
      const keepNewest = (versions[newest] as Version).stored !== null
      versions.splice(0, keepNewest ? newest : newest + 1)
      if (versions.length > 0) continue
      this.versions.delete(key)
      this.keys.splice(this.place(key), 1)
    }
    return null
  }
}

const numberOf = (stored: Stored | null, target: 'version' | 'create' | 'mod' | 'lease'): number => {
  switch (target) {
    case 'version':
      return stored?.version ?? 0
    case 'create':
      return stored?.createRevision ?? 0
    case 'mod':
      return stored?.modRevision ?? 0
    case 'lease':
      return stored?.lease ?? 0
  }
}

const holds = <T extends number | string>(held: T, result: Compare['result'], operand: T): boolean => {
  switch (result) {
    case '=':
      return held === operand
    case '!=':
      return held !== operand
    case '<':
      return held < operand
    case '>':
      return held > operand
  }
}

/** Two writes of one key in a branch: two puts, or a put of what is also deleted. */
const writesTwice = (branch: readonly KvRequest[]): boolean => {
  const puts = branch.filter((operation) => operation.kind === 'Put').map((operation) => operation.key)
  if (new Set(puts).size < puts.length) return true
  const deletes = branch.filter((operation) => operation.kind === 'DeleteRange')
  return puts.some((key) => deletes.some((range) => inRange(key, range)))
}

/** Whether it changes nothing whatever the store holds: it need not go through the log. */
export const isReadOnly = (request: KvRequest): boolean =>
  request.kind === 'Range' || (request.kind === 'Txn' && [...request.success, ...request.failure].every(isReadOnly))
