/**
 * Endpoints that a user wrote for a service without a selector are mirrored to a slice, as far as its controller sees.
 *
 * One slice: that ports of several kinds, or more addresses than fit, take several is left out. What it has written itself it
 * goes by at once; upstream waits until it has seen it. Slices of other Endpoints of that name it deletes, as the garbage
 * collector would.
 * Source: kubernetes pkg/controller/endpointslicemirroring
 */
import type { EndpointAddress, Endpoints } from '../state/endpoints.ts'
import type { Endpoint, EndpointSlice, Service } from '../state/objects.ts'
import { keyOf } from '../state/resources.ts'
import type { Request, System } from '../state/system.ts'
import { isMirror, isMirrored, MIRRORING } from './mirrored.ts'
import { isDeleting, sameValue } from './objects.ts'
import { asksAndRemembers, client, MANAGER, ownedBy, refOf, removal } from './request.ts'
import { known, seen, type Held } from './view.ts'

const SERVICE_LABEL = 'kubernetes.io/service-name'
const MANAGED_LABEL = 'endpointslice.kubernetes.io/managed-by'

const endpointsOf = ({ subsets = [] }: Endpoints): readonly Endpoint[] => {
  const as = (addresses: readonly EndpointAddress[] | undefined, ready: boolean): readonly Endpoint[] =>
    (addresses ?? []).map(({ ip }) => ({ addresses: [ip], conditions: { ready, serving: ready, terminating: false } }))
  return subsets.flatMap(({ addresses, notReadyAddresses }) => [...as(addresses, true), ...as(notReadyAddresses, false)])
}

/** Upstream draws a name; here it is the first that is free in the store, so that equal states are the same state. */
const freeName = ({ keyspace }: System, { metadata: { namespace, name } }: Endpoints): string => {
  let number = 0
  while (keyspace.kvs.has(keyOf('endpointslices', namespace, `${name}-${number}`))) number++
  return `${name}-${number}`
}

const sliceOf = (from: Endpoints, name: string, endpoints: readonly Endpoint[]): EndpointSlice => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: {
    name,
    namespace: from.metadata.namespace ?? '',
    uid: '',
    creationTimestamp: '',
    labels: { [SERVICE_LABEL]: from.metadata.name, [MANAGED_LABEL]: MIRRORING },
    ownerReferences: [ownedBy(from)],
  },
  addressType: 'IPv4',
  endpoints,
  ports: (from.subsets?.[0]?.ports ?? []).map(({ name: port = '', port: number, protocol = 'TCP' }) => ({
    name: port,
    port: number,
    protocol,
  })),
})

type Slices = readonly Held<EndpointSlice>[]
const deletes = (slices: Slices): readonly Request[] => slices.map((slice) => asksAndRemembers(MANAGER, null, removal(slice)))

/** `slices`: those that mirror Endpoints of that name. */
const mirrors = (system: System, from: Endpoints, slices: Slices): readonly Request[] => {
  const endpoints = endpointsOf(from)
  const isOwn = ({ value }: Held<EndpointSlice>): boolean => value.metadata.ownerReferences?.[0]?.uid === from.metadata.uid
  const [own, ...surplus] = slices.filter(isOwn)
  const others = slices.filter((slice) => !isOwn(slice))
  if (endpoints.length === 0) return deletes(slices)
  const name = own?.value.metadata.name ?? freeName(system, from)
  const choice = { kind: 'MirrorEndpoints' as const, endpoints: refOf(from), slice: name }
  if (own === undefined) return [asksAndRemembers(MANAGER, choice, { verb: 'create', value: sliceOf(from, name, endpoints) })]
  // As upstream: what is to be there is written before anything goes.
  if (sameValue(own.value.endpoints, endpoints)) return deletes([...surplus, ...others])
  return [asksAndRemembers(MANAGER, choice, { verb: 'update', value: { ...own.value, endpoints }, version: own.version })]
}

const isSliceOf = ({ metadata: { namespace, labels } }: EndpointSlice, { metadata }: Endpoints): boolean =>
  namespace === metadata.namespace && labels?.[SERVICE_LABEL] === metadata.name

/** By what tells of Endpoints and their service whether they are to be mirrored. */
export const mirroringBy = (isToBe: typeof isMirrored): ReturnType<typeof client> =>
  client('endpointslice-mirroring', (system) => {
    const services = seen<Service>(system, MANAGER, 'services').map(({ value }) => value)
    const serviceOf = ({ metadata: { namespace, name } }: Endpoints): Service | undefined =>
      services.find(({ metadata }) => metadata.namespace === namespace && metadata.name === name)
    const written = seen<Endpoints>(system, MANAGER, 'endpoints').flatMap(({ value }) => (isToBe(value, serviceOf(value)) ? [value] : []))
    const slices = known<EndpointSlice>(system, MANAGER, 'endpointslices').filter(({ value }) => isMirror(value) && !isDeleting(value))
    const kept = written.flatMap((from) => {
      const own = slices.filter(({ value }) => isSliceOf(value, from))
      return mirrors(system, from, own)
    })
    return [...kept, ...deletes(slices.filter(({ value }) => !written.some((from) => isSliceOf(value, from))))]
  })

export const endpointSliceMirroring = mirroringBy(isMirrored)
