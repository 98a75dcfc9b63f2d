/**
 * Transactions: which branches are taken, and whether what they hold can be done, both before anything is changed.
 *
 * Source: server/etcdserver/txn/txn.go.
 */
import type {
  Compare,
  DeleteRangeRequest,
  EtcdError,
  KvRequest,
  LeaseId,
  PutRequest,
  RangeRequest,
  Stored,
  TxnRequest,
} from '../../model/state/keyspace.ts'
import { COMPACTED, KEY_NOT_FOUND, NO_LEASE } from './errors.ts'
import type { Mvcc } from './mvcc.ts'

export interface Leases {
  has(lease: LeaseId): boolean
}

/** A transaction whose branches have been chosen, also those of the transactions inside it. */
interface Taken {
  readonly kind: 'Taken'
  readonly succeeded: boolean
  readonly operations: readonly Operation[]
}
export type Operation = RangeRequest | PutRequest | DeleteRangeRequest | Taken

/** All comparisons are made on the state before the transaction. */
export const resolve = (store: Mvcc, request: TxnRequest): Taken => {
  const succeeded = request.compare.every((compare) => holds(store, compare))
  const branch = succeeded ? request.success : request.failure
  const inside = (operation: KvRequest): Operation => (operation.kind === 'Txn' ? resolve(store, operation) : operation)
  return { kind: 'Taken', succeeded, operations: branch.map(inside) }
}

/** Null: nothing stands in its way. */
export const check = (store: Mvcc, operation: Operation, leases: Leases): EtcdError | null => {
  switch (operation.kind) {
    case 'Put':
      return lacksLease(operation, leases) ?? lacksKey(store, operation)
    case 'DeleteRange':
      return null
    case 'Range': {
      // A negative revision is the latest.
      const revision = operation.revision ?? 0
      return revision > 0 ? store.readable(revision) : null
    }
    case 'Taken':
      return checkInside(store, flat(operation), leases)
  }
}

/** First all puts are looked at, then all reads, to which a negative revision is one that is gone. */
const checkInside = (store: Mvcc, operations: readonly Operation[], leases: Leases): EtcdError | null => {
  for (const operation of operations) {
    const problem = operation.kind === 'Put' ? (lacksKey(store, operation) ?? lacksLease(operation, leases)) : null
    if (problem !== null) return problem
  }
  for (const operation of operations) {
    if (operation.kind !== 'Range') continue
    const revision = operation.revision ?? 0
    const problem = revision < 0 ? COMPACTED : store.readable(revision)
    if (problem !== null) return problem
  }
  return null
}

const flat = (operation: Operation): readonly Operation[] => (operation.kind === 'Taken' ? operation.operations.flatMap(flat) : [operation])

const lacksLease = ({ lease = 0 }: PutRequest, leases: Leases): EtcdError | null => (lease !== 0 && !leases.has(lease) ? NO_LEASE : null)

const lacksKey = (store: Mvcc, { key, ignoreValue, ignoreLease }: PutRequest): EtcdError | null =>
  (ignoreValue === true || ignoreLease === true) && store.latest(key) === null ? KEY_NOT_FOUND : null

/** What it changes, when nobody waits for what it reads. */
export const withoutReads = (operation: Operation): Operation => {
  if (operation.kind !== 'Taken') return operation
  return { ...operation, operations: operation.operations.filter(({ kind }) => kind !== 'Range').map(withoutReads) }
}

const ABSENT: Stored = { value: undefined, createRevision: 0, modRevision: 0, version: 0, lease: 0 }

/** It must hold of each key in the range. Where there is none, of the zeros of an absent key; but no value is like none. */
const holds = (store: Mvcc, compare: Compare): boolean => {
  let found = false
  let all = true
  store.each(compare, store.revision, (_key, stored) => {
    found = true
    all &&= holdsOf(compare, stored)
  })
  return found ? all : compare.target !== 'value' && holdsOf(compare, ABSENT)
}

const holdsOf = ({ target, result, operand }: Compare, stored: Stored): boolean =>
  target === 'value' ? compared(String(stored.value), result, String(operand)) : compared(stored[FIELD[target]], result, Number(operand))
const FIELD = { version: 'version', create: 'createRevision', mod: 'modRevision', lease: 'lease' } as const

const compared = <T extends number | string>(held: T, result: Compare['result'], operand: T): boolean => {
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
