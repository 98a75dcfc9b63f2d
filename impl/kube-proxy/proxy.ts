/**
 * kube-proxy: a node's table from service addresses to the pods behind them, swapped as a whole.
 *
 * Losing the API server leaves the table as it is. Source: kubernetes/kubernetes pkg/proxy/iptables/proxier.go,
 * pkg/proxy/topology.go (CategorizeEndpoints).
 */
import type { Endpoint, EndpointSlice, Service } from '../../model/state/objects.ts'
import type { Controller, ControllerContext, Informer } from '../client/api.ts'
import { ControllersProcess } from '../client/controller.ts'
import { nameOf } from '../client/informer.ts'
import { same } from '../equal.ts'
import type { ClusterHost, Message } from '../wire.ts'

export interface ProxyOptions {
  readonly endpoints: readonly string[]
  readonly node: string
  /** Whether somebody behind this address would answer right now. */
  answers(address: string): boolean
}

type Rule = { readonly clusterIP: string; readonly backends: readonly string[] }
type Rules = Readonly<Record<string, Rule>>

const SYNC_LEAST_MS = 1_000
const SYNC_MOST_MS = 30_000

export const kubeProxy =
  (options: ProxyOptions) =>
  (host: ClusterHost): KubeProxy =>
    new KubeProxy(host, options)

/** The table, shared between the controller that writes it and the process that routes by it. */
class Table {
  rules: Rules = {}
}

export class KubeProxy extends ControllersProcess {
  private readonly proxyHost: ClusterHost
  private readonly proxyOptions: ProxyOptions
  private readonly table: Table

  constructor(host: ClusterHost, options: ProxyOptions) {
    const table = new Table()
    super(host, { endpoints: options.endpoints, timings: {}, lease: null, controllers: [syncRules(host, options, table)] })
    this.proxyHost = host
    this.proxyOptions = options
    this.table = table
  }

  /** A new connection to every service: each to one of its backends, all equally likely. */
  override receive(_from: string, message: Message): void {
    if (message.kind !== 'ConnectAll') return
    const { node } = this.proxyOptions
    const random = this.proxyHost.random('connections')
    for (const [service, { clusterIP, backends }] of Object.entries(this.table.rules)) {
      const backend = backends.length === 0 ? null : random.pick(backends)
      const answered = backend !== null && this.proxyOptions.answers(backend)
      this.proxyHost.observe({ kind: 'Routed', node, service, clusterIP, backend, answered })
    }
  }
}

const syncRules =
  (host: ClusterHost, options: ProxyOptions, table: Table): Controller =>
  (context) => {
    const proxier = new Proxier(host, options, table, context)
    return { name: 'kube-proxy', start: () => proxier.start() }
  }

class Proxier {
  private readonly host: ClusterHost
  private readonly options: ProxyOptions
  private readonly table: Table
  private readonly context: ControllerContext
  private readonly services: Informer<Service>
  private readonly slices: Informer<EndpointSlice>
  private lastMs = -SYNC_LEAST_MS
  private due = false

  constructor(host: ClusterHost, options: ProxyOptions, table: Table, context: ControllerContext) {
    this.host = host
    this.options = options
    this.table = table
    this.context = context
    this.services = context.informer('services')
    this.slices = context.informer('endpointslices')
  }

  start(): void {
    this.services.onChange(() => this.soon())
    this.slices.onChange(() => this.soon())
    const periodic = (): void => {
      this.soon()
      this.context.after(SYNC_MOST_MS, periodic)
    }
    periodic()
  }

  private soon(): void {
    if (this.due) return
    this.due = true
    this.context.after(Math.max(0, this.lastMs + SYNC_LEAST_MS - this.context.elapsed()), () => {
      this.due = false
      this.lastMs = this.context.elapsed()
      this.sync()
    })
  }

  private sync(): void {
    const rules: Record<string, Rule> = {}
    const slices = Map.groupBy(this.slices.list(), serviceOf)
    for (const service of this.services.list()) {
      const { clusterIP, ports, type } = service.spec
      if (clusterIP === undefined || clusterIP === 'None' || type === 'ExternalName') continue
      const name = nameOf(service)
      const backends = chosen(slices.get(name) ?? [])
      for (const { port } of ports ?? []) rules[`${name}:${port}`] = { clusterIP, backends }
    }
    if (same(rules, this.table.rules)) return
    this.table.rules = rules
    this.host.observe({ kind: 'RulesSwapped', node: this.options.node, view: this.context.view('services', 'endpointslices'), rules })
  }
}

/** 'namespace/name' of the service a slice belongs to. */
const serviceOf = ({ metadata }: EndpointSlice): string => `${metadata.namespace}/${metadata.labels?.['kubernetes.io/service-name'] ?? ''}`

interface Addresses {
  readonly ready: readonly string[]
  /** Of those that still serve while they end. */
  readonly ending: readonly string[]
  /** What is chosen when these are all there are. */
  readonly chosen: readonly string[]
}

/** Those that are ready; if none is, those that still serve while they end. */
const choose = (ready: readonly string[], ending: readonly string[]): readonly string[] =>
  [...new Set(ready.length > 0 ? ready : ending)].toSorted()

/** Every node asks the same of the same slices. */
const known = new WeakMap<EndpointSlice, Addresses>()

const addressesOf = (slice: EndpointSlice): Addresses => {
  const before = known.get(slice)
  if (before !== undefined) return before
  const of = (wanted: (conditions: Endpoint['conditions']) => boolean): readonly string[] =>
    slice.endpoints.flatMap((endpoint) => (wanted(endpoint.conditions) ? endpoint.addresses : []))
  const ready = of((conditions) => conditions.ready)
  const ending = of(({ serving, terminating }) => serving && terminating)
  const addresses = { ready, ending, chosen: choose(ready, ending) }
  known.set(slice, addresses)
  return addresses
}

const chosen = (slices: readonly EndpointSlice[]): readonly string[] => {
  const [first, ...others] = slices.map(addressesOf)
  if (first === undefined) return []
  if (others.length === 0) return first.chosen
  const all = [first, ...others]
  return choose(
    all.flatMap((one) => one.ready),
    all.flatMap((one) => one.ending),
  )
}
