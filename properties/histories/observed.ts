/** Registers and key-value stores spoken of as requests to etcd: one key read, put, or compared and put. And back. */
import type { Observation, Outcome } from '../../model/state/history.ts'
import type { EtcdRequest, KvRequest } from '../../model/state/keyspace.ts'
import { InputError } from '../input.ts'
import type { RegisterValue } from '../checkers/search/models.ts'
import { Pairing, type AnyOperation, type Entry } from './entries.ts'
import { readObservations } from './jsonl.ts'

const REGISTER = 'register'

export const observedOperations = (file: string, family: 'register' | 'kv'): readonly AnyOperation[] => {
  const pairing = new Pairing(file, family)
  const asked = new Map<string, Pick<Entry, 'f' | 'key' | 'value'>>()
  let line = 0
  for (const seen of readObservations(file)) {
    line++
    if (seen.kind === 'Invoke' && seen.request.kind !== 'Api') {
      const entry = entryOf(seen.request, family)
      if (entry === null)
        throw new InputError(`${file}:${line}`, `expected a request to one key that a ${family} knows, found ${seen.request.kind}`)
      asked.set(seen.call, entry)
      pairing.take({ ...entry, line, process: seen.process, type: 'invoke', mute: false })
    } else if (seen.kind === 'Reply') {
      const entry = asked.get(seen.call)
      if (entry !== undefined) pairing.take({ ...entry, ...endOf(seen.outcome, entry), line, process: seen.process })
    }
  }
  return pairing.end()
}

const entryOf = (request: EtcdRequest, family: 'register' | 'kv'): Pick<Entry, 'f' | 'key' | 'value'> | null => {
  if (request.kind === 'Range') return { f: family === 'kv' ? 'get' : 'read', key: request.key, value: null }
  if (request.kind === 'Put') return { f: family === 'kv' ? 'put' : 'write', key: request.key, value: request.value }
  if (request.kind !== 'Txn' || family === 'kv') return null
  const [compare, ...others] = request.compare
  const [put, ...more] = request.success
  if (compare?.target !== 'value' || put?.kind !== 'Put' || others.length + more.length + request.failure.length > 0) return null
  return { f: 'cas', key: compare.key, value: [compare.operand, put.value] }
}

const endOf = (outcome: Outcome, { f, value }: Pick<Entry, 'f' | 'value'>): Pick<Entry, 'type' | 'value' | 'mute'> => {
  if (outcome.kind === 'unknown') return { type: 'info', value: null, mute: true }
  if (outcome.kind === 'refused') return { type: 'fail', value: null, mute: true }
  const { response } = outcome
  if (response?.kind === 'Range') return { type: 'ok', value: response.kvs[0]?.value ?? null, mute: false }
  if (f === 'cas' && response?.kind === 'Txn' && !response.succeeded) return { type: 'fail', value, mute: false }
  return { type: 'ok', value, mute: false }
}

/** One observation for each call and return, in their order. Revisions are not known: they are 0. */
export function* observationsOf(operations: readonly AnyOperation[]): Generator<Observation> {
  const header = { revision: 0, raftTerm: 0, member: 'history' }
  const events = operations
    .flatMap((operation, index) => [
      { place: operation.call, operation, index, returns: false },
      ...(Number.isFinite(operation.return) ? [{ place: operation.return, operation, index, returns: true }] : []),
    ])
    .toSorted((one, other) => one.place - other.place)
  for (const { place: atMs, operation, index, returns } of events) {
    const { input, output } = operation
    // A process whose operation stayed open goes on under another name: only so is one operation of it in flight.
    const process = operation.process
    const call = `${index}`
    if (!returns) {
      yield {
        kind: 'Invoke',
        atMs,
        process: Number.isFinite(operation.return) ? process : `${process}.${call}`,
        call,
        request: requestOf(input),
        to: 'history',
      }
      continue
    }
    const kv = (value: unknown) => ({ key: REGISTER, value, createRevision: 0, modRevision: 0, version: 1, lease: 0 })
    const shown = output === null || output === '' ? [] : [kv(output)]
    const response =
      input.f === 'read' || input.f === 'get'
        ? ({ kind: 'Range', header, kvs: shown, count: shown.length, more: false } as const)
        : input.f === 'cas'
          ? ({ kind: 'Txn', header, succeeded: output === true, responses: [] } as const)
          : ({ kind: 'Put', header } as const)
    yield { kind: 'Reply', atMs, process, call, outcome: { kind: 'done', revision: 0, response } }
  }
}

const requestOf = (input: AnyOperation['input']): KvRequest => {
  switch (input.f) {
    case 'read':
      return { kind: 'Range', key: REGISTER }
    case 'get':
      return { kind: 'Range', key: input.key }
    case 'write':
      return { kind: 'Put', key: REGISTER, value: input.value }
    case 'put':
      return { kind: 'Put', key: input.key, value: input.value }
    case 'cas':
      return {
        kind: 'Txn',
        compare: [{ key: REGISTER, target: 'value', result: '=', operand: operandOf(input.from) }],
        success: [{ kind: 'Put', key: REGISTER, value: input.to }],
        failure: [],
      }
    case 'append':
      throw new InputError('--export', 'expected no append: etcd has none, so it cannot be said in JSON lines (jepsen-edn can)')
  }
}

const operandOf = (value: RegisterValue): string | number => {
  if (value === null) throw new InputError('--export', 'expected no compare with nil: etcd cannot say it (jepsen-edn can)')
  return value
}
