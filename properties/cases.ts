/** Sets of cases with known answers, kept outside of the project: each set says where they are and how one is tried. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { InputError } from './input.ts'
import { schedulerCases } from './cases/scheduler.ts'
import { historyCases } from './histories/cases.ts'

export interface Case {
  readonly id: string
  /** Null: it gave what it must; else what it gave instead. */
  run(): string | null
}

export interface CaseSet {
  readonly name: string
  /** The environment variable that names its folder, and where it is looked for otherwise, from the project's root. */
  readonly variable: string
  readonly folder: string
  read(folder: string): readonly Case[]
}

export const CASE_SETS: readonly CaseSet[] = [
  { name: 'histories', variable: 'EVENKEEL_HISTORIES', folder: '../shared/histories', read: historyCases },
  { name: 'scheduler', variable: 'EVENKEEL_SCHEDULER_CASES', folder: '../shared/cases/scheduler', read: schedulerCases },
]

/** Where a set's cases are; null: they are not here. */
export const folderOf = ({ variable, folder }: CaseSet): string | null => {
  const named = process.env[variable]
  const path = named === undefined || named === '' ? fileURLToPath(new URL(`../${folder}`, import.meta.url)) : named
  if (existsSync(path)) return path
  if (named !== undefined && named !== '') throw new InputError(variable, `expected a folder, found nothing at '${named}'`)
  return null
}
