/**
 * Clients that ask one thing after another, each of the member it is connected to, and change members when one fails.
 *
 * A client is one process of the history: it never has two requests under way.
 */
import type { Outcome } from '../../../model/state/history.ts'
import type { EtcdRequest, KvResponse, LeaseId, Revision, WatchCreateRequest } from '../../../model/state/keyspace.ts'
import type { Random } from '../../../sim/random.ts'
import type { OpenWatch, WatchListener } from './client.ts'
import type { Journal } from './journal.ts'
import { Requests, type Knowledge, type Leasing } from './requests.ts'
import { sleep } from './sleep.ts'

/** What traffic needs of a client: EtcdClient, or in the harness's own test one that lies. */
export interface Driver {
  request(request: EtcdRequest): Promise<Outcome>
  watch(request: WatchCreateRequest, listener: WatchListener): OpenWatch
  close(): void
}
export type Connect = (member: string) => Driver

/** Counts calls, for names of their own. */
export class Calls {
  private readonly journal: Journal
  private count = 0
  /** Kinds of outcome → how often. */
  readonly outcomes = { done: 0, refused: 0, unknown: 0 }

  constructor(journal: Journal) {
    this.journal = journal
  }

  async make(process: string, to: string, driver: Driver, request: EtcdRequest): Promise<Outcome> {
    const call = String(this.count++)
    this.journal.see({ kind: 'Invoke', process, call, request, to })
    const outcome = await driver.request(request)
    this.journal.see({ kind: 'Reply', process, call, outcome })
    this.outcomes[outcome.kind]++
    return outcome
  }
}

export interface ClientOptions {
  readonly name: string
  readonly prefix: string
  readonly members: readonly string[]
  readonly connect: Connect
  readonly random: Random
  readonly leases: Leasing
  /** Least time between two requests. */
  readonly paceMs: number
}

/** After a failure a client waits, or it would fail some thousand times a second. */
const AFTER_FAILURE_MS = 100
const CHANGE_MEMBER_PER_MILLE = 300

export class Client {
  private readonly options: ClientOptions
  private readonly calls: Calls
  private readonly requests: Requests
  private readonly modRevisions = new Map<string, Revision>()
  private revision: Revision = 1
  private lease: LeaseId | null = null

  constructor(options: ClientOptions, calls: Calls) {
    this.options = options
    this.calls = calls
    this.requests = new Requests(options.random, options.prefix, options.name, options.leases)
  }

  /** The highest revision that it was told of. */
  get told(): Revision {
    return this.revision
  }

  async run(over: AbortSignal): Promise<void> {
    const { name, members, connect, random, paceMs } = this.options
    let member = random.pick(members)
    let driver = connect(member)
    while (!over.aborted) {
      const beganMs = performance.now()
      const request = this.requests.next(this.knowledge)
      const outcome = await this.calls.make(name, member, driver, request)
      this.learn(request, outcome)
      if (failed(outcome)) {
        await sleep(AFTER_FAILURE_MS, over)
        if (random.chance(CHANGE_MEMBER_PER_MILLE)) {
          driver.close()
          member = random.pick(members)
          driver = connect(member)
        }
      } else await sleep(Math.max(0, paceMs - (performance.now() - beganMs)), over)
    }
    driver.close()
  }

  private get knowledge(): Knowledge {
    return { revision: this.revision, modRevisions: this.modRevisions, lease: this.lease }
  }

  private learn(request: EtcdRequest, outcome: Outcome): void {
    if (outcome.kind === 'done') {
      const { response } = outcome
      this.revision = Math.max(this.revision, outcome.revision)
      if (response?.kind === 'LeaseGrant') this.lease = response.id
      else if (response?.kind === 'Range' || response?.kind === 'Txn') this.look(response)
      if (response?.kind === 'LeaseKeepAlive' && response.ttlSeconds <= 0) this.lease = null
    }
    const gone = outcome.kind === 'refused' && outcome.reason.endsWith('lease not found')
    if (gone || request.kind === 'LeaseRevoke') this.lease = null
  }

  private look(response: KvResponse): void {
    if (response.kind === 'Range') for (const { key, modRevision } of response.kvs) this.modRevisions.set(key, modRevision)
    else if (response.kind === 'Txn') for (const part of response.responses) this.look(part)
  }
}

/** Not a refusal of what was asked, but nobody there to ask. */
const failed = (outcome: Outcome): boolean =>
  outcome.kind === 'unknown' || (outcome.kind === 'refused' && (outcome.reason === 'no connection' || outcome.reason.endsWith('no leader')))
