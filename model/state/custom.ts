/**
 * Custom resources: kinds that users define, by an object of the API themselves.
 *
 * Source: k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1/types.go. Left out: several stored versions and their
 * conversion, the subresource scale, printer columns, and rules in CEL (they are kept and not evaluated).
 */
import type { ApiObject, Condition } from './objects.ts'
import { keyOf, prefixOf, resourceNamed, type Resource, type ResourceName } from './resources.ts'

/** What of OpenAPI v3 a structural schema may say. */
export interface Schema {
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean'
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: Schema | boolean
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly enum?: readonly unknown[]
  readonly minimum?: number
  readonly maximum?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly pattern?: string
  readonly minItems?: number
  readonly maxItems?: number
  readonly nullable?: boolean
  readonly default?: unknown
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean
  readonly 'x-kubernetes-int-or-string'?: boolean
}

export interface CustomResourceVersion {
  readonly name: string
  readonly served: boolean
  /** Exactly one of them. */
  readonly storage: boolean
  readonly schema?: { readonly openAPIV3Schema?: Schema }
  readonly subresources?: { readonly status?: Readonly<Record<string, never>> }
}

export interface CustomResourceDefinition extends ApiObject {
  readonly kind: 'CustomResourceDefinition'
  readonly spec: {
    readonly group: string
    readonly scope: 'Namespaced' | 'Cluster'
    readonly names: { readonly plural: string; readonly kind: string; readonly singular?: string; readonly listKind?: string }
    readonly versions: readonly CustomResourceVersion[]
  }
  readonly status: {
    readonly conditions?: readonly Condition[]
    readonly acceptedNames?: CustomResourceDefinition['spec']['names']
    readonly storedVersions?: readonly string[]
  }
}

export const DEFINITIONS = 'customresourcedefinitions'

/** Custom resources are named '<plural>.<group>', as their definitions are: no other resource has a dot in its name. */
const isCustom = (resource: ResourceName): boolean => resource.includes('.')

/** Key of the definition of a custom resource. */
export const definitionKey = (resource: ResourceName): string => keyOf(DEFINITIONS, undefined, resource)

export const storageVersion = ({ spec }: CustomResourceDefinition): CustomResourceVersion | undefined =>
  spec.versions.find((version) => version.storage)

export const isEstablished = ({ status }: CustomResourceDefinition): boolean =>
  status.conditions?.some(({ type, status: value }) => type === 'Established' && value === 'True') === true

/** What is said in the store of a resource: in the table, or by the definition that is there now. */
export const resourceIn = (store: ReadonlyMap<string, { readonly value: unknown }>, name: ResourceName): Resource | undefined => {
  if (!isCustom(name)) return resourceNamed(name)
  const definition = store.get(definitionKey(name))?.value as CustomResourceDefinition | undefined
  return definition === undefined ? undefined : customResource(definition)
}

/** The custom resources that are defined now. */
export const customResources = (store: ReadonlyMap<string, { readonly value: unknown }>): readonly Resource[] =>
  [...store].flatMap(([key, { value }]) =>
    key.startsWith(prefixOf(DEFINITIONS)) ? [customResource(value as CustomResourceDefinition)] : [],
  )

/** The row of a custom resource, beside those of the table. */
export const customResource = (definition: CustomResourceDefinition): Resource => {
  const version = storageVersion(definition)
  return {
    group: definition.spec.group,
    version: version?.name ?? '',
    kind: definition.spec.names.kind,
    resource: definition.metadata.name,
    namespaced: definition.spec.scope === 'Namespaced',
    status: version?.subresources?.status !== undefined,
    generation: true,
    graceful: false,
    definition,
  }
}
