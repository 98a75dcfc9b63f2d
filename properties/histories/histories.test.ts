/** Every form is read, written and read again; what is not a history is named by line; shared histories keep their verdicts. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { CASE_SETS, folderOf } from '../cases.ts'
import { checkHistory, type ModelName } from './check.ts'
import { observationsOf } from './observed.ts'
import { guessFormat, readOperations } from './read.ts'
import { ednLines, jsonLines, writeLines } from './write.ts'

const folder = mkdtempSync(join(tmpdir(), 'evenkeel-histories-'))
afterAll(() => rmSync(folder, { recursive: true }))
let files = 0
const fileOf = (...lines: readonly string[]): string => {
  const file = join(folder, `${files++}.txt`)
  writeFileSync(file, lines.join('\n'))
  return file
}

const log = (...lines: readonly string[]): string => fileOf(...lines.map((line) => `INFO  jepsen.util - ${line}`))
const LOG = [
  '0\t:invoke\t:write\t1',
  '1\t:invoke\t:cas\t[1 2]',
  '0\t:ok\t:write\t1',
  '1\t:ok\t:cas\t[1 2]',
  '2\t:invoke\t:write\t3',
  '2\t:info\t:write\t:timed-out',
]

test('a log, its EDN and its JSON lines say the same', () => {
  const first = log(...LOG, '0\t:invoke\t:read\tnil', '0\t:ok\t:read\t3', '1\t:invoke\t:cas\t[9 1]', '1\t:fail\t:cas\t[9 1]')
  expect(guessFormat(first)).toBe('jepsen-log')
  const operations = readOperations(first, 'jepsen-log', 'register')
  const edn = fileOf()
  writeLines(edn, ednLines(operations))
  const json = fileOf()
  writeLines(json, jsonLines(observationsOf(operations)))
  expect([guessFormat(edn), guessFormat(json)]).toEqual(['jepsen-edn', 'jsonl'])
  for (const file of [first, edn, json]) {
    const { verdict, lines } = checkHistory(file, 'cas-register')
    expect([verdict, lines[0]?.split(',')[0]]).toEqual(['holds', 'linearizable: 5 operations'])
  }
})

test('a read that nothing explains is told with the prefix before it and the states that were possible', () => {
  const { verdict, lines } = checkHistory(log(...LOG, '0\t:invoke\t:read\tnil', '0\t:ok\t:read\t7'), 'cas-register')
  expect(verdict).toBe('violated')
  expect(lines).toMatchInlineSnapshot(`
    [
      "NOT linearizable: 4 operations, 2 configurations",
      "no order allows read() -> 7 (process 0, lines 7–8)",
      "the longest prefix that has one ends with 2 operations, the last of them:",
      "  write(1) (process 0, lines 1–3)",
      "  cas(1, 2) -> ok (process 1, lines 2–4)",
      "after it the state can be "a value that nobody names"",
    ]
  `)
})

test("maps in brackets, with tags, Jepsen's nemesis and porcupine's hints", () => {
  const edn = fileOf(
    '[#jepsen.history.Op{:index 0, :time 12, :type :invoke, :process 0, :f :append, :key "x", :value "a"}',
    '{:type :info, :process :nemesis, :f :start, :value [:isolated {"n1" #{"n2"}}]}',
    '{:type :ok, :process 0, :f :append, :key "x", :value "a"}, {:type :invoke, :process 1, :f :get, :key "x", :value nil}',
    '{:type :ok, :process 1, :f :get, :key "x", :value "a"}]',
  )
  expect(checkHistory(edn, 'kv')).toMatchObject({ verdict: 'holds', format: 'jepsen-edn' })
  const hints = log(
    '6 \t:invoke :write \t38 \t:hint 0',
    '6 \t:ok :write \t38 \t:hint 2',
    '3 \t:invoke :read \tnil \t:hint 0',
    '3 \t:ok :read \t38 \t:hint 2',
  )
  expect(checkHistory(hints, 'register')).toMatchObject({ verdict: 'holds', format: 'porcupine' })
})

describe('bad input is one line that says where', () => {
  const invoke = '{"kind":"Invoke","atMs":1,"process":"p","call":"c","request":{"kind":"Range","key":"a"},"to":"m"}'
  const cases: readonly (readonly [string, string, ModelName, RegExp])[] = [
    ['a return without a call', log('0\t:ok\t:read\t1'), 'register', /:1: process 0 returns from read, which it has not called/],
    [
      'two operations in flight',
      log('0\t:invoke\t:read\tnil', '0\t:invoke\t:read\tnil'),
      'register',
      /:2: process 0 calls read while its call of line 1/,
    ],
    ['an unknown function', log('0\t:invoke\t:enqueue\t1'), 'register', /:1: expected read, write or cas, found enqueue/],
    ['a truncated map', fileOf('{:process 0, :type :invoke, :f :get, :key "x'), 'kv', /:1: expected the end of a text/],
    ['an unknown type', fileOf('{:process 0, :type :maybe, :f :get, :key "x"}'), 'kv', /:1: expected :invoke, :ok, :fail or :info/],
    ['binary data', fileOf('INFO  jepsen.util - 0\t:invoke\t:read\tnil', '\0\u0001'), 'register', /expected text, found binary data/],
    ['an empty file', fileOf(''), 'kv', /expected a history, found an empty file/],
    ['not JSON', fileOf(invoke, '{"kind":'), 'etcd', /:2: expected a JSON object/],
    ['a missing field', fileOf('{"kind":"Invoke","atMs":1,"process":"p"}'), 'etcd', /:1: expected a text as field 'call' of Invoke/],
    [
      'an answer to nothing',
      fileOf('{"kind":"Reply","atMs":1,"process":"p","call":"c","outcome":{"kind":"done"}}'),
      'etcd',
      /:1: a reply to call c/,
    ],
    ['no file', join(folder, 'absent'), 'kv', /expected a file that can be read/],
  ]
  test.each(cases)('%s', (_, file, model, message) => {
    expect(() => checkHistory(file, model)).toThrow(message)
  })
})

const [set] = CASE_SETS
const shared = set === undefined ? null : folderOf(set)
// The histories are kept outside of the project: EVENKEEL_HISTORIES names their folder.
test.skipIf(shared === null)(
  `the histories with known verdicts${shared === null ? ' (absent: EVENKEEL_HISTORIES names no folder)' : ''}`,
  () => {
    const wrong = (set?.read(shared ?? '') ?? []).flatMap((one) => {
      const outcome = one.run()
      return outcome === null ? [] : [`${one.id}: ${outcome}`]
    })
    expect(wrong).toEqual([])
  },
)
