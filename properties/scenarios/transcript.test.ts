import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ROLLOUTS } from './rollouts.ts'
import { transcript } from './transcript.ts'

const FOLDER = join(import.meta.dirname, '../../examples/rollouts')

// Goal: what a rollout looks like from outside is pinned, and read. Method: play each scenario; `vitest -u` writes what changed.
test.for(ROLLOUTS)('$name: $sentence', async (scenario) => {
  await expect(transcript(scenario)).toMatchFileSnapshot(join(FOLDER, `${scenario.name}.txt`))
})
