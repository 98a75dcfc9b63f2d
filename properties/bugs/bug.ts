/**
 * A seeded bug: a historic defect put back into the implementation at load time.
 *
 * It is a data record, one JSON file each: those of this folder, and those of the folder that EVENKEEL_BUGS names.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { registerHooks, stripTypeScriptTypes } from 'node:module'

export interface Bug {
  readonly id: string
  /** Where the defect was real: 'etcd-io/etcd#14370'. */
  readonly origin: string
  /** What goes wrong, in a sentence. */
  readonly mechanism: string
  /** The file it is put into, from the project's root. */
  readonly file: string
  /** Must occur exactly once in that file. */
  readonly find: string
  readonly replace: string
  /** The invariants of which at least one must be the first that is violated. */
  readonly invariants: readonly string[]
  /** The suites that look for it. */
  readonly suites: readonly string[]
  /** A run of a campaign that finds it, as far as known: the tests look there first. */
  readonly found?: { readonly suite: string; readonly seed: string; readonly run: number }
}

export class BugError extends Error {}

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..')
const FIELDS = ['id', 'origin', 'mechanism', 'file', 'find', 'replace'] as const
const LISTS = ['invariants', 'suites'] as const

/** All bugs of the project and of `extraFolder`, by id in order. Throws BugError naming file and field. */
export const loadBugs = (extraFolder: string | undefined): readonly Bug[] => {
  const own = join(ROOT, 'properties/bugs')
  const bugs = [own, ...(extraFolder === undefined ? [] : [extraFolder])].flatMap(readFolder)
  const ids = new Set<string>()
  for (const bug of bugs) {
    if (ids.has(bug.id)) throw new BugError(`two seeded bugs have the id ${bug.id}`)
    ids.add(bug.id)
  }
  return bugs.toSorted((one, other) => (one.id < other.id ? -1 : 1))
}

const readFolder = (folder: string): readonly Bug[] => {
  let names: string[]
  try {
    names = readdirSync(folder).filter((name) => name.endsWith('.json'))
  } catch {
    throw new BugError(`${folder}: expected a folder of seeded bugs (EVENKEEL_BUGS)`)
  }
  return names.toSorted().map((name) => parseBug(join(folder, name)))
}

const parseBug = (path: string): Bug => {
  let record: Record<string, unknown>
  try {
    record = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>
  } catch {
    throw new BugError(`${path}: expected one JSON object`)
  }
  for (const field of FIELDS) {
    if (typeof record[field] !== 'string') throw new BugError(`${path}: ${field}: expected a text`)
  }
  for (const field of LISTS) {
    const list = record[field]
    if (!Array.isArray(list) || list.some((entry) => typeof entry !== 'string')) {
      throw new BugError(`${path}: ${field}: expected a list of texts`)
    }
  }
  return record as unknown as Bug
}

/** The file's text with the bug in it. Throws BugError when the place is missing or not unique. */
export const planted = (bug: Bug, source: string): string => {
  const places = source.split(bug.find).length - 1
  if (places !== 1) {
    throw new BugError(`bug ${bug.id}: expected its text exactly once in ${bug.file}, found it ${places} times`)
  }
  return source.replace(bug.find, () => bug.replace)
}

/**
 * From now on, in this thread, importing the bug's file gives the buggy one. Call before anything imports it.
 * Throws BugError when the bug does not fit the file as it is now.
 */
export const plant = (bug: Bug): void => {
  const path = join(ROOT, bug.file)
  let source: string
  try {
    source = readFileSync(path, 'utf8')
  } catch {
    throw new BugError(`bug ${bug.id}: no file ${bug.file}`)
  }
  const buggy = withoutWarning(() => stripTypeScriptTypes(planted(bug, source)))
  registerHooks({
    load(url, context, nextLoad) {
      if (!url.startsWith('file:') || fileURLToPath(url) !== path) return nextLoad(url, context)
      return { format: 'module', source: buggy, shortCircuit: true }
    },
  })
}

/** Node.js calls the stripping of types experimental, each time: once is known. */
const withoutWarning = <T>(work: () => T): T => {
  const emitWarning = process.emitWarning.bind(process)
  process.emitWarning = () => {}
  try {
    return work()
  } finally {
    process.emitWarning = emitWarning
  }
}
