/**
 * Two API servers race for one unit of a budget, beside a disruption controller that sees pods late: no more than one wins.
 *
 * Method: every interleaving of two evictions and of what the controller does meanwhile; then with one precaution left out.
 */
import { expect, test } from 'vitest'
import { isHealthy } from '../../model/components/disruption.ts'
import { asked, evicting, evictingBy, type EvictionState, type EvictionStep } from '../../model/components/eviction.ts'
import { ownedBy } from '../../model/components/request.ts'
import { stored } from '../../model/components/view.ts'
import { clusterWith, COMPONENTS, init } from '../../model/model.ts'
import type { Pod, ReplicaSet } from '../../model/state/objects.ts'
import type { PodDisruptionBudget } from '../../model/state/policy.ts'
import type { Component } from '../../model/state/system.ts'
import { explore, type Outcome } from './explore.ts'
import { fingerprint } from './fingerprint.ts'
import { pod } from './objects.ts'

const { informers, disruption } = COMPONENTS
const cluster = clusterWith({ informers, disruption })
const metadata = { ...pod('web').metadata, labels: {} }

const set: ReplicaSet = {
  apiVersion: 'apps/v1',
  kind: 'ReplicaSet',
  metadata: { ...metadata, uid: 'replicasets-web.1' },
  spec: { replicas: 2, selector: { matchLabels: { app: 'web' } }, template: { metadata: {}, spec: pod('web').spec } },
  status: { replicas: 2 },
}
const ready = (name: string): Pod => ({
  ...pod(name),
  metadata: { ...metadata, name, labels: { app: 'web' }, ownerReferences: [ownedBy(set)] },
  spec: { ...pod(name).spec, nodeName: 'node-0' },
  status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
})
/** Half of two, rounded up: one may go. */
const budget: PodDisruptionBudget = {
  apiVersion: 'policy/v1',
  kind: 'PodDisruptionBudget',
  metadata,
  spec: { selector: { matchLabels: { app: 'web' } }, minAvailable: '50%' },
  status: { disruptionsAllowed: 0 },
}

const walk = (machine: Component<EvictionState, EvictionStep>): Outcome<EvictionStep> =>
  explore<EvictionState, EvictionStep, null>({
    init: asked(
      init({
        objects: [set, ready('a'), ready('b'), budget],
        lagging: ['kube-controller-manager pods', 'kube-controller-manager poddisruptionbudgets'],
        users: [],
        budget: { crashes: 0, restarts: 0, exits: 0, cuts: 0 },
      }),
      ['/registry/pods/default/a', '/registry/pods/default/b'],
    ),
    machine,
    environment: null,
    fingerprint: ({ system, evictions }) => `${fingerprint(system)} ${JSON.stringify(evictions)}`,
    tell: () => null,
    step: (_before, _told, { system }) => {
      const healthy = stored<Pod>(system, 'pods').filter(({ value }) => isHealthy(value)).length
      return healthy >= 1 ? null : { invariant: 'PDB-S2', why: `${healthy} healthy pods are left, 1 is wanted` }
    },
    rest: () => null,
    run: () => null,
    saysMore: () => false,
    statesMost: 20_000,
  })

test('of two evictions that race for one unit at most one is granted', () => {
  const { counterexample, complete, statesDistinct, depth } = walk(evicting(cluster))
  expect(counterexample).toBeNull()
  expect(complete).toBe(true)
  expect({ statesDistinct, depth }).toMatchInlineSnapshot(`
    {
      "depth": 10,
      "statesDistinct": 124,
    }
  `)
})

test('a server that writes the budget without regard to others takes a unit that is gone', () => {
  const careless = evictingBy((_read, after) => ({ verb: 'status', value: after, version: null }), cluster)
  const { counterexample } = walk(careless)
  expect(counterexample?.why).toBe('0 healthy pods are left, 1 is wanted')
  expect(counterexample?.actions.map((step) => (step.kind === 'Evicts' ? `server ${step.server}` : step.action.kind)))
    .toMatchInlineSnapshot(`
    [
      "Request",
      "server 0",
      "server 1",
      "server 0",
      "server 0",
      "server 1",
      "server 1",
    ]
  `)
})
