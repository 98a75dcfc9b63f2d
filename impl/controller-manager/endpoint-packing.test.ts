import { expect, test } from 'vitest'
import type { Endpoint, EndpointSlice } from '../../model/state/objects.ts'
import { pack } from './endpoint-packing.ts'

const PORTS = [{ name: 'http', port: 80, protocol: 'TCP' as const }]
const endpoint = (address: string): Endpoint => ({
  addresses: [address],
  conditions: { ready: true, serving: true, terminating: false },
  targetRef: { kind: 'Pod', namespace: 'default', name: address, uid: address },
})
const slice = (name: string, ...addresses: readonly string[]): EndpointSlice => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name, uid: name, creationTimestamp: '' },
  addressType: 'IPv4',
  endpoints: addresses.map(endpoint),
  ports: PORTS,
})
/** 'slice: addresses' of each write, then what goes; three endpoints a slice. */
const packed = (held: readonly EndpointSlice[], ...wanted: readonly string[]): readonly string[] => {
  const { writes, surplus } = pack(held, [{ ports: PORTS, endpoints: wanted.map(endpoint) }], 3)
  const told = writes.map(
    ({ slice: into, endpoints }) => `${into?.metadata.name ?? 'new'}: ${endpoints.map((one) => one.addresses[0]).join(' ')}`,
  )
  return [...told, ...surplus.map(({ metadata }) => `${metadata.name} goes`)]
}

// Goal: few slices are written, none rebalanced. Method: what is asked for of slices that hold something, case by case.
test('what changes is filled first, then the fullest with room for all, then new slices', () => {
  expect(packed([], 'a', 'b', 'c', 'd')).toEqual(['new: a b c', 'new: d'])
  expect(packed([slice('one', 'a', 'b'), slice('two', 'c')], 'a', 'b', 'c')).toEqual([])
  expect(packed([slice('one', 'a', 'b', 'x'), slice('two', 'c')], 'a', 'b', 'c', 'd')).toEqual(['one: a b d'])
  expect(packed([slice('one', 'c'), slice('two', 'a', 'b')], 'a', 'b', 'c', 'd')).toEqual(['two: a b d'])
  expect(packed([slice('one', 'c', 'e'), slice('two', 'a', 'b')], 'a', 'b', 'c', 'e', 'f', 'g')).toEqual(['new: f g'])
})

test('an endpoint stands once; what is empty goes, but for the last', () => {
  expect(packed([slice('one', 'a', 'b'), slice('two', 'b')], 'a', 'b')).toEqual(['two goes'])
  expect(packed([slice('one', 'a'), slice('two', 'b')])).toEqual(['one: ', 'two goes'])
  expect(packed([])).toEqual(['new: '])
})
