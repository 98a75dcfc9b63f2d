/** Tries every case of the sets named: those that fail, and how many passed. */
import { CASE_SETS, folderOf, type CaseSet } from '../properties/cases.ts'
import { InputError } from '../properties/input.ts'

export const cases = (names: readonly string[]): number => {
  const sets = names.length === 0 ? CASE_SETS : names.map(setNamed)
  let passed = 0
  let failed = 0
  for (const set of sets) {
    const folder = folderOf(set)
    if (folder === null) {
      console.log(`${set.name}: no cases here (looked at ${set.folder}; ${set.variable} names another folder)`)
      continue
    }
    for (const one of set.read(folder)) {
      const wrong = outcomeOf(() => one.run())
      if (wrong === null) passed++
      else {
        failed++
        console.log(`✗ ${one.id}: ${wrong}`)
      }
    }
  }
  console.log(`${passed} passed, ${failed} failed`)
  if (failed > 0) return 1
  return passed === 0 ? 3 : 0
}

/** A case that cannot be read has failed; the others are tried all the same. */
const outcomeOf = (run: () => string | null): string | null => {
  try {
    return run()
  } catch (error) {
    if (error instanceof InputError) return error.message
    throw error
  }
}

const setNamed = (name: string): CaseSet => {
  const set = CASE_SETS.find((one) => one.name === name)
  if (set === undefined) throw new InputError('cases', `expected one of ${CASE_SETS.map((one) => one.name).join(', ')}, found '${name}'`)
  return set
}
