/** evenkeel etcd: a real etcd under faults, or members that somebody else runs, and what its clients saw judged. */
import { randomUUID } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { InputError } from '../properties/input.ts'
import { EtcdCluster } from '../properties/subjects/etcd/cluster.ts'
import { FAULT_KINDS, type FaultKind } from '../properties/subjects/etcd/faults.ts'
import { Journal } from '../properties/subjects/etcd/journal.ts'
import { Run, type Progress as RunProgress } from '../properties/subjects/etcd/run.ts'
import { knownDefects, type KnownDefect } from '../properties/subjects/etcd/known.ts'
import { endpointsTarget, ownTarget, type Target } from '../properties/subjects/etcd/target.ts'
import { verdictOfRun } from '../properties/subjects/etcd/verdict.ts'
import { parseVersion } from '../properties/subjects/etcd/version.ts'
import { makeFolder } from '../reports/folder.ts'
import { observedLines, observedReport } from '../reports/observed.ts'
import { writeObserved } from '../reports/observed-page.ts'
import { duration } from '../reports/table.ts'
import { Progress } from './progress.ts'

export interface EtcdArguments {
  readonly binary: string
  readonly members: number
  readonly faults?: string
  readonly time: number
  readonly seed: string
  readonly clients: number
  readonly endpoints?: string
  readonly cacert?: string
  readonly cert?: string
  readonly key?: string
  readonly insecureSkipTlsVerify?: true
  readonly user?: string
  readonly knownDefects?: true
  readonly report: string
  readonly json?: true
}

const EXIT_CODE = { held: 0, violated: 1, inconclusive: 3 } as const
const NOTIFY_MS = 1_000
const DEFAULT_FAULTS: readonly FaultKind[] = ['kill', 'pause', 'partition']

/** Returns the exit code. */
export const etcd = async (options: EtcdArguments, version: string, command: string, stop: AbortSignal): Promise<number> => {
  const began = performance.now()
  // gRPC gives TLS the address of a member as its name; Node.js would print that this is deprecated.
  process.noDeprecation = true
  const faults = faultsOf(options)
  makeFolder(options.report)
  const journal = new Journal(join(options.report, 'history.jsonl'))
  const { target, folder } = await targetOf(options, journal)
  const progress = new Progress(process.stderr)
  try {
    const subject = `etcd ${target.version}, ${target.members.length} member${target.members.length === 1 ? '' : 's'}`
    if (!options.json) console.log(opening(options, subject, faults))
    const { seed, time: timeMs, clients } = options
    const prefix = target.cluster === null ? `evenkeel/${randomUUID()}/` : 'evenkeel/'
    const onProgress = (now: RunProgress): void => progress.say(progressLine(now, timeMs))
    const known = knownDefects(parseVersion(target.version) ?? [3, 0, 0], faults)
    const avoided = options.knownDefects === true ? [] : known
    const run = new Run({ target, journal, seed, timeMs, clients, faults, prefix, avoided, onProgress })
    const result = await run.run(stop)
    progress.step('judging what was seen')
    await journal.close()
    const verdict = verdictOfRun(result, { timeMs, members: target.members.length, faults, stopped: stop.aborted })
    progress.done()
    const notes = [...notesOf(target, stop), ...avoided.map((defect) => avoidedLine(target.version, defect))]
    const wallMs = performance.now() - began
    const report = observedReport({ evenkeel: version, command, seed, subject, members: target.members, wallMs, result, verdict, notes })
    const page = writeObserved(report, options.report)
    if (options.json) console.log(JSON.stringify(report))
    else for (const line of ['', ...observedLines(report), `Report: ${page}`]) console.log(line)
    return EXIT_CODE[verdict.verdict]
  } finally {
    progress.done()
    await target.cluster?.stop()
    if (folder !== null) rmSync(folder, { recursive: true, force: true })
  }
}

const faultsOf = ({ faults, endpoints, members }: EtcdArguments): readonly FaultKind[] => {
  if (endpoints !== undefined) {
    if (faults !== undefined) throw new InputError('--faults', 'expected none with --endpoints: processes of others are left alone')
    return []
  }
  if (faults === undefined) return DEFAULT_FAULTS
  const kinds = faults === 'none' || faults === '' ? [] : faults.split(',').map((name) => name.trim())
  for (const kind of kinds)
    if (!(FAULT_KINDS as readonly string[]).includes(kind))
      throw new InputError('--faults', `expected none, or some of ${FAULT_KINDS.join(', ')}, found '${kind}'`)
  if (kinds.includes('disk') && members < 3)
    throw new InputError('--faults', 'expected three members or more for disk: the others must hold what is lost')
  return kinds as FaultKind[]
}

interface Found {
  readonly target: Target
  /** Of the members' data, ours to remove. */
  readonly folder: string | null
}

const targetOf = async (options: EtcdArguments, journal: Journal): Promise<Found> => {
  if (options.endpoints !== undefined) return { target: await endpointsTarget(endpointsOf(options, options.endpoints)), folder: null }
  // In memory where there is such a place: a kill loses nothing of it, and a slow disk does not set the pace.
  const folder = mkdtempSync(join(existsSync(MEMORY) ? MEMORY : tmpdir(), 'evenkeel-etcd-'))
  try {
    const cluster = await EtcdCluster.start({
      binary: options.binary,
      members: options.members,
      folder,
      logFolder: options.report,
      token: folder,
      notifyMs: NOTIFY_MS,
      onLife: (member, up, reason) =>
        journal.see({ kind: up ? 'ProcessStarted' : 'ProcessEnded', process: member, machine: member, reason }),
    })
    return { target: ownTarget(cluster), folder }
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    throw error
  }
}
const MEMORY = '/dev/shm'

const endpointsOf = (options: EtcdArguments, text: string) => {
  const given = text.split(',').map((endpoint) => endpoint.trim())
  const addresses = given.map((endpoint) => endpoint.replace(/^https?:\/\//, ''))
  for (const [index, address] of addresses.entries())
    if (!/^(\[[0-9a-fA-F:]+\]|[^\s:/]+):\d{1,5}$/.test(address))
      throw new InputError('--endpoints', `expected host:port, found '${given[index]}'`)
  const { cacert, cert, key, insecureSkipTlsVerify, user } = options
  const secure = cacert !== undefined || cert !== undefined || insecureSkipTlsVerify === true
  const tls =
    secure || given.some((endpoint) => endpoint.startsWith('https://'))
      ? {
          ...(cacert === undefined ? {} : { cacert }),
          ...(cert === undefined ? {} : { cert }),
          ...(key === undefined ? {} : { key }),
          skipVerify: insecureSkipTlsVerify === true,
        }
      : null
  return { addresses, tls, user: user === undefined ? null : userOf(user) }
}

/** As etcdctl: name:password, or the name alone with the password in the environment. */
const userOf = (text: string): { readonly name: string; readonly password: string } => {
  const [name = '', ...rest] = text.split(':')
  const password = rest.length > 0 ? rest.join(':') : process.env['ETCDCTL_PASSWORD']
  if (name === '' || password === undefined)
    throw new InputError('--user', 'expected name:password, or a name with the password in ETCDCTL_PASSWORD')
  return { name, password }
}

const opening = ({ clients, time, seed, endpoints }: EtcdArguments, subject: string, faults: readonly FaultKind[]): string => {
  const how =
    endpoints !== undefined
      ? 'without faults: its processes are not ours'
      : faults.length === 0
        ? 'without faults'
        : `under ${faults.join(', ')}`
  return `Checking ${subject}, ${how}: ${clients} clients for ${duration(time)}, seed ${seed}.`
}

const progressLine = ({ elapsedMs, operations, events, faults, leaderChanges }: RunProgress, timeMs: number): string =>
  `${duration(Math.min(elapsedMs, timeMs))} of ${duration(timeMs)}: ${operations} operations, ${events} watch events, ${faults} faults, ${leaderChanges} changes of leader`

const notesOf = (target: Target, stop: AbortSignal): readonly string[] => [
  ...(stop.aborted ? ['stopped by you: what was seen until then is judged'] : []),
  ...(target.cluster === null ? ['nothing was compacted, no process was touched: this cluster is not ours'] : []),
]

const avoidedLine = (version: string, { sentence, avoided, source, fixedIn, guarantee }: KnownDefect): string =>
  `known of etcd ${version}: ${sentence} (${guarantee}; ${source}, fixed in ${fixedIn.map((fixed) => fixed.join('.')).join(' and ')}); so ${avoided}. --known-defects provokes it`
