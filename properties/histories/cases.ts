/** Histories with known verdicts, as they are kept outside of the project: which files there are, and what they must give. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Case } from '../cases.ts'
import { checkHistory } from './check.ts'

/** Recorded against etcd 0.4 by Jepsen: those that are linearizable, all others are not. */
const LINEARIZABLE = ['002', '005', '007', '018', '025', '031', '038', '045', '048', '049']

export const historyCases = (folder: string): readonly Case[] => [
  ...filesOf(join(folder, 'jepsen-etcd'), '.log').map((file): Case => {
    const number = /(\d+)\.log$/.exec(file)?.[1] ?? ''
    return caseOf(folder, `jepsen-etcd/${file}`, 'cas-register', LINEARIZABLE.includes(number))
  }),
  ...filesOf(join(folder, 'kv'), '.txt').map((file) => caseOf(folder, `kv/${file}`, 'kv', file.includes('-ok'))),
]

const filesOf = (folder: string, ending: string): readonly string[] =>
  existsSync(folder)
    ? readdirSync(folder)
        .filter((file) => file.endsWith(ending))
        .toSorted()
    : []

const caseOf = (folder: string, id: string, model: 'cas-register' | 'kv', linearizable: boolean): Case => ({
  id,
  run() {
    const expected = linearizable ? 'holds' : 'violated'
    const { verdict } = checkHistory(join(folder, id), model)
    return verdict === expected ? null : `expected ${expected}, found ${verdict}`
  },
})
