/**
 * A real etcd as a machine: one process of its own on the loopback interface, its data in memory where the system has a
 * place for that, since nothing here outlives it.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { StoreRequest, StoreResponse } from '../../model/components/etcd-store.ts'
import type { Revision, WatchCreateRequest, WatchEvent } from '../../model/state/keyspace.ts'
import { EtcdClient } from '../subjects/etcd/client.ts'
import { EtcdCluster } from '../subjects/etcd/cluster.ts'
import type { Answer, Ended, Machine, Stream } from './machine.ts'

const MEMORY = '/dev/shm'
/** A watch that starts in the past is looked after every 100 ms. */
const PATIENCE_MS = 15_000
const TIMEOUT_MS = 30_000

export class RealMachine implements Machine {
  readonly name: string
  private readonly cluster: EtcdCluster
  private readonly client: EtcdClient
  private readonly folder: string

  private constructor(cluster: EtcdCluster, folder: string) {
    this.name = `etcd ${cluster.version.join('.')}`
    this.cluster = cluster
    this.client = this.connect()
    this.folder = folder
  }

  /** Throws InputError for a binary that is no etcd. */
  static async start(binary: string, flags: readonly string[] = []): Promise<RealMachine> {
    const folder = mkdtempSync(join(existsSync(MEMORY) ? MEMORY : tmpdir(), 'evenkeel-differential-'))
    try {
      const cluster = await EtcdCluster.start({ binary, members: 1, folder, token: folder, flags })
      return new RealMachine(cluster, folder)
    } catch (error) {
      rmSync(folder, { recursive: true, force: true })
      throw error
    }
  }

  /** Past the proxies that its clusters have. */
  connect(user?: { readonly name: string; readonly password: string }): EtcdClient {
    const port = this.cluster.members[0]?.clientPort ?? 0
    return new EtcdClient({
      address: `127.0.0.1:${port}`,
      timeoutMs: TIMEOUT_MS,
      memberNames: () => 'etcd',
      ...(user === undefined ? {} : { user }),
    })
  }

  async reset(): Promise<Revision> {
    await this.alarm(false)
    const held = await this.must({ kind: 'LeaseLeases' })
    for (const id of held.kind === 'LeaseLeases' ? held.leases : []) await this.must({ kind: 'LeaseRevoke', id })
    await this.must({ kind: 'Put', key: '~', value: '' })
    const { revision } = (await this.must({ kind: 'DeleteRange', key: '\0', rangeEnd: '\0' })).header
    await this.must({ kind: 'Compact', revision })
    return revision
  }

  async ask(request: StoreRequest): Promise<Answer> {
    // Until what is compacted is gone, a watch may still be told of it: a matter of moments, so they are waited for.
    const outcome = await this.client.request(request.kind === 'Compact' ? { ...request, physical: true } : request)
    if (outcome.kind !== 'done') return { kind: 'Error', message: outcome.reason, definite: outcome.kind === 'refused' }
    const response = outcome.response as Answer
    // As every client library tells it: a lease that cannot be renewed is none.
    if (response.kind === 'LeaseKeepAlive' && response.ttlSeconds <= 0)
      return { kind: 'Error', message: 'etcdserver: requested lease not found', definite: true }
    return response
  }

  async alarm(raised: boolean): Promise<void> {
    const message = { action: raised ? 'ACTIVATE' : 'DEACTIVATE', memberID: 1, alarm: 'NOSPACE' }
    const answer = await this.client.call('Maintenance/Alarm', message)
    if ('error' in answer) throw new Error(`${this.name}: ${answer.error.details}`)
  }

  async watch(request: WatchCreateRequest): Promise<Stream> {
    const events: WatchEvent[] = []
    let ended: Ended | null = null
    let notices = 0
    let told = (): void => undefined
    const stands = Promise.withResolvers<void>()
    const open = this.client.watch(request, {
      created: () => stands.resolve(),
      delivered: (_, more) => {
        events.push(...more)
        if (more.length === 0) notices++
        told()
      },
      closed: (reason, compactRevision) => {
        ended = { reason, compactRevision }
        stands.resolve()
        told()
      },
    })
    const when = async (done: () => boolean): Promise<void> => {
      const deadline = performance.now() + PATIENCE_MS
      while (!done() && ended === null && performance.now() < deadline) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, deadline - performance.now())
          told = () => {
            clearTimeout(timer)
            resolve()
          }
        })
      }
    }
    await stands.promise
    return {
      events,
      get ended() {
        return ended
      },
      settle: async (count) => {
        await when(() => events.length >= count)
        if (events.length < count) return
        const before = notices
        open.requestProgress()
        await when(() => notices > before)
      },
      close: () => open.cancel(),
    }
  }

  async stop(): Promise<void> {
    this.client.close()
    await this.cluster.stop()
    rmSync(this.folder, { recursive: true, force: true })
  }

  private async must(request: StoreRequest): Promise<StoreResponse> {
    const outcome = await this.client.request(request)
    if (outcome.kind !== 'done') throw new Error(`${this.name}: ${request.kind}: ${outcome.reason}`)
    return outcome.response as StoreResponse
  }
}
