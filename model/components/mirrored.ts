/**
 * What is mirrored of Endpoints that a user wrote: the plain definition.
 *
 * Source: https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#endpointslice-mirroring
 */
import type { Endpoints } from '../state/endpoints.ts'
import type { EndpointSlice, Service } from '../state/objects.ts'

export const MIRRORING = 'endpointslicemirroring-controller.k8s.io'
/** More than that of one subset is not mirrored. */
export const MIRRORED_MOST = 1000

export const isMirror = ({ metadata }: EndpointSlice): boolean => metadata.labels?.['endpointslice.kubernetes.io/managed-by'] === MIRRORING

export const isMirrored = ({ metadata }: Endpoints, service: Service | undefined): boolean =>
  metadata.deletionTimestamp === undefined &&
  service !== undefined &&
  service.spec.selector === undefined &&
  metadata.labels?.['endpointslice.kubernetes.io/skip-mirror'] !== 'true' &&
  metadata.annotations?.['control-plane.alpha.kubernetes.io/leader'] === undefined

/** 'address' or 'address (not ready)', each once, in order; slices here are of IPv4 alone. */
export const addressesIn = ({ subsets = [] }: Endpoints): readonly string[] => {
  const found = subsets.flatMap(({ addresses = [], notReadyAddresses = [] }) => [
    ...addresses.map(({ ip }) => ip),
    ...notReadyAddresses.map(({ ip }) => `${ip} (not ready)`),
  ])
  return [...new Set(found.filter((address) => !address.includes(':')))].toSorted()
}
