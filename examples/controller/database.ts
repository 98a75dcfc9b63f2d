/** The custom resource Database, and the objects that make one up: a StatefulSet, a Service and a PodDisruptionBudget. */
import type { Creation } from '../../impl/client/api.ts'
import type { ApiObject } from '../../model/state/objects.ts'
import type { PodDisruptionBudget } from '../../model/state/policy.ts'
import type { Service } from '../../model/state/objects.ts'
import type { StatefulSet } from '../../model/state/stateful.ts'
import type { CustomKind } from '../../properties/plugin/types.ts'

export const GROUP = 'example.com'
export const DATABASES = `databases.${GROUP}`
/** On every object made for a Database: the generation of it that the object is made from. */
export const GENERATION = `${GROUP}/generation`

export interface Database extends ApiObject {
  readonly kind: 'Database'
  readonly spec: {
    readonly replicas: number
    readonly version: string
    /** How many pods have to stay when nodes are drained. */
    readonly minAvailable: number
  }
  readonly status?: {
    readonly observedGeneration?: number
    readonly ready?: number
    /** The version that all pods run. */
    readonly version?: string
  }
}

export const databaseKind: CustomKind = {
  group: GROUP,
  version: 'v1',
  kind: 'Database',
  plural: 'databases',
  namespaced: true,
  status: true,
  spec: {
    type: 'object',
    required: ['replicas'],
    properties: {
      replicas: { type: 'integer', minimum: 1, maximum: 9 },
      version: { type: 'string', pattern: '^[0-9]+$', default: '16' },
      minAvailable: { type: 'integer', minimum: 0, default: 1 },
    },
  },
}

export type Child = StatefulSet | Service | PodDisruptionBudget
export interface Wanted {
  readonly resource: 'statefulsets' | 'services' | 'poddisruptionbudgets'
  readonly object: Creation<Child>
}

export const imageOf = (version: string): string => `registry.example/database:${version}`

/** What has to be there for a Database, in the order in which it is made. */
export const childrenOf = (database: Database): readonly Wanted[] => {
  const { name, namespace = 'default', uid, generation = 1 } = database.metadata
  const { replicas, version, minAvailable } = database.spec
  const labels = { database: name }
  const selector = { matchLabels: labels }
  const owner = { apiVersion: database.apiVersion, kind: database.kind, name, uid, controller: true, blockOwnerDeletion: true }
  const metadata = { name, namespace, labels, annotations: { [GENERATION]: String(generation) }, ownerReferences: [owner] }
  const container = {
    name: 'database',
    image: imageOf(version),
    ports: [{ name: 'sql', containerPort: 5432 }],
    resources: { requests: { cpu: '100m', memory: '128Mi' } },
  }
  const template = { metadata: { labels }, spec: { terminationGracePeriodSeconds: 5, containers: [container] } }
  return [
    {
      resource: 'statefulsets',
      object: { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata, spec: { replicas, serviceName: name, selector, template } },
    },
    {
      resource: 'services',
      object: { apiVersion: 'v1', kind: 'Service', metadata, spec: { selector: labels, ports: [{ name: 'sql', port: 5432 }] } },
    },
    {
      resource: 'poddisruptionbudgets',
      object: { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', metadata, spec: { selector, minAvailable } },
    },
  ]
}

export const ownerOf = ({ metadata }: ApiObject) => metadata.ownerReferences?.find((owner) => owner.controller === true)
export const generationOf = ({ metadata }: ApiObject): number => Number(metadata.annotations?.[GENERATION] ?? 0)

/** All pods run what the set asks for, and are ready. */
export const isRolledOut = ({ metadata, spec, status }: StatefulSet): boolean =>
  (status.observedGeneration ?? 0) >= (metadata.generation ?? 0) &&
  (status.updatedReplicas ?? 0) === spec.replicas &&
  (status.readyReplicas ?? 0) === spec.replicas
