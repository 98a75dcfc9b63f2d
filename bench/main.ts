/** npm run bench: measures each benchmark, prints a table and writes JSON. */
import { fork } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { columns } from '../reports/table.ts'
import type { Benchmark } from './benchmark.ts'
import type { Measurement } from './measure.ts'
import { BENCHMARKS } from './register.ts'
import { HEADINGS, reached, rowOf } from './table.ts'
import type { Order } from './worker.ts'

const REPETITIONS = 7
const QUICK_REPETITIONS = 3
const BAD_INPUT = 2

interface BenchArguments {
  readonly json: string
  readonly quick?: true
}

const named = (name: string, before: readonly Benchmark[] = []): readonly Benchmark[] => {
  const found = BENCHMARKS.filter((one) => one.name.startsWith(name))
  if (found.length > 0) return [...before, ...found]
  throw new InvalidArgumentError(`expected the beginning of one of ${BENCHMARKS.map((one) => one.name).join(', ')}, found '${name}'`)
}

const measured = (order: Order): Promise<Measurement> =>
  new Promise((resolve, reject) => {
    const worker = fork(new URL('./worker.ts', import.meta.url), { execArgv: [...process.execArgv, '--expose-gc'] })
    worker.once('message', (measurement) => resolve(measurement as Measurement))
    worker.once('exit', (code) => reject(new Error(`benchmark ${order.name} ended with exit code ${code}`)))
    worker.send(order)
  })

const bench = async (chosen: readonly Benchmark[], options: BenchArguments): Promise<void> => {
  const repetitions = options.quick === true ? QUICK_REPETITIONS : REPETITIONS
  const results: { readonly benchmark: Benchmark; readonly measurement: Measurement }[] = []
  for (const benchmark of chosen) {
    if (process.stderr.isTTY) process.stderr.write(`${benchmark.name}: ${benchmark.sentence}\n`)
    results.push({ benchmark, measurement: await measured({ name: benchmark.name, repetitions }) })
  }
  for (const line of columns([HEADINGS, ...results.map(({ benchmark, measurement }) => rowOf(benchmark, measurement))])) console.log(line)
  console.log(
    `\nA second is one of CPU time of the whole process; medians of ${repetitions} repetitions, in brackets the least and the most.`,
  )
  const [cpu] = cpus()
  const document = {
    node: process.version,
    cpu: cpu?.model ?? '',
    repetitions,
    benchmarks: results.map(({ benchmark, measurement }) => ({
      ...measurement,
      target: benchmark.target ?? null,
      reached: reached(benchmark.target, measurement),
    })),
  }
  writeFileSync(options.json, `${JSON.stringify(document, null, 2)}\n`)
  console.log(`Written to ${options.json}.`)
}

const program = new Command('npm run bench --')
  .description('Measures speed, each figure beside a baseline taken in the same run.')
  .argument(
    '[names...]',
    `which benchmarks, by name or its beginning (default: all): ${BENCHMARKS.map((one) => one.name).join(', ')}`,
    named,
  )
  .option('--json <file>', 'where the figures are written', 'evenkeel-bench.json')
  .option('--quick', 'fewer repetitions')
  .exitOverride()
  .action(async (names: readonly Benchmark[], options: BenchArguments) => bench(names.length === 0 ? BENCHMARKS : names, options))

try {
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof CommanderError)) throw error
  process.exitCode = error.exitCode === 0 ? 0 : BAD_INPUT
}
