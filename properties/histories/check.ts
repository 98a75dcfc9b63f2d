/** A file's history against a model, whatever its form: the verdict, and the reason in words. */
import type { SequentialModel } from '../checkers/search/model.ts'
import { checkOperations } from '../checkers/search/check.ts'
import { casRegister, kv, register } from '../checkers/search/models.ts'
import { EtcdChecker } from '../checkers/etcd/checker.ts'
import { printTimeline } from '../checkers/etcd/timeline.ts'
import type { Verdict } from '../checkers/verdict.ts'
import { InputError } from '../input.ts'
import type { AnyOperation, Format } from './entries.ts'
import { readObservations } from './jsonl.ts'
import { guessFormat, readOperations } from './read.ts'

export const MODELS = ['register', 'cas-register', 'kv', 'etcd'] as const
export type ModelName = (typeof MODELS)[number]

export interface HistoryReport {
  readonly verdict: Verdict
  readonly format: Format
  /** 'linearizable: 170 operations' and what follows it. */
  readonly lines: readonly string[]
}

const WORDS = { holds: 'linearizable', violated: 'NOT linearizable', unknown: 'undecided' } as const

export const checkHistory = (file: string, model: ModelName, given?: Format): HistoryReport => {
  const format = given ?? guessFormat(file)
  return model === 'etcd' ? checkEtcdFile(file, format) : checkSearched(file, model, format)
}

const searched = {
  register: register as SequentialModel<unknown, AnyOperation['input'], AnyOperation['output']>,
  'cas-register': casRegister as SequentialModel<unknown, AnyOperation['input'], AnyOperation['output']>,
  kv: kv as SequentialModel<unknown, AnyOperation['input'], AnyOperation['output']>,
}

const checkSearched = (file: string, name: Exclude<ModelName, 'etcd'>, format: Format): HistoryReport => {
  const operations = readOperations(file, format, name === 'kv' ? 'kv' : 'register')
  const cas = name === 'register' ? operations.find(({ input }) => input.f === 'cas') : undefined
  if (cas !== undefined) throw new InputError(`${file}:${cas.lines[0]}`, 'expected read or write, found cas (--model cas-register)')
  const { verdict, parts, configurations, why } = checkOperations(operations, searched[name])
  const keys = name === 'kv' ? ` on ${parts} keys` : ''
  return { verdict, format, lines: [`${WORDS[verdict]}: ${operations.length} operations${keys}, ${configurations} configurations`, ...why] }
}

const checkEtcdFile = (file: string, format: Format): HistoryReport => {
  if (format !== 'jsonl') throw new InputError(file, `expected JSON lines for the etcd model, found ${format}`)
  const checker = new EtcdChecker()
  for (const seen of readObservations(file)) checker.observe(seen)
  const { verdict, findings, counts, timeline } = checker.end()
  const { calls, open, resolved, unseenRevisions, streams, events } = counts
  const head = verdict === 'holds' ? 'all guarantees held' : verdict === 'violated' ? 'a guarantee was VIOLATED' : 'undecided'
  return {
    verdict,
    format,
    lines: [
      `${head}: ${calls} calls, ${open} writes with an open outcome of which ${resolved} took effect, ${unseenRevisions} revisions nobody saw, ${events} events on ${streams} streams`,
      ...findings.map((one) => {
        const mark = one.verdict === 'holds' ? (one.notable > 0 ? '✓' : '·') : one.verdict === 'violated' ? '✗' : '?'
        return `${mark} ${one.id.padEnd(8)} ${one.sentence} (${one.evaluated} judged, ${one.notable} of interest)`
      }),
      ...findings.flatMap(({ id, why }) => why.map(({ text }) => `  ${id}: ${text}`)),
      ...printTimeline(timeline),
    ],
  }
}
