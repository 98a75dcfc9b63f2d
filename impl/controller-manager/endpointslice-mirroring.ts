/**
 * Endpoints that a user wrote for a service without a selector are mirrored to EndpointSlices, which proxies read.
 *
 * Left out: addresses of IPv6, for which no slice here is made, and labels of the Endpoints that change after a slice was made.
 * Source: kubernetes/kubernetes pkg/controller/endpointslicemirroring,
 * https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#endpointslice-mirroring
 */
import type { EndpointAddress, Endpoints, EndpointSubset } from '../../model/state/endpoints.ts'
import type { Endpoint, EndpointSlice, Service } from '../../model/state/objects.ts'
import type { Controller, ControllerContext, Informer, WorkQueue } from '../client/api.ts'
import { nameOf } from '../client/informer.ts'
import { controllerRef, isDeleting, refOf } from '../objects.ts'
import type { Task } from '../task.ts'
import { pack, type Group } from './endpoint-packing.ts'
import { MANAGED_LABEL, SERVICE_LABEL, SliceTracker } from './slice-tracker.ts'

const WORKERS = 5
/** --mirroring-max-endpoints-per-subset */
const ENDPOINTS_MOST = 1000
const SKIP_LABEL = 'endpointslice.kubernetes.io/skip-mirror'
const MANAGER = 'endpointslicemirroring-controller.k8s.io'
/** Endpoints that some elect a leader by. */
const LEADER = 'control-plane.alpha.kubernetes.io/leader'

export const endpointSliceMirroring: Controller = (context) => {
  const controller = new Mirroring(context)
  return { name: 'endpointslice-mirroring', start: () => controller.start() }
}

class Mirroring {
  private readonly context: ControllerContext
  private readonly endpoints: Informer<Endpoints>
  private readonly services: Informer<Service>
  private readonly slices: Informer<EndpointSlice>
  /** By the name that a service and its Endpoints share. */
  private readonly queue: WorkQueue
  private readonly tracker = new SliceTracker()

  constructor(context: ControllerContext) {
    this.context = context
    this.endpoints = context.informer('endpoints')
    this.services = context.informer('services')
    this.slices = context.informer('endpointslices')
    this.queue = context.queue(WORKERS, (key) => this.sync(key))
  }

  start(): void {
    this.endpoints.onChange((before, after) => this.queue.add(nameOf((after ?? before) as Endpoints)))
    this.services.onChange((before, after) => {
      const key = nameOf((after ?? before) as Service)
      if (this.endpoints.get(key) !== undefined) this.queue.add(key)
    })
    this.slices.onChange((before, after) => {
      const slice = (after ?? before) as EndpointSlice
      if (!isMirror(slice)) return
      const key = `${slice.metadata.namespace}/${slice.metadata.labels?.[SERVICE_LABEL] ?? ''}`
      this.tracker.seen(key, slice, after === null)
      this.queue.add(key)
    })
  }

  private *sync(key: string): Task<'done' | 'retry'> {
    const held = this.slices.list().filter((slice) => isMirror(slice) && keyOf(slice) === key && !isDeleting(slice))
    if (this.tracker.isStale(key, held)) return 'retry'
    const endpoints = this.mirrored(key)
    const own = held.filter((slice) => slice.metadata.ownerReferences?.some(({ uid }) => uid === endpoints?.metadata.uid) === true)
    const { writes, surplus } = pack(own, endpoints === null ? [] : groupsOf(endpoints), ENDPOINTS_MOST)
    if (endpoints !== null) for (const write of writes) if (!(yield* this.write(key, endpoints, write))) return 'retry'
    for (const slice of [...surplus, ...held.filter((one) => !own.includes(one))]) {
      const { namespace, name, uid } = slice.metadata
      const reply = yield* this.context.client.delete({ resource: 'endpointslices', namespace, name }, { preconditions: { uid } })
      if (!reply.ok && reply.status.code !== 404 && reply.status.code !== 409) return 'retry'
    }
    return 'done'
  }

  /** Null: there are none of that name that are to be mirrored. */
  private mirrored(key: string): Endpoints | null {
    const endpoints = this.endpoints.get(key)
    const service = this.services.get(key)
    if (endpoints === undefined || isDeleting(endpoints) || service === undefined || service.spec.selector !== undefined) return null
    const { labels, annotations } = endpoints.metadata
    return labels?.[SKIP_LABEL] === 'true' || annotations?.[LEADER] !== undefined ? null : endpoints
  }

  private *write(key: string, from: Endpoints, { slice, ports, endpoints }: Group & { slice: EndpointSlice | undefined }): Task<boolean> {
    const { client } = this.context
    const { name, namespace, labels } = from.metadata
    const base = `${name}-`
    const choice = { kind: 'MirrorEndpoints' as const, endpoints: refOf('endpoints', from), slice: slice?.metadata.name ?? base }
    client.decide(this.context.view('endpoints', 'services', 'endpointslices'), choice)
    if (slice !== undefined) {
      const reply = yield* client.update<EndpointSlice>('endpointslices', { ...slice, endpoints })
      if (reply.ok) this.tracker.updated(reply.value)
      return reply.ok
    }
    const reply = yield* client.create<EndpointSlice>('endpointslices', {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        generateName: base,
        ...(namespace === undefined ? {} : { namespace }),
        labels: { ...labels, [SERVICE_LABEL]: name, [MANAGED_LABEL]: MANAGER },
        ownerReferences: [controllerRef(from)],
      },
      addressType: 'IPv4',
      endpoints,
      ports,
    })
    if (!reply.ok) return false
    if (this.slices.get(nameOf(reply.value)) === undefined) this.tracker.createdUnseen(key, reply.value)
    return true
  }
}

const isMirror = ({ metadata }: EndpointSlice): boolean => metadata.labels?.[MANAGED_LABEL] === MANAGER
const keyOf = ({ metadata }: EndpointSlice): string => `${metadata.namespace}/${metadata.labels?.[SERVICE_LABEL] ?? ''}`

/** Subsets of the same ports are one. */
const groupsOf = ({ subsets = [] }: Endpoints): readonly Group[] => {
  const byPorts = new Map<string, { ports: EndpointSlice['ports']; endpoints: Endpoint[] }>()
  for (const subset of subsets) {
    const ports = (subset.ports ?? []).map(({ name = '', port, protocol = 'TCP' }) => ({ name, port, protocol }))
    const key = JSON.stringify(ports)
    const group = byPorts.get(key) ?? { ports, endpoints: [] }
    group.endpoints.push(...endpointsOf(subset))
    byPorts.set(key, group)
  }
  return [...byPorts.values()].filter(({ endpoints }) => endpoints.length > 0)
}

const endpointsOf = ({ addresses = [], notReadyAddresses = [] }: EndpointSubset): readonly Endpoint[] => [
  ...addresses.filter(isOfIPv4).map((address) => endpointOf(address, true)),
  ...notReadyAddresses.filter(isOfIPv4).map((address) => endpointOf(address, false)),
]
const isOfIPv4 = ({ ip }: EndpointAddress): boolean => !ip.includes(':')
const endpointOf = ({ ip, nodeName, targetRef }: EndpointAddress, ready: boolean): Endpoint => ({
  addresses: [ip],
  conditions: { ready, serving: ready, terminating: false },
  ...(nodeName === undefined ? {} : { nodeName }),
  ...(targetRef === undefined ? {} : { targetRef }),
})
