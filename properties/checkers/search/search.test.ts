/** The search against a checker that tries every order, on small histories of every model. */
import { fc, test } from '@fast-check/vitest'
import { expect } from 'vitest'
import type { Operation, SequentialModel } from './model.ts'
import { casRegister, kv, kvWhole, type KvInput, type KvOutput, type RegisterInput, type RegisterOutput } from './models.ts'
import { adversarialHistory, registerHistory } from '../../histories/generate.ts'
import { search, type Budget } from './search.ts'

/** Tries every order and every choice of open operations. */
const possible = <State, Input, Output>(
  model: SequentialModel<State, Input, Output>,
  operations: readonly Operation<Input, Output>[],
): boolean => {
  const extend = (state: State, left: readonly Operation<Input, Output>[]): boolean => {
    if (left.every((one) => one.return === Infinity)) return true
    const deadline = Math.min(...left.map((one) => one.return))
    return left.some((one) => {
      if (one.call > deadline) return false
      const next = model.step(state, one.input, one.output)
      return (
        next !== undefined &&
        extend(
          next,
          left.filter((other) => other !== one),
        )
      )
    })
  }
  return extend(model.initial, operations)
}

/** Whether an order has every operation that returned, keeps to real time, and is one of the model. */
const isWitness = <State, Input, Output>(
  model: SequentialModel<State, Input, Output>,
  operations: readonly Operation<Input, Output>[],
  order: readonly Operation<Input, Output>[],
): boolean => {
  if (new Set(order).size < order.length || operations.some((one) => Number.isFinite(one.return) && !order.includes(one))) return false
  let state = model.initial
  let latestCall = -1
  for (const one of order) {
    if (one.return < latestCall) return false
    latestCall = Math.max(latestCall, one.call)
    const next = model.step(state, one.input, one.output)
    if (next === undefined) return false
    state = next
  }
  return true
}

/** Up to four processes, one operation at a time each; what times out stays open and its process goes on under another name. */
const historyOf = <Input, Output>(input: fc.Arbitrary<Input>, output: (one: Input) => fc.Arbitrary<Output>) =>
  fc
    .array(
      fc.tuple(
        fc.nat(3),
        input.chain((one) => fc.tuple(fc.constant(one), fc.option(output(one), { freq: 5, nil: undefined }))),
      ),
      { minLength: 3, maxLength: 9, size: 'max' },
    )
    .chain((drawn) =>
      fc.infiniteStream(fc.boolean()).map((ends) => {
        const operations: Operation<Input, Output>[] = []
        const open = new Map<number, number>()
        let place = 0
        const finish = (process: number): void => {
          const index = open.get(process)
          open.delete(process)
          if (index === undefined) return
          const one = operations[index] as Operation<Input, Output>
          if (one.output !== undefined) operations[index] = { ...one, return: place++ }
        }
        for (const [process, [asked, told]] of drawn) {
          finish(process)
          operations.push({ process: String(process), input: asked, output: told, call: place++, return: Infinity, lines: [0, 0] })
          open.set(process, operations.length - 1)
          for (const other of [0, 1, 2, 3]) if (ends.next().value === true) finish(other)
        }
        for (const other of [0, 1, 2, 3]) finish(other)
        return operations
      }),
    )

const value = fc.nat(2)
const registers = historyOf<RegisterInput, RegisterOutput>(
  fc.oneof(
    fc.record({ f: fc.constant('read' as const) }),
    fc.record({ f: fc.constant('write' as const), value }),
    fc.record({ f: fc.constant('cas' as const), from: value, to: value }),
  ),
  (input) => (input.f === 'read' ? fc.option(value, { freq: 6 }) : input.f === 'write' ? fc.constant(true) : fc.boolean()),
)
const key = fc.constantFrom('x', 'y')
const texts = historyOf<KvInput, KvOutput>(
  fc.oneof(
    fc.record({ f: fc.constant('get' as const), key }),
    fc.record({ f: fc.constantFrom('put' as const, 'append' as const), key, value: fc.constantFrom('a', 'b', '') }),
  ),
  (input) => (input.f === 'get' ? fc.constantFrom('', 'a', 'b', 'ab', 'ba') : fc.constant(null)),
)

const agrees = <State, Input, Output>(
  model: SequentialModel<State, Input, Output>,
  operations: readonly Operation<Input, Output>[],
  budget?: Budget,
): void => {
  const result = search(operations, model, budget)
  if (budget === undefined || result.verdict !== 'unknown') expect(result.verdict).toBe(possible(model, operations) ? 'holds' : 'violated')
  if (result.verdict === 'holds') expect(isWitness(model, operations, result.order)).toBe(true)
}

const RUNS = { numRuns: 3_000 }
test.prop([registers], RUNS)('a register: the verdict of trying every order, and an order to show for it', (operations) =>
  agrees(casRegister, operations),
)
test.prop([texts], RUNS)('a key-value store, all keys at once: the same', (operations) => agrees(kvWhole, operations))
test.prop([texts], RUNS)('a key-value store, key by key: the same', (operations) => {
  for (const own of Map.groupBy(operations, ({ input }) => input.key).values()) agrees(kv, own)
})

// Goal: the two other ways of searching are right too. Method: a budget so small that the first look hardly ever ends.
test.prop([registers, texts, fc.nat(8)], RUNS)(
  'under a tiny budget a verdict is right, or there is none',
  (ofRegister, ofTexts, configurations) => {
    const budget = { configurations, kept: 1_000 }
    agrees(casRegister, ofRegister, budget)
    agrees(kvWhole, ofTexts, budget)
  },
)

test('a write of the value that is there overwrites an open one all the same', () => {
  const operation = (place: readonly [number, number], input: KvInput, output?: KvOutput): Operation<KvInput, KvOutput> => ({
    ...{ process: String(place[0]), input, output, call: place[0], return: place[1], lines: [0, 0] },
  })
  agrees(kv, [
    operation([0, 4], { f: 'append', key: 'x', value: 'a' }, null),
    operation([1, Infinity], { f: 'put', key: 'x', value: '' }),
    operation([3, 5], { f: 'put', key: 'x', value: 'b' }, null),
    operation([6, 7], { f: 'get', key: 'x' }, 'a'),
  ])
})

test('what takes more than the budget is undecided, never passed', () => {
  const appends = Array.from({ length: 12 }, (_, index): Operation<KvInput, KvOutput> => ({
    process: String(index),
    input: { f: 'append', key: 'x', value: String(index) },
    output: null,
    call: index,
    return: 100 + index,
    lines: [0, 0],
  }))
  expect(search(appends, kv, { configurations: 1_000, kept: 1_000 }).verdict).toBe('unknown')
})

// Goal: long histories are decided, however late open writes take effect. Method: generated ones, and an order to show for each.
test.each([0, 5].flatMap((values) => [30, 2_000].map((lateSteps) => ({ values, lateSteps }))))(
  'a generated register with $values different values (0: all), open writes late by $lateSteps steps at most',
  ({ values, lateSteps }) => {
    const operations = [...registerHistory({ seed: '1', operations: 4_000, clients: 10, openPerMille: 20, lateSteps, values })]
    const result = search(operations, casRegister)
    expect(result.verdict).toBe('holds')
    if (result.verdict === 'holds') expect(isWitness(casRegister, operations, result.order)).toBe(true)
    const at = operations.findLastIndex(({ input, output }) => input.f === 'read' && output !== undefined)
    operations[at] = { ...(operations[at] as (typeof operations)[number]), output: 'what nobody wrote' }
    expect(search(operations, casRegister).verdict).toBe('violated')
  },
)

test('writes that all timed out and are each read once, and one of them again, are found to be impossible', () => {
  expect(search(adversarialHistory('1', 8, 1_000, 30), casRegister).verdict).toBe('violated')
})
