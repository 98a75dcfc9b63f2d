import { expect, test } from 'vitest'
import { definitionKey, isEstablished, type CustomResourceDefinition } from '../../model/state/custom.ts'
import type { History, Seen } from '../../model/state/history.ts'
import type { Manifest, Plan, UserAction } from '../../model/state/plan.ts'
import { examine, violatedIds } from '../examine.ts'
import { nodes, standardShape } from '../generators/shapes.ts'
import { calmPlan } from '../preflight.ts'
import { simulated } from '../subjects/simulated.ts'

const RESOURCE = 'databases.example.com'
const definition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: RESOURCE },
  spec: {
    group: 'example.com',
    scope: 'Namespaced',
    names: { plural: 'databases', kind: 'Database' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: {
                type: 'object',
                required: ['replicas'],
                properties: { replicas: { type: 'integer', minimum: 1 }, version: { type: 'string', default: '15' } },
              },
            },
          },
        },
      },
    ],
  },
}
const database = (name: string, spec: object): Manifest => ({ apiVersion: 'example.com/v1', kind: 'Database', metadata: { name }, spec })

const run = (actions: readonly { readonly atMs: number; readonly do: UserAction }[], apiservers = 2): History => {
  const plan: Plan = {
    ...calmPlan([], { ...standardShape(nodes(1)), apiservers }),
    actions,
    stormMs: (actions.at(-1)?.atMs ?? 0) + 15_000,
  }
  const examined = examine(plan, simulated())
  expect(violatedIds(examined.verdict)).toEqual([])
  return examined.history
}

const commitsOf = (history: History, prefix: string): readonly Seen<'Commit'>[] =>
  history.filter((seen): seen is Seen<'Commit'> => seen.kind === 'Commit' && seen.key.startsWith(prefix))
const apply = (object: Manifest): UserAction => ({ kind: 'Apply', object })

// Goal: custom resources are served as Kubernetes serves them. Method: what a cluster's store takes in, second by second.
test('a definition is established, then its objects are taken: defaulted, pruned, judged, counted by generation', () => {
  const history = run([
    { atMs: 5_000, do: apply(definition) },
    { atMs: 5_100, do: apply(database('orders', { replicas: 3, colour: 'blue' })) },
    { atMs: 20_000, do: apply(database('orders', { replicas: 5 })) },
    { atMs: 20_100, do: apply(database('wrong', { replicas: 0 })) },
    { atMs: 20_200, do: apply(database('wrong', {})) },
  ])
  const established = commitsOf(history, definitionKey(RESOURCE)).find(({ after }) =>
    isEstablished(after?.value as CustomResourceDefinition),
  )
  expect(established?.atMs).toBeGreaterThan(10_000)
  const objects = commitsOf(history, `/registry/${RESOURCE}/`)
  expect(objects.map(({ key, after }) => [key, after?.value])).toMatchObject([
    [`/registry/${RESOURCE}/default/orders`, { spec: { replicas: 3, version: '15' }, metadata: { generation: 1 } }],
    [`/registry/${RESOURCE}/default/orders`, { spec: { replicas: 5, version: '15' }, metadata: { generation: 2 } }],
  ])
  expect(JSON.stringify(objects)).not.toContain('colour')
  expect(objects[0]?.atMs).toBeGreaterThan(established?.atMs ?? Infinity)
  const refused = history.flatMap((seen) => (seen.kind === 'UserActed' && seen.detail.includes('refused') ? [seen.detail] : []))
  expect(refused).toEqual([
    'Database default/wrong: refused: Database "wrong" is invalid: spec.replicas: should be greater than or equal to 1',
    'Database default/wrong: refused: Database "wrong" is invalid: spec.replicas: required value',
  ])
})

test('a definition is deleted after its objects; two of one kind do not both get the name', () => {
  const other = { ...definition, metadata: { name: 'others.example.com' } }
  const rival = { ...other, spec: { ...definition.spec, names: { plural: 'others', kind: 'Database' } } }
  const history = run([
    { atMs: 5_000, do: apply(definition) },
    { atMs: 15_000, do: apply(database('orders', { replicas: 3 })) },
    { atMs: 16_000, do: apply(rival) },
    { atMs: 20_000, do: { kind: 'Delete', resource: 'customresourcedefinitions', name: RESOURCE, propagation: 'Background' } },
  ])
  const gone = (prefix: string): number | undefined => commitsOf(history, prefix).find(({ after }) => after === null)?.revision
  const object = gone(`/registry/${RESOURCE}/`)
  expect(object).toBeDefined()
  expect(gone(definitionKey(RESOURCE))).toBeGreaterThan(object ?? Infinity)
  const [first] = commitsOf(history, definitionKey('others.example.com')).slice(1)
  expect(first?.after?.value).toMatchObject({
    status: { conditions: [{ type: 'NamesAccepted', status: 'False', reason: 'KindConflict' }] },
  })
})
