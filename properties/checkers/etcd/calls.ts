/**
 * The calls of a history, in columns, with what had been told to anybody when each was made.
 *
 * Of replies only what can be compared later is kept: which versions of keys they showed, and how many.
 */
import type { CallId, Outcome, Seen } from '../../../model/state/history.ts'
import type { EtcdRequest, KeyValue, KvRequest, KvResponse, TxnResponse } from '../../../model/state/keyspace.ts'
import type { Because } from '../verdict.ts'
import { Integers, Names, Numbers } from './columns.ts'
import type { Records } from './records.ts'

export const OPEN = 0
export const DONE = 1
export const REFUSED = 2

export class Calls {
  readonly names: CallId[] = []
  readonly requests: EtcdRequest[] = []
  readonly processes = new Names()
  readonly process = new Integers()
  readonly invokedMs = new Numbers()
  readonly repliedMs = new Numbers()
  readonly outcome = new Integers()
  /** Of the header of the reply. */
  readonly revision = new Numbers()
  /** The highest revision acknowledged to anybody when it was asked. */
  readonly floor = new Numbers()
  /** The highest revision shown to anybody in any way when it was asked. */
  readonly seen = new Numbers()
  /** Places in `shown`, where the versions that its reply showed are listed. */
  readonly shownFrom = new Integers()
  readonly shownTo = new Integers()
  readonly shown = new Integers()
  /** Range: count; DeleteRange: deleted. -1: not told. */
  readonly count = new Integers()
  readonly txns = new Map<number, TxnResponse>()
  private readonly open = new Map<CallId, number>()
  private readonly records: Records

  constructor(records: Records) {
    this.records = records
  }

  get length(): number {
    return this.names.length
  }

  invoke({ call, process, request, atMs }: Seen<'Invoke'> & { request: EtcdRequest }, floor: number, seen: number): number {
    const index = this.names.push(call) - 1
    this.requests.push(request)
    this.process.push(this.processes.number(process))
    this.invokedMs.push(atMs)
    this.repliedMs.push(Infinity)
    this.outcome.push(OPEN)
    this.revision.push(0)
    this.floor.push(floor)
    this.seen.push(seen)
    this.shownFrom.push(0)
    this.shownTo.push(0)
    this.count.push(-1)
    this.open.set(call, index)
    return index
  }

  /** The call a reply belongs to; undefined: none of etcd's. */
  reply({ call, outcome, atMs }: Seen<'Reply'>): number | undefined {
    const index = this.open.get(call)
    if (index === undefined) return undefined
    this.open.delete(call)
    if (outcome.kind === 'unknown') return index
    this.repliedMs.set(index, atMs)
    this.outcome.set(index, outcome.kind === 'done' ? DONE : REFUSED)
    if (outcome.kind === 'done') this.keep(index, outcome)
    return index
  }

  private keep(index: number, { revision, response }: Outcome & { kind: 'done' }): void {
    this.revision.set(index, revision)
    this.shownFrom.set(index, this.shown.length)
    const request = this.requests[index] as EtcdRequest
    if (response !== undefined) {
      if (response.kind === 'Txn') this.txns.set(index, response)
      this.show(request, response as KvResponse, index)
    }
    this.shownTo.set(index, this.shown.length)
  }

  private show(request: EtcdRequest, response: KvResponse, index: number): void {
    switch (response.kind) {
      case 'Range':
        for (const kv of response.kvs) this.showOne(kv, !(request.kind === 'Range' && request.keysOnly === true))
        this.count.set(index, response.count)
        break
      case 'Put':
        if (response.prevKv !== undefined) this.showOne(response.prevKv, true)
        break
      case 'DeleteRange':
        for (const kv of response.prevKvs ?? []) this.showOne(kv, true)
        this.count.set(index, response.deleted)
        break
      case 'Txn': {
        if (request.kind !== 'Txn') break
        const branch = response.succeeded ? request.success : request.failure
        for (const [place, part] of response.responses.entries()) this.show(branch[place] as KvRequest, part, index)
        break
      }
    }
  }

  private showOne(kv: KeyValue, withValue: boolean): void {
    this.shown.push(this.records.claimStored(kv.key, kv, withValue))
  }

  shownBy(index: number): number {
    return this.shownTo.at(index) - this.shownFrom.at(index)
  }

  /** Whether a completed call changed something, by its own reply: only then is its revision its own. */
  changedSomething(index: number): boolean {
    switch (this.requests[index]?.kind) {
      case 'Put':
        return true
      case 'DeleteRange':
        return this.count.at(index) > 0
      case 'Txn': {
        const response = this.txns.get(index)
        return response !== undefined && wrote(response)
      }
      default:
        return false
    }
  }

  /** 'call c7 of client-1 (put a="1")' */
  text(index: number): string {
    return `call ${this.names[index]} of ${this.processes.text(this.process.at(index))} (${requestText(this.requests[index] as EtcdRequest)})`
  }

  because(text: string, ...calls: readonly number[]): Because {
    const [first] = calls
    const replied = first === undefined ? null : this.repliedMs.at(first)
    const atMs = first === undefined || replied === null ? null : Number.isFinite(replied) ? replied : this.invokedMs.at(first)
    return { text, atMs, calls: calls.map((index) => this.names[index] as CallId) }
  }
}

/** Whether a transaction changed something, by its own reply. */
const wrote = ({ responses }: TxnResponse): boolean =>
  responses.some((part) => part.kind === 'Put' || (part.kind === 'DeleteRange' && part.deleted > 0) || (part.kind === 'Txn' && wrote(part)))

const rangeText = ({ key, rangeEnd }: { readonly key: string; readonly rangeEnd?: string }): string =>
  rangeEnd === undefined || rangeEnd === '' ? key : `[${key}, ${rangeEnd === '\0' ? 'end' : rangeEnd})`

export const requestText = (request: EtcdRequest): string => {
  switch (request.kind) {
    case 'Put':
      return `put ${request.key}${request.ignoreValue === true ? ' as it is' : `=${JSON.stringify(request.value)}`}${request.lease ? ` with lease ${request.lease}` : ''}`
    case 'Range':
      return `get ${rangeText(request)}${request.revision ? ` at revision ${request.revision}` : ''}${request.serializable === true ? ', serializable' : ''}`
    case 'DeleteRange':
      return `delete ${rangeText(request)}`
    case 'Txn': {
      const compare = request.compare
        .map((one) => `${one.target}(${rangeText(one)}) ${one.result} ${JSON.stringify(one.operand)}`)
        .join(', ')
      const branch = (parts: readonly KvRequest[]): string => parts.map(requestText).join(', ') || 'nothing'
      return `if ${compare || 'true'} then ${branch(request.success)} else ${branch(request.failure)}`
    }
    case 'Compact':
      return `compact ${request.revision}`
    case 'LeaseGrant':
      return `grant a lease of ${request.ttlSeconds} s`
    case 'LeaseRevoke':
      return `revoke lease ${request.id}`
    case 'LeaseKeepAlive':
      return `keep lease ${request.id} alive`
    case 'LeaseTimeToLive':
      return `time to live of lease ${request.id}`
    case 'LeaseLeases':
      return 'list the leases'
    case 'Status':
      return 'status'
    default:
      // Of users and of upkeep: its name says enough.
      return request.kind
  }
}
