/** Transactions: the branch their comparisons choose, whole; and what is asked within them. SEMANTICS 2.1. */
import type { Invariant } from '../../invariant.ts'
import type { KvRequest, KvResponse } from '../../state/keyspace.ts'
import { jsonOf } from '../../components/objects.ts'
import { watching } from '../define.ts'
import { doing, explain, GUARANTEES, isKv, plain, writes } from './calls.ts'

const safety = { kind: 'history', strength: 'safety' } as const

const branches: Invariant = doing(
  {
    id: 'ETCD-S9',
    sentence: 'a transaction takes the branch its comparisons choose in the state right before it, and all of it',
    source: GUARANTEES,
    sometimes: 'the comparisons fail',
    ...safety,
  },
  ({ seen }, reply, history) => {
    const request = seen.request as KvRequest
    const { response, revision } = reply.outcome
    if (request.kind !== 'Txn' || response?.kind !== 'Txn') return 'vacuous'
    const { expected, difference } = explain(request, reply, history)
    if (expected.kind === 'Txn' && expected.succeeded !== response.succeeded)
      return {
        why: `call ${seen.call} took the ${response.succeeded ? 'success' : 'failure'} branch at revision ${revision}, where its comparisons ${expected.succeeded ? 'hold' : 'do not hold'}`,
      }
    if (difference !== null) return { why: `call ${seen.call} at revision ${revision} ${difference}` }
    return response.succeeded ? 'holds' : 'notable'
  },
)

/** Reads of a branch that come after a write of the same branch, each with what it was answered and what it must be. */
const readsAfterWrites = (
  request: KvRequest & { kind: 'Txn' },
  told: KvResponse & { kind: 'Txn' },
  expected: KvResponse & { kind: 'Txn' },
): readonly { readonly read: KvRequest; readonly told: KvResponse | undefined; readonly expected: KvResponse | undefined }[] => {
  const branch = told.succeeded ? request.success : request.failure
  const first = branch.findIndex(writes)
  if (first < 0) return []
  return branch.flatMap((read, place) =>
    place > first && read.kind === 'Range' ? [{ read, told: told.responses[place], expected: expected.responses[place] }] : [],
  )
}

const readYourWrites: Invariant = doing(
  {
    id: 'ETCD-S10',
    sentence: 'a read within a transaction sees what the transaction wrote before it',
    source: 'etcd server/etcdserver/txn/txn.go',
    sometimes: 'it reads what was written',
    ...safety,
  },
  ({ seen }, reply, history) => {
    const request = seen.request as KvRequest
    const { response, revision } = reply.outcome
    if (request.kind !== 'Txn' || response?.kind !== 'Txn') return 'vacuous'
    const { expected, wrote } = explain(request, reply, history)
    if (expected.kind !== 'Txn' || expected.succeeded !== response.succeeded) return 'vacuous'
    const reads = readsAfterWrites(request, response, expected)
    const wrong = reads.find((one) => jsonOf(plain(one.told)) !== jsonOf(plain(one.expected)))
    if (wrong !== undefined)
      return {
        why: `call ${seen.call} at revision ${revision} read ${jsonOf(plain(wrong.told))} after its own writes, expected ${jsonOf(plain(wrong.expected))}`,
      }
    if (reads.length === 0) return 'vacuous'
    return wrote && reads.some(({ told }) => told?.kind === 'Range' && told.kvs.some((kv) => kv.modRevision === revision))
      ? 'notable'
      : 'holds'
  },
)

const refusedWhole: Invariant = watching(
  {
    id: 'ETCD-S10b',
    sentence: 'a request that was refused for good, such as a transaction that writes one key twice, has no effect',
    source: 'etcd api/v3rpc/rpctypes/error.go',
    sometimes: 'it was a transaction',
    ...safety,
  },
  ['Invoke', 'Reply', 'Commit'],
  () => {
    const asked = new Map<string, KvRequest>()
    /** '<key>=<value>' of what must not be there → the call that was refused. */
    const refused = new Map<string, string>()
    const written = new Map<string, number>()
    const valuesOf = (request: KvRequest): readonly string[] => {
      if (request.kind === 'Put') return [`${request.key}=${jsonOf(request.value)}`]
      return request.kind === 'Txn' ? [...request.success, ...request.failure].flatMap(valuesOf) : []
    }
    return {
      observe(next) {
        if (next.kind === 'Invoke') {
          if (isKv(next.request) && writes(next.request)) asked.set(next.call, next.request)
          return 'vacuous'
        }
        if (next.kind === 'Commit') {
          if (next.after === null || typeof next.after.value !== 'string') return 'vacuous'
          const value = `${next.key}=${jsonOf(next.after.value)}`
          written.set(value, next.revision)
          const call = refused.get(value)
          return call === undefined
            ? 'vacuous'
            : { why: `call ${call} was refused, and its ${value} was written at revision ${next.revision}` }
        }
        if (next.kind !== 'Reply') return 'vacuous'
        const request = asked.get(next.call)
        asked.delete(next.call)
        if (request === undefined || next.outcome.kind !== 'refused') return 'vacuous'
        for (const value of valuesOf(request)) {
          refused.set(value, next.call)
          const revision = written.get(value)
          if (revision !== undefined)
            return { why: `call ${next.call} was refused, and its ${value} had been written at revision ${revision}` }
        }
        return request.kind === 'Txn' ? 'notable' : 'holds'
      },
    }
  },
)

export const TRANSACTIONS: readonly Invariant[] = [readYourWrites, branches, refusedWhole]
