/**
 * An etcd cluster of real processes on the loopback interface, every connection of theirs through proxies of our own.
 *
 * It touches only processes that it started, and only files below the folder it was given.
 */
import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { InputError } from '../../input.ts'
import { EtcdClient } from './client.ts'
import { freePorts, start, type Started } from './processes.ts'
import { Network, Proxy, raftSender } from './proxy.ts'
import { sleep } from './sleep.ts'
import { hexadecimal, type MemberNames } from './translate.ts'
import { isBefore, parseVersion, type Version } from './version.ts'
import type { WireMember, WireStatus } from './wire.ts'

/** The party of the network that all clients are. */
export const CLIENTS = 'clients'

export interface ClusterOptions {
  readonly binary: string
  readonly members: number
  /** For data, and for logs if they have no folder of their own; must exist. */
  readonly folder: string
  readonly logFolder?: string
  /** Different for clusters that must never talk to each other. */
  readonly token: string
  /** How often an idle watch is told how far it is, where the version can be told so. */
  readonly notifyMs?: number
  /** Beside those that it needs. */
  readonly flags?: readonly string[]
  /** A process came up, or went down by a signal of ours or by itself. */
  readonly onLife?: (member: string, up: boolean, reason: string) => void
}

export interface Member {
  readonly name: string
  readonly logFile: string
  readonly dataFolder: string
  readonly clientPort: number
  readonly peerPort: number
  readonly clientProxy: Proxy
  readonly peerProxy: Proxy
  process: Started | null
  paused: boolean
}

const run = promisify(execFile)
const READY_MS = 30_000
const LOOK_MS = 50
const CHANGE_MS = 2_000
const HOST = '127.0.0.1'

/** Throws InputError for what is no etcd with a v3 interface. */
export const versionOf = async (binary: string): Promise<Version> => {
  let said: string
  try {
    said = (await run(binary, ['--version'], { timeout: READY_MS })).stdout
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'found no such program' : 'found one that does not say its version'
    throw new InputError('--binary', `expected the program etcd at ${binary}, ${why}`)
  }
  const version = said.startsWith('etcd Version: ') ? parseVersion(said) : null
  if (version === null) throw new InputError('--binary', `expected etcd, found a program that says '${said.split('\n')[0] ?? ''}'`)
  if (version[0] < 3) throw new InputError('--binary', `expected etcd 3 or later, found ${version.join('.')}, which has no v3 interface`)
  return version
}

interface WireMembers {
  readonly members: readonly WireMember[]
}

export class EtcdCluster {
  readonly network: Network
  readonly members: readonly Member[]
  readonly version: Version
  private readonly options: ClusterOptions
  /** Ids in hexadecimal, as requests between members carry them. */
  private readonly names = new Map<string, string>()
  private stopping = false

  private constructor(options: ClusterOptions, version: Version, network: Network, members: readonly Member[]) {
    this.options = options
    this.version = version
    this.network = network
    this.members = members
  }

  /** Resolves when every member knows the leader. Throws InputError when that does not come about. */
  static async start(options: ClusterOptions): Promise<EtcdCluster> {
    const version = await versionOf(options.binary)
    const network = new Network()
    const ports = await freePorts(options.members * 2)
    const members: Member[] = []
    const cluster = new EtcdCluster(options, version, network, members)
    for (let index = 0; index < options.members; index++) {
      const name = `etcd-${index}`
      const clientPort = ports[2 * index] as number
      const peerPort = ports[2 * index + 1] as number
      members.push({
        name,
        clientPort,
        peerPort,
        logFile: join(options.logFolder ?? options.folder, `${name}.log`),
        dataFolder: join(options.folder, name),
        clientProxy: await Proxy.listen(network, name, clientPort, () => () => CLIENTS),
        peerProxy: await Proxy.listen(network, name, peerPort, (first) => cluster.senderOf(first)),
        process: null,
        paused: false,
      })
    }
    try {
      await Promise.all(members.map((member) => cluster.launch(member, 'started')))
      await cluster.settle()
    } catch (error) {
      await cluster.stop()
      throw error
    }
    return cluster
  }

  readonly memberNames: MemberNames = (id) => this.names.get(hexadecimal(id)) ?? hexadecimal(id)

  addressOf(member: Member): string {
    return `${HOST}:${member.clientProxy.port}`
  }

  /** Starts a member that is down, on the data it left. */
  async launch(member: Member, reason: string): Promise<void> {
    const started = await start(this.options.binary, this.argumentsFor(member), member.logFile)
    member.process = started
    member.paused = false
    this.options.onLife?.(member.name, true, reason)
    void this.mourn(member, started)
  }

  /** As a power cut of the process alone: what it wrote to files is there. */
  async kill(member: Member): Promise<void> {
    const { process } = member
    if (process === null) return
    process.signal('SIGKILL')
    await process.ended
  }

  pause(member: Member, paused: boolean): void {
    member.process?.signal(paused ? 'SIGSTOP' : 'SIGCONT')
    member.paused = paused
  }

  /** Forgets the data of a member that is down, and has the others take it for a new one. Null, or why that did not come about. */
  async replace(member: Member, others: readonly EtcdClient[]): Promise<string | null> {
    rmSync(member.dataFolder, { recursive: true, force: true })
    const old = [...this.names].find(([, name]) => name === member.name)?.[0]
    const deadline = performance.now() + READY_MS
    for (let turn = 0; performance.now() < deadline; turn++) {
      const through = others[turn % others.length]
      if (through === undefined) return 'nobody is left to take it in'
      // What became of a step that was not answered shows in the next list.
      const list = await through.call<WireMembers>('Cluster/MemberList', {}, CHANGE_MS)
      const members = 'message' in list ? list.message.members : []
      const known = members.find(({ ID }) => hexadecimal(ID) === old)
      const joined = members.find((one) => one !== known && one.peerURLs.includes(this.peerUrl(member)))
      if (joined !== undefined) {
        this.names.set(hexadecimal(joined.ID), member.name)
        if (old !== undefined) this.names.delete(old)
        return null
      }
      if (known !== undefined) await through.call('Cluster/MemberRemove', { ID: known.ID }, CHANGE_MS)
      else if (members.length > 0) await through.call('Cluster/MemberAdd', { peerURLs: [this.peerUrl(member)] }, CHANGE_MS)
      await sleep(LOOK_MS)
    }
    return `the others did not take it in within ${READY_MS / 1000} s`
  }

  /** The name of the member that another believes to lead; null: it knows none, or does not answer. */
  async leaderBy(client: EtcdClient, timeoutMs: number): Promise<{ readonly leader: string | null; readonly term: number } | null> {
    const answer = await client.call<WireStatus>('Maintenance/Status', {}, timeoutMs)
    if ('error' in answer) return null
    const { leader, raftTerm } = answer.message
    return { leader: leader === '0' ? null : this.memberNames(leader), term: Number(raftTerm) }
  }

  async stop(): Promise<void> {
    this.stopping = true
    await Promise.all(this.members.map((member) => this.kill(member)))
    await Promise.all(this.members.flatMap(({ clientProxy, peerProxy }) => [clientProxy.close(), peerProxy.close()]))
  }

  /** Whether all of them are known by name now. */
  private async learnNames(client: EtcdClient): Promise<boolean> {
    const list = await client.call<WireMembers>('Cluster/MemberList', {}, CHANGE_MS)
    if ('message' in list) for (const { ID, name } of list.message.members) if (name !== '') this.names.set(hexadecimal(ID), name)
    return this.names.size >= this.members.length
  }

  private async mourn(member: Member, started: Started): Promise<void> {
    const { code, signal } = await started.ended
    if (member.process !== started) return
    member.process = null
    if (!this.stopping) this.options.onLife?.(member.name, false, signal === null ? `exited with code ${code}` : `killed by ${signal}`)
  }

  private senderOf(first: Buffer): () => string | null {
    const id = raftSender(first)
    return () => (id === null ? null : (this.names.get(id) ?? null))
  }

  private peerUrl(member: Member): string {
    return `http://${HOST}:${member.peerProxy.port}`
  }

  private argumentsFor(member: Member): readonly string[] {
    const { token, notifyMs } = this.options
    const clientUrl = `http://${HOST}:${member.clientPort}`
    const notifyFlag = isBefore(this.version, [3, 6, 0])
      ? '--experimental-watch-progress-notify-interval'
      : '--watch-progress-notify-interval'
    const canNotify = notifyMs !== undefined && !isBefore(this.version, [3, 4, 12])
    return [
      ...['--name', member.name, '--data-dir', member.dataFolder],
      ...['--listen-client-urls', clientUrl, '--advertise-client-urls', `http://${this.addressOf(member)}`],
      ...['--listen-peer-urls', `http://${HOST}:${member.peerPort}`, '--initial-advertise-peer-urls', this.peerUrl(member)],
      ...['--initial-cluster', this.members.map((one) => `${one.name}=${this.peerUrl(one)}`).join(',')],
      ...['--initial-cluster-token', token, '--initial-cluster-state', this.names.size === 0 ? 'new' : 'existing'],
      ...['--snapshot-count', String(SNAPSHOT_ENTRIES)],
      ...(isBefore(this.version, [3, 4, 0]) ? [] : ['--logger', 'zap', '--log-level', 'warn']),
      ...(this.options.flags ?? []),
      ...(canNotify ? [notifyFlag, `${notifyMs}ms`] : []),
    ]
  }

  private async settle(): Promise<void> {
    const deadline = performance.now() + READY_MS
    for (const member of this.members) {
      const client = new EtcdClient({ address: this.addressOf(member) })
      try {
        while (((await this.leaderBy(client, LOOK_MS * 10))?.leader ?? null) === null) {
          if (member.process === null) throw new InputError('--binary', `the member ${member.name} ended at once, see ${member.logFile}`)
          if (performance.now() > deadline) throw new InputError('--binary', `the members elected no leader within ${READY_MS / 1000} s`)
          await sleep(LOOK_MS)
        }
        while (!(await this.learnNames(client))) {
          if (performance.now() > deadline)
            throw new InputError('--binary', `the members did not name each other within ${READY_MS / 1000} s`)
          await sleep(LOOK_MS)
        }
      } finally {
        client.close()
      }
    }
  }
}

/** Few enough that a member which was away for some seconds is brought up to date by a snapshot now and then. */
const SNAPSHOT_ENTRIES = 2_000
