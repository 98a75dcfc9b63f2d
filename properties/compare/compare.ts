/** Compares policies on a workload: every policy meets the same arrivals, seed by seed. */
import { Tinypool } from 'tinypool'
import { Streams } from '../../sim/random.ts'
import type { RunMetrics } from './metrics.ts'
import { policySources, publishedOf, type Ties } from './policy.ts'
import { reproductionOf, type Published, type Reproduction } from './published.ts'
import { play } from './run.ts'
import { pairedDifference, spreadOf, type PairedDifference, type Spread } from './statistics.ts'
import { SYNTHETIC, synthetic } from './synthetic.ts'
import { nodeOf, readNodes, readWorkload, type Workload } from './workload.ts'
import { InputError } from '../input.ts'
import type { Node } from '../../model/state/objects.ts'

/** What one run is made from: plain data, so that any worker can make it. */
export interface CompareSetting {
  /** A file of nodes, or how many standard ones. */
  readonly nodes: string | number
  /** A file of pods, or 'synthetic:NAME'. */
  readonly workload: string
  readonly until: number
  readonly seed: string
  readonly ties: Ties | null
  readonly nodeFailures: number
}
export interface CompareJob extends CompareSetting {
  readonly policy: string
  readonly index: number
}

export interface PolicyResult {
  readonly policy: string
  /** By seed. */
  readonly runs: readonly RunMetrics[]
}

/** A number that a run is measured by, and whether more of it is better. */
export interface Measure {
  readonly name: string
  readonly unit: string
  readonly better: 'more' | 'less' | 'neither'
  of(metrics: RunMetrics): number
}

export interface Comparison {
  readonly setting: CompareSetting
  readonly results: readonly PolicyResult[]
  readonly measures: readonly Measure[]
  readonly spreads: ReadonlyMap<string, ReadonlyMap<string, Spread>>
  /** By measure and pair 'A\nB': A minus B. */
  readonly differences: ReadonlyMap<string, PairedDifference>
  /** How what was published of these policies in this very setting compares. */
  readonly reproductions: readonly Reproduction[]
}

const NODE = { cpu: '8', memory: '32Gi' }

export const nodesFor = (nodes: CompareSetting['nodes']): readonly Node[] =>
  typeof nodes === 'string'
    ? readNodes(nodes)
    : Array.from({ length: nodes }, (_, index) =>
        nodeOf(`node-${String(index).padStart(5, '0')}`, NODE, { 'topology.kubernetes.io/zone': `zone-${index % 3}` }),
      )

/** Throws InputError. */
export const workloadNamed = (given: string): Workload => {
  if (!given.startsWith('synthetic:')) return readWorkload(given)
  const name = given.slice('synthetic:'.length)
  if (!SYNTHETIC.includes(name)) throw new InputError('--workload', `expected synthetic: one of ${SYNTHETIC.join(', ')}, found '${name}'`)
  return synthetic(name)
}

/** The run of one policy on the arrivals of one seed. */
export const performRun = async (job: CompareJob): Promise<RunMetrics> => {
  const nodes = nodesFor(job.nodes)
  const workload = workloadNamed(job.workload)
  const [source] = (await policySources(job.policy, job.ties)).filter(({ name }) => job.policy === name || job.policy.endsWith(`#${name}`))
  if (source === undefined) throw new InputError('--policies', `expected a policy, found '${job.policy}'`)
  const streams = new Streams(`${job.seed}/${job.index}`)
  const arrivals = workload.arrivals(streams.stream('arrivals'), nodes, job.until)
  const policy = source.make({ typical: workload.typical, nodes, random: streams.stream('policy', source.name) })
  const drop = arrivals.every(({ lifetimeMs }) => lifetimeMs === null)
  return play({
    policy,
    nodes,
    arrivals,
    typical: workload.typical,
    random: streams.stream('run', source.name),
    orderRandom: streams.stream('order of nodes'),
    drop,
    nodeFailures: job.nodeFailures,
  })
}

export interface CompareOptions extends CompareSetting {
  readonly policies: readonly string[]
  readonly runs: number
  readonly workers: number
}

/** onRun: told after each run. Stopped early it keeps the seeds that every policy has met; null: none. Throws InputError. */
export const compare = async (
  options: CompareOptions,
  onRun: (done: number, all: number) => void,
  signal: AbortSignal,
): Promise<Comparison | null> => {
  const names = await policyNames(options)
  const { policies: _policies, runs, workers, ...setting } = options
  const nodes = nodesFor(setting.nodes)
  workloadNamed(setting.workload)
  const pool = new Tinypool({ filename: new URL('./worker.ts', import.meta.url).href, minThreads: workers, maxThreads: workers })
  let done = 0
  const one = async (policy: string, index: number): Promise<RunMetrics | null> => {
    const answer = (await pool.run({ ...setting, policy, index }, { signal }).catch((error: unknown) => {
      if (signal.aborted) return null
      throw error
    })) as WorkerAnswer | null
    if (answer === null) return null
    if ('problem' in answer) throw new InputError(answer.where, answer.problem)
    onRun(++done, names.length * runs)
    return answer.metrics
  }
  try {
    // Seed by seed, so that what is stopped early has whole pairs.
    const rounds = await Promise.all(Array.from({ length: runs }, (_, index) => Promise.all(names.map(({ policy }) => one(policy, index)))))
    const whole = rounds.filter((round): round is RunMetrics[] => !round.includes(null))
    if (whole.length === 0) return null
    const results = names.map(({ name }, place) => ({ policy: name, runs: whole.map((round) => round[place] as RunMetrics) }))
    const files = new Set(options.policies.map((given) => given.split('#')[0] as string))
    const published = (await Promise.all([...files].map((path) => publishedOf(path)))).flat()
    return summarize(setting, results, nodes, published)
  } finally {
    await pool.destroy()
  }
}

export type WorkerAnswer = { readonly metrics: RunMetrics } | { readonly where: string; readonly problem: string }

/** The names as shown, and as a worker finds them again. */
const policyNames = async ({ policies, ties }: CompareOptions): Promise<readonly { readonly name: string; readonly policy: string }[]> => {
  const all: { readonly name: string; readonly policy: string }[] = []
  for (const given of policies) {
    for (const { name } of await policySources(given, ties)) {
      const path = given.split('#')[0] as string
      all.push({ name, policy: name === given ? given : `${path}#${name}` })
    }
  }
  const twice = all.find(({ name }, index) => all.findIndex((other) => other.name === name) !== index)
  if (twice !== undefined) throw new InputError('--policies', `expected each policy once, found '${twice.name}' again`)
  return all
}

const summarize = (
  setting: CompareSetting,
  results: readonly PolicyResult[],
  nodes: readonly Node[],
  published: readonly Published[],
): Comparison => {
  const measures = measuresFor(results, nodes)
  const random = new Streams(setting.seed).stream('bootstrap')
  const spreads = new Map<string, Map<string, Spread>>()
  const differences = new Map<string, PairedDifference>()
  for (const measure of measures) {
    const values = new Map(results.map(({ policy, runs }) => [policy, runs.map((metrics) => measure.of(metrics))]))
    spreads.set(measure.name, new Map([...values].map(([policy, own]) => [policy, spreadOf(own)])))
    for (const [place, one] of results.entries()) {
      for (const other of results.slice(place + 1)) {
        const difference = pairedDifference(values.get(one.policy) as number[], values.get(other.policy) as number[], random)
        if (difference !== null) differences.set(`${measure.name}\n${one.policy}\n${other.policy}`, difference)
      }
    }
  }
  const reproductions = published.flatMap((one) => {
    const measure = measures.find(({ name }) => name === one.measure)
    if (measure === undefined) return []
    const values = new Map(results.map(({ policy, runs }) => [policy, runs.map((metrics) => measure.of(metrics))]))
    return reproductionOf(one, setting, values, random) ?? []
  })
  return { setting, results, measures, spreads, differences, reproductions }
}

const PERCENT = 100
const RESOURCE_NAMES: Readonly<Record<string, string>> = { 'evenkeel.io/gpu-milli': 'GPU', cpu: 'CPU', memory: 'memory' }

/** The scarce resource first. */
const measuresFor = (results: readonly PolicyResult[], nodes: readonly Node[]): readonly Measure[] => {
  const resources = Object.keys(results[0]?.runs[0]?.allocated ?? {}).toSorted((one, other) => rank(one) - rank(other))
  return [
    ...resources.map((resource): Measure => ({
      name: `${RESOURCE_NAMES[resource] ?? resource} allocated`,
      unit: '% of capacity',
      better: 'more',
      of: ({ allocated }) => (allocated[resource] ?? 0) * PERCENT,
    })),
    { name: 'fragmentation', unit: '% of what is free', better: 'less', of: ({ fragmentation }) => fragmentation * PERCENT },
    { name: 'imbalance', unit: 'points', better: 'neither', of: ({ imbalance }) => imbalance * PERCENT },
    { name: 'nodes used', unit: `of ${nodes.length}`, better: 'neither', of: ({ nodesUsed }) => nodesUsed },
    { name: 'pods without a node', unit: '% of arrivals', better: 'less', of: ({ droppedShare }) => droppedShare * PERCENT },
    { name: 'pods pending', unit: 'at the end', better: 'less', of: ({ pending }) => pending },
    { name: 'time to bind', unit: 's, mean', better: 'less', of: ({ timeToBindMs }) => timeToBindMs.mean / 1000 },
    { name: 'time to bind, slowest', unit: 's, 99th percentile', better: 'less', of: ({ timeToBindMs }) => timeToBindMs.p99 / 1000 },
    { name: 'preemptions', unit: 'pods', better: 'less', of: ({ preemptions }) => preemptions },
    { name: 'decisions', unit: 'a second', better: 'neither', of: ({ decisionsPerSecond }) => decisionsPerSecond },
  ]
}
const rank = (resource: string): number => ['evenkeel.io/gpu-milli', 'cpu', 'memory'].indexOf(resource)
