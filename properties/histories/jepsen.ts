/**
 * Jepsen's two forms: lines of its log (`INFO jepsen.util - 0 :invoke :write 3`) and maps of its history.edn. Porcupine's
 * test data are of these forms as well (https://github.com/anishathalye/porcupine, test_data): logs with a `:hint`, which
 * is not needed here, and maps with `:key`. What the nemesis does is no operation.
 */
import { InputError } from '../input.ts'
import { EdnError, isKeyword, readEdn, type Edn } from './edn.ts'
import type { Entry } from './entries.ts'
import type { Line } from './lines.ts'

const LOG = /^INFO\s+jepsen\.util\s+-\s+(\S+)\s+:(invoke|ok|fail|info)\s+:(\S+)\s*(.*?)(?:\s+:hint\s+\d+\s*)?$/
const SAYS_NOTHING = 'timed-out'

/** Null: a line that holds no operation. */
export const logEntry = ({ number, text }: Line, file: string): Entry | null => {
  if (text.trim() === '') return null
  const found = LOG.exec(text)
  if (found === null) {
    // Other parts of the program log to the same file.
    if (/^(INFO|WARN|ERROR|DEBUG)\s+(?!jepsen\.util\s)/.test(text)) return null
    throw new InputError(`${file}:${number}`, `expected 'INFO jepsen.util - PROCESS :TYPE :F VALUE', found '${text.slice(0, 80)}'`)
  }
  const [, process = '', type = '', f = '', rest = ''] = found
  if (!/^\d+$/.test(process)) return null
  const [value = null] = edn(rest, `${file}:${number}`)
  return {
    line: number,
    process,
    type: type as Entry['type'],
    f,
    key: null,
    value: plain(value),
    mute: isKeyword(value) && value.keyword === SAYS_NOTHING,
  }
}

const TYPES: readonly string[] = ['invoke', 'ok', 'fail', 'info']

export const ednEntries = ({ number, text }: Line, file: string): readonly Entry[] => {
  const where = `${file}:${number}`
  // A history may stand in brackets, a line an operation.
  const inner = text.replace(/^\s*\[\s*(?=$|[{#])/, '').replace(/(^|\})\s*\]\s*$/, '$1')
  return edn(inner, where).flatMap((value): readonly Entry[] => {
    if (!(value instanceof Map)) throw new InputError(where, `expected a map of an operation, found ${JSON.stringify(plain(value))}`)
    const map = value as ReadonlyMap<string, Edn>
    const process = map.get('process')
    const type = map.get('type')
    const f = map.get('f')
    if (isKeyword(process)) return []
    if (typeof process !== 'number') throw new InputError(where, 'expected a number as :process')
    if (!isKeyword(type) || !TYPES.includes(type.keyword))
      throw new InputError(where, `expected :invoke, :ok, :fail or :info as :type, found ${JSON.stringify(plain(type ?? null))}`)
    if (!isKeyword(f)) throw new InputError(where, 'expected a keyword as :f')
    const key = map.get('key')
    return [
      {
        line: number,
        process: String(process),
        type: type.keyword as Entry['type'],
        f: f.keyword,
        key: key === undefined || key === null ? null : String(plain(key)),
        value: plain(map.get('value') ?? null),
        mute: map.has('error'),
      },
    ]
  })
}

const edn = (text: string, where: string): readonly Edn[] => {
  try {
    return readEdn(text)
  } catch (error) {
    if (error instanceof EdnError) throw new InputError(where, error.message)
    throw error
  }
}

const plain = (value: Edn): unknown => {
  if (isKeyword(value)) return `:${value.keyword}`
  if (Array.isArray(value)) return value.map((one: Edn) => plain(one))
  return value instanceof Map ? Object.fromEntries([...(value as ReadonlyMap<string, Edn>)].map(([key, one]) => [key, plain(one)])) : value
}
