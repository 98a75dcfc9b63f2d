/** Objects of custom kinds, as their definition says. Source: k8s.io/apiextensions-apiserver/pkg/registry/customresource. */
import { storageVersion, type CustomResourceDefinition, type Schema } from '../../../model/state/custom.ts'
import type { ApiObject } from '../../../model/state/objects.ts'
import { fitted, problemWith } from '../schema.ts'
import type { Kind, Loose } from './kind.ts'

const made = new WeakMap<CustomResourceDefinition, Kind>()

export const customKind = (definition: CustomResourceDefinition): Kind => {
  let kind = made.get(definition)
  if (kind === undefined) {
    kind = kindFrom(storageVersion(definition)?.schema?.openAPIV3Schema ?? {})
    made.set(definition, kind)
  }
  return kind
}

const kindFrom = (schema: Schema): Kind => {
  // What every object has is not for the schema to forbid.
  const { apiVersion: _version, kind: _kind, metadata: _metadata, ...properties } = schema.properties ?? {}
  const whole: Schema = { ...schema, properties }
  const shaped = (object: ApiObject): ApiObject => {
    const { apiVersion, kind, metadata, ...body } = object as ApiObject & Loose
    return { apiVersion, kind, metadata, ...(fitted(body, whole) as Loose) }
  }
  return {
    create: shaped,
    keep: (_held, updated) => shaped(updated),
    validate: (object, refuse) => {
      const { apiVersion: _own, kind: _name, metadata: _data, ...body } = object as ApiObject & Loose
      const problem = problemWith(body, whole, '')
      if (problem !== null) refuse(problem.field, problem.why)
    },
  }
}
