/**
 * What is looked at before a request goes any further: whether it makes sense at all, and how large it is.
 *
 * Source: server/etcdserver/api/v3rpc/key.go, server/etcdserver/v3_server.go.
 */
import type { EtcdError, Key, KeyRange, KvRequest, PutRequest, TxnRequest, Value } from '../../model/state/keyspace.ts'
import type { LogRequest } from './log-request.ts'
import { DUPLICATE_KEY, EMPTY_KEY, LEASE_PROVIDED, TOO_MANY_OPERATIONS, VALUE_PROVIDED } from './errors.ts'

const OPERATIONS_MOST = 128

/** Upper bound of a range: '\0' stands for no end, none or '' for one key. */
export const inRange = (key: Key, { key: from, rangeEnd }: KeyRange): boolean =>
  rangeEnd === undefined || rangeEnd === '' ? key === from : key >= from && (rangeEnd === '\0' || key < rangeEnd)

export const isOneKey = ({ rangeEnd }: KeyRange): boolean => rangeEnd === undefined || rangeEnd === ''

/** Whether it changes nothing whatever the store holds: it need not go through the log. */
export const isReadOnly = (request: KvRequest): boolean =>
  request.kind === 'Range' || (request.kind === 'Txn' && request.success.every(isReadOnly) && request.failure.every(isReadOnly))

/** Null: it may be performed, as far as can be said without looking at the store. */
export const checkRequest = (request: KvRequest): EtcdError | null => {
  if (request.kind !== 'Txn') return checkOperation(request, 0)
  return (
    checkTxn(request, OPERATIONS_MOST) ?? (written(request.success) === null || written(request.failure) === null ? DUPLICATE_KEY : null)
  )
}

const checkOperation = (request: KvRequest, operationsMost: number): EtcdError | null => {
  switch (request.kind) {
    case 'Range':
    case 'DeleteRange':
      return request.key === '' ? EMPTY_KEY : null
    case 'Put':
      return checkPut(request)
    case 'Txn':
      return checkTxn(request, operationsMost)
  }
}

const checkPut = (request: PutRequest): EtcdError | null => {
  if (request.key === '') return EMPTY_KEY
  if (request.ignoreValue === true && request.value !== undefined && request.value !== '') return VALUE_PROVIDED
  return request.ignoreLease === true && (request.lease ?? 0) !== 0 ? LEASE_PROVIDED : null
}

/** Transactions inside it share what it leaves of the operations that one may have. */
const checkTxn = ({ compare, success, failure }: TxnRequest, operationsMost: number): EtcdError | null => {
  const operations = Math.max(compare.length, success.length, failure.length)
  if (operations > operationsMost) return TOO_MANY_OPERATIONS
  if (compare.some(({ key }) => key === '')) return EMPTY_KEY
  for (const branch of [success, failure]) {
    for (const operation of branch) {
      const problem = checkOperation(operation, operationsMost - operations)
      if (problem !== null) return problem
    }
  }
  return null
}

interface Written {
  readonly puts: ReadonlySet<Key>
  readonly deletes: readonly KeyRange[]
}

/**
 * What a branch may write, the branches inside it counted as they may be taken: the two of one transaction exclude each
 * other. Null: a key might be put twice, or be put and deleted.
 */
const written = (branch: readonly KvRequest[]): Written | null => {
  let deletes: readonly KeyRange[] = branch.filter((operation) => operation.kind === 'DeleteRange')
  const puts = new Set<Key>()
  const free = (key: Key): boolean => !puts.has(key) && !deletes.some((range) => inRange(key, range))
  for (const operation of branch) {
    if (operation.kind !== 'Txn') continue
    const then = written(operation.success)
    const otherwise = written(operation.failure)
    if (then === null || otherwise === null) return null
    const inside = new Set([...then.puts, ...otherwise.puts])
    for (const key of inside) if (!free(key)) return null
    for (const key of inside) puts.add(key)
    deletes = [...deletes, ...then.deletes, ...otherwise.deletes]
  }
  for (const operation of branch) {
    if (operation.kind !== 'Put') continue
    if (!free(operation.key)) return null
    puts.add(operation.key)
  }
  return { puts, deletes }
}

const sizes = new WeakMap<object, number>()

/** About how many bytes a value takes. Objects are taken to be immutable: that of each is remembered. */
export const sizeOf = (value: Value): number => {
  if (typeof value === 'string') return value.length
  if (typeof value !== 'object' || value === null) return 8
  const known = sizes.get(value)
  if (known !== undefined) return known
  const size = Array.isArray(value) ? JSON.stringify(value).length : sizeOfMembers(value)
  sizes.set(value, size)
  return size
}

/** As JSON has them. What a version of an object shares with the one before is not measured again. */
const sizeOfMembers = (value: object): number => {
  let size = 1
  for (const name in value) {
    const member = (value as Readonly<Record<string, unknown>>)[name]
    if (member === undefined) continue
    size += textSize(name) + 2 + (typeof member === 'object' && member !== null ? sizeOf(member) : scalarSize(member))
  }
  return Math.max(2, size)
}

const scalarSize = (value: unknown): number => (typeof value === 'string' ? textSize(value) : JSON.stringify(value).length)

/** Text with anything else in it may grow when it is written as JSON. */
const OTHER_THAN_PLAIN = /[^ !#-[\]-~]/
const textSize = (text: string): number => (OTHER_THAN_PLAIN.test(text) ? JSON.stringify(text).length : text.length + 2)

/** About how many bytes a request takes on its way. */
export const requestSize = (request: LogRequest): number => {
  switch (request.kind) {
    case 'Put':
      return request.key.length + sizeOf(request.value)
    case 'Txn':
      return SMALL_BYTES * request.compare.length + branchSize(request.success) + branchSize(request.failure)
    default:
      return SMALL_BYTES
  }
}
const SMALL_BYTES = 16
const branchSize = (branch: readonly KvRequest[]): number => branch.reduce((sum, operation) => sum + requestSize(operation), 0)
