/** Services: the addresses behind them, and where a node's rules send a connection. SEMANTICS 2.11. */
import type { Invariant, Judgement } from '../invariant.ts'
import type { StoreHistory } from '../state/cluster.ts'
import type { Seen, View } from '../state/history.ts'
import type { Endpoints } from '../state/endpoints.ts'
import type { Endpoint, EndpointSlice, Pod, Service } from '../state/objects.ts'
import { keyOf } from '../state/resources.ts'
import { matchesPairs } from '../state/selector.ts'
import { isReady, isTerminal } from '../components/objects.ts'
import { each, eachCommit, had, listed, objectOf, safety, settles, viewed, watching } from './define.ts'
import { addressesIn, isMirror, isMirrored, MIRRORED_MOST } from '../components/mirrored.ts'
import { backendsOf } from '../components/backends.ts'

const SLICES = 'https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/'
const TOPOLOGY = 'kubernetes pkg/proxy/topology.go (CategorizeEndpoints)'
const ENDPOINTS_MOST = 100
const SERVICE_LABEL = 'kubernetes.io/service-name'

const wellFormed = eachCommit(
  {
    id: 'EPS-S1',
    sentence:
      'a slice holds at most 100 endpoints (1000 of those mirrored), of one address type, and belongs to a service of its namespace',
    source: SLICES,
    sometimes: 'it holds an endpoint',
    ...safety,
  },
  'endpointslices',
  ({ key, after }) => {
    const slice = objectOf<EndpointSlice>(after)
    if (slice === undefined) return 'vacuous'
    if (slice.endpoints.length > (isMirror(slice) ? MIRRORED_MOST : ENDPOINTS_MOST))
      return { why: `${key} holds ${slice.endpoints.length} endpoints` }
    if (slice.metadata.labels?.[SERVICE_LABEL] === undefined) return { why: `${key} names no service` }
    const odd = slice.endpoints.flatMap((endpoint) => endpoint.addresses).find((address) => address.includes(':'))
    if (odd !== undefined) return { why: `${key} of type ${slice.addressType} holds ${odd}` }
    return slice.endpoints.length > 0 ? 'notable' : 'holds'
  },
)

/** What is wrong with an endpoint for a service, as of a view; null: nothing. */
const wrongEndpoint = (endpoint: Endpoint, service: Service, history: StoreHistory, view: View): string | null => {
  const { targetRef, addresses, conditions } = endpoint
  const name = targetRef?.name ?? ''
  const pod = objectOf<Pod>(history.at(keyOf('pods', service.metadata.namespace, name), view['pods'] ?? 0))
  if (pod === undefined || pod.metadata.uid !== targetRef?.uid) return `holds ${name}, a pod that is not there`
  if (!matchesPairs(service.spec.selector, pod.metadata.labels)) return `holds ${name}, which it does not select`
  if (isTerminal(pod)) return `holds ${name}, which is over`
  if (pod.status.podIP !== addresses[0]) return `holds ${addresses[0]} for ${name}, which has ${pod.status.podIP ?? 'no address'}`
  const ready = service.spec.publishNotReadyAddresses === true || (isReady(pod) && pod.metadata.deletionTimestamp === undefined)
  return ready === conditions.ready ? null : `says of ${name} that it is ${conditions.ready ? '' : 'not '}ready`
}

const wrongSlice = ({ endpoints }: EndpointSlice, service: Service, history: StoreHistory, view: View): string | null =>
  endpoints.map((endpoint) => wrongEndpoint(endpoint, service, history, view)).find((one) => one !== null) ?? null

/** What a mirrored slice holds stands in the Endpoints of its service, and is as ready there. */
const wrongMirror = (slice: EndpointSlice, service: Service, history: StoreHistory, view: View): string | null => {
  const { namespace, name } = service.metadata
  const endpoints = viewed<Endpoints>(history, view, { resource: 'endpoints', namespace: namespace ?? '', name })
  if (endpoints === undefined || !isMirrored(endpoints, service)) return `mirrors ${name}, which is not to be mirrored`
  const written = addressesIn(endpoints)
  const held = slice.endpoints.map(({ addresses, conditions }) => `${addresses[0]}${conditions.ready ? '' : ' (not ready)'}`)
  const odd = held.find((address) => !written.includes(address))
  return odd === undefined ? null : `holds ${odd}, where ${name} has ${written.join(', ') || 'nothing'}`
}

/** 'namespace/name' of the service whose slice is about to be written; null: none is. */
const writtenFor = ({ choice }: Seen<'Decision'>): string | null => {
  if (choice.kind === 'MirrorEndpoints') return `mirror/${choice.endpoints.namespace}/${choice.endpoints.name}`
  return choice.kind === 'WriteEndpoints' ? `${choice.service.namespace}/${choice.service.name}` : null
}

const asSeen: Invariant = watching(
  {
    id: 'EPS-S2',
    sentence:
      'a slice holds the pods its service selects, with their addresses and readiness, or what a user wrote for one that selects none, as its controller saw it',
    source: 'kubernetes staging/src/k8s.io/endpointslice/utils.go',
    kind: 'history',
    strength: 'safety',
    sometimes: 'it holds an endpoint',
  },
  ['Decision', 'Commit'],
  () => {
    /** process/service uid → what it had seen each time it decided: a write may arrive after a later decision. */
    const views = new Map<string, View[]>()
    return {
      observe(next, { history }) {
        if (next.kind === 'Decision') {
          const of = writtenFor(next)
          if (of === null) return 'vacuous'
          const key = `${next.process}/${of}`
          views.set(key, [...(views.get(key) ?? []), next.view])
          return 'vacuous'
        }
        if (
          next.kind !== 'Commit' ||
          !next.key.startsWith('/registry/endpointslices/') ||
          !next.author.startsWith('kube-controller-manager')
        )
          return 'vacuous'
        const slice = objectOf<EndpointSlice>(next.after)
        if (slice === undefined || slice.metadata.deletionTimestamp !== undefined) return 'vacuous'
        const { namespace = '' } = slice.metadata
        const name = slice.metadata.labels?.[SERVICE_LABEL] ?? ''
        const held = views.get(`${next.author}/${isMirror(slice) ? 'mirror/' : ''}${namespace}/${name}`) ?? []
        let why: Judgement = { why: `${next.author} wrote ${next.key} without having decided to` }
        for (const view of held.toReversed()) {
          const service = viewed<Service>(history, view, { resource: 'services', namespace, name })
          if (service === undefined) continue
          const wrong = isMirror(slice) ? wrongMirror(slice, service, history, view) : wrongSlice(slice, service, history, view)
          if (wrong === null) return slice.endpoints.length > 0 ? 'notable' : 'holds'
          if (held.at(-1) === view) why = { why: `${next.author} wrote ${next.key}, which ${wrong}` }
        }
        // Written by garbage collection or for its owner alone: the endpoints are as they were.
        const was = objectOf<EndpointSlice>(next.before)
        return was !== undefined && JSON.stringify(was.endpoints) === JSON.stringify(slice.endpoints) ? 'vacuous' : why
      },
    }
  },
)

const onItsOwnLatest: Invariant = watching(
  {
    id: 'EPS-S3',
    sentence: 'a slice is never written by a controller whose view is older than what it knows to have written there itself',
    source: 'kubernetes staging/src/k8s.io/endpointslice/util (EndpointSliceTracker)',
    kind: 'history',
    strength: 'safety',
    sometimes: 'it had written to that slice before',
  },
  ['Decision', 'Invoke', 'Reply', 'ProcessEnded'],
  () => {
    /** process/key → the revision of its last write there that was answered. */
    const written = new Map<string, number>()
    const writes = new Set<string>()
    return {
      observe(next) {
        if (next.kind === 'Invoke') {
          const { request, call } = next
          const isWrite = request.kind === 'Api' && (request.verb === 'create' || request.verb === 'update')
          if (isWrite && request.resource === 'endpointslices') writes.add(call)
          return 'vacuous'
        }
        if (next.kind === 'ProcessEnded') {
          for (const key of written.keys()) if (key.startsWith(`${next.process}/`)) written.delete(key)
          return 'vacuous'
        }
        if (next.kind === 'Reply') {
          const { outcome, process, call } = next
          const [only] = writes.delete(call) && outcome.kind === 'done' ? (outcome.objects ?? []) : []
          if (only !== undefined) written.set(`${process}/${only[0]}`, only[1])
          return 'vacuous'
        }
        if (next.kind !== 'Decision' || next.choice.kind !== 'WriteEndpoints') return 'vacuous'
        const { choice, process, view } = next
        const last = written.get(`${process}/${keyOf('endpointslices', choice.service.namespace, choice.slice)}`)
        if (last === undefined) return 'holds'
        return last <= (view['endpointslices'] ?? 0)
          ? 'notable'
          : { why: `${process} writes ${choice.slice} as seen at revision ${view['endpointslices'] ?? 0}, where it had written at ${last}` }
      },
    }
  },
)

const rulesFollow = each(
  {
    id: 'PROXY-S6',
    sentence: "a node's rules send to the ready endpoints, to those that still serve while they end if none is ready, and else nowhere",
    source: TOPOLOGY,
    sometimes: 'a service has a backend',
    ...safety,
  },
  'RulesSwapped',
  ({ node, rules, view }, { history }) => {
    const slices = listed<EndpointSlice>(history, view, 'endpointslices')
    const wanted = new Map<string, { clusterIP: string; backends: string }>()
    for (const service of listed<Service>(history, view, 'services')) {
      const { clusterIP, ports, type } = service.spec
      if (clusterIP === undefined || clusterIP === 'None' || type === 'ExternalName') continue
      const backends = backendsOf(service, slices).join(', ')
      for (const port of ports ?? [])
        wanted.set(`${service.metadata.namespace}/${service.metadata.name}:${port.port}`, { clusterIP, backends })
    }
    let some = false
    for (const [name, rule] of Object.entries(rules)) {
      const want = wanted.get(name)
      if (want === undefined) return { why: `${node} has rules for ${name}, which is not there` }
      const backends = rule.backends.join(', ')
      if (backends !== want.backends || rule.clusterIP !== want.clusterIP)
        return { why: `${node} sends ${name} to ${backends || 'nowhere'}, expected ${want.backends || 'nowhere'}` }
      if (rule.backends.length > 0) some = true
      wanted.delete(name)
    }
    const [missing] = wanted.keys()
    if (missing !== undefined) return { why: `${node} has no rules for ${missing}` }
    return some ? 'notable' : 'holds'
  },
)

const routedByRules: Invariant = each(
  {
    id: 'PROXY-S1',
    sentence: "a connection goes only to a backend that the node's rules name for that service",
    source: 'https://kubernetes.io/docs/reference/networking/virtual-ips/',
    kind: 'step',
    strength: 'safety',
    sometimes: 'it reaches a backend',
    allows: ['ALLOW-8'],
  },
  'Routed',
  ({ node, service, backend, clusterIP }: Seen<'Routed'>, { cluster }) => {
    const rule = cluster.rules.get(node)?.[service]
    if (rule === undefined) return { why: `${node} routed a connection to ${service}, for which it has no rules` }
    if (rule.clusterIP !== clusterIP) return { why: `${node} routed ${clusterIP} as ${service}, whose address is ${rule.clusterIP}` }
    if (backend === null)
      return rule.backends.length === 0
        ? 'holds'
        : { why: `${node} rejected a connection to ${service}, which has ${rule.backends.join(', ')}` }
    return rule.backends.includes(backend)
      ? 'notable'
      : { why: `${node} sent a connection for ${service} to ${backend}, its rules name ${rule.backends.join(', ') || 'nobody'}` }
  },
)

export const SERVICES: readonly Invariant[] = [
  wellFormed,
  asSeen,
  onItsOwnLatest,
  settles(
    {
      id: 'EPS-L1',
      sentence: 'the endpoints of a service become the pods it selects, each once',
      source: SLICES,
      sometimes: 'there were services',
    },
    (object, waitsFor) => object.startsWith('Service ') && waitsFor.includes('endpoints'),
    had('services'),
  ),
  routedByRules,
  rulesFollow,
  settles(
    {
      id: 'PROXY-L1',
      sentence: "every node's rules become those of the services and endpoints that are there",
      source: TOPOLOGY,
      sometimes: 'there were services',
    },
    (object, waitsFor) => object.startsWith('Node ') && waitsFor.includes('service rules'),
    had('services'),
  ),
]
