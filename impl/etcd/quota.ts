/**
 * How much of its disk a member uses, and may use. Nothing that compaction frees is given back before it is defragmented.
 *
 * Source: server/storage/quota.go, server/storage/backend.
 */
import type { KvRequest } from '../../model/state/keyspace.ts'
import type { LogRequest } from './log-request.ts'
import type { Mvcc } from './mvcc.ts'
import { requestSize } from './request.ts'

const QUOTA_BYTES = 2 * 1024 ** 3
/** Of a put, beside key and value; of a lease. */
const PUT_BYTES = 256
const LEASE_BYTES = 64

export class Quota {
  private readonly mvcc: Mvcc
  private readonly mostBytes: number
  private highest = 0

  constructor(mvcc: Mvcc, mostBytes = QUOTA_BYTES) {
    this.mvcc = mvcc
    this.mostBytes = mostBytes
  }

  get inUse(): number {
    return this.mvcc.bytes
  }

  get size(): number {
    this.highest = Math.max(this.highest, this.mvcc.bytes)
    return this.highest
  }

  defragment(): void {
    this.highest = this.mvcc.bytes
  }

  /** 0: it needs no room, and is done though there is none left. */
  cost(request: LogRequest): number {
    switch (request.kind) {
      case 'Put':
        return requestSize(request) + PUT_BYTES
      case 'Txn':
        return Math.max(this.costOf(request.success), this.costOf(request.failure))
      case 'LeaseGrant':
        return LEASE_BYTES
      default:
        return 0
    }
  }

  private costOf(branch: readonly KvRequest[]): number {
    return branch.reduce((sum, operation) => sum + this.cost(operation), 0)
  }

  fits(cost: number): boolean {
    return cost === 0 || this.size + cost < this.mostBytes
  }
}
