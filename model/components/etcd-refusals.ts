/**
 * Which requests etcd refuses, and in which words. What is refused changes nothing.
 *
 * Left out: what depends on the member that is asked (no leader, time-outs, too many requests at once) and on sizes.
 * Source: server/etcdserver/api/v3rpc/key.go for what is wrong in itself, server/etcdserver/txn/txn.go for what is wrong
 * in a state, api/v3rpc/rpctypes/error.go for the texts.
 */
import type { EtcdError, Key, KeyRange, KvRequest, PutRequest, RangeRequest, Revision, TxnRequest } from '../state/keyspace.ts'
import type { Keyspace } from '../state/system.ts'
import { holds } from './etcd-compare.ts'
import { covers } from './etcd-range.ts'

const OPERATIONS_MOST = 128

export const refused = (message: string): EtcdError => ({ kind: 'Error', message: `etcdserver: ${message}`, definite: true })

export const NO_SPACE = refused('mvcc: database space exceeded')

/** Null: it may be applied. */
export const problemOf = (keyspace: Keyspace, request: KvRequest): EtcdError | null => nonsense(request) ?? refusal(keyspace, request)

/** While the space alarm is raised. Whatever may put is refused, though it would put nothing; what frees or reads is not. */
export const problemWithoutSpace = (request: KvRequest): EtcdError | null => nonsense(request) ?? (mayPut(request) ? NO_SPACE : null)

const mayPut = (request: KvRequest): boolean =>
  request.kind === 'Put' || (request.kind === 'Txn' && [...request.success, ...request.failure].some(mayPut))

// In itself

const nonsense = (request: KvRequest): EtcdError | null =>
  malformed(request, OPERATIONS_MOST) ?? (isRepeating(request) ? refused('duplicate key given in txn request') : null)

const malformed = (request: KvRequest, operationsMost: number): EtcdError | null => {
  if (request.kind === 'Txn') return malformedTxn(request, operationsMost)
  if (request.key === '') return refused('key is not provided')
  if (request.kind !== 'Put') return null
  if (request.ignoreValue === true && (request.value ?? '') !== '') return refused('value is provided')
  return request.ignoreLease === true && (request.lease ?? 0) !== 0 ? refused('lease is provided') : null
}

/** A transaction inside another has what the longest list of the outer one leaves of the limit. */
const malformedTxn = ({ compare, success, failure }: TxnRequest, operationsMost: number): EtcdError | null => {
  const longest = Math.max(compare.length, success.length, failure.length)
  if (longest > operationsMost) return refused('too many operations in txn request')
  if (compare.some(({ key }) => key === '')) return refused('key is not provided')
  return firstOf([...success, ...failure], (part) => malformed(part, operationsMost - longest))
}

const firstOf = <Part>(parts: readonly Part[], problem: (part: Part) => EtcdError | null): EtcdError | null => {
  for (const part of parts) {
    const found = problem(part)
    if (found !== null) return found
  }
  return null
}

interface Writes {
  /** Whether a transaction inside the branch does them. */
  readonly inner: boolean
  readonly puts: readonly Key[]
  readonly deletes: readonly KeyRange[]
}

/** Whether some branch writes a key twice. */
export const isRepeating = (request: KvRequest): boolean =>
  request.kind === 'Txn' && [request.success, request.failure].some((branch) => repeats(branch.map(writesOf)) || branch.some(isRepeating))

/** Of a transaction: of both branches, though only one will be taken. */
const writesOf = (request: KvRequest): Writes => {
  switch (request.kind) {
    case 'Range':
      return { inner: false, puts: [], deletes: [] }
    case 'Put':
      return { inner: false, puts: [request.key], deletes: [] }
    case 'DeleteRange':
      return { inner: false, puts: [], deletes: [request] }
    case 'Txn': {
      const parts = [...request.success, ...request.failure].map(writesOf)
      return { inner: true, puts: parts.flatMap(({ puts }) => puts), deletes: parts.flatMap(({ deletes }) => deletes) }
    }
  }
}

/**
 * Two deletes of one key are one deletion. What one inner transaction puts, a later one may delete: etcd looks at them one
 * after another (https://github.com/etcd-io/etcd/issues/16380).
 */
const repeats = (parts: readonly Writes[]): boolean =>
  parts.some((one, place) =>
    parts.some((other, otherPlace) => {
      if (place === otherPlace) return false
      const passes = one.inner && other.inner && place < otherPlace
      return one.puts.some((key) => other.puts.includes(key) || (!passes && other.deletes.some((range) => covers(range, key))))
    }),
  )

// In a state

const refusal = (keyspace: Keyspace, request: KvRequest): EtcdError | null => {
  switch (request.kind) {
    case 'Range':
      // A negative revision is the latest.
      return (request.revision ?? 0) > 0 ? unreadable(keyspace, request.revision ?? 0) : null
    case 'Put':
      return lacksLease(keyspace, request) ?? lacksKey(keyspace, request)
    case 'DeleteRange':
      return null
    case 'Txn': {
      const parts = taken(keyspace, request)
      return (
        firstOf(parts, (part) => (part.kind === 'Put' ? (lacksKey(keyspace, part) ?? lacksLease(keyspace, part)) : null)) ??
        firstOf(parts, (part) => (part.kind === 'Range' ? unreadableInside(keyspace, part) : null))
      )
    }
  }
}

/** What will be done, in order. All compares look at the state before the transaction, those of inner ones too. */
const taken = (keyspace: Keyspace, request: KvRequest): readonly KvRequest[] => {
  if (request.kind !== 'Txn') return [request]
  const succeeded = request.compare.every((compare) => holds(keyspace.kvs, compare))
  return (succeeded ? request.success : request.failure).flatMap((part) => taken(keyspace, part))
}

const lacksLease = ({ leases }: Keyspace, { lease = 0 }: PutRequest): EtcdError | null =>
  lease !== 0 && !leases.has(lease) ? refused('requested lease not found') : null

const lacksKey = ({ kvs }: Keyspace, { key, ignoreValue, ignoreLease }: PutRequest): EtcdError | null =>
  (ignoreValue === true || ignoreLease === true) && !kvs.has(key) ? refused('key not found') : null

/** The revision a transaction will make is still in the future of its own reads, and a negative one is no revision. */
const unreadableInside = (keyspace: Keyspace, { revision = 0 }: RangeRequest): EtcdError | null =>
  revision === 0 ? null : unreadable(keyspace, revision)

export const unreadable = ({ revision, compacted }: Keyspace, asked: Revision): EtcdError | null => {
  if (asked > revision) return refused('mvcc: required revision is a future revision')
  return asked < compacted ? refused('mvcc: required revision has been compacted') : null
}
