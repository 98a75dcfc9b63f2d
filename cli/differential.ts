/** evenkeel differential: specification, reference implementation and a real etcd, asked the same until they differ. */
import { RealMachine } from '../properties/differential/real-machine.ts'
import type { Compared, Tally } from '../properties/differential/run.ts'
import { search, type SearchResult } from '../properties/differential/search.ts'
import { SimulatedMachine } from '../properties/differential/simulated-machine.ts'
import { transcript } from '../properties/differential/transcript.ts'
import { duration } from '../reports/table.ts'
import { Progress } from './progress.ts'

export interface DifferentialOptions {
  readonly operations: number
  readonly seed: number
  readonly lanes: number
  readonly binary: string
}

/** Returns the exit code. */
export const differential = async (options: DifferentialOptions): Promise<number> => {
  const { operations, seed, lanes, binary } = options
  const began = performance.now()
  const progress = new Progress(process.stderr)
  const names = new Set(['the specification'])
  const machines = async (lane: number): Promise<readonly Compared[]> => {
    const started = [
      { machine: await RealMachine.start(binary), real: true },
      { machine: new SimulatedMachine(lane === 0 ? 3 : 1), real: false },
    ]
    for (const { machine } of started) names.add(machine.name)
    return started
  }
  const onProgress = ({ requests }: Tally): void => progress.say(`${Math.min(requests, operations)}/${operations} requests`)
  try {
    const result = await search({ operations, seed, lanes, machines, onProgress })
    progress.done()
    for (const line of lines(result, [...names], performance.now() - began)) console.log(line)
    if (result.found === null) return 0
    console.log(`Again: npm run differential -- --operations ${operations} --seed ${seed} --lanes ${lanes}`)
    return 1
  } finally {
    progress.done()
  }
}

const lines = ({ tally, sequences, found }: SearchResult, names: readonly string[], wallMs: number): readonly string[] => {
  const { requests, refusals, events, notAsked } = tally
  const asked = `${requests} requests (${refusals} refused) and ${events} events of watches, in ${sequences} sequences and ${duration(wallMs)}`
  if (found === null)
    return [`✓ No difference between ${names.join(', ')}: ${asked}.`, `  ${notAsked} requests were kept from etcd: known defects of it.`]
  return [
    `✗ A difference after ${asked}; ${found.operations} operations are left of the sequence:`,
    ...transcript(found.difference).map((line) => `  ${line}`),
  ]
}
