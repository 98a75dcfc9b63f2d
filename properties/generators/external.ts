/** A service of what runs outside the cluster: without a selector, its addresses written by hand, and written anew. */
import fc from 'fast-check'
import type { Manifest, UserAction } from '../../model/state/plan.ts'

const NAME = 'ledger'
const ADDRESSES = ['203.0.113.10', '203.0.113.11', '203.0.113.12']

const service: Manifest = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: NAME, namespace: 'default' },
  spec: { ports: [{ name: 'sql', port: 5432 }] },
}

interface Written {
  readonly ready: readonly string[]
  readonly notReady: readonly string[]
  readonly mirrored: boolean
}

const endpoints = ({ ready, notReady, mirrored }: Written): Manifest => ({
  apiVersion: 'v1',
  kind: 'Endpoints',
  metadata: {
    name: NAME,
    namespace: 'default',
    labels: { 'endpointslice.kubernetes.io/skip-mirror': String(!mirrored) },
  },
  subsets: [
    {
      addresses: ready.map((ip) => ({ ip })),
      notReadyAddresses: notReady.map((ip) => ({ ip })),
      ports: [{ name: 'sql', port: 5432, protocol: 'TCP' }],
    },
  ],
})

export const external: readonly Manifest[] = [service, endpoints({ ready: ADDRESSES.slice(0, 2), notReady: [], mirrored: true })]

const written: fc.Arbitrary<Written> = fc.record({
  ready: fc.subarray(ADDRESSES, { minLength: 1 }),
  notReady: fc.constantFrom([], ['203.0.113.20']),
  mirrored: fc.constantFrom(true, true, true, false),
})

export const externalAction: fc.Arbitrary<UserAction> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('Apply'), object: written.map(endpoints) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('Delete'),
      resource: fc.constantFrom('endpoints', 'services'),
      name: fc.constant(`default/${NAME}`),
      propagation: fc.constant('Background'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('Apply'), object: fc.constant(service) }) },
)
