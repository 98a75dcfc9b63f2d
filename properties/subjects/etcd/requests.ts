/** What the clients of a run ask, drawn from its seed. Every value is written once, so that a read names its write. */
import type { EtcdRequest, KvRequest, LeaseId, Revision } from '../../../model/state/keyspace.ts'
import type { Random } from '../../../sim/random.ts'

const KEYS = 12
const TTL_SECONDS = [2, 4] as const
/** How far back reads of old revisions go: now and then beyond what is compacted, or into the future. */
const BACK_MOST = 600
const AHEAD = 1_000

/** What a client knows when it asks next: what it was told, which may be old. */
export interface Knowledge {
  /** The highest revision told to it. */
  readonly revision: Revision
  readonly modRevisions: ReadonlyMap<string, Revision>
  /** A lease of its own that it has not given back. */
  readonly lease: LeaseId | null
}

export interface Leasing {
  /** Each only once. */
  readonly ids: () => LeaseId
  readonly renew: boolean
}

export class Requests {
  private readonly random: Random
  private readonly prefix: string
  private readonly owner: string
  private readonly leases: Leasing
  private count = 0

  constructor(random: Random, prefix: string, owner: string, leases: Leasing) {
    this.random = random
    this.prefix = prefix
    this.owner = owner
    this.leases = leases
  }

  next(known: Knowledge): EtcdRequest {
    const { random } = this
    const dice = random.below(100)
    if (dice < 28) return this.put()
    if (dice < 48) return { kind: 'Range', key: this.key() }
    if (dice < 53) return { kind: 'Range', ...this.all(), limit: random.pick([0, 0, 3]) }
    if (dice < 61) return { kind: 'Range', ...random.pick([this.all(), { key: this.key() }]), serializable: true }
    if (dice < 68) return this.old(known)
    if (dice < 82) return this.compareAndPut(known)
    if (dice < 87) return this.several()
    if (dice < 92) return { kind: 'DeleteRange', key: this.key(), prevKv: random.chance(500) }
    return this.leasing(known)
  }

  private key(): string {
    return `${this.prefix}k${this.random.below(KEYS).toString(36)}`
  }

  private all(): { readonly key: string; readonly rangeEnd: string } {
    return { key: this.prefix, rangeEnd: `${this.prefix}~` }
  }

  private value(): string {
    return `${this.owner}.${this.count++}`
  }

  private put(): KvRequest {
    return { kind: 'Put', key: this.key(), value: this.value(), prevKv: this.random.chance(300) }
  }

  private old({ revision }: Knowledge): KvRequest {
    const { random } = this
    const back = random.chance(30) ? -AHEAD : random.chance(150) ? random.between(BACK_MOST, 10 * BACK_MOST) : random.below(BACK_MOST)
    const at = Math.max(1, revision - back)
    return { kind: 'Range', ...random.pick([this.all(), { key: this.key() }]), revision: at, serializable: random.chance(500) }
  }

  private compareAndPut({ modRevisions }: Knowledge): KvRequest {
    const key = this.key()
    return {
      kind: 'Txn',
      compare: [{ key, target: 'mod', result: '=', operand: modRevisions.get(key) ?? 0 }],
      success: [
        { kind: 'Put', key, value: this.value() },
        { kind: 'Range', key },
      ],
      failure: [{ kind: 'Range', key }],
    }
  }

  /** Several keys in one revision: none of them may ever be seen without the others. */
  private several(): KvRequest {
    const keys = [...new Set([this.key(), this.key(), this.key()])]
    const [first = '', ...others] = keys
    const puts = others.map((key): KvRequest => ({ kind: 'Put', key, value: this.value() }))
    const last: KvRequest = this.random.chance(300)
      ? { kind: 'DeleteRange', key: first, prevKv: true }
      : { kind: 'Put', key: first, value: this.value() }
    return { kind: 'Txn', compare: [], success: [...puts, last, { kind: 'Range', ...this.all() }], failure: [] }
  }

  private leasing({ lease }: Knowledge): EtcdRequest {
    const { random } = this
    if (lease === null) return { kind: 'LeaseGrant', ttlSeconds: random.between(...TTL_SECONDS), id: this.leases.ids() }
    const dice = random.below(10)
    if (dice < 4) return { kind: 'Put', key: `${this.prefix}l/${this.owner}/${random.below(3)}`, value: this.value(), lease }
    if (dice < 7 && this.leases.renew) return { kind: 'LeaseKeepAlive', id: lease }
    if (dice < 8) return { kind: 'LeaseTimeToLive', id: lease, keys: true }
    return { kind: 'LeaseRevoke', id: lease }
  }
}
