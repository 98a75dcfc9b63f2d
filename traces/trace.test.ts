import { expect, test } from 'vitest'
import { examine } from '../properties/examine.ts'
import { planOfRun } from '../properties/job.ts'
import { simulated } from '../properties/subjects/simulated.ts'
import { SUITES } from '../properties/suites/register.ts'
import { printHistory } from './print.ts'
import { departure, record } from './record.ts'
import { parseTrace, writeTrace } from './trace.ts'

const ABOUT = { evenkeel: 'test', bug: null, found: 'a test', shrinking: null }
const [etcd] = SUITES as [(typeof SUITES)[number]]
const plan = planOfRun(etcd, 'traces', 3)
const examined = examine(plan, simulated())
const trace = record(plan, examined, ABOUT)

test('a trace written and read is the same trace', () => {
  expect(parseTrace(writeTrace(trace), 't.json')).toEqual(JSON.parse(JSON.stringify(trace)))
})

test('every plan of every suite passes for a plan', () => {
  for (const suite of SUITES) {
    for (let index = 0; index < 20; index++) {
      const own = { ...trace, plan: planOfRun(suite, 'traces', index) }
      expect(() => parseTrace(writeTrace(own), 't.json')).not.toThrow()
    }
  }
})

test('a replay agrees to the byte, and an edited plan departs at the observation that differs', () => {
  expect(departure(trace, examine(plan, simulated()))).toBeNull()
  const edited = examine({ ...plan, actions: plan.actions.slice(1) }, simulated())
  const departed = departure(trace, edited)
  expect(departed).not.toBeNull()
  expect(JSON.stringify(edited.history.slice(0, departed?.step))).toBe(JSON.stringify(examined.history.slice(0, departed?.step)))
})

const json = (change: (value: Record<string, unknown>) => void): string => {
  const value = JSON.parse(writeTrace(trace)) as Record<string, unknown>
  change(value)
  return JSON.stringify(value)
}
// Each: a text, and the one line it gives.
test.for<readonly [string, string]>([
  ['[]', 't.json: expected a trace: one JSON object'],
  [writeTrace(trace).slice(0, 999), 't.json: the trace is truncated: its JSON ends early'],
  [json((value) => (value['format'] = 2)), 't.json: format: expected 1, found 2'],
  [json((value) => (value['hash'] = 7)), 't.json: hash: expected a text'],
  [
    json((value) => (value['plan'] = { ...plan, actions: [{ atMs: 5, do: { kind: 'Cordon', node: 'node-9', unschedulable: true } }] })),
    "t.json: plan.actions[0].do.node: expected a node of the cluster (), found 'node-9'",
  ],
  [json((value) => (value['plan'] = { ...plan, stormMs: -1 })), 't.json: plan.stormMs: expected a whole number, 0 or more'],
])('bad trace %#', ([text, expected]) => {
  expect(() => parseTrace(text, 't.json')).toThrow(expected)
})

test('a printed history has a line for what was done, and what broke', () => {
  const violation = { invariant: 'X-1', sentence: 'it holds', source: 's', why: 'it does not', step: 0, atMs: 0 }
  const { lines } = printHistory(plan, examined.history, [violation])
  const text = lines.join('\n')
  expect(text).toContain('is leader of term 2')
  expect(text).toContain('✗ X-1: it holds')
})
