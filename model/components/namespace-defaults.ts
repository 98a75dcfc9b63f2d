/**
 * Every namespace has a service account 'default' and the certificate of the API server, as long as it is not on its way out.
 *
 * Source: kubernetes pkg/controller/serviceaccount, pkg/controller/certificates/rootcacertpublisher
 */
import type { ApiObject, ConfigMap, Namespace } from '../state/objects.ts'
import { keyOf } from '../state/resources.ts'
import type { ServiceAccount } from '../state/service-account.ts'
import { isDeleting } from './objects.ts'
import { asks, client, MANAGER } from './request.ts'
import { seen } from './view.ts'

export const DEFAULTS = [
  { resource: 'serviceaccounts', kind: 'ServiceAccount', name: 'default' },
  { resource: 'configmaps', kind: 'ConfigMap', name: 'kube-root-ca.crt' },
] as const

/** What a namespace still has to get. */
export const missingIn = (namespace: Namespace, isThere: (key: string) => boolean): readonly (typeof DEFAULTS)[number][] =>
  isDeleting(namespace) ? [] : DEFAULTS.filter(({ resource, name }) => !isThere(keyOf(resource, namespace.metadata.name, name)))

export const namespaceDefaults = client('namespace-defaults', (system) =>
  seen<Namespace>(system, MANAGER, 'namespaces').flatMap(({ value }) => {
    const isThere = (key: string): boolean => system.keyspace.kvs.has(key)
    return missingIn(value, isThere).map(({ kind, name }) => {
      const metadata: ApiObject['metadata'] = { name, namespace: value.metadata.name, uid: '', creationTimestamp: '' }
      const made: ConfigMap | ServiceAccount = { apiVersion: 'v1', kind, metadata }
      return asks(MANAGER, null, { verb: 'create', value: made })
    })
  }),
)
