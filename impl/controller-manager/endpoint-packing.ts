/**
 * Which endpoints go into which slice, with as few slices written as may be: what is there stays where it is, what is new
 * fills slices that change anyhow, then the fullest that has room for all of it, then new ones. Nothing is rebalanced.
 *
 * Source: kubernetes/kubernetes staging/src/k8s.io/endpointslice/reconciler.go.
 */
import type { Endpoint, EndpointSlice } from '../../model/state/objects.ts'
import { same } from '../equal.ts'

/** Endpoints that share their ports. */
export interface Group {
  readonly ports: EndpointSlice['ports']
  readonly endpoints: readonly Endpoint[]
}

export interface Packing {
  /** What a slice is to hold from now on; undefined: a new one. */
  readonly writes: readonly (Group & { readonly slice: EndpointSlice | undefined })[]
  /** Slices that hold nothing any more. */
  readonly surplus: readonly EndpointSlice[]
}

export const pack = (held: readonly EndpointSlice[], groups: readonly Group[], most: number): Packing => {
  const packed = groups.map((group) =>
    packGroup(
      held.filter((slice) => same(slice.ports, group.ports)),
      group,
      most,
    ),
  )
  const unwanted = held.filter((slice) => !groups.some(({ ports }) => same(slice.ports, ports)))
  return {
    writes: packed.flatMap(({ writes }) => writes),
    surplus: [...unwanted, ...packed.flatMap(({ surplus }) => surplus)],
  }
}

const keyOf = ({ addresses, targetRef }: Endpoint): string => `${addresses.join(',')}|${targetRef?.uid ?? ''}`

interface Place {
  readonly slice: EndpointSlice
  readonly endpoints: Endpoint[]
}

const packGroup = (own: readonly EndpointSlice[], { ports, endpoints }: Group, most: number): Packing => {
  const left = new Map(endpoints.map((endpoint) => [keyOf(endpoint), endpoint]))
  const take = (count: number): Endpoint[] => {
    const taken = [...left].slice(0, Math.max(0, count))
    for (const [key] of taken) left.delete(key)
    return taken.map(([, endpoint]) => endpoint)
  }
  const places = own.map((slice): Place => {
    const stay = slice.endpoints.flatMap((endpoint) => {
      const now = left.get(keyOf(endpoint))
      left.delete(keyOf(endpoint))
      return now === undefined ? [] : [now]
    })
    return { slice, endpoints: stay }
  })
  const changes = ({ slice, endpoints: now }: Place): boolean => !same(slice.endpoints, now)
  for (const place of places.filter(changes)) place.endpoints.push(...take(most - place.endpoints.length))
  const rooms = places.filter((place) => !changes(place) && most - place.endpoints.length >= left.size)
  const [fullest] = rooms.toSorted((one, other) => other.endpoints.length - one.endpoints.length)
  if (left.size > 0) fullest?.endpoints.push(...take(left.size))
  const made: Endpoint[][] = []
  while (left.size > 0) made.push(take(most))
  // One is kept, empty, where there is nothing to hold.
  const filled = places.filter((place) => place.endpoints.length > 0)
  const kept = filled.length + made.length > 0 ? filled : places.slice(0, 1)
  if (kept.length + made.length === 0) made.push([])
  return {
    writes: [
      ...kept.filter(changes).map((place) => ({ slice: place.slice, ports, endpoints: place.endpoints })),
      ...made.map((fresh) => ({ slice: undefined, ports, endpoints: fresh })),
    ],
    surplus: places.filter((place) => !kept.includes(place)).map(({ slice }) => slice),
  }
}
