/** What a module is made of: its own file and those it imports by a relative path, but for what belongs to evenkeel itself. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'

const ROOT = resolve(import.meta.dirname, '../..')
const OWN = /^(model|sim|impl|properties|traces|reports|cli|bench|node_modules)[/\\]/
const IMPORT = /(?:\bfrom\s*|\bimport\s*\(?\s*)['"](\.{1,2}\/[^'"]+)['"]/g

const isOwn = (file: string): boolean => OWN.test(relative(ROOT, file))

/** Absolute paths, in order. */
const sourcesOf = (entry: string): readonly string[] => {
  const found = new Set<string>()
  const visit = (file: string): void => {
    if (found.has(file) || isOwn(file)) return
    let text: string
    try {
      text = readFileSync(file, 'utf8')
    } catch {
      return
    }
    found.add(file)
    for (const [, target = ''] of text.matchAll(IMPORT)) visit(join(dirname(file), target))
  }
  visit(entry)
  return [...found].toSorted((one, other) => (one < other ? -1 : 1))
}

/** 16 hex digits over names and contents, whatever folder they lie in. */
export const hashOfSources = (entry: string): string => {
  const hash = createHash('sha256')
  for (const file of sourcesOf(entry)) {
    hash
      .update(relative(dirname(entry), file).split(sep).join('/'))
      .update('\0')
      .update(readFileSync(file))
      .update('\0')
  }
  return hash.digest('hex').slice(0, 16)
}
