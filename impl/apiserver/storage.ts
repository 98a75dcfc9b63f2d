/**
 * Guarded writes: every change of an object is a transaction on the revision it was computed from.
 *
 * Source: k8s.io/apiserver/pkg/storage/etcd3/store.go (GuaranteedUpdate).
 */
import type { EtcdError, KeyValue, Key, KvResponse, TxnResponse } from '../../model/state/keyspace.ts'
import type { ApiObject } from '../../model/state/objects.ts'
import type { EtcdClient } from '../etcd/client.ts'
import { same } from '../equal.ts'
import type { Task } from '../task.ts'
import { Refusal, timedOut, unavailable } from './status.ts'
import { unversioned, versioned } from './watch-cache.ts'

/** What an update makes of the object that is there; 'remove' deletes it. Throws Refusal. */
export type Change = (held: ApiObject) => ApiObject | 'remove'

const ATTEMPTS_MOST = 30

export class Storage {
  private readonly etcd: EtcdClient

  constructor(etcd: EtcdClient) {
    this.etcd = etcd
  }

  private failed(error: EtcdError): never {
    throw new Refusal(error.definite ? unavailable(error.message) : timedOut(error.message))
  }

  /** The object as it is now, by a linearizable read. */
  *read(key: Key, author: string): Task<KeyValue | undefined> {
    const response = yield* this.etcd.request({ kind: 'Range', key }, author)
    if (response.kind === 'Error') return this.failed(response)
    return (response as KvResponse & { kind: 'Range' }).kvs[0]
  }

  /** All objects under a prefix at one revision, no older than this request. */
  *list(prefix: string, author: string): Task<{ kvs: readonly KeyValue[]; revision: number }> {
    const response = yield* this.etcd.request({ kind: 'Range', key: prefix, rangeEnd: `${prefix.slice(0, -1)}0` }, author)
    if (response.kind === 'Error') return this.failed(response)
    const { kvs, header } = response as KvResponse & { kind: 'Range' }
    return { kvs, revision: header.revision }
  }

  /** False: the key is taken. */
  *create(key: Key, object: ApiObject, author: string): Task<ApiObject | null> {
    const response = yield* this.etcd.request(
      {
        kind: 'Txn',
        compare: [{ key, target: 'mod', result: '=', operand: 0 }],
        success: [{ kind: 'Put', key, value: object }],
        failure: [],
      },
      author,
    )
    if (response.kind === 'Error') return this.failed(response)
    return (response as TxnResponse).succeeded ? versioned(object, response.header.revision) : null
  }

  /**
   * Computes from `cached` first where there is one, and again from the truth when that was out of date.
   * Returns the object as it is afterwards, or as it was before it was removed. Undefined: there is none.
   */
  *update(key: Key, cached: ApiObject | undefined, author: string, change: Change): Task<ApiObject | undefined> {
    let held = cached
    let fresh = false
    for (let attempt = 0; attempt < ATTEMPTS_MOST; attempt++) {
      if (held === undefined) {
        const read = yield* this.read(key, author)
        if (read === undefined) return undefined
        held = versioned(read.value as ApiObject, read.modRevision)
        fresh = true
      }
      const before = unversioned(held)
      let after: ApiObject | 'remove'
      try {
        after = change(held)
      } catch (error) {
        // What was refused on the grounds of an old copy is looked at again.
        if (fresh || !(error instanceof Refusal)) throw error
        held = undefined
        continue
      }
      if (after !== 'remove') after = unversioned(after)
      if (after !== 'remove' && same(before, after)) {
        if (fresh) return held
        held = undefined
        continue
      }
      const outcome: ApiObject | undefined = yield* this.swap(key, held, after, author)
      if (outcome !== undefined) return outcome
      held = undefined
      fresh = false
    }
    throw new Refusal(timedOut('too many conflicting writes'))
  }

  /** One guarded write. Undefined: somebody else was faster. */
  private *swap(key: Key, held: ApiObject, after: ApiObject | 'remove', author: string): Task<ApiObject | undefined> {
    const operand = Number(held.metadata.resourceVersion)
    const response = yield* this.etcd.request(
      {
        kind: 'Txn',
        compare: [{ key, target: 'mod', result: '=', operand }],
        success: [after === 'remove' ? { kind: 'DeleteRange', key } : { kind: 'Put', key, value: after }],
        failure: [],
      },
      author,
    )
    if (response.kind === 'Error') return this.failed(response)
    if (!(response as TxnResponse).succeeded) return undefined
    return versioned(after === 'remove' ? unversioned(held) : after, response.header.revision)
  }
}
