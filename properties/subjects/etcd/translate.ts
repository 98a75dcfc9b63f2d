/**
 * Between the vocabulary of histories (model/state/keyspace.ts) and the messages of etcd's v3 interface.
 *
 * Keys and values are text in UTF-8; a value that is no text travels as its JSON.
 */
import type {
  Compare,
  DeleteRangeRequest,
  DeleteRangeResponse,
  Header,
  KeyValue,
  KvRequest,
  KvResponse,
  LeaseId,
  LeaseResponse,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  TxnRequest,
  TxnResponse,
  WatchCreateRequest,
  WatchEvent,
} from '../../../model/state/keyspace.ts'
import type { WireHeader, WireKeyValue, WireWatchResponse } from './wire.ts'

/** Names the member with an id of 64 bits, in decimal. */
export type MemberNames = (id: string) => string
/** As etcdctl and rafthttp write an id. */
export const hexadecimal: MemberNames = (id) => BigInt(id).toString(16)

const bytes = (text: string): Buffer => Buffer.from(text, 'utf8')
const valueBytes = (value: unknown): Buffer => bytes(typeof value === 'string' ? value : (JSON.stringify(value) ?? ''))
/** Left out for one key: a server takes an empty end that is there on the wire for no end at all. */
const endOf = (rangeEnd: string | undefined): Buffer | undefined =>
  rangeEnd === undefined || rangeEnd === '' ? undefined : bytes(rangeEnd)

// Requests

const rangeOut = ({ key, rangeEnd, ...options }: RangeRequest): object => ({
  ...options,
  key: bytes(key),
  rangeEnd: endOf(rangeEnd),
})
const putOut = ({ key, value, ...options }: PutRequest): object => ({ ...options, key: bytes(key), value: valueBytes(value) })
const deleteOut = ({ key, rangeEnd, prevKv }: DeleteRangeRequest): object => ({ key: bytes(key), rangeEnd: endOf(rangeEnd), prevKv })

const RESULTS = { '=': 'EQUAL', '!=': 'NOT_EQUAL', '<': 'LESS', '>': 'GREATER' } as const
const TARGETS = {
  version: ['VERSION', 'version'],
  create: ['CREATE', 'createRevision'],
  mod: ['MOD', 'modRevision'],
  value: ['VALUE', 'value'],
  lease: ['LEASE', 'lease'],
} as const
const compareOut = ({ key, rangeEnd, target, result, operand }: Compare): object => {
  const [name, field] = TARGETS[target]
  return {
    key: bytes(key),
    rangeEnd: endOf(rangeEnd),
    result: RESULTS[result],
    target: name,
    [field]: target === 'value' ? valueBytes(operand) : operand,
  }
}
const txnOut = ({ compare, success, failure }: TxnRequest): object => ({
  compare: compare.map(compareOut),
  success: success.map(operationOut),
  failure: failure.map(operationOut),
})
const operationOut = (request: KvRequest): object => {
  switch (request.kind) {
    case 'Range':
      return { requestRange: rangeOut(request) }
    case 'Put':
      return { requestPut: putOut(request) }
    case 'DeleteRange':
      return { requestDeleteRange: deleteOut(request) }
    case 'Txn':
      return { requestTxn: txnOut(request) }
  }
}

/** The message of a request, without the wrapping that it has inside a transaction. */
export const kvOut = (request: KvRequest): object => Object.values(operationOut(request))[0] as object

export const watchOut = (request: WatchCreateRequest): object => {
  const { key, rangeEnd, ...options } = request
  return { createRequest: { ...options, key: bytes(key), rangeEnd: endOf(rangeEnd) } }
}

// Responses

export interface WireLease {
  readonly header: WireHeader | null
  readonly ID: string
  readonly TTL: string
  /** Of LeaseTimeToLive only. */
  readonly grantedTTL?: string
  readonly keys?: readonly Buffer[]
}
export const leaseIn = (kind: LeaseResponse['kind'], wire: WireLease, id: LeaseId, names: MemberNames): LeaseResponse => ({
  kind,
  header: headerIn(wire.header, names),
  id,
  ttlSeconds: kind === 'LeaseRevoke' ? 0 : Number(wire.TTL),
  ...(wire.grantedTTL === undefined ? {} : { grantedTtlSeconds: Number(wire.grantedTTL) }),
  ...(wire.keys === undefined || wire.keys.length === 0 ? {} : { keys: wire.keys.map((key) => key.toString('utf8')) }),
})

export const headerIn = (header: WireHeader | null, names: MemberNames): Header => ({
  revision: Number(header?.revision ?? 0),
  raftTerm: Number(header?.raftTerm ?? 0),
  member: names(header?.memberId ?? '0'),
})

export const keyValueIn = (kv: WireKeyValue): KeyValue => ({
  key: kv.key.toString('utf8'),
  value: kv.value.toString('utf8'),
  createRevision: Number(kv.createRevision),
  modRevision: Number(kv.modRevision),
  version: Number(kv.version),
  lease: Number(kv.lease),
})

interface WireRange {
  readonly header: WireHeader | null
  readonly kvs: readonly WireKeyValue[]
  readonly count: string
  readonly more: boolean
}
interface WirePut {
  readonly header: WireHeader | null
  readonly prevKv: WireKeyValue | null
}
interface WireDelete {
  readonly header: WireHeader | null
  readonly deleted: string
  readonly prevKvs: readonly WireKeyValue[]
}
interface WireOperation {
  readonly responseRange?: WireRange
  readonly responsePut?: WirePut
  readonly responseDeleteRange?: WireDelete
  readonly responseTxn?: WireTxn
}
interface WireTxn {
  readonly header: WireHeader | null
  readonly succeeded: boolean
  readonly responses: readonly WireOperation[]
}
export type WireKv = WireRange | WirePut | WireDelete | WireTxn

const rangeIn = (wire: WireRange, header: Header): RangeResponse => ({
  kind: 'Range',
  header,
  kvs: wire.kvs.map(keyValueIn),
  count: Number(wire.count),
  more: wire.more,
})
const putIn = ({ prevKv }: WirePut, header: Header): PutResponse => ({
  kind: 'Put',
  header,
  ...(prevKv === null ? {} : { prevKv: keyValueIn(prevKv) }),
})
const deleteIn = ({ deleted, prevKvs }: WireDelete, header: Header): DeleteRangeResponse => ({
  kind: 'DeleteRange',
  header,
  deleted: Number(deleted),
  ...(prevKvs.length === 0 ? {} : { prevKvs: prevKvs.map(keyValueIn) }),
})
const txnIn = (wire: WireTxn, header: Header): TxnResponse => ({
  kind: 'Txn',
  header,
  succeeded: wire.succeeded,
  responses: wire.responses.map((one) => operationIn(one, header)),
})
/** Inside a transaction a header has no more than a revision, and that of another transaction not even that. */
const operationIn = (wire: WireOperation, outer: Header): KvResponse => {
  const within = (header: WireHeader | null): Header => ({ ...outer, revision: Number(header?.revision ?? 0) || outer.revision })
  if (wire.responseRange !== undefined) return rangeIn(wire.responseRange, within(wire.responseRange.header))
  if (wire.responsePut !== undefined) return putIn(wire.responsePut, within(wire.responsePut.header))
  if (wire.responseDeleteRange !== undefined) return deleteIn(wire.responseDeleteRange, within(wire.responseDeleteRange.header))
  if (wire.responseTxn !== undefined) return txnIn(wire.responseTxn, outer)
  throw new Error('a response in a transaction is of none of the four kinds')
}

export const kvIn = (kind: KvRequest['kind'], wire: WireKv, names: MemberNames): KvResponse => {
  const header = headerIn(wire.header, names)
  switch (kind) {
    case 'Range':
      return rangeIn(wire as WireRange, header)
    case 'Put':
      return putIn(wire as WirePut, header)
    case 'DeleteRange':
      return deleteIn(wire as WireDelete, header)
    case 'Txn':
      return txnIn(wire as WireTxn, header)
  }
}

export const eventsIn = (events: WireWatchResponse['events']): readonly WatchEvent[] =>
  events.map(({ type, kv, prevKv }) => ({
    type,
    kv: type === 'PUT' ? keyValueIn(kv) : { ...keyValueIn(kv), value: undefined },
    ...(prevKv === null ? {} : { prevKv: keyValueIn(prevKv) }),
  }))
