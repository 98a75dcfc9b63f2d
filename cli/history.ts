/** A recorded history, checked, and written in another form where that is asked for. */
import { checkHistory, type ModelName } from '../properties/histories/check.ts'
import type { Format } from '../properties/histories/entries.ts'
import { readObservations } from '../properties/histories/jsonl.ts'
import { observationsOf } from '../properties/histories/observed.ts'
import { guessFormat, readOperations } from '../properties/histories/read.ts'
import { ednLines, jsonLines, writeLines } from '../properties/histories/write.ts'
import { InputError } from '../properties/input.ts'

export const EXPORTS = ['jepsen-edn', 'jsonl'] as const

export interface HistoryArguments {
  readonly model: ModelName
  readonly format?: Format
  readonly export?: (typeof EXPORTS)[number]
  readonly to?: string
}

const EXIT = { holds: 0, violated: 1, unknown: 3 } as const

export const history = (file: string, options: HistoryArguments): number => {
  if ((options.export === undefined) !== (options.to === undefined))
    throw new InputError('--export', 'expected --export FORMAT together with --to FILE')
  if (options.export !== undefined && options.to !== undefined) exportTo(file, options, options.export, options.to)
  const { verdict, lines, format } = checkHistory(file, options.model, options.format)
  console.log(`${file} (${format}, ${options.model})`)
  for (const line of lines) console.log(line)
  return EXIT[verdict]
}

const exportTo = (file: string, { model, format }: HistoryArguments, form: (typeof EXPORTS)[number], to: string): void => {
  if (model === 'etcd') {
    if (form !== 'jsonl') throw new InputError('--export', 'expected jsonl for the etcd model')
    writeLines(to, jsonLines(readObservations(file)))
    return
  }
  const operations = readOperations(file, format ?? guessFormat(file), model === 'kv' ? 'kv' : 'register')
  writeLines(to, form === 'jsonl' ? jsonLines(observationsOf(operations)) : ednLines(operations))
}
