/** Objects under owners of every sort: live ones, several at once, in another namespace, gone with each propagation policy. */
import fc from 'fast-check'
import type { Manifest, UserAction } from '../../model/state/plan.ts'

const NAMESPACES = ['default', 'kube-system']

/** What users put under owners: one in each namespace, of one name. */
const possession = (namespace: string, colour: string): Manifest => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'settings', namespace },
  data: { colour },
})
export const possessions: readonly Manifest[] = NAMESPACES.map((namespace) => possession(namespace, 'blue'))

/** What is in them changes while others put them under owners, or take those away. */
export const changed: fc.Arbitrary<UserAction> = fc
  .record({ namespace: fc.constantFrom(...NAMESPACES), colour: fc.constantFrom('red', 'green') })
  .map(({ namespace, colour }) => ({ kind: 'Apply', object: possession(namespace, colour) }))

const propagation = fc.constantFrom('Background' as const, 'Foreground' as const, 'Orphan' as const)

/** An account, and its token. */
export const accounts: readonly Manifest[] = [
  { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'robot', namespace: 'default' }, secrets: [{ name: 'robot-token' }] },
  {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'robot-token', namespace: 'default', annotations: { 'kubernetes.io/service-account.name': 'robot' } },
    type: 'kubernetes.io/service-account-token',
  },
]

/** Deletes what was applied, in each way there is, and applies it again: under the same name, as another object. */
export const deletedAndMadeAgain = (manifests: readonly Manifest[]): fc.Arbitrary<UserAction> =>
  fc.oneof(
    fc.record({ object: fc.constantFrom(...manifests), propagation }).map(({ object, propagation: how }): UserAction => ({
      kind: 'Delete',
      resource: `${object.kind.toLowerCase()}s`,
      name: `${object.metadata.namespace}/${object.metadata.name}`,
      propagation: how,
    })),
    fc.constantFrom(...manifests).map((object): UserAction => ({ kind: 'Apply', object })),
  )

/** An account and its token come and go, or are made anew at once: under the same name, as other objects. */
export const accountAction: fc.Arbitrary<UserAction> = fc.oneof(
  { weight: 2, arbitrary: fc.constantFrom(...accounts).map((object): UserAction => ({ kind: 'Replace', object })) },
  { weight: 1, arbitrary: deletedAndMadeAgain(accounts) },
)

/** Puts a possession under an owner, who may be in the other namespace: then it does not count. */
export const ownership = (owners: readonly { readonly resource: string; readonly name: string }[]): fc.Arbitrary<UserAction> =>
  fc
    .record({
      name: fc.constantFrom(...NAMESPACES.map((namespace) => `${namespace}/settings`)),
      owner: fc.constantFrom(...owners),
      manner: fc.constantFrom({ blocks: false }, { blocks: true }, { blocks: false, instead: true }, { blocks: true, instead: true }),
    })
    .map(({ name, owner, manner }) => ({ kind: 'Own', resource: 'configmaps', name, owner, ...manner }))
