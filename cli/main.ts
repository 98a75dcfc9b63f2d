/** The command line: arguments in, exit code out. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command, CommanderError, Option } from 'commander'
import { BugError, loadBugs } from '../properties/bugs/bug.ts'
import { exploreInstances, instanceNames } from './explore.ts'
import { BUILT_IN_POLICIES, type Ties } from '../properties/compare/policy.ts'
import { SYNTHETIC } from '../properties/compare/synthetic.ts'
import { MODELS } from '../properties/histories/check.ts'
import { FORMATS } from '../properties/histories/entries.ts'
import { InputError } from '../properties/input.ts'
import { FAULT_KINDS } from '../properties/subjects/etcd/faults.ts'
import { SUITES } from '../properties/suites/register.ts'
import type { Suite } from '../properties/suites/suite.ts'
import { summaryLines } from '../reports/summary.ts'
import { readReport, writeReport } from '../reports/write.ts'
import { bugs } from './bugs.ts'
import { cases } from './cases.ts'
import { check } from './check.ts'
import { comparePolicies } from './compare.ts'
import { differential, type DifferentialOptions } from './differential.ts'
import { etcd, type EtcdArguments } from './etcd.ts'
import { EXPORTS, history, type HistoryArguments } from './history.ts'
import { clusterOf, defaultWorkers, quantity, share, span, suiteList, tieRule, wholeNumber } from './options.ts'
import { replay } from './replay.ts'
import { schedule, type ScheduleArguments } from './schedule.ts'

const BAD_INPUT = 2
const INTERRUPTED = 130
const RUNS = 400
const MANIFEST_RUNS = 100
const TIME_MS = 80_000
/** Without a number of runs a time alone is the budget. */
const NO_LIMIT = 10_000_000
/** What a seeded bug gets: the rarest is found once in some hundred runs. */
const BUG_RUNS = 6_000

interface CompareArguments {
  readonly policies: readonly string[]
  readonly workload: string
  readonly nodes: string
  readonly runs: number
  readonly seed: string
  readonly until?: number
  readonly ties?: Ties
  readonly nodeFailures: number
  readonly workers: number
  readonly report: string
  readonly json?: true
}

interface CheckArguments {
  readonly controller?: string
  readonly suite?: readonly Suite[]
  readonly runs?: number
  readonly time?: number
  readonly seed: string
  readonly nodes: number
  readonly nodeCpu: string
  readonly nodeMemory: string
  readonly nodePods: number
  readonly workers: number
  readonly report: string
  readonly json?: true
  readonly bug?: string
  readonly failures: number
  readonly shrink: number
}

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }

const program = new Command('evenkeel')
  .description('Will it come back level? Checks a container orchestrator, or your manifests on one, under faults.')
  .version(version)
  .showHelpAfterError('(evenkeel --help says more)')
  .exitOverride()

let exitCode = 0

/** The first Ctrl-C asks for an end and keeps what was found; the second does not wait. */
const interruptible = (what = 'the runs that are under way are finished first'): AbortSignal => {
  const controller = new AbortController()
  process.on('SIGINT', () => {
    if (controller.signal.aborted) process.exit(INTERRUPTED)
    controller.abort()
    console.error(`\nstopping: ${what} (Ctrl-C again: at once)`)
  })
  return controller.signal
}

const bugNamed = (id: string) => {
  const known = loadBugs(process.env['EVENKEEL_BUGS'])
  const bug = known.find((one) => one.id === id)
  if (bug === undefined) throw new InputError('bug', `expected one of ${known.map((one) => one.id).join(', ')}, found '${id}'`)
  return bug
}

const runsFromEnvironment = (): number | undefined => {
  const text = process.env['EVENKEEL_RUNS']
  if (text === undefined || text === '') return undefined
  if (!/^\d+$/.test(text)) throw new InputError('EVENKEEL_RUNS', `expected a whole number, found '${text}'`)
  return Number(text)
}

program
  .command('check', { isDefault: true })
  .description('run the suites against the reference implementation, or shake the manifests given')
  .argument('[paths...]', 'files and folders of Kubernetes manifests')
  .option('--controller <module>', 'a controller of your own: a folder or file with its module, see examples/controller')
  .option('--suite <names>', `suites, separated by commas: ${SUITES.map((suite) => suite.name).join(', ')} (default: all)`, suiteList)
  .option(
    '--runs <number>',
    `runs over all suites (default: ${RUNS}, with manifests ${MANIFEST_RUNS}; or EVENKEEL_RUNS)`,
    wholeNumber(1, NO_LIMIT),
  )
  .option('--time <span>', `start no run after this time, such as 60s or 5m (default: ${TIME_MS / 1000}s when --runs is not given)`, span)
  .option('--seed <text>', 'what every draw of the campaign follows from', '1')
  .option('--nodes <number>', 'nodes of the cluster the manifests are applied to', wholeNumber(1, 100), 3)
  .option('--node-cpu <quantity>', 'CPUs of a node', quantity, '4')
  .option('--node-memory <quantity>', 'memory of a node', quantity, '8Gi')
  .option('--node-pods <number>', 'pods a node takes', wholeNumber(1, 1000), 110)
  .option('--workers <number>', 'threads', wholeNumber(1, 64), defaultWorkers())
  .option('--report <folder>', 'where the report and the traces are written', 'evenkeel-report')
  .option('--json', 'print the report as JSON, and nothing else')
  .option('--bug <id>', 'switch a seeded bug on: the suites must find it')
  .option('--failures <number>', 'stop after this many failed runs', wholeNumber(1, 1000), 3)
  .option('--shrink <number>', 'runs that may be spent on making a counterexample small', wholeNumber(0, 100_000), 600)
  .action(async (paths: string[], options: CheckArguments) => {
    if (paths.length > 0 && options.suite !== undefined)
      throw new InputError('--suite', 'expected no suites beside manifests: those have a suite of their own')
    if (options.controller !== undefined && (paths.length > 0 || options.suite !== undefined))
      throw new InputError('--controller', 'expected neither manifests nor suites beside it: its module says what is there')
    const runs = options.runs ?? runsFromEnvironment()
    const bug = options.bug === undefined ? null : bugNamed(options.bug)
    const ownRuns = bug !== null ? BUG_RUNS : paths.length > 0 || options.controller !== undefined ? MANIFEST_RUNS : RUNS
    const defaultRuns = options.time === undefined ? ownRuns : NO_LIMIT
    exitCode = await check(
      {
        paths,
        controller: options.controller ?? null,
        suites: options.suite ?? suitesFor(bug),
        seed: options.seed,
        runsMost: runs ?? defaultRuns,
        timeMostMs: options.time ?? (runs === undefined ? TIME_MS : Infinity),
        workers: options.workers,
        cluster: clusterOf(options.nodes, { cpu: options.nodeCpu, memory: options.nodeMemory, pods: options.nodePods }),
        folder: options.report,
        json: options.json ?? false,
        bug,
        failuresMost: options.failures,
        triesMost: options.shrink,
        version,
        command: ['evenkeel', ...process.argv.slice(2)].join(' '),
      },
      interruptible(),
    )
  })

/** A seeded bug is looked for where it can be found. */
const suitesFor = (bug: { readonly suites: readonly string[] } | null): readonly Suite[] =>
  bug === null ? SUITES : SUITES.filter((suite) => bug.suites.includes(suite.name))

program
  .command('etcd')
  .description('run a real etcd under faults, or attach to one, and judge what its clients see')
  .option('--binary <program>', 'the etcd to start', 'etcd')
  .option('--members <number>', 'how many of it', wholeNumber(1, 9), 3)
  .option('--faults <kinds>', `none, or some of ${FAULT_KINDS.join(', ')}, separated by commas (default: kill,pause,partition)`)
  .option('--time <span>', 'how long clients and faults go on', span, 60_000)
  .option('--seed <text>', 'what every draw follows from; what comes of it is the members’ own affair', '1')
  .option('--clients <number>', 'clients, each with one request at a time', wholeNumber(1, 1000), 30)
  .option(
    '--endpoints <addresses>',
    'attach to these members instead, host:port separated by commas; nobody else may write there meanwhile',
  )
  .option('--cacert <file>', 'certificate of the authority that the members are trusted by')
  .option('--cert <file>', 'certificate to show to the members')
  .option('--key <file>', 'its private key')
  .option('--insecure-skip-tls-verify', 'believe whoever answers')
  .option('--user <name:password>', 'log in; without a password it is taken from ETCDCTL_PASSWORD')
  .option('--known-defects', 'provoke defects that are known of this version too')
  .option('--report <folder>', 'where report, history and logs of the members are written', 'evenkeel-report')
  .option('--json', 'print the report as JSON, and nothing else')
  .action(async (options: EtcdArguments) => {
    const command = ['evenkeel', ...process.argv.slice(2)].join(' ')
    exitCode = await etcd(options, version, command, interruptible('what was seen so far is judged'))
  })

program
  .command('replay')
  .description('run a trace again, print it step by step, and compare it to the byte')
  .argument('<trace>', 'a trace that check wrote')
  .option('--json', 'print hash and violations as JSON')
  .option('--quiet', 'do not print the steps')
  .action(async (file: string, options: { readonly json?: true; readonly quiet?: true }) => {
    exitCode = await replay({ file, json: options.json ?? false, quiet: options.quiet ?? false, bugsFolder: process.env['EVENKEEL_BUGS'] })
  })

program
  .command('bugs')
  .description('put each seeded bug into the reference implementation, and say whether the suites find it')
  .argument('[ids...]', 'which ones (default: all, those of the folder EVENKEEL_BUGS included)')
  .option('--runs <number>', 'runs that each may take', wholeNumber(1, NO_LIMIT), BUG_RUNS)
  .option('--seed <text>', 'what every draw of the campaign follows from', '1')
  .option('--workers <number>', 'threads', wholeNumber(1, 64), defaultWorkers())
  .option('--report <folder>', 'where the traces are written', 'evenkeel-report')
  .option('--shrink <number>', 'runs that may be spent on making a counterexample small', wholeNumber(0, 100_000), 1_500)
  .action(async (ids: string[], options: Pick<CheckArguments, 'seed' | 'workers' | 'report' | 'shrink'> & { readonly runs: number }) => {
    const chosen = ids.length === 0 ? loadBugs(process.env['EVENKEEL_BUGS']) : ids.map(bugNamed)
    const { seed, runs, workers, report, shrink } = options
    exitCode = await bugs({ bugs: chosen, seed, runsMost: runs, workers, folder: report, triesMost: shrink, version }, interruptible())
  })

program
  .command('explore')
  .description('walk every state that the model of a small cluster can reach, and hold each step to the invariants')
  .argument('[instances...]', `which ones (default: all): ${instanceNames.join(', ')}`)
  .action((names: string[]) => {
    exitCode = exploreInstances(names)
  })

program
  .command('differential')
  .description('put the same random requests to the specification, the implementation and a real etcd of its own, until they differ')
  .option('--operations <number>', 'requests', wholeNumber(1, NO_LIMIT), 100_000)
  .option('--seed <number>', 'what every draw follows from', wholeNumber(0, 2 ** 31 - 1), 1)
  .option('--binary <path>', 'the etcd to start', 'etcd')
  .option('--lanes <number>', 'sequences under way at once, each on an etcd of its own', wholeNumber(1, 16), 4)
  .action(async (options: DifferentialOptions) => {
    exitCode = await differential(options)
  })

program
  .command('compare')
  .description('compare scheduler policies on a workload, and say whether the difference is real')
  .requiredOption(
    '--policies <list>',
    `policies, separated by commas: ${BUILT_IN_POLICIES.join(', ')}, a KubeSchedulerConfiguration (.yaml), or a module (.ts, or .ts#NAME)`,
    (text: string) => text.split(',').map((name) => name.trim()),
  )
  .requiredOption('--workload <workload>', `pods: a file of manifests or CSV, or synthetic: ${SYNTHETIC.join(', ')}`)
  .option('--nodes <nodes>', 'nodes: a file of manifests or CSV, or how many of 8 CPUs and 32Gi', '50')
  .option('--runs <number>', 'paired runs, each with a seed of its own', wholeNumber(2, 10_000), 10)
  .option('--seed <text>', 'what every draw follows from', '1')
  .option(
    '--until <share>',
    'load that arrives, as a share of the capacity (default: 1.3 of pods that stay, 0.9 of drawn ones, which leave)',
    share,
  )
  .option(
    '--ties <rule>',
    'among equal nodes: random, first-name, or first-drawn in an order that each seed draws (default: each policy its own)',
    tieRule,
  )
  .option('--node-failures <number>', 'nodes that fail on the way, and come back', wholeNumber(0, 1_000), 0)
  .option('--workers <number>', 'threads', wholeNumber(1, 64), defaultWorkers())
  .option('--report <folder>', 'where the comparison is written', 'evenkeel-report')
  .option('--json', 'print the comparison as JSON, and nothing else')
  .action(async (options: CompareArguments) => {
    const { report, json = false, ties = null, nodes, until = options.workload.startsWith('synthetic:') ? 0.9 : 1.3, ...rest } = options
    exitCode = await comparePolicies(
      {
        ...rest,
        ties,
        until,
        nodes: /^\d+$/.test(nodes) ? wholeNumber(1, 100_000)(nodes) : nodes,
        folder: report,
        json,
        command: ['evenkeel', ...process.argv.slice(2)].join(' '),
      },
      interruptible(),
    )
  })

program
  .command('schedule')
  .description('place the pending pods of a cluster as kube-scheduler would, and say why')
  .requiredOption(
    '--cluster <paths...>',
    "nodes and pods: files and folders of manifests, or what 'kubectl get nodes,pods -A -o json' prints",
  )
  .option('--pod <name>', 'this pod only, explained; the others are placed all the same')
  .option('--config <file>', 'a KubeSchedulerConfiguration (default: the default profile of Kubernetes)')
  .option('--explain', 'say of every pod which plugin filtered which node, and how the others were scored')
  .option('--json', "print the pods with kube-scheduler-simulator's annotations as JSON, and nothing else")
  .action((options: ScheduleArguments) => {
    exitCode = schedule(options)
  })

program
  .command('report')
  .description('write the report again, as HTML, Markdown, JUnit XML and JSON, from its JSON')
  .argument('<report>', 'a report.json that check wrote')
  .option('--to <folder>', 'where to write it', 'evenkeel-report')
  .action((file: string, options: { readonly to: string }) => {
    const report = readReport(file)
    const page = writeReport(report, options.to)
    for (const line of summaryLines(report)) console.log(line)
    console.log(`Report: ${join(page)}`)
  })

program
  .command('history')
  .description('check a recorded history: is it linearizable, does it keep the guarantees of etcd?')
  .argument('<file>', 'a log or history.edn of Jepsen, test data of porcupine, or JSON lines of evenkeel')
  .addOption(new Option('--model <name>', 'what it is a history of').choices(MODELS).makeOptionMandatory())
  .addOption(new Option('--format <name>', 'the form of the file (default: guessed from its first line)').choices(FORMATS))
  .addOption(new Option('--export <format>', 'write it in another form too').choices(EXPORTS))
  .option('--to <file>', 'where to write it')
  .action((file: string, options: HistoryArguments) => {
    exitCode = history(file, options)
  })

program
  .command('cases')
  .description('try cases with known answers: those that fail, and how many passed')
  .argument('[sets...]', 'which sets (default: all)')
  .action((sets: string[]) => {
    exitCode = cases(sets)
  })

try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) exitCode = error.exitCode === 0 ? 0 : BAD_INPUT
  else if (error instanceof InputError || error instanceof BugError) {
    console.error(error.message)
    exitCode = BAD_INPUT
  } else throw error
}
process.exitCode = exitCode
