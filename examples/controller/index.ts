/** A controller of one's own, as evenkeel checks it: `evenkeel check --controller examples/controller`. */
import type { ControllerPlugin, Manifest, UserAction } from '../../properties/plugin/types.ts'
import { invariants, pending } from './claims.ts'
import { databaseKind, DATABASES } from './database.ts'
import { databaseOperator } from './operator.ts'

const database = (name: string, replicas: number, version: string, minAvailable: number): Manifest => ({
  apiVersion: 'example.com/v1',
  kind: 'Database',
  metadata: { name, namespace: 'default' },
  spec: { replicas, version, minAvailable },
})
const apply = (object: Manifest): UserAction => ({ kind: 'Apply', object })
const remove = (name: string, propagation: 'Background' | 'Foreground'): UserAction => ({
  kind: 'Delete',
  resource: DATABASES,
  name: `default/${name}`,
  propagation,
})

export const plugin: ControllerPlugin = {
  name: 'database-operator',
  kinds: [databaseKind],
  controllers: [databaseOperator],
  watches: ['statefulsets', 'services', 'poddisruptionbudgets'],
  manifests: [database('orders', 3, '15', 2)],
  actions: [
    apply(database('orders', 4, '15', 3)),
    apply(database('orders', 2, '15', 1)),
    apply(database('orders', 2, '16', 1)),
    apply(database('orders', 3, '16', 2)),
    apply(database('orders', 1, '17', 0)),
    apply(database('carts', 2, '16', 1)),
    remove('orders', 'Background'),
    remove('carts', 'Foreground'),
  ],
  invariants,
  convergence: { id: 'DB-L1', sentence: 'every Database gets the pods, the service and the budget it asks for, and says so', pending },
}
