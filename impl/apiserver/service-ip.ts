/**
 * Cluster IPs: one object in the store says which are taken, changed by compare-and-swap before the service is written.
 *
 * An IP whose service was never written is freed again by the repair loop, after three passes that did not find it used.
 * Source: kubernetes/kubernetes pkg/registry/core/service/{ipallocator,allocator/storage}.
 */
import type { TxnResponse } from '../../model/state/keyspace.ts'
import type { EtcdClient } from '../etcd/client.ts'
import type { Task } from '../task.ts'
import type { ClusterHost } from '../wire.ts'
import { Refusal, timedOut, unavailable } from './status.ts'

type Taken = Readonly<Record<string, string>>

const KEY = '/registry/ranges/serviceips'
const ATTEMPTS_MOST = 20
const PASSES_BEFORE_FREED = 3
/** 10.96.0.0/12 but for the network's own address and 10.96.0.1, the API's. */
const SIZE = 65_000

const addressOf = (index: number): string => `10.96.${(index + 2) >> 8}.${(index + 2) & 255}`

export class ServiceAddresses {
  private readonly host: ClusterHost
  private readonly etcd: EtcdClient
  private readonly unused = new Map<string, number>()

  constructor(host: ClusterHost, etcd: EtcdClient) {
    this.host = host
    this.etcd = etcd
  }

  private *change(update: (taken: Taken) => Taken | null): Task<boolean> {
    for (let attempt = 0; attempt < ATTEMPTS_MOST; attempt++) {
      const read = yield* this.etcd.request({ kind: 'Range', key: KEY }, this.host.name)
      if (read.kind !== 'Range') throw new Refusal(unavailable('the service address range cannot be read'))
      const held = read.kvs[0]
      const next = update((held?.value ?? {}) as Taken)
      if (next === null) return false
      const written = yield* this.etcd.request(
        {
          kind: 'Txn',
          compare: [{ key: KEY, target: 'mod', result: '=', operand: held?.modRevision ?? 0 }],
          success: [{ kind: 'Put', key: KEY, value: next }],
          failure: [],
        },
        this.host.name,
      )
      if (written.kind === 'Error') throw new Refusal(timedOut('the service address range cannot be written'))
      if ((written as TxnResponse).succeeded) return true
    }
    throw new Refusal(timedOut('too many conflicting writes of the service address range'))
  }

  /** owner: 'namespace/name', for people who look. wanted: an address the user asks for. */
  *allocate(owner: string, wanted: string | undefined): Task<string> {
    let chosen = ''
    const done = yield* this.change((taken) => {
      if (wanted !== undefined) {
        chosen = wanted
        return wanted in taken ? null : { ...taken, [wanted]: owner }
      }
      let index = this.host.random('service-ip').below(SIZE)
      while (addressOf(index) in taken) index = (index + 1) % SIZE
      chosen = addressOf(index)
      return { ...taken, [chosen]: owner }
    })
    if (!done) {
      const message = `Service "${owner}" is invalid: spec.clusterIPs: Invalid value: provided IP is already allocated`
      throw new Refusal({ code: 422, reason: 'Invalid', message })
    }
    return chosen
  }

  *release(address: string): Task<void> {
    yield* this.change((taken) => {
      if (!(address in taken)) return null
      const { [address]: _freed, ...rest } = taken
      return rest
    })
  }

  /** One pass: `used` are the addresses of the services there are. */
  *repair(used: ReadonlySet<string>): Task<void> {
    const freed: string[] = []
    yield* this.change((taken) => {
      for (const address of Object.keys(taken)) {
        if (used.has(address)) this.unused.delete(address)
        else this.unused.set(address, (this.unused.get(address) ?? 0) + 1)
      }
      freed.length = 0
      for (const [address, passes] of this.unused) if (passes >= PASSES_BEFORE_FREED && address in taken) freed.push(address)
      if (freed.length === 0) return null
      return Object.fromEntries(Object.entries(taken).filter(([address]) => !freed.includes(address)))
    })
    for (const address of freed) this.unused.delete(address)
  }
}
