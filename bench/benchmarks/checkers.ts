/** Checkers of histories: registers with open outcomes, recorded histories where they are at hand, etcd by revisions. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { CASE_SETS, folderOf } from '../../properties/cases.ts'
import { EtcdChecker } from '../../properties/checkers/etcd/checker.ts'
import { checkOperations } from '../../properties/checkers/search/check.ts'
import type { Operation, SequentialModel } from '../../properties/checkers/search/model.ts'
import { casRegister, kv, kvWhole, type KvInput, type KvOutput } from '../../properties/checkers/search/models.ts'
import { search } from '../../properties/checkers/search/search.ts'
import type { Verdict } from '../../properties/checkers/verdict.ts'
import { adversarialHistory, registerHistory, type RegisterShape } from '../../properties/histories/generate.ts'
import { etcdHistory } from '../../properties/histories/generate-etcd.ts'
import { guessFormat, readOperations } from '../../properties/histories/read.ts'
import type { Benchmark, Target, Work } from '../benchmark.ts'

const STEPPED = 'the model taking one step for each operation, unjudged'

const expect = (found: Verdict, expected: Verdict, name: string): void => {
  if (found !== expected) throw new Error(`${name}: expected ${expected}, found ${found}`)
}

/** As much as it takes to look at every operation once: the least that any checker does. */
const stepping =
  <State, Input, Output>(
    model: SequentialModel<State, Input, Output>,
    histories: readonly (readonly Operation<Input, Output>[])[],
    units: number,
  ): Work =>
  () => {
    for (const operations of histories) {
      let state = model.initial
      for (const { input } of operations) state = model.step(state, input, undefined) ?? state
    }
    return units
  }

const registers = (name: string, sentence: string, target: Target, shapes: readonly RegisterShape[]): Benchmark => ({
  name,
  sentence,
  units: 'operations',
  baseline: STEPPED,
  target,
  prepare: () => {
    const histories = shapes.map(registerHistory)
    const units = histories.reduce((sum, { length }) => sum + length, 0)
    const subject = (): number => {
      for (const operations of histories) expect(search(operations, casRegister).verdict, 'holds', name)
      return units
    }
    return { subject, baseline: stepping(casRegister, histories, units) }
  },
})

const shape = (seed: string, operations: number, values: number, lateSteps: number): RegisterShape => ({
  seed,
  operations,
  values,
  lateSteps,
  clients: 10,
  openPerMille: 20,
})
const both = (operations: number, lateSteps: number, seeds: readonly string[]): readonly RegisterShape[] =>
  seeds.flatMap((seed) => [shape(seed, operations, 0, lateSteps), shape(seed, operations, 5, lateSteps)])

const adversarial: Benchmark = {
  name: 'check-adversarial',
  sentence: '8 clients, 1 000 operations, the last 30 writes time out and are read, one of them twice: not linearizable',
  units: 'operations',
  baseline: STEPPED,
  target: { perSecond: 100, peakMemory: 1_000 },
  prepare: () => {
    const histories = ['1', '2', '3'].map((seed) => adversarialHistory(seed, 8, 1_000, 30))
    const units = histories.reduce((sum, { length }) => sum + length, 0)
    const subject = (): number => {
      for (const operations of histories) expect(search(operations, casRegister).verdict, 'violated', 'check-adversarial')
      return units
    }
    return { subject, baseline: stepping(casRegister, histories, units) }
  },
}

const etcd = (name: string, operations: number, target?: Target): Benchmark => {
  const history = () => etcdHistory({ seed: name, operations, clients: 50, keys: 1_000, watches: 10, openPerMille: 20 })
  return {
    name,
    sentence: `an etcd history of ${operations} calls of 50 clients, 2 % open, and 10 watches of all keys: made and judged`,
    units: 'calls',
    baseline: 'the same history made and thrown away',
    ...(target === undefined ? {} : { target }),
    prepare: () => ({
      subject: () => {
        const checker = new EtcdChecker()
        for (const seen of history()) checker.observe(seen)
        expect(checker.end().verdict, 'holds', name)
        return operations
      },
      baseline: () => {
        let seen = 0
        for (const _ of history()) seen++
        return seen === 0 ? 0 : operations
      },
    }),
  }
}

type KvOperation = Operation<KvInput, KvOutput>

/** The recorded histories are short: so many times makes a measurement. */
const TIMES = 20

/** Only where the recorded histories are at hand. */
const recorded = (folder: string): readonly Benchmark[] => {
  const whole = (name: string, sentence: string, target: Target, judge: (operations: readonly KvOperation[]) => void): Benchmark => ({
    name,
    sentence,
    units: 'histories',
    baseline: STEPPED,
    target,
    prepare: () => {
      const file = join(folder, 'kv', 'c10-ok.txt')
      const operations = readOperations(file, guessFormat(file), 'kv') as readonly KvOperation[]
      const subject = (): number => {
        for (let time = 0; time < TIMES; time++) judge(operations)
        return TIMES
      }
      return {
        subject,
        baseline: stepping(
          kvWhole,
          Array.from({ length: TIMES }, () => operations),
          TIMES,
        ),
      }
    },
  })
  return [
    {
      name: 'check-jepsen-etcd',
      sentence: 'registers that Jepsen recorded against etcd, one after another',
      units: 'histories',
      baseline: STEPPED,
      target: { perSecond: 500 },
      prepare: () => {
        const files = readdirSync(join(folder, 'jepsen-etcd')).map((file) => join(folder, 'jepsen-etcd', file))
        const histories = files.map((file) => readOperations(file, 'jepsen-log', 'register') as readonly Operation<never, never>[])
        const model = casRegister as unknown as SequentialModel<unknown, never, never>
        const many = Array.from({ length: TIMES }, () => histories).flat()
        const subject = (): number => {
          for (const operations of many) search(operations, model)
          return many.length
        }
        return { subject, baseline: stepping(model, many, many.length) }
      },
    },
    whole('check-kv-by-key', 'a key-value history of 10 clients, key by key', { perSecond: 200 }, (operations) =>
      expect(checkOperations(operations, kv).verdict, 'holds', 'check-kv-by-key'),
    ),
    whole('check-kv-whole', 'the same, all keys at once', { perSecond: 1 }, (operations) =>
      expect(search(operations, kvWhole).verdict, 'holds', 'check-kv-whole'),
    ),
  ]
}

const histories = CASE_SETS.find(({ name }) => name === 'histories')
const folder = histories === undefined ? null : folderOf(histories)

export const checkers: readonly Benchmark[] = [
  ...(folder === null ? [] : recorded(folder)),
  registers(
    'check-register-10k',
    '10 000 operations on a register, 10 clients, 2 % open; every value its own, and 5 values',
    { perSecond: 10_000 },
    both(10_000, 30, ['1']),
  ),
  registers('check-register-100k', 'the same with 100 000 operations', { perSecond: 6_700, peakMemory: 1_500 }, both(100_000, 30, ['1'])),
  registers(
    'check-register-late',
    '10 000 operations, open writes take effect late; 5 seeds',
    { perSecond: 1_000 },
    both(10_000, 3_000, ['1', '2', '3', '4', '5']),
  ),
  adversarial,
  etcd('check-etcd-10k', 10_000),
  etcd('check-etcd-100k', 100_000),
  etcd('check-etcd-1m', 1_000_000, { perSecond: 50_000, peakMemory: 1_500 }),
]
