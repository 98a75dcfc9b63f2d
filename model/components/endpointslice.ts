/**
 * For each service the addresses of the pods it selects, and whether they can be used, as far as its controller sees.
 *
 * One slice a service: how many endpoints go into one, and ports by name, are left out. Nobody here has more pods than fit.
 * Source: kubernetes staging/src/k8s.io/endpointslice
 */
import type { Endpoint, EndpointSlice, Pod, Service } from '../state/objects.ts'
import { matchesPairs } from '../state/selector.ts'
import { isDeleting, isReady, isTerminal, sameValue } from './objects.ts'
import { asksAndRemembers, client, MANAGER, ownedBy, refOf } from './request.ts'
import { known, seen } from './view.ts'

const SERVICE_LABEL = 'kubernetes.io/service-name'

/** A pod that is over, or has no address yet, is no endpoint. */
export const endpointOf = (service: Service, pod: Pod): Endpoint | null => {
  const { podIP } = pod.status
  if (podIP === undefined || isTerminal(pod) || !matchesPairs(service.spec.selector, pod.metadata.labels)) return null
  const terminating = isDeleting(pod)
  const serving = isReady(pod)
  return {
    addresses: [podIP],
    conditions: { ready: service.spec.publishNotReadyAddresses === true || (serving && !terminating), serving, terminating },
    nodeName: pod.spec.nodeName ?? '',
    targetRef: { kind: 'Pod', namespace: pod.metadata.namespace ?? '', name: pod.metadata.name, uid: pod.metadata.uid },
  }
}

const sliceOf = (service: Service, endpoints: readonly Endpoint[]): EndpointSlice => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: {
    name: `${service.metadata.name}-slice`,
    namespace: service.metadata.namespace ?? '',
    uid: '',
    creationTimestamp: '',
    labels: { [SERVICE_LABEL]: service.metadata.name },
    ownerReferences: [ownedBy(service)],
  },
  addressType: 'IPv4',
  endpoints,
  ports: (service.spec.ports ?? []).map(({ name = '', port, protocol }) => ({ name, port, protocol })),
})

export const endpointSlices = client('endpointslice', (system) => {
  const pods = seen<Pod>(system, MANAGER, 'pods')
  const slices = known<EndpointSlice>(system, MANAGER, 'endpointslices')
  return seen<Service>(system, MANAGER, 'services').flatMap(({ value: service }) => {
    if (isDeleting(service) || service.spec.selector === undefined || service.spec.type === 'ExternalName') return []
    const endpoints = pods
      .filter(({ value }) => value.metadata.namespace === service.metadata.namespace)
      .flatMap(({ value }) => endpointOf(service, value) ?? [])
    const wanted = sliceOf(service, endpoints)
    const held = slices.find(
      ({ value }) => value.metadata.name === wanted.metadata.name && value.metadata.namespace === service.metadata.namespace,
    )
    const choice = { kind: 'WriteEndpoints' as const, service: refOf(service), slice: wanted.metadata.name }
    if (held === undefined) return [asksAndRemembers(MANAGER, choice, { verb: 'create', value: wanted })]
    // A slice of a service that was there before goes with its owner.
    if (isDeleting(held.value) || held.value.metadata.ownerReferences?.[0]?.uid !== service.metadata.uid) return []
    if (sameValue(held.value.endpoints, endpoints)) return []
    return [asksAndRemembers(MANAGER, choice, { verb: 'update', value: { ...held.value, endpoints }, version: held.version })]
  })
})
