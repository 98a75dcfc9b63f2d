import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { naturalLog } from '../../impl/logarithm.ts'
import { Streams } from '../../sim/random.ts'
import { compare, performRun, type CompareOptions } from './compare.ts'
import { policySources } from './policy.ts'
import { reproductionOf } from './published.ts'
import { pairedDifference } from './statistics.ts'
import { GPU_MILLI, readNodes, readWorkload } from './workload.ts'

const file = (name: string, text: string): string => {
  const path = join(mkdtempSync(join(tmpdir(), 'compare-')), name)
  writeFileSync(path, text)
  return path
}
const OPTIONS: CompareOptions = {
  policies: ['least-allocated', 'most-allocated'],
  nodes: 4,
  workload: 'synthetic:poisson',
  until: 0.7,
  seed: '1',
  ties: null,
  nodeFailures: 0,
  runs: 3,
  workers: 1,
}
const NODES = 'sn,cpu_milli,memory_mib,gpu,model\na,8000,16384,2,T4\nb,8000,16384,0,\n'
const PODS = 'name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec\np0,1000,1024,1,500,\np1,1000,1024,1,500,T4\np2,2000,1024,0,0,\n'

test('a run is a function of its job: twice the same, but for how fast it was decided', async () => {
  const job = { ...OPTIONS, policy: 'least-allocated', index: 0 }
  const [one, other] = [await performRun(job), await performRun(job)]
  expect({ ...one, decisionsPerSecond: 0 }).toEqual({ ...other, decisionsPerSecond: 0 })
})

test('packing uses fewer nodes than spreading, and every pair is of the same arrivals', async () => {
  const comparison = await compare({ ...OPTIONS, until: 0.3 }, () => {}, new AbortController().signal)
  const [spread, packed] = comparison?.results ?? []
  expect(packed?.runs.length).toBe(3)
  const imbalance = (runs: typeof spread) => runs?.runs.reduce((sum, run) => sum + run.curve.length, 0)
  expect(imbalance(spread)).toBe(imbalance(packed))
  expect(comparison?.differences.size).toBeGreaterThan(5)
})

test('CSV is read as nodes with GPUs and pods that share them; pods are cloned up to the load asked for', () => {
  const nodes = readNodes(file('nodes.csv', NODES))
  expect(nodes.map(({ status }) => status.allocatable[GPU_MILLI])).toEqual(['2000', undefined])
  const workload = readWorkload(file('pods.csv', PODS))
  const arrivals = workload.arrivals(new Streams('1').stream('arrivals'), nodes, 1.5)
  const asked = arrivals.map(({ pod }) => Number(pod.spec.containers[0]?.resources?.requests?.[GPU_MILLI] ?? 0))
  expect(asked.reduce((sum, milli) => sum + milli, 0)).toBe(3000)
})

// Each: what is wrong, and the one line it gives.
test.for<readonly [string, () => unknown, RegExp]>([
  [
    'a negative number',
    () => readNodes(file('n.csv', NODES.replace('8000', '-8'))),
    /n\.csv:2: cpu_milli: expected a whole number, found '-8'/,
  ],
  [
    'a missing number',
    () => readWorkload(file('p.csv', PODS.replace('p1,1000', 'p1,'))),
    /p\.csv:3: cpu_milli: expected a whole number, found ''/,
  ],
  [
    'a missing column',
    () => readNodes(file('n.csv', NODES.replaceAll('memory_mib', 'memory'))),
    /n\.csv:1: expected a column 'memory_mib'/,
  ],
  [
    'a share of two GPUs',
    () => readWorkload(file('p.csv', PODS.replace('1,500,\n', '2,500,\n'))),
    /p\.csv:2: gpu_milli: expected 1000 for 2 GPUs/,
  ],
])('%s is one line with file and line', ([, read, expected]) => {
  expect(read).toThrow(expected)
})

const CONFIGURATION = `apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles: [{ plugins: { score: { enabled: [{ name: NodeResourceFit, weight: 2 }] } } }]
`
test('an unknown plugin of a configuration is told with the nearest name', async () => {
  await expect(policySources(file('c.yaml', CONFIGURATION), null)).rejects.toThrow(
    /c\.yaml: profiles\[0\]\.plugins\.score\.enabled\[0\]\.name: expected a plugin, found 'NodeResourceFit'; the nearest name is 'NodeResourcesFit'/,
  )
})

// Each: what a module exports, and the one line it gives.
test.for<readonly [string, string, RegExp]>([
  [
    'a score out of bounds',
    '[{ plugin: { name: "Mine", score: () => 101 } }]',
    /plugin Mine: score: expected a whole number from 0 to 100, found 101/,
  ],
  [
    'normalized out of bounds',
    '[{ plugin: { name: "Mine", score: () => 1, normalize: (c, p, all) => all.fill(-1) } }]',
    /Mine: normalize: .* found -1/,
  ],
  [
    'a plugin that throws',
    '[{ plugin: { name: "Mine", reserve: () => { throw new Error("no") } } }]',
    /mine\.ts: plugin Mine: reserve threw: no/,
  ],
  ['plugins that cannot be made', '(() => { throw new Error("no") })()', /mine\.ts: policy mine: plugins threw: no/],
])('%s is told as the fault of the module', async ([, plugins, expected]) => {
  const path = file('mine.ts', `export const policies = [{ name: 'mine', plugins: () => ${plugins} }]\n`)
  await expect(performRun({ ...OPTIONS, policy: `${path}#mine`, index: 0 })).rejects.toThrow(expected)
})

test('a node of a manifest without allocatable is told with its place', () => {
  const path = file('nodes.yaml', 'apiVersion: v1\nkind: Node\nmetadata: { name: a }\n')
  expect(() => readNodes(path)).toThrow(/nodes\.yaml:1: Node a: status\.allocatable: expected what the node offers/)
})

test('an interval holds the difference that was put in, and not zero', () => {
  const draw = new Streams('1').stream('noise')
  const other = Array.from({ length: 20 }, () => draw.below(100))
  const one = other.map((value) => value + 5 + draw.below(3))
  const difference = pairedDifference(one, other, new Streams('1').stream('bootstrap'))
  expect(difference?.low).toBeGreaterThan(4.9)
  expect(difference?.high).toBeLessThan(7.1)
})

test('what was published of a setting is compared in that setting only, with an interval and its order', () => {
  const published = {
    ...{ source: 'a paper', nodes: 'nodes.csv', workload: 'pods.csv', until: 1.3, measure: 'GPU allocated', tolerance: 0.5 },
    means: { good: 95, bad: 90 },
  }
  const setting = { ...OPTIONS, nodes: 'some/nodes.csv', workload: 'some/pods.csv', until: 1.3 }
  const values = new Map([
    ['good', [95.2, 95.1, 94.9]],
    ['bad', [92, 92.1, 91.9]],
  ])
  const random = new Streams('1').stream('bootstrap')
  const found = reproductionOf(published, setting, values, random)
  expect(found?.rows.map(({ policy, met }) => [policy, met])).toEqual([
    ['good', true],
    ['bad', false],
  ])
  expect(found?.sameOrder).toBe(true)
  const swapped = new Map([...values].map(([policy, own]) => [policy === 'good' ? 'bad' : 'good', own]))
  expect(reproductionOf(published, setting, swapped, random)?.sameOrder).toBe(false)
  expect(reproductionOf(published, { ...setting, until: 1 }, values, random)).toBe(null)
})

test('the logarithm agrees with the engine to the last digits', () => {
  for (const x of [0.001, 0.5, 1, 2, 3, 10, 12345]) expect(naturalLog(x)).toBeCloseTo(Math.log(x), 13)
})
