/** A file line by line, in bounded memory, however long it is. Binary data and endless lines are bad input. */
import { closeSync, openSync, readSync } from 'node:fs'
import { InputError } from '../input.ts'

export interface Line {
  readonly number: number
  readonly text: string
}

const CHUNK = 1 << 20
const LINE_MOST = 1 << 26

export function* readLines(file: string): Generator<Line> {
  const descriptor = open(file)
  try {
    const decoder = new TextDecoder('utf-8', { fatal: true })
    const bytes = new Uint8Array(CHUNK)
    let rest = ''
    let number = 0
    for (;;) {
      const length = read(descriptor, bytes, file)
      const text = rest + decode(decoder, bytes.subarray(0, length), length > 0, `${file}:${number + 1}`)
      const lines = text.split('\n')
      rest = length > 0 ? (lines.pop() ?? '') : ''
      for (const line of lines) yield { number: ++number, text: line.endsWith('\r') ? line.slice(0, -1) : line }
      if (rest.length > LINE_MOST) throw new InputError(`${file}:${number + 1}`, `expected lines of at most ${LINE_MOST} characters`)
      if (length === 0) return
    }
  } finally {
    closeSync(descriptor)
  }
}

const open = (file: string): number => {
  try {
    return openSync(file, 'r')
  } catch (error) {
    throw new InputError(file, `expected a file that can be read: ${(error as Error).message}`)
  }
}

const read = (descriptor: number, bytes: Uint8Array, file: string): number => {
  try {
    return readSync(descriptor, bytes, 0, bytes.length, null)
  } catch (error) {
    throw new InputError(file, `expected a file that can be read: ${(error as Error).message}`)
  }
}

const decode = (decoder: InstanceType<typeof TextDecoder>, bytes: Uint8Array, more: boolean, where: string): string => {
  if (bytes.includes(0)) throw new InputError(where, 'expected text, found binary data')
  try {
    return decoder.decode(bytes, { stream: more })
  } catch {
    throw new InputError(where, 'expected text in UTF-8, found binary data')
  }
}
