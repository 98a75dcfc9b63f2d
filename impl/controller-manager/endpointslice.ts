/**
 * EndpointSlices: for each service the addresses of the pods it selects, and whether they can be used.
 *
 * Left out: topology hints, which only narrow what a proxy may choose from (and no proxy here reads them), and the older kind
 * Endpoints of these services, which nothing here reads.
 *
 * Source: kubernetes/kubernetes staging/src/k8s.io/endpointslice.
 */
import partition from 'lodash/partition.js'
import type { Endpoint, EndpointSlice, Pod, Service } from '../../model/state/objects.ts'
import type { Timings } from '../../model/state/plan.ts'
import type { Controller, ControllerContext, Informer, WorkQueue } from '../client/api.ts'
import { nameOf } from '../client/informer.ts'
import { same } from '../equal.ts'
import { selectsPairs } from '../selector.ts'
import type { Task } from '../task.ts'
import { pack, type Group } from './endpoint-packing.ts'
import { MANAGED_LABEL, SERVICE_LABEL, SliceTracker } from './slice-tracker.ts'
import { controllerRef, isDeleting, isReady, isTerminal, refOf } from '../objects.ts'

const WORKERS = 5
const ENDPOINTS_MOST = 100
const BATCH_MS = 1_000
const MANAGER = 'endpointslice-controller.k8s.io'

export const endpointSliceController =
  (timings: Timings): Controller =>
  (context) => {
    const controller = new EndpointSlices(context, timings.endpointsPerSlice ?? ENDPOINTS_MOST)
    return { name: 'endpointslice', start: () => controller.start() }
  }

class EndpointSlices {
  private readonly context: ControllerContext
  private readonly services: Informer<Service>
  private readonly pods: Informer<Pod>
  private readonly slices: Informer<EndpointSlice>
  private readonly queue: WorkQueue
  /** Endpoints that a slice may hold. */
  private readonly most: number
  private readonly lastMs = new Map<string, number>()
  private readonly tracker = new SliceTracker()

  constructor(context: ControllerContext, most: number) {
    this.context = context
    this.most = most
    this.services = context.informer('services')
    this.pods = context.informer('pods')
    this.slices = context.informer('endpointslices')
    this.queue = context.queue(WORKERS, (key) => this.sync(key))
  }

  start(): void {
    this.services.onChange((before, after) => {
      const service = after ?? before
      if (service !== null) this.soon(nameOf(service))
    })
    this.slices.onChange((before, after) => {
      const slice = after ?? before
      if (slice === null) return
      const service = `${slice.metadata.namespace}/${slice.metadata.labels?.[SERVICE_LABEL] ?? ''}`
      this.tracker.seen(service, slice, after === null)
      this.soon(service)
    })
    this.pods.onChange((before, after) => {
      const pod = after ?? before
      if (
        pod === null ||
        (before !== null &&
          after !== null &&
          same(endpointOf(before, false), endpointOf(after, false)) &&
          before.metadata.labels === after.metadata.labels)
      )
        return
      for (const service of this.services.list()) {
        if (service.metadata.namespace !== pod.metadata.namespace) continue
        const concerned = [before, after].some((one) => one !== null && selectsPairs(service.spec.selector, one.metadata.labels))
        if (concerned) this.soon(nameOf(service))
      }
    })
  }

  /** Changes of one service within a second are one sync. */
  private soon(key: string): void {
    const since = this.context.elapsed() - (this.lastMs.get(key) ?? -BATCH_MS)
    this.queue.addAfter(key, Math.max(0, BATCH_MS - since))
  }

  private *sync(key: string): Task<'done' | 'retry'> {
    this.lastMs.set(key, this.context.elapsed())
    const service = this.services.get(key)
    // Without a service its slices are the garbage collector's; without a selector they are somebody else's.
    if (service === undefined || isDeleting(service) || service.spec.selector === undefined || service.spec.type === 'ExternalName')
      return 'done'
    const named = this.slices.list().filter((slice) => names(slice, service))
    // Those of an earlier service of that name, left behind, would route twice: they go.
    const [held, foreign] = partition(named, (slice) => isOf(slice, service))
    if (this.tracker.isStale(key, held)) return 'retry'
    const pods = this.pods
      .list()
      .filter((pod) => pod.metadata.namespace === service.metadata.namespace && selectsPairs(service.spec.selector, pod.metadata.labels))
    const { writes, surplus } = pack(held, groups(service, pods), this.most)
    for (const { slice, ports, endpoints } of writes) if (!(yield* this.write(key, service, slice, ports, endpoints))) return 'retry'
    for (const slice of [...surplus, ...foreign]) {
      const { namespace, name, uid } = slice.metadata
      const reply = yield* this.context.client.delete({ resource: 'endpointslices', namespace, name }, { preconditions: { uid } })
      if (!reply.ok && reply.status.code !== 404 && reply.status.code !== 409) return 'retry'
    }
    return 'done'
  }

  private *write(
    key: string,
    service: Service,
    existing: EndpointSlice | undefined,
    ports: EndpointSlice['ports'],
    endpoints: readonly Endpoint[],
  ): Task<boolean> {
    const { client } = this.context
    const view = this.context.view('services', 'pods', 'endpointslices')
    const base = `${service.metadata.name}-`
    client.decide(view, { kind: 'WriteEndpoints', service: refOf('services', service), slice: existing?.metadata.name ?? base })
    if (existing !== undefined) {
      const reply = yield* client.update<EndpointSlice>('endpointslices', { ...existing, endpoints })
      if (reply.ok) this.tracker.updated(reply.value)
      return reply.ok
    }
    const reply = yield* client.create<EndpointSlice>('endpointslices', {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        generateName: base,
        ...(service.metadata.namespace === undefined ? {} : { namespace: service.metadata.namespace }),
        labels: { [SERVICE_LABEL]: service.metadata.name, [MANAGED_LABEL]: MANAGER },
        ownerReferences: [controllerRef(service)],
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

const names = (slice: EndpointSlice, service: Service): boolean =>
  slice.metadata.namespace === service.metadata.namespace &&
  slice.metadata.labels?.[SERVICE_LABEL] === service.metadata.name &&
  slice.metadata.labels[MANAGED_LABEL] === MANAGER &&
  !isDeleting(slice)

const isOf = ({ metadata }: EndpointSlice, service: Service): boolean =>
  metadata.ownerReferences?.some((owner) => owner.uid === service.metadata.uid) === true

const known = new WeakMap<Pod, Endpoint | null>()

/** Made once for each version of a pod: a service looks at all its pods whenever one changes. */
const endpointOf = (pod: Pod, publishNotReady: boolean): Endpoint | null => {
  if (publishNotReady) return describe(pod, true)
  let endpoint = known.get(pod)
  if (endpoint === undefined) {
    endpoint = describe(pod, false)
    known.set(pod, endpoint)
  }
  return endpoint
}

const describe = (pod: Pod, publishNotReady: boolean): Endpoint | null => {
  const { podIP } = pod.status
  if (podIP === undefined || isTerminal(pod)) return null
  const serving = isReady(pod)
  const terminating = isDeleting(pod)
  return {
    addresses: [podIP],
    conditions: { ready: publishNotReady || (serving && !terminating), serving, terminating },
    ...(pod.spec.nodeName === undefined ? {} : { nodeName: pod.spec.nodeName }),
    targetRef: { kind: 'Pod', namespace: pod.metadata.namespace ?? '', name: pod.metadata.name, uid: pod.metadata.uid },
  }
}

/** Endpoints by the ports they resolve to. */
const groups = (service: Service, pods: readonly Pod[]): readonly Group[] => {
  const byPorts = new Map<string, { ports: EndpointSlice['ports']; endpoints: Endpoint[] }>()
  const numbered = (service.spec.ports ?? []).every(({ targetPort }) => typeof targetPort === 'number')
  let group: { ports: EndpointSlice['ports']; endpoints: Endpoint[] } | undefined
  for (const pod of pods) {
    const endpoint = endpointOf(pod, service.spec.publishNotReadyAddresses === true)
    if (endpoint === null) continue
    // Ports by number are the same of every pod.
    if (group === undefined || !numbered) {
      const ports = portsOf(service, pod)
      const key = JSON.stringify(ports)
      group = byPorts.get(key) ?? { ports, endpoints: [] }
      byPorts.set(key, group)
    }
    group.endpoints.push(endpoint)
  }
  if (byPorts.size === 0) return [{ ports: [], endpoints: [] }]
  return [...byPorts.values()]
}

/** Target ports by name are looked up in the pod. */
const portsOf = (service: Service, pod: Pod): EndpointSlice['ports'] =>
  (service.spec.ports ?? []).flatMap((port) => {
    const { targetPort } = port
    const named = pod.spec.containers.flatMap((container) => container.ports ?? []).find((one) => one.name === targetPort)
    const number = typeof targetPort === 'number' ? targetPort : named?.containerPort
    return number === undefined ? [] : [{ name: port.name ?? '', port: number, protocol: port.protocol }]
  })
