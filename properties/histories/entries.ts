/** What histories of registers and key-value stores have in common: who called what, and how it ended. */
import { InputError } from '../input.ts'
import type { Operation } from '../checkers/search/model.ts'
import type { KvInput, KvOutput, RegisterInput, RegisterOutput, RegisterValue } from '../checkers/search/models.ts'

/** One line of such a history. */
export interface Entry {
  readonly line: number
  readonly process: string
  /** fail: it certainly had no effect; info: nobody knows. */
  readonly type: 'invoke' | 'ok' | 'fail' | 'info'
  readonly f: string
  readonly key: string | null
  readonly value: unknown
  /** A failure that says nothing of the state: it timed out, it was never sent. */
  readonly mute: boolean
}

export const FORMATS = ['jepsen-log', 'jepsen-edn', 'jsonl', 'porcupine'] as const
export type Format = (typeof FORMATS)[number]

export type AnyOperation = Operation<RegisterInput | KvInput, RegisterOutput | KvOutput>

/** More than this is not searched: it is better cut, or given as an etcd history with revisions. */
const OPERATIONS_MOST = 5_000_000

/** Pairs calls with their returns. */
export class Pairing {
  private readonly file: string
  private readonly family: 'register' | 'kv'
  private readonly pending = new Map<string, AnyOperation & { output: unknown; return: number; lines: readonly [number, number] }>()
  private readonly operations: AnyOperation[] = []
  private place = 0

  constructor(file: string, family: 'register' | 'kv') {
    this.file = file
    this.family = family
  }

  take(entry: Entry): void {
    const where = `${this.file}:${entry.line}`
    if (entry.type === 'invoke') {
      this.invoke(entry, where)
      return
    }
    const pending = this.pending.get(entry.process)
    if (pending === undefined) throw new InputError(where, `process ${entry.process} returns from ${entry.f}, which it has not called`)
    if (pending.input.f !== entry.f)
      throw new InputError(where, `process ${entry.process} returns from ${entry.f}, it had called ${pending.input.f}`)
    this.pending.delete(entry.process)
    const place = this.place++
    if (entry.type === 'info') return
    const returned = { return: place, lines: [pending.lines[0], entry.line] as const }
    if (entry.type === 'ok') Object.assign(pending, returned, { output: this.outputOf(entry, where) })
    // That a compare-and-set was refused is told about the state; any other failure had no effect and says nothing.
    else if (entry.f === 'cas' && !entry.mute) Object.assign(pending, returned, { output: false })
    else this.operations.splice(this.operations.lastIndexOf(pending), 1)
  }

  private invoke(entry: Entry, where: string): void {
    if (this.pending.has(entry.process))
      throw new InputError(
        where,
        `process ${entry.process} calls ${entry.f} while its call of line ${this.pending.get(entry.process)?.lines[0]} is in flight`,
      )
    if (this.operations.length >= OPERATIONS_MOST) throw new InputError(where, `expected at most ${OPERATIONS_MOST} operations`)
    const operation = {
      process: entry.process,
      input: this.family === 'kv' ? kvInput(entry, where) : registerInput(entry, where),
      output: undefined,
      call: this.place++,
      return: Infinity,
      lines: [entry.line, 0] as readonly [number, number],
    }
    this.pending.set(entry.process, operation)
    this.operations.push(operation)
  }

  private outputOf({ f, value }: Entry, where: string): RegisterOutput | KvOutput {
    if (f === 'read') return registerValue(value, where)
    if (f === 'cas' || f === 'write') return true
    if (f !== 'get') return null
    if (value === null) return ''
    if (typeof value !== 'string') throw new InputError(where, `expected a text as the value of get, found ${JSON.stringify(value)}`)
    return value
  }

  end(): readonly AnyOperation[] {
    return this.operations
  }
}

const registerValue = (value: unknown, where: string): RegisterValue => {
  if (value === null || typeof value === 'number' || typeof value === 'string') return value
  throw new InputError(where, `expected a number, a text or nil as value, found ${JSON.stringify(value)}`)
}

const registerInput = ({ f, value }: Entry, where: string): RegisterInput => {
  switch (f) {
    case 'read':
      return { f }
    case 'write':
      return { f, value: registerValue(value, where) }
    case 'cas': {
      const pair = Array.isArray(value) && value.length === 2 ? value : undefined
      if (pair === undefined) throw new InputError(where, `expected [from to] as the value of cas, found ${JSON.stringify(value)}`)
      return { f, from: registerValue(pair[0], where), to: registerValue(pair[1], where) }
    }
    default:
      throw new InputError(where, `expected read, write or cas, found ${f} (a key-value history? --model kv)`)
  }
}

const kvInput = ({ f, key, value }: Entry, where: string): KvInput => {
  if (f !== 'get' && f !== 'put' && f !== 'append')
    throw new InputError(where, `expected get, put or append, found ${f} (a register? --model cas-register)`)
  if (key === null) throw new InputError(where, `expected the key of ${f}`)
  if (f === 'get') return { f, key }
  if (typeof value !== 'string') throw new InputError(where, `expected a text as the value of ${f}, found ${JSON.stringify(value)}`)
  return { f, key, value }
}
