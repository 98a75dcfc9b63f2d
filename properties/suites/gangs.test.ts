import { expect, test } from 'vitest'
import type { Plan } from '../../model/state/plan.ts'
import { loadBugs, type Bug } from '../bugs/bug.ts'
import { Workers } from '../campaign.ts'
import { violatedIds } from '../examine.ts'
import { applied } from '../generators/manifests.ts'
import { nodes } from '../generators/shapes.ts'
import { planOfRun } from '../job.ts'
import { gangs, ganged } from './gangs.ts'

/** Two pods that have to go together, on one node that has room for one; nothing breaks. */
const tooSmall = (): Plan => {
  const drawn = planOfRun(gangs, '1', 0)
  const cluster = { ...drawn.cluster, nodes: nodes(1, { cpu: '1', memory: '8Gi', pods: 8 }) }
  const actions = applied(ganged('crew', { minMember: 2, more: 0, cpu: '900m' }))
  return { ...drawn, cluster, actions, calmMs: 120_000 }
}

const violated = async (bug: Bug | null): Promise<readonly string[]> => {
  const workers = new Workers(1, bug)
  try {
    const answer = await workers.run({ kind: 'examine', plan: tooSmall() })
    return answer.kind === 'examine' ? violatedIds(answer.examined.verdict) : []
  } finally {
    await workers.close()
  }
}

// Goal: both promises to groups can fail, and do not. Method: groups count as complete one too early; then as it should be.
test('a group that is let go too early is caught when it goes, and when it rests torn', async () => {
  const bug = loadBugs(undefined).find(({ id }) => id === 'S-GANG') as Bug
  expect(await violated(bug)).toEqual(['GANG-S1', 'GANG-L1'])
  expect(await violated(null)).toEqual([])
})
