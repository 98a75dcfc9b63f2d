/**
 * The resources the simulated API serves: a table of names, no behaviour.
 *
 * Source: the API's own discovery documents (kubernetes/kubernetes api/discovery).
 */
import type { CustomResourceDefinition } from './custom.ts'
import type { KubernetesObject } from './kinds.ts'

export interface Resource {
  readonly group: string
  readonly version: string
  readonly kind: string
  /** Plural, lower case: the name in paths and keys. Of a custom resource with its group: 'databases.example.com'. */
  readonly resource: string
  readonly namespaced: boolean
  /** Has a status subresource. */
  readonly status: boolean
  /** metadata.generation counts changes of the spec. */
  readonly generation: boolean
  /** Deleted with a grace period. */
  readonly graceful: boolean
  /** Of a custom resource: what defines it. */
  readonly definition?: CustomResourceDefinition
}

const row = (
  apiVersion: string,
  kind: KubernetesObject['kind'],
  resource: string,
  traits: Partial<Pick<Resource, 'namespaced' | 'status' | 'generation' | 'graceful'>> = {},
): Resource => {
  const [first = '', second] = apiVersion.split('/')
  return {
    group: second === undefined ? '' : first,
    version: second ?? first,
    kind,
    resource,
    namespaced: true,
    status: false,
    generation: false,
    graceful: false,
    ...traits,
  }
}

export const RESOURCES: readonly Resource[] = [
  row('v1', 'Namespace', 'namespaces', { namespaced: false, status: true }),
  row('v1', 'Node', 'nodes', { namespaced: false, status: true }),
  row('v1', 'Pod', 'pods', { status: true, generation: true, graceful: true }),
  row('v1', 'Service', 'services'),
  row('v1', 'ConfigMap', 'configmaps'),
  row('v1', 'Secret', 'secrets'),
  row('v1', 'ServiceAccount', 'serviceaccounts'),
  row('apps/v1', 'Deployment', 'deployments', { status: true, generation: true }),
  row('v1', 'ReplicationController', 'replicationcontrollers', { status: true, generation: true }),
  row('apps/v1', 'ReplicaSet', 'replicasets', { status: true, generation: true }),
  row('autoscaling/v2', 'HorizontalPodAutoscaler', 'horizontalpodautoscalers', { status: true, generation: true }),
  row('batch/v1', 'Job', 'jobs', { status: true, generation: true }),
  row('batch/v1', 'CronJob', 'cronjobs', { status: true, generation: true }),
  row('v1', 'PersistentVolume', 'persistentvolumes', { namespaced: false, status: true }),
  row('storage.k8s.io/v1', 'StorageClass', 'storageclasses', { namespaced: false }),
  row('storage.k8s.io/v1', 'VolumeAttachment', 'volumeattachments', { namespaced: false, status: true }),
  row('v1', 'PersistentVolumeClaim', 'persistentvolumeclaims', { status: true }),
  row('apps/v1', 'StatefulSet', 'statefulsets', { status: true, generation: true }),
  row('apps/v1', 'DaemonSet', 'daemonsets', { status: true, generation: true }),
  row('apps/v1', 'ControllerRevision', 'controllerrevisions'),
  row('v1', 'ResourceQuota', 'resourcequotas', { status: true }),
  row('v1', 'LimitRange', 'limitranges'),
  row('policy/v1', 'PodDisruptionBudget', 'poddisruptionbudgets', { status: true, generation: true }),
  row('v1', 'Endpoints', 'endpoints'),
  row('discovery.k8s.io/v1', 'EndpointSlice', 'endpointslices', { generation: true }),
  row('coordination.k8s.io/v1', 'Lease', 'leases'),
  row('apiextensions.k8s.io/v1', 'CustomResourceDefinition', 'customresourcedefinitions', {
    namespaced: false,
    status: true,
    generation: true,
  }),
  row('scheduling.k8s.io/v1', 'PriorityClass', 'priorityclasses', { namespaced: false }),
  row('scheduling.x-k8s.io/v1alpha1', 'PodGroup', 'podgroups', { status: true }),
]

export type ResourceName = string

const byResource = new Map(RESOURCES.map((entry) => [entry.resource, entry]))
const byKind = new Map<string, Resource>(RESOURCES.map((entry) => [entry.kind, entry]))

export const resourceNamed = (resource: ResourceName): Resource | undefined => byResource.get(resource)
export const resourceOfKind = (kind: string): Resource | undefined => byKind.get(kind)
/** '' for the core group. */
export const groupOf = (apiVersion: string): string => (apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : '')
export const apiVersionOf = (entry: Resource): string => (entry.group === '' ? entry.version : `${entry.group}/${entry.version}`)

/** Key of an object in the store: '/registry/pods/default/web-1', '/registry/nodes/node-0'. */
export const keyOf = (resource: ResourceName, namespace: string | undefined, name: string): string =>
  namespace === undefined ? `/registry/${resource}/${name}` : `/registry/${resource}/${namespace}/${name}`

/** Prefix of all keys of a resource, or of a resource in one namespace. Ends with '/'. */
export const prefixOf = (resource: ResourceName, namespace?: string): string =>
  namespace === undefined ? `/registry/${resource}/` : `/registry/${resource}/${namespace}/`

/** The resource a key belongs to, or undefined for keys outside '/registry/'. */
export const resourceOfKey = (key: string): ResourceName | undefined =>
  key.startsWith('/registry/') ? key.slice(10, key.indexOf('/', 10)) : undefined
