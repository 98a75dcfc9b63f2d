/** Services: their endpoints, and the rules on every node. */
import { backendsOf } from '../components/backends.ts'
import { addressesIn, isMirror, isMirrored } from '../components/mirrored.ts'
import type { Endpoints } from '../state/endpoints.ts'
import type { EndpointSlice, Service } from '../state/objects.ts'
import { keyOf } from '../state/resources.ts'
import { matchesPairs } from '../state/selector.ts'
import { all, isEnding, isLost, isReady, isTerminal, ITS_END, label, type Picture, type Waiting } from './picture.ts'

export const slicesPending: Waiting = (picture) => {
  const slices = all<EndpointSlice>(picture, 'endpointslices')
  const services = all<Service>(picture, 'services')
  const rows = services.flatMap((service) => {
    const { spec } = service
    if (isEnding(service)) return [{ object: label(service), waitsFor: ITS_END, blocked: false }]
    if (spec.type === 'ExternalName') return []
    const mirrors = spec.selector === undefined
    const wanted = mirrors ? writtenEndpoints(picture, service) : desiredEndpoints(picture, service)
    // Who writes slices of a service without a selector himself keeps them himself.
    const held = mirrors ? [...new Set(endpointsOf(service, slices.filter(isMirror)))] : endpointsOf(service, slices)
    const is = held.join(', ')
    return is === wanted
      ? []
      : [{ object: label(service), waitsFor: `its endpoints to be ${wanted || 'none'}: they are ${is || 'none'}`, blocked: false }]
  })
  const mirrored = slices.filter((slice) => isMirror(slice) && !services.some((service) => isSliceOf(slice, service)))
  return [...rows, ...mirrored.map((slice) => ({ object: label(slice), waitsFor: 'its end: its service is gone', blocked: false }))]
}

const writtenEndpoints = ({ cluster }: Picture, service: Service): string => {
  const { namespace, name } = service.metadata
  const endpoints = cluster.store.get(keyOf('endpoints', namespace, name))?.value as Endpoints | undefined
  return endpoints !== undefined && isMirrored(endpoints, service) ? addressesIn(endpoints).join(', ') : ''
}

const desiredEndpoints = ({ pods }: Picture, service: Service): string =>
  pods
    .filter((pod) => pod.metadata.namespace === service.metadata.namespace && matchesPairs(service.spec.selector, pod.metadata.labels))
    .flatMap((pod) => {
      const { podIP } = pod.status
      if (podIP === undefined || isTerminal(pod)) return []
      const serving = isReady(pod)
      const ready = service.spec.publishNotReadyAddresses === true || (serving && !isEnding(pod))
      return [`${podIP}${ready ? '' : ' (not ready)'}`]
    })
    .toSorted()
    .join(', ')

const isSliceOf = ({ metadata }: EndpointSlice, service: Service): boolean =>
  metadata.namespace === service.metadata.namespace && metadata.labels?.['kubernetes.io/service-name'] === service.metadata.name

const endpointsOf = (service: Service, slices: readonly EndpointSlice[]): readonly string[] =>
  slices
    .filter((slice) => isSliceOf(slice, service))
    .flatMap((slice) => slice.endpoints)
    .flatMap((endpoint) => endpoint.addresses.map((address) => `${address}${endpoint.conditions.ready ? '' : ' (not ready)'}`))
    .toSorted()

/** Every node that is up routes to what the slices say is ready. */
export const rulesPending: Waiting = (picture) => {
  const { cluster } = picture
  const slices = all<EndpointSlice>(picture, 'endpointslices')
  const wanted = new Map<string, string>()
  for (const service of all<Service>(picture, 'services')) {
    const { clusterIP, ports, type } = service.spec
    if (clusterIP === undefined || clusterIP === 'None' || type === 'ExternalName') continue
    const backends = backendsOf(service, slices).join(', ')
    for (const port of ports ?? []) wanted.set(`${service.metadata.namespace}/${service.metadata.name}:${port.port}`, backends)
  }
  return [...picture.nodes.keys()].flatMap((node) => {
    if (isLost(picture, node)) return []
    const rules = cluster.rules.get(node) ?? {}
    const wrong =
      [...wanted].find(([name, backends]) => (rules[name]?.backends ?? []).join(', ') !== backends)?.[0] ??
      Object.keys(rules).find((name) => !wanted.has(name))
    return wrong === undefined
      ? []
      : [{ object: `Node ${node}`, waitsFor: `its service rules to be up to date for ${wrong}`, blocked: false }]
  })
}
