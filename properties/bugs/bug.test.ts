import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { marksOf } from '../../traces/record.ts'
import { campaign, Workers, type Failure } from '../campaign.ts'
import { loadBugs, planted, type Bug } from './bug.ts'

const ROOT = join(import.meta.dirname, '../..')
/** The rarest is found once in some hundred runs. */
const RUNS = 3_000
const TRIES = 400

const SEED = '1'

/** Where it was found before: the generators may have changed since. */
const lookAgain = async (bug: Bug): Promise<Failure | undefined> => {
  const { found } = bug
  if (found === undefined) return undefined
  const choice = { kind: 'register', name: found.suite } as const
  const worker = new Workers(1, bug)
  const run = await worker.run({ kind: 'run', suite: choice, seed: found.seed, index: found.run, twice: false })
  await worker.close()
  const invariant = run.kind === 'run' ? run.violated[0] : undefined
  return run.kind === 'run' && invariant !== undefined ? { run, choice, invariant } : undefined
}

const hunt = async (bug: Bug): Promise<Failure | undefined> => {
  const known = await lookAgain(bug)
  if (known !== undefined) return known
  const workers = new Workers(2, bug)
  try {
    const suites = bug.suites.map((name) => ({ choice: { kind: 'register', name } as const, name, weight: 1 }))
    const enough = (failures: readonly Failure[]): boolean => failures.length > 0
    const options = { suites, seed: SEED, runsMost: RUNS, timeMostMs: null, workers: 2, twiceEvery: 0, enough }
    const { failures } = await campaign(workers, options, () => {}, new AbortController().signal)
    return failures[0]
  } finally {
    await workers.close()
  }
}

const bugs = loadBugs(undefined)

// Goal: the harness can fail, and for the right reason. Method: each historic defect back in the code, then the suites.
test.for(bugs)('bug $id is found, by an invariant expected of it', { timeout: 300_000 }, async (bug) => {
  const failure = await hunt(bug)
  expect(bug.invariants).toContain(failure?.invariant)
})

// Method: shrink a failure, replay it in two workers of their own: the same observations, one by one.
test('a shrunk counterexample is 1-minimal and replays to the byte', async () => {
  const bug = bugs.find(({ id }) => id === 'E2') as Bug
  const failure = (await hunt(bug)) as Failure
  const shrinking = new Workers(1, bug)
  const shrunk = await shrinking.shrink(failure, SEED, TRIES * 2)
  const fails = async (workers: Workers, plan: typeof shrunk.plan): Promise<string | null> => {
    const answer = await workers.run({ kind: 'examine', plan })
    if (answer.kind !== 'examine') return null
    const { examined } = answer
    const violated = examined.verdict.invariants.some((entry) => entry.id === failure.invariant && entry.verdict === 'violated')
    return violated ? marksOf(examined.history) : null
  }
  expect(shrunk.minimal).toBe(true)
  expect(shrunk.plan.actions.length).toBeLessThan(10)
  const other = new Workers(1, bug)
  const first = await fails(shrinking, shrunk.plan)
  expect(first).not.toBeNull()
  expect(await fails(other, shrunk.plan)).toBe(first)
  for (const [index] of shrunk.plan.actions.entries()) {
    const without = { ...shrunk.plan, actions: shrunk.plan.actions.toSpliced(index, 1) }
    expect(await fails(other, without)).toBeNull()
  }
  await Promise.all([shrinking.close(), other.close()])
})

test('a bug stands exactly once in its file, and says so when it does not', () => {
  for (const bug of bugs) expect(planted(bug, readFileSync(join(ROOT, bug.file), 'utf8'))).toContain(bug.replace)
  const [bug] = bugs as [Bug]
  expect(() => planted(bug, '')).toThrow(`bug ${bug.id}: expected its text exactly once in ${bug.file}, found it 0 times`)
})

test("a user's folder adds bugs; a record that lacks a field is named", () => {
  const folder = mkdtempSync(join(tmpdir(), 'bugs-'))
  writeFileSync(join(folder, 'mine.json'), JSON.stringify({ ...bugs[0], id: 'MINE' }))
  expect(loadBugs(folder).map(({ id }) => id)).toContain('MINE')
  writeFileSync(join(folder, 'mine.json'), JSON.stringify({ ...bugs[0], id: 'MINE', find: 7 }))
  expect(() => loadBugs(folder)).toThrow('mine.json: find: expected a text')
})
