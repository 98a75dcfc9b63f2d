/**
 * Where a connection to a service may go, given its slices: the plain definition.
 *
 * Left out: traffic policies and topology hints; every endpoint counts everywhere.
 * Source: https://kubernetes.io/docs/reference/networking/virtual-ips/#traffic-to-terminating-endpoints
 */
import type { EndpointSlice, Service } from '../state/objects.ts'

/** Addresses, each once, sorted. */
export const backendsOf = (service: Service, slices: readonly EndpointSlice[]): readonly string[] => {
  const endpoints = slices
    .filter(
      (slice) =>
        slice.metadata.namespace === service.metadata.namespace &&
        slice.metadata.labels?.['kubernetes.io/service-name'] === service.metadata.name,
    )
    .flatMap((slice) => slice.endpoints)
  const ready = endpoints.filter((endpoint) => endpoint.conditions.ready)
  const used = ready.length > 0 ? ready : endpoints.filter(({ conditions }) => conditions.serving && conditions.terminating)
  return [...new Set(used.flatMap((endpoint) => endpoint.addresses))].toSorted()
}
