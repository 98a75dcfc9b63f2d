/** What every controller process is made of: a client, shared informers, leader election, and the controllers. */
import type { View } from '../../model/state/history.ts'
import type { ApiObject } from '../../model/state/objects.ts'
import type { Timings } from '../../model/state/plan.ts'
import type { Task } from '../task.ts'
import type { ClusterHost, ClusterProcess, Message } from '../wire.ts'
import type { Controller, ControllerContext, Informer } from './api.ts'
import { Client } from './client.ts'
import { ListWatch } from './informer.ts'
import { LeaderElector } from './leader-election.ts'
import { RateLimitedQueue } from './workqueue.ts'

export interface ControllersOptions {
  readonly endpoints: readonly string[]
  readonly timings: Timings
  /** Name of the Lease they are elected by; null: every process works. */
  readonly lease: string | null
  readonly controllers: readonly Controller[]
  /** Watch only what this selects, by resource. */
  readonly fieldSelectors?: Readonly<Record<string, string>>
}

const TIMEOUT_MS = 10_000

export const runControllers = (host: ClusterHost, options: ControllersOptions): ControllersProcess => new ControllersProcess(host, options)

export class ControllersProcess implements ClusterProcess {
  private readonly host: ClusterHost
  private readonly options: ControllersOptions
  readonly client: Client
  private readonly informers = new Map<string, ListWatch<ApiObject>>()
  /** Informers without which no controller begins; null: not yet started. Those that are asked for later are not waited for. */
  private awaited: readonly ListWatch<ApiObject>[] | null = null
  private leading = false
  private started = false
  private ready: readonly { readonly name: string; start(): void }[] = []

  constructor(host: ClusterHost, options: ControllersOptions) {
    this.host = host
    this.options = options
    this.client = new Client(host, { endpoints: options.endpoints, timeoutMs: TIMEOUT_MS })
  }

  start(): void {
    const { host, options } = this
    const context = this.context()
    this.ready = options.controllers.map((controller) => controller(context))
    this.awaited = [...this.informers.values()]
    for (const informer of this.awaited) informer.start()
    if (options.lease === null) this.lead()
    else new LeaderElector(host, this.client, options.lease, options.timings, () => this.lead()).start()
  }

  receive(_from: string, _message: Message): void {}

  accept(): never {
    throw new Error('nobody connects to a controller')
  }

  /** Every stream and call breaks at once. */
  private lead(): void {
    this.leading = true
    this.maybeStart()
  }

  /** Controllers begin once they lead and have seen everything they watch. */
  private maybeStart(): void {
    if (!this.leading || this.started || this.awaited === null) return
    for (const informer of this.awaited) if (!informer.synced) return
    this.started = true
    for (const controller of this.ready) controller.start()
  }

  private context(): ControllerContext {
    const { host, client } = this
    return {
      client,
      informer: <T extends ApiObject>(resource: string): Informer<T> => {
        let informer = this.informers.get(resource)
        if (informer === undefined) {
          informer = new ListWatch<ApiObject>(host, client, resource, this.options.fieldSelectors?.[resource], () => this.maybeStart())
          this.informers.set(resource, informer)
          if (this.awaited !== null) informer.start()
        }
        return informer as unknown as Informer<T>
      },
      queue: (workers: number, sync: (key: string) => Task<'done' | 'retry'>) => new RateLimitedQueue(host, workers, sync),
      view: (...resources): View =>
        Object.fromEntries(resources.map((resource) => [resource, this.informers.get(resource)?.revision ?? 0])),
      now: () => host.now(),
      elapsed: () => host.elapsed(),
      after: (ms, run) => void host.after(ms, run),
      random: (stream) => host.random(stream),
    }
  }
}
