/** A history to a file: as Jepsen's EDN, or as evenkeel's JSON lines. Written as it goes, a line at a time. */
import { closeSync, openSync, writeSync } from 'node:fs'
import type { Observation } from '../../model/state/history.ts'
import { InputError } from '../input.ts'
import type { AnyOperation } from './entries.ts'

const BUFFER = 1 << 16

export const writeLines = (file: string, lines: Iterable<string>): void => {
  let descriptor: number
  try {
    descriptor = openSync(file, 'w')
  } catch (error) {
    throw new InputError(file, `expected a file that can be written: ${(error as Error).message}`)
  }
  try {
    let text = ''
    for (const line of lines) {
      text += `${line}\n`
      if (text.length < BUFFER) continue
      writeSync(descriptor, text)
      text = ''
    }
    writeSync(descriptor, text)
  } finally {
    closeSync(descriptor)
  }
}

export function* jsonLines(history: Iterable<Observation>): Generator<string> {
  for (const seen of history) yield JSON.stringify(seen)
}

const ednValue = (value: unknown): string => (value === null || value === undefined ? 'nil' : JSON.stringify(value))

/** Jepsen's maps, calls and returns in their order. An operation without a return ends as :info after all others. */
export function* ednLines(operations: readonly AnyOperation[]): Generator<string> {
  const events = operations
    .flatMap((operation) => [
      { place: operation.call, operation, returns: false },
      { place: operation.return, operation, returns: true },
    ])
    .toSorted((one, other) => (one.place === other.place ? 0 : one.place - other.place))
  // A process whose operation stayed open goes on under a number of its own.
  const fresh = 1 + operations.reduce((most, { process }) => Math.max(most, Number(process) || 0), 0)
  const processOf = new Map(operations.filter((one) => one.return === Infinity).map((one, index) => [one, fresh + index]))
  for (const [index, { operation, returns }] of events.entries()) {
    const { input, output, process } = operation
    const open = operation.return === Infinity
    const type = !returns ? 'invoke' : open ? 'info' : output === false ? 'fail' : 'ok'
    const read = input.f === 'read' || input.f === 'get'
    const own = input.f === 'cas' ? `[${ednValue(input.from)} ${ednValue(input.to)}]` : 'value' in input ? ednValue(input.value) : 'nil'
    const value = read && type === 'ok' ? ednValue(output) : own
    const key = 'key' in input ? `, :key ${JSON.stringify(input.key)}` : ''
    yield `{:process ${processOf.get(operation) ?? process}, :type :${type}, :f :${input.f}${key}, :value ${value}, :index ${index}}`
  }
}
