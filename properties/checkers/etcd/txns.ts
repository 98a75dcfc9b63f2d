/** Transactions: the branch that the comparisons choose in the state right before, all of it, part after part. */
import type { Compare, KvRequest, KvResponse, PutRequest, TxnRequest, TxnResponse } from '../../../model/state/keyspace.ts'
import type { Hidden } from './hidden.ts'
import type { ReadJudge } from './reads.ts'
import { UNTOLD } from './records.ts'
import type { Told } from './replay.ts'
import type { Truth } from './truth.ts'

export class TxnJudge {
  private readonly told: Told
  private readonly truth: Truth
  private readonly hidden: Hidden
  private readonly reads: ReadJudge
  /** What the transaction under way has changed so far. */
  private changed = 0

  constructor(told: Told, truth: Truth, hidden: Hidden, reads: ReadJudge) {
    this.hidden = hidden
    this.told = told
    this.truth = truth
    this.reads = reads
  }

  apply(call: number, request: TxnRequest, revision: number): void {
    const response = this.told.calls.txns.get(call)
    if (response !== undefined) this.judgeBranch(call, request, response)
    this.changed = 0
    this.performBranch(call, request, response, revision)
  }

  /** A transaction whose effect the members' logs show: only its choice is judged. */
  judgeBefore(call: number): void {
    const response = this.told.calls.txns.get(call)
    if (response !== undefined) this.judgeBranch(call, this.told.calls.requests[call] as TxnRequest, response)
  }

  judgeReadOnly(call: number, request: TxnRequest): void {
    const response = this.told.calls.txns.get(call)
    if (response === undefined || !this.reads.notBehind(call)) return
    this.judgeBranch(call, request, response)
    this.changed = 0
    this.performBranch(call, request, response, this.told.calls.revision.at(call))
  }

  private judgeBranch(call: number, request: TxnRequest, response: TxnResponse): void {
    const { calls, findings } = this.told
    const right = request.compare.map((compare) => this.holds(compare, calls.revision.at(call)))
    if (right.includes(null)) return
    const all = right.every((one) => one === true)
    if (all === response.succeeded) {
      findings.holds('ETCD-S9', !response.succeeded)
      return
    }
    const branch = response.succeeded ? 'success' : 'failure'
    const text = `${calls.text(call)} took the ${branch} branch at revision ${calls.revision.at(call)}, where its comparisons ${all ? 'hold' : 'do not hold'}`
    findings.violated('ETCD-S9', calls.because(text, call))
  }

  private performBranch(call: number, request: TxnRequest, response: TxnResponse | undefined, revision: number): void {
    const succeeded = response?.succeeded ?? request.compare.every((compare) => this.holds(compare, revision) !== false)
    const branch = succeeded ? request.success : request.failure
    for (const [place, part] of branch.entries()) {
      const reply = response?.responses[place]
      if (part.kind === 'Range') this.judgePart(call, part, reply, revision)
      else if (part.kind === 'Txn') this.performBranch(call, part, reply?.kind === 'Txn' ? reply : undefined, revision)
      else this.changed += this.perform(part, revision, call)
    }
  }

  private judgePart(call: number, part: KvRequest & { kind: 'Range' }, reply: KvResponse | undefined, revision: number): void {
    if (reply?.kind !== 'Range') return
    const { calls, findings } = this.told
    const id = this.changed > 0 ? 'ETCD-S10' : 'ETCD-S9'
    const wrong = this.reads.wrongInside(part, reply, revision)
    if (wrong === null) findings.holds(id, this.changed > 0 && reply.kvs.length > 0)
    else findings.violated(id, calls.because(`${calls.text(call)}: of the read of ${part.key} in it ${wrong}`, call))
  }

  /** A put or a deletion takes effect. Returns how many keys it changed. */
  perform(request: KvRequest, revision: number, call: number): number {
    if (request.kind === 'Put') {
      this.put(request, revision, call)
      return 1
    }
    if (request.kind !== 'DeleteRange') return 0
    const [from, to] = this.truth.places(request)
    const keys = this.truth.aliveIn(from, to)
    for (const key of keys) this.truth.delete(key, revision, call)
    return keys.length
  }

  private put({ key: name, value, lease = 0, ignoreValue, ignoreLease }: PutRequest, revision: number, call: number): void {
    const { records } = this.told
    const { truth } = this
    const key = records.keys.number(name)
    const before = truth.isAlive(key) ? truth.row(key) : -1
    const kept = ignoreValue === true ? (before < 0 ? UNTOLD : truth.value.at(before)) : records.valueNumber(value)
    truth.put(key, revision, kept, ignoreLease === true && before >= 0 ? truth.lease.at(before) : lease, call)
  }

  /** Null: nothing that was seen tells. */
  private holds(compare: Compare, revision: number): boolean | null {
    const { truth } = this
    const [from, to] = truth.places(compare)
    if (truth.unspokenIn(from, to).length > 0) return null
    const alive = truth.aliveIn(from, to)
    for (let place = from; place < to && alive.length === 0; place++)
      if (this.hidden.doubtful(truth.keyAtPlace(place), revision)) return null
    // What is not there has numbers of 0, and no value to compare with.
    if (alive.length === 0) {
      return compare.target === 'value' ? false : decide(0, compare)
    }
    let unsure = false
    for (const key of alive) {
      const held = this.hidden.doubtful(key, revision) ? null : this.held(truth.row(key), compare.target)
      if (held === null) unsure = true
      else if (!decide(held, compare)) return false
    }
    return unsure ? null : true
  }

  private held(row: number, target: Compare['target']): number | string | null {
    const { truth } = this
    const { records } = this.told
    switch (target) {
      case 'version':
        return told(truth.version.at(row))
      case 'create':
        return told(truth.create.at(row))
      case 'mod':
        return truth.revision.at(row)
      case 'lease':
        return truth.lease.at(row)
      case 'value': {
        const value = truth.value.at(row)
        return value === UNTOLD ? null : records.values.text(value)
      }
    }
  }
}

const told = (field: number): number | null => (field === UNTOLD ? null : field)

const decide = (held: number | string, { result, operand }: Compare): boolean => {
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
