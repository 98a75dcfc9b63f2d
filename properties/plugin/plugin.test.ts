import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Plan } from '../../model/state/plan.ts'
import { loadBugs } from '../bugs/bug.ts'
import { campaign, Workers, type Failure } from '../campaign.ts'
import { examine, violatedIds } from '../examine.ts'
import { nodes, standardShape } from '../generators/shapes.ts'
import { calmPlan } from '../preflight.ts'
import { simulated } from '../subjects/simulated.ts'
import { openingOf } from '../suites/controller.ts'
import { judgedBy } from './claims.ts'
import { loadPlugin } from './load.ts'
import { hashOfSources } from './sources.ts'

const MODULE = 'examples/controller'
const cluster = standardShape(nodes(3))
const choice = { kind: 'controller', module: MODULE, cluster } as const
const suites = [{ choice, name: 'database-operator', weight: 1 }]

/** Tried one after another: another fault may bring it out as well, such as any crash at the right moment. */
const SEEDS: Readonly<Record<string, readonly string[]>> = {
  'DB-CRASH': ['b', 'c', 'a', 'd', 'e'],
  'DB-STALE': ['a', 'b', 'c', 'd', 'e'],
  'DB-MISSED': ['h', 'b', 'c', 'd', 'e'],
}
const FAULTS: Readonly<Record<string, string>> = {
  'DB-CRASH': 'CrashBetweenWrites',
  'DB-STALE': 'TimeTravel',
  'DB-MISSED': 'ExpireWatches',
}
const RUNS = 200
const TRIES = 10

const bugs = loadBugs(join(MODULE, 'bugs')).filter((bug) => bug.file.startsWith(MODULE))

// Goal: each pattern of bug that controllers are known for is found, and explained by the fault that brings it out. Method:
// planted in the example, hunted by its own suite, shrunk, and tried once more without that fault, and without the bug.
test.for(bugs)('$id is found in the example, and its fault is what remains', { timeout: 300_000 }, async (bug) => {
  const workers = new Workers(1, bug)
  try {
    const isPattern = ({ do: action }: Plan['actions'][number]): boolean => action.kind === FAULTS[bug.id]
    const { failure, plan } = await hunt(SEEDS[bug.id] ?? [], isPattern, workers)
    const { invariant } = failure
    expect(bug.invariants).toContain(invariant)
    expect(plan.actions.filter(isPattern)).not.toEqual([])
    const answer = await workers.run({ kind: 'examine', plan: { ...plan, actions: plan.actions.filter((action) => !isPattern(action)) } })
    expect(answer.kind === 'examine' && violatedIds(answer.examined.verdict)).not.toContain(invariant)
    const unharmed = examine(plan, simulated(await loadPlugin(MODULE)), await judgedBy(plan))
    expect(violatedIds(unharmed.verdict)).toEqual([])
  } finally {
    await workers.close()
  }
})

interface Found {
  readonly failure: Failure
  readonly plan: Plan
}

const hunt = async (
  seeds: readonly string[],
  isPattern: (action: Plan['actions'][number]) => boolean,
  workers: Workers,
): Promise<Found> => {
  const [seed = '1', ...others] = seeds
  const enough = (failures: readonly Failure[]): boolean => failures.length > 0
  const options = { suites, seed, runsMost: RUNS, timeMostMs: null, workers: 1, twiceEvery: 0, enough }
  const { failures } = await campaign(workers, options, () => {}, new AbortController().signal)
  const failure = failures[0] as Failure
  const { plan } = await workers.shrink(failure, seed, TRIES)
  return others.length === 0 || plan.actions.some(isPattern) ? { failure, plan } : hunt(others, isPattern, workers)
}

const folder = (text: string, name = 'index.mjs'): string => {
  const made = mkdtempSync(join(tmpdir(), 'controller-'))
  writeFileSync(join(made, name), text)
  return made
}

const plugin = (fields: string, sync = 'return "done"'): string => `
const kind = { group: 'example.com', version: 'v1', kind: 'Thing', plural: 'things', namespaced: true, status: true }
const controller = (context) => {
  const things = context.informer('things.example.com')
  const queue = context.queue(1, function* (key) { const { client } = context; ${sync} })
  return { name: 'things', start: () => things.onChange((before, after) => queue.add('default/' + (after ?? before).metadata.name)) }
}
const thing = (size) => ({ apiVersion: 'example.com/v1', kind: 'Thing', metadata: { name: 'one', namespace: 'default' }, spec: { size } })
export const plugin = {
  name: 'thing-operator',
  kinds: [kind],
  controllers: [controller],
  watches: ['configmaps'],
  manifests: [thing(1)],
  actions: [{ kind: 'Apply', object: thing(2) }],
  invariants: [],
  convergence: { id: 'THING-L1', sentence: 'things are there', pending: () => [] },
  ${fields}
}`

// Each: what a module says, and the one line that answers it.
test.for<readonly [string, string]>([
  ['export const plugin = {', 'expected a module that can be imported: '],
  ['throw new Error("no")', 'expected a module that can be imported: Error: no'],
  ['export const other = 1', "expected an export 'plugin': a controller of one's own, found none"],
  [plugin("name: 'kube-scheduler'"), 'plugin.name: expected a name that no process of the cluster has, found "kube-scheduler"'],
  [plugin("name: 'Things'"), 'plugin.name: expected lower-case letters, digits and hyphens, found "Things"'],
  [plugin('kinds: [{ ...kind, plural: 7 }]'), 'plugin.kinds[0].plural: expected a text, found 7'],
  [plugin('controllers: {}'), 'plugin.controllers: expected a list, found {}'],
  [plugin('actions: []'), 'plugin.actions: expected at least one action of its users, found []'],
  [plugin("watches: ['gadgets']"), 'plugin.watches[0]: expected a resource that is served ('],
  [plugin('convergence: undefined'), 'plugin.convergence: expected an object, found nothing'],
])('%#: a module that is none is answered by one line', async ([text, expected]) => {
  const module = folder(text)
  await expect(loadPlugin(module)).rejects.toThrow(`${module}: ${expected}`)
})

test('a missing module, and a folder without one, are named', async () => {
  await expect(loadPlugin('examples/nothing')).rejects.toThrow('examples/nothing: expected the module of a controller, found no such path')
  await expect(loadPlugin('examples/manifests')).rejects.toThrow('examples/manifests: expected one of index.ts, ')
})

/** Long enough for what comes before the loop; only what hangs waits for it. */
const LOOP_MS = 4_000

const run = async (fields: string, sync: string): Promise<readonly string[]> => {
  const own = await loadPlugin(folder(plugin(fields, sync)))
  const { name } = own.plugin
  const actions = [
    ...openingOf(own.plugin),
    { atMs: 20_000, do: { kind: 'Scale', resource: 'deployments', name: 'default/no', replicas: 1 } as const },
  ]
  const calm = calmPlan([], { ...cluster, operators: 2 })
  const plan: Plan = { ...calm, actions, stormMs: 25_000, controller: { name, module: own.module, hash: own.hash } }
  const { verdict } = examine(plan, simulated(own, sync.startsWith('for (;;) {}') ? LOOP_MS : undefined), await judgedBy(plan))
  return verdict.invariants.flatMap(({ id, violations }) => violations.map(({ why }) => `${id}: ${why}`))
}

// Goal: what goes wrong in a controller is reported as its own, with what it did and what had been done before, and the run ends.
test.for<readonly [string, string, RegExp]>([
  [
    'throws',
    'throw new TypeError("no size")',
    /OWN-P1: thing-operator-\d, reconciling default\/one: TypeError: no size \(last before it: a user's create of things\.example\.com\/one, at /,
  ],
  ['throws no error', 'throw 7', /OWN-P1: thing-operator-\d, reconciling default\/one: threw 7 \(last before it: /],
  [
    'loops for ever',
    'for (;;) {}',
    /OWN-P1: thing-operator-\d, reconciling default\/one: it did not come to its end \(last before it: a user's create of things/,
  ],
  [
    'wakes itself for ever',
    'queue.add(key); return "done"',
    /OWN-P1: thing-operator-\d, reconciling default\/one: Error: it goes on for ever: \d+ calls in one moment/,
  ],
  [
    'asks for ever',
    'for (;;) { for (let turn = 0; turn < 40; turn++) client.list("things.example.com", { resourceVersion: "0" }).next(); yield* client.get({ resource: "things.example.com", namespace: "default", name: "one" }) }',
    /OWN-P1: .*it goes on for ever: \d+ requests within a second/,
  ],
  [
    'writes what does not validate',
    'const made = yield* client.create("services", { apiVersion: "v1", kind: "Service", metadata: { name: "No Name", namespace: "default" }, spec: { ports: [] } }); return made.ok ? "retry" : "done"',
    /OWN-S1: thing-operator-\d, create services\/No Name: Service "No Name" is invalid: metadata\.name: .* \(last before it: a user's create of things\.example\.com\/one, at /,
  ],
])('a controller that %s is reported', async ([, sync, expected]) => {
  const [first] = await run('', sync)
  expect(first).toMatch(expected)
})

test('a controller that does its work is not reported', async () => {
  expect(await run('', 'yield* client.get({ resource: "things.example.com", namespace: "default", name: "one" }); return "done"')).toEqual(
    [],
  )
})

test('what a convergence predicate throws, and what it lists, is told', async () => {
  const fields = (pending: string): string => `convergence: { id: 'THING-L1', sentence: 'things are there', pending: ${pending} }`
  await expect(run(fields('() => { throw new Error("no store") }'), 'return "done"')).rejects.toThrow(
    'plugin.convergence.pending threw: Error: no store',
  )
  const rows = fields("() => [{ object: 'Thing default/one', waitsFor: 'its size', blocked: false }]")
  expect(await run(rows, 'return "done"')).toContain('THING-L1: Thing default/one still waits for its size')
})

test('the hash is over a module and what it imports, not over evenkeel nor the place it lies in', () => {
  const one = folder("import './other.mjs'\nexport const plugin = 1", 'index.mjs')
  const two = folder(readFileSync(join(one, 'index.mjs'), 'utf8'), 'index.mjs')
  for (const made of [one, two]) writeFileSync(join(made, 'other.mjs'), 'export {}')
  expect(hashOfSources(join(one, 'index.mjs'))).toBe(hashOfSources(join(two, 'index.mjs')))
  writeFileSync(join(two, 'other.mjs'), 'export const changed = 1')
  expect(hashOfSources(join(one, 'index.mjs'))).not.toBe(hashOfSources(join(two, 'index.mjs')))
})
