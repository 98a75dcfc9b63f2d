import { existsSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { schedulerCases, type PluginCase } from './scheduler.ts'
import { specified } from './specified.ts'

/** Kubernetes' own tables, re-expressed, where they are at hand: EVENKEEL_SCHEDULER_CASES names the folder. */
const published = process.env['EVENKEEL_SCHEDULER_CASES'] ?? join(import.meta.dirname, '../../../shared/cases/scheduler')
test.runIf(existsSync(published))('every published case has the answer that Kubernetes gives', () => {
  const cases = schedulerCases(published)
  expect(cases.filter((one) => one.run() !== null)).toEqual([])
  expect(cases.length).toBeGreaterThan(0)
})
if (!existsSync(published))
  console.log(`absent, so not tested: the published scheduler cases (${published}; EVENKEEL_SCHEDULER_CASES names the folder)`)

const CASE = {
  id: 'NodeName/other',
  kind: 'filter',
  pluginConfig: {},
  nodes: [{ apiVersion: 'v1', kind: 'Node', metadata: { name: 'a' }, status: { allocatable: {} } }],
  existingPods: [],
  pod: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', namespace: 'default' }, spec: { nodeName: 'b', containers: [] } },
  expect: { a: { feasible: false, reasons: ["node(s) didn't match the requested node name"], resolvable: false } },
}
const folderWith = (content: unknown): string => {
  const folder = mkdtempSync(join(tmpdir(), 'cases-'))
  writeFileSync(join(folder, 'NodeName.json'), typeof content === 'string' ? content : JSON.stringify(content))
  return folder
}

test('a case that holds passes, and one whose answer is changed is told apart by what was found', () => {
  const wrong = { ...CASE, expect: { a: { feasible: true, reasons: [] } } }
  const [right, other] = schedulerCases(folderWith([CASE, wrong]))
  expect(right?.run()).toBe(null)
  expect(other?.run()).toMatch(/^expected .*, found .*requested node name/)
})

test('the specification tells a changed answer apart by itself, and a plugin that it does not know', () => {
  const own = CASE as unknown as PluginCase
  expect(specified(own, 'NodeName')).toBe(null)
  expect(specified({ ...own, expect: { a: { feasible: false, reasons: [], resolvable: true } } }, 'NodeName')).toMatch(
    /^expected .*, found /,
  )
  expect(() => specified(own, 'NodeNames')).toThrow('expected a plugin that is specified')
})

// Method: a pod on one of two nodes has the claim; a second pod that wants it is refused on both; without the first it is not.
test('a claim for one pod is for one pod wherever that is', () => {
  const pod = (name: string, nodeName?: string) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', uid: name },
    spec: { nodeName, containers: [], volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }] },
  })
  const node = (name: string) => ({ apiVersion: 'v1', kind: 'Node', metadata: { name }, status: { allocatable: {} } })
  const claim = {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'data', namespace: 'default', uid: 'claim' },
    spec: { accessModes: ['ReadWriteOncePod'], volumeName: 'disk' },
  }
  const reasons = ['node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode']
  const refused = { feasible: false, reasons, resolvable: true }
  const parts = { kind: 'filter', runsAs: 'VolumeRestrictions', pluginConfig: {}, nodes: [node('a'), node('b')], otherObjects: [claim] }
  const held = { ...parts, id: 'held', existingPods: [pod('first', 'a')], pod: pod('second'), expect: { a: refused, b: refused } }
  const free = { feasible: true, reasons: [] }
  const open = { ...parts, id: 'open', existingPods: [], pod: pod('second'), expect: { a: free, b: free } }
  expect(schedulerCases(folderWith([held, open])).map((one) => one.run())).toEqual([null, null])
})

test('what is no folder of cases is one line that names file and field', () => {
  expect(() => schedulerCases(join(tmpdir(), 'no-such-folder'))).toThrow('expected a folder of scheduler cases')
  expect(() => schedulerCases(folderWith('{'))).toThrow('NodeName.json: expected JSON')
  expect(() => schedulerCases(folderWith([{ id: 'x' }]))).toThrow('case 0: kind: expected it, found nothing')
})
