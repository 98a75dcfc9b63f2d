/** evenkeel's own form: one observation a line, as JSON. What cannot be one is named with its line and field. */
import type { Observation } from '../../model/state/history.ts'
import { InputError } from '../input.ts'
import { readLines } from './lines.ts'

/** Of each kind that the checkers judge, the fields it must have and of which type. */
const FIELDS: Readonly<Record<string, Readonly<Record<string, 'string' | 'number' | 'boolean' | 'object'>>>> = {
  Invoke: { process: 'string', call: 'string', request: 'object' },
  Reply: { process: 'string', call: 'string', outcome: 'object' },
  Commit: { revision: 'number', key: 'string' },
  WatchOpened: { layer: 'string', stream: 'string', process: 'string', range: 'object', startRevision: 'number' },
  WatchDelivered: { layer: 'string', stream: 'string', revision: 'number', events: 'object', progress: 'boolean' },
  WatchClosed: { layer: 'string', stream: 'string', reason: 'string' },
  Hashed: { member: 'string', revision: 'number', compactRevision: 'number', hash: 'string' },
  Applied: { member: 'string', index: 'number', digest: 'string' },
}
const OUTCOMES: readonly unknown[] = ['done', 'refused', 'unknown']

export function* readObservations(file: string): Generator<Observation> {
  const open = new Map<string, number>()
  const busy = new Map<string, string>()
  for (const { number, text } of readLines(file)) {
    if (text.trim() === '') continue
    const where = `${file}:${number}`
    const seen = observationOf(text, where)
    if (seen.kind === 'Invoke') {
      const before = open.get(seen.call)
      if (before !== undefined) throw new InputError(where, `call ${seen.call} was made already, at line ${before}`)
      const other = busy.get(seen.process)
      if (other !== undefined)
        throw new InputError(where, `process ${seen.process} makes call ${seen.call} while its call ${other} is in flight`)
      open.set(seen.call, number)
      if (seen.request.kind !== 'LeaseKeepAlive') busy.set(seen.process, seen.call)
    } else if (seen.kind === 'Reply') {
      if (!open.delete(seen.call)) throw new InputError(where, `a reply to call ${seen.call}, which was not made or has been answered`)
      if (busy.get(seen.process) === seen.call) busy.delete(seen.process)
    }
    yield seen
  }
}

const observationOf = (text: string, where: string): Observation => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new InputError(where, `expected a JSON object, found '${text.slice(0, 80)}'`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new InputError(where, 'expected a JSON object')
  const record = value as Readonly<Record<string, unknown>>
  if (typeof record['kind'] !== 'string') throw new InputError(where, "expected a text as field 'kind'")
  if (typeof record['atMs'] !== 'number') throw new InputError(where, "expected a number as field 'atMs'")
  for (const [field, type] of Object.entries(FIELDS[record['kind']] ?? {})) {
    const held = record[field]
    if (typeof held !== type || held === null)
      throw new InputError(where, `expected ${article(type)} as field '${field}' of ${record['kind']}`)
  }
  if (record['kind'] === 'Reply' && !OUTCOMES.includes((record['outcome'] as { kind?: unknown }).kind))
    throw new InputError(where, `expected done, refused or unknown as field 'outcome.kind'`)
  if (record['kind'] === 'Invoke' && typeof (record['request'] as { kind?: unknown }).kind !== 'string')
    throw new InputError(where, `expected a text as field 'request.kind'`)
  if (record['kind'] === 'WatchDelivered' && !Array.isArray(record['events']))
    throw new InputError(where, `expected a list as field 'events'`)
  return value as Observation
}

const article = (type: string): string => (type === 'object' ? 'an object' : type === 'string' ? 'a text' : `a ${type}`)
