import { expect, test } from 'vitest'
import { campaign, Workers, type CampaignResult } from './campaign.ts'
import { planOfRun } from './job.ts'
import { simulated } from './subjects/simulated.ts'
import { SUITES } from './suites/register.ts'

/** More of them by night: EVENKEEL_RUNS=2000 npm test. */
const RUNS = Number(process.env['EVENKEEL_RUNS'] ?? 120)
const SEED = process.env['EVENKEEL_SEED'] ?? 'test'

const run = async (threads: number, runsMost: number): Promise<CampaignResult> => {
  const workers = new Workers(threads, null)
  try {
    const suites = SUITES.map(({ name, weight }) => ({ choice: { kind: 'register', name } as const, name, weight }))
    const options = { suites, seed: SEED, runsMost, timeMostMs: null, workers: threads, twiceEvery: 10, enough: () => false }
    return await campaign(workers, options, () => {}, new AbortController().signal)
  } finally {
    await workers.close()
  }
}

// Goal: the unmodified implementation never fails. Method: all suites; the command printed shows and shrinks what does.
test(`no invariant is violated in ${RUNS} runs over all suites`, async () => {
  const { runs } = await run(2, RUNS)
  const failed = runs.filter((report) => report.violated.length > 0)
  const lines = failed.map((report) => `${report.suite} ${report.index}: ${report.violated.join(', ')}`)
  expect(lines, `npm start -- check --seed ${SEED} --runs ${RUNS}`).toEqual([])
  expect(runs.filter((report) => report.otherHash !== null)).toEqual([])
}, 900_000)

test('one worker or two: the same verdicts and hashes', async () => {
  const told = ({ runs }: CampaignResult): unknown => runs.map(({ suite, index, hash, violated }) => ({ suite, index, hash, violated }))
  expect(told(await run(1, 20))).toEqual(told(await run(2, 20)))
})

test.for(SUITES)('suite $name: a plan names one history, to the byte', (suite) => {
  const plan = planOfRun(suite, 'determinism', 0)
  const { history, hash } = simulated().run(plan)
  const again = simulated().run(plan)
  expect(again.hash).toBe(hash)
  expect(JSON.stringify(again.history)).toBe(JSON.stringify(history))
  expect(simulated().run({ ...plan, seed: 'another' }).hash).not.toBe(hash)
})
