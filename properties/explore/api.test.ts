/**
 * The API as a machine of its own: whoever asks in whatever order, no update is lost, and what has finalizers stays.
 *
 * Method: a few clients with short scripts, every interleaving explored; then the same with one precaution left out.
 */
import { expect, test } from 'vitest'
import { apiClients, idle, type ApiState, type ApiStep, type Asks } from '../../model/components/api-clients.ts'
import type { Held } from '../../model/components/view.ts'
import { init } from '../../model/model.ts'
import type { KubernetesObject } from '../../model/state/kinds.ts'
import type { ApiObject, Node } from '../../model/state/objects.ts'
import type { ApiRequest } from '../../model/state/system.ts'
import { explore, type Outcome } from './explore.ts'
import { node } from './objects.ts'

const KEY = '/registry/nodes/node-0'
const HOLD = 'example.org/hold'
const get: ApiStep = { verb: 'get', key: KEY }
const write = (request: (read: Held<Node>) => ApiRequest): ApiStep => ({
  verb: 'write',
  request: (read) => (read === null ? null : request(read as Held<Node>)),
})

const walk = (
  objects: readonly KubernetesObject[],
  scripts: readonly (readonly ApiStep[])[],
  wrong: (before: ApiState, after: ApiState) => string | null,
): Outcome<Asks> =>
  explore<ApiState, Asks, null>({
    init: idle(init({ objects, lagging: [], users: [], budget: { crashes: 0, restarts: 0, exits: 0, cuts: 0 } }), scripts),
    machine: apiClients(scripts),
    environment: null,
    fingerprint: ({ system, clients }) => JSON.stringify([[...system.keyspace.kvs], clients]),
    tell: () => null,
    step: (before, _told, after) => {
      const why = wrong(before, after)
      return why === null ? null : { invariant: 'API', why }
    },
    rest: () => null,
    run: () => null,
    saysMore: () => false,
    statesMost: 100_000,
  })

const stored = ({ system }: ApiState): ApiObject | undefined => system.keyspace.kvs.get(KEY)?.value as ApiObject | undefined

// Each adds its own entry to what it read

const entries = ({ status }: Node): readonly string[] => Object.keys(status.capacity).filter((name) => name.startsWith('of-'))
const added = ({ value }: Held<Node>, name: string): Node => ({
  ...value,
  status: { ...value.status, capacity: { ...value.status.capacity, [`of-${name}`]: '1' } },
})
const lost = (_before: ApiState, after: ApiState): string | null => {
  const written = after.clients.flatMap((client) => client.took).filter(Boolean).length
  const kept = entries(stored(after) as Node).length
  return kept === written ? null : `${written} updates took effect, ${kept} are there`
}
const adding = (name: string, versioned: boolean): readonly ApiStep[] => [
  get,
  write((read) => ({ verb: 'status', value: added(read, name), version: versioned ? read.version : null })),
]

test('of updates that name what they replace none is lost', () => {
  const { counterexample, statesDistinct, depth } = walk([node('node-0')], [adding('a', true), adding('b', true), adding('c', true)], lost)
  expect(counterexample).toBeNull()
  expect({ statesDistinct, depth }).toMatchInlineSnapshot(`
    {
      "depth": 6,
      "statesDistinct": 98,
    }
  `)
})

test('of updates that do not, one is lost', () => {
  const { counterexample } = walk([node('node-0')], [adding('a', false), adding('b', false)], lost)
  expect(counterexample).toMatchInlineSnapshot(`
    {
      "actions": [
        {
          "client": 0,
          "kind": "Asks",
        },
        {
          "client": 1,
          "kind": "Asks",
        },
        {
          "client": 0,
          "kind": "Asks",
        },
        {
          "client": 1,
          "kind": "Asks",
        },
      ],
      "invariant": "API",
      "why": "2 updates took effect, 1 are there",
    }
  `)
})

// Finalizers

const held: Node = { ...node('node-0'), metadata: { ...node('node-0').metadata, finalizers: [HOLD] } }
const remove: ApiStep = write(({ key, value }) => ({ verb: 'delete', key, uid: value.metadata.uid, propagation: 'Background' }))
const release: ApiStep = write(({ value, version }) => ({
  verb: 'update',
  value: { ...value, metadata: { ...value.metadata, finalizers: [] } },
  version,
}))
const again: ApiStep = { verb: 'write', request: () => ({ verb: 'create', value: node('node-0') }) }

test('what has finalizers stays until they are gone, and its name is free only then', () => {
  const wrong = (before: ApiState, after: ApiState): string | null => {
    const was = stored(before)
    const is = stored(after)
    if (was !== undefined && is !== undefined && was.metadata.uid !== is.metadata.uid) return 'it was replaced by another of its name'
    const releases = before.clients[1]?.done === 1 && after.clients[1]?.done === 2
    const holds = (was?.metadata.finalizers ?? []).length > 0
    return holds && is === undefined && !releases ? `it was removed with finalizers ${was?.metadata.finalizers?.join(', ')}` : null
  }
  const { counterexample, statesDistinct, depth } = walk([held], [[get, remove], [get, release], [again]], wrong)
  expect(counterexample).toBeNull()
  expect({ statesDistinct, depth }).toMatchInlineSnapshot(`
    {
      "depth": 5,
      "statesDistinct": 31,
    }
  `)
})
