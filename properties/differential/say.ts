/**
 * Requests, answers and events in words close to etcdctl's. Two answers agree when they are said in the same words: every
 * field that a client can rely on is in them.
 *
 * Left out: who answered and in which term, how much of a lease's time has passed, and the header of a transaction inside
 * another, which a real server leaves empty.
 */
import { textOf } from '../../model/components/etcd-range.ts'
import type { StoreRequest } from '../../model/components/etcd-store.ts'
import type {
  Compare,
  KeyRange,
  KeyValue,
  KvResponse,
  RangeRequest,
  Value,
  WatchCreateRequest,
  WatchEvent,
} from '../../model/state/keyspace.ts'
import type { Answer } from './machine.ts'

const quoted = (value: Value): string => {
  const text = value === undefined ? '' : textOf(value)
  return text === '\0' ? '\\0' : text === '' ? "''" : text
}
const flags = (named: Readonly<Record<string, unknown>>): string =>
  Object.entries(named)
    .filter(([, value]) => value !== undefined && value !== false && value !== 0)
    .map(([name, value]) => (value === true ? ` --${name}` : ` --${name}=${quoted(value)}`))
    .join('')
const rangeOf = ({ key, rangeEnd }: KeyRange): string => (rangeEnd === undefined ? quoted(key) : `${quoted(key)} ${quoted(rangeEnd)}`)

export const sayRequest = (request: StoreRequest): string => {
  switch (request.kind) {
    case 'Range':
      return `get ${rangeOf(request)}${flags(rangeFlags(request))}`
    case 'Put': {
      const { key, value, lease, prevKv, ignoreValue, ignoreLease } = request
      const named = { lease, 'prev-kv': prevKv, 'ignore-value': ignoreValue, 'ignore-lease': ignoreLease }
      return `put ${quoted(key)} ${quoted(value)}${flags(named)}`
    }
    case 'DeleteRange':
      return `del ${rangeOf(request)}${flags({ 'prev-kv': request.prevKv })}`
    case 'Txn': {
      const branch = (parts: readonly StoreRequest[]): string => (parts.length === 0 ? '-' : parts.map(sayRequest).join('; '))
      const compares = request.compare.length === 0 ? '-' : request.compare.map(sayCompare).join(' && ')
      return `txn { if ${compares} then ${branch(request.success)} else ${branch(request.failure)} }`
    }
    case 'Compact':
      return `compact ${request.revision}`
    case 'LeaseGrant':
      return `lease grant ${request.ttlSeconds} --id=${request.id}`
    case 'LeaseRevoke':
      return `lease revoke ${request.id}`
    case 'LeaseKeepAlive':
      return `lease keep-alive --once ${request.id}`
    case 'LeaseTimeToLive':
      return `lease timetolive ${request.id}${flags({ keys: request.keys })}`
    case 'LeaseLeases':
      return 'lease list'
  }
}

const rangeFlags = (request: RangeRequest): Readonly<Record<string, unknown>> => ({
  rev: request.revision,
  limit: request.limit,
  order: request.sortOrder === 'NONE' ? undefined : request.sortOrder,
  'sort-by': request.sortTarget === 'KEY' ? undefined : request.sortTarget,
  'min-mod-rev': request.minModRevision,
  'max-mod-rev': request.maxModRevision,
  'min-create-rev': request.minCreateRevision,
  'max-create-rev': request.maxCreateRevision,
  'count-only': request.countOnly,
  'keys-only': request.keysOnly,
  serializable: request.serializable,
})

const sayCompare = ({ target, result, operand, ...range }: Compare): string => `${target}(${rangeOf(range)}) ${result} ${quoted(operand)}`

export const sayWatch = ({ startRevision, prevKv, filters = [], ...range }: WatchCreateRequest): string =>
  `watch ${rangeOf(range)}${flags({ rev: startRevision, 'prev-kv': prevKv, filter: filters.length > 0 && filters.join(',') })}`

const sayKv = (kv: KeyValue): string =>
  `${quoted(kv.key)}=${quoted(kv.value)} (create ${kv.createRevision} mod ${kv.modRevision} version ${kv.version}${kv.lease === 0 ? '' : ` lease ${kv.lease}`})`

const list = (parts: readonly string[]): string => `[${parts.join(', ')}]`

export const sayAnswer = (answer: Answer): string => {
  if (answer.kind === 'Error') return `Error: ${answer.message}`
  return `revision ${answer.header.revision}: ${sayContent(answer)}`
}

const sayContent = (answer: Exclude<Answer, { readonly kind: 'Error' }>): string => {
  switch (answer.kind) {
    case 'Range':
      return `${list(answer.kvs.map(sayKv))} count ${answer.count}${answer.more ? ' more' : ''}`
    case 'Put':
      return answer.prevKv === undefined ? 'OK' : `OK before ${sayKv(answer.prevKv)}`
    case 'DeleteRange':
      return `${answer.deleted} deleted${(answer.prevKvs ?? []).length === 0 ? '' : ` before ${list((answer.prevKvs ?? []).map(sayKv))}`}`
    case 'Txn':
      return `${answer.succeeded ? 'SUCCESS' : 'FAILURE'} ${list(answer.responses.map(sayPart))}`
    case 'Compact':
      return 'compacted'
    case 'LeaseGrant':
    case 'LeaseKeepAlive':
      return `lease ${answer.id} for ${answer.ttlSeconds} s`
    case 'LeaseRevoke':
      return `lease ${answer.id} revoked`
    case 'LeaseTimeToLive': {
      if (answer.ttlSeconds < 0) return `no lease ${answer.id}`
      return `lease ${answer.id} granted for ${answer.grantedTtlSeconds ?? 0} s, keys ${list((answer.keys ?? []).toSorted())}`
    }
    case 'LeaseLeases':
      return `leases ${list(answer.leases.map(String).toSorted())}`
  }
}

const sayPart = (part: KvResponse): string => (part.kind === 'Txn' ? sayContent(part) : sayAnswer(part))

export const sayEvent = ({ type, kv, prevKv }: WatchEvent): string =>
  `${type} ${type === 'PUT' ? sayKv(kv) : `${quoted(kv.key)} (mod ${kv.modRevision})`}${prevKv === undefined ? '' : ` before ${sayKv(prevKv)}`}`
