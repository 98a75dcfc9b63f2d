/**
 * Revisions of one machine in the count of another: a real server's go on from one sequence of operations to the next.
 *
 * What is no revision of the store stays what it is: 0 and below stand for the latest, for none, for no bound.
 */
import type { StoreRequest } from '../../model/components/etcd-store.ts'
import type {
  Compare,
  KeyValue,
  KvRequest,
  KvResponse,
  RangeRequest,
  Revision,
  WatchCreateRequest,
  WatchEvent,
} from '../../model/state/keyspace.ts'
import type { Answer } from './machine.ts'

const moved = (revision: Revision, by: number): Revision => (revision > 0 ? revision + by : revision)

const REVISIONS = ['revision', 'minModRevision', 'maxModRevision', 'minCreateRevision', 'maxCreateRevision'] as const

const shiftRange = (request: RangeRequest, by: number): RangeRequest => {
  const shifted: Record<string, number> = {}
  for (const field of REVISIONS) {
    const revision = request[field]
    if (revision !== undefined) shifted[field] = moved(revision, by)
  }
  return { ...request, ...shifted }
}

const shiftCompare = (compare: Compare, by: number): Compare =>
  compare.target === 'create' || compare.target === 'mod' ? { ...compare, operand: moved(Number(compare.operand), by) } : compare

export const shiftRequest = (request: StoreRequest, by: number): StoreRequest => {
  switch (request.kind) {
    case 'Range':
      return shiftRange(request, by)
    case 'Txn': {
      const all = (parts: readonly KvRequest[]): readonly KvRequest[] => parts.map((part) => shiftRequest(part, by) as KvRequest)
      const compare = request.compare.map((one) => shiftCompare(one, by))
      return { ...request, compare, success: all(request.success), failure: all(request.failure) }
    }
    case 'Compact':
      return { ...request, revision: moved(request.revision, by) }
    default:
      return request
  }
}

export const shiftWatch = (request: WatchCreateRequest, by: number): WatchCreateRequest =>
  request.startRevision === undefined ? request : { ...request, startRevision: moved(request.startRevision, by) }

const shiftKv = (kv: KeyValue, by: number): KeyValue => ({
  ...kv,
  createRevision: moved(kv.createRevision, by),
  modRevision: moved(kv.modRevision, by),
})

export const shiftAnswer = (answer: Answer, by: number): Answer => {
  if (answer.kind === 'Error') return answer
  const header = { ...answer.header, revision: moved(answer.header.revision, by) }
  switch (answer.kind) {
    case 'Range':
      return { ...answer, header, kvs: answer.kvs.map((kv) => shiftKv(kv, by)) }
    case 'Put':
      return { ...answer, header, ...(answer.prevKv === undefined ? {} : { prevKv: shiftKv(answer.prevKv, by) }) }
    case 'DeleteRange':
      return { ...answer, header, ...(answer.prevKvs === undefined ? {} : { prevKvs: answer.prevKvs.map((kv) => shiftKv(kv, by)) }) }
    case 'Txn':
      return { ...answer, header, responses: answer.responses.map((part) => shiftAnswer(part, by) as KvResponse) }
    default:
      return { ...answer, header }
  }
}

export const shiftEvent = (event: WatchEvent, by: number): WatchEvent => ({
  ...event,
  kv: shiftKv(event.kv, by),
  ...(event.prevKv === undefined ? {} : { prevKv: shiftKv(event.prevKv, by) }),
})
