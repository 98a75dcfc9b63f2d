/** A history from a file, of whatever form. */
import { InputError } from '../input.ts'
import { Pairing, type AnyOperation, type Format } from './entries.ts'
import { ednEntries, logEntry } from './jepsen.ts'
import { readLines } from './lines.ts'
import { observedOperations } from './observed.ts'

/** By the first line that says something. */
export const guessFormat = (file: string): Format => {
  for (const { text, number } of readLines(file)) {
    const line = text.trim()
    if (line === '' || line === '[') continue
    if (/^(INFO|WARN|ERROR|DEBUG)\s/.test(line)) return /\s:hint\s+\d+$/.test(line) ? 'porcupine' : 'jepsen-log'
    if (/^\[?\s*(#[\w.]+)?\{\s*:/.test(line)) return 'jepsen-edn'
    if (line.startsWith('{')) return 'jsonl'
    throw new InputError(`${file}:${number}`, `expected a line of a Jepsen log, an EDN map or a JSON object, found '${line.slice(0, 80)}'`)
  }
  throw new InputError(file, 'expected a history, found an empty file')
}

/** Calls and returns of registers and key-value stores. */
export const readOperations = (file: string, format: Format, family: 'register' | 'kv'): readonly AnyOperation[] => {
  if (format === 'jsonl') return observedOperations(file, family)
  const pairing = new Pairing(file, family)
  for (const line of readLines(file)) {
    const log = format === 'jepsen-log' || (format === 'porcupine' && !line.text.trimStart().startsWith('{'))
    if (log) {
      const entry = logEntry(line, file)
      if (entry !== null) pairing.take(entry)
    } else for (const entry of ednEntries(line, file)) pairing.take(entry)
  }
  return pairing.end()
}
