/**
 * Custom objects against the schema of their definition: unknown fields are dropped, defaults filled in, the rest is judged.
 *
 * Source: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
 */
import type { Schema } from '../../model/state/custom.ts'
import type { Loose } from './kinds/kind.ts'

const isRecord = (value: unknown): value is Loose => typeof value === 'object' && value !== null && !Array.isArray(value)

const schemaOf = (schema: Schema, name: string): Schema | null => {
  const own = schema.properties?.[name]
  if (own !== undefined) return own
  const { additionalProperties } = schema
  if (additionalProperties === true || schema['x-kubernetes-preserve-unknown-fields'] === true) return {}
  return typeof additionalProperties === 'object' ? additionalProperties : null
}

/** Nothing is said of what is inside. */
const isOpen = (schema: Schema): boolean => schema.type === undefined && schema.properties === undefined

/** Without the fields that the schema does not know, and with the values it gives to absent ones. */
export const fitted = (value: unknown, schema: Schema): unknown => {
  if (isOpen(schema)) return value
  if (Array.isArray(value)) return schema.items === undefined ? value : value.map((item) => fitted(item, schema.items as Schema))
  if (!isRecord(value)) return value
  const kept = Object.entries(value).flatMap(([name, field]) => {
    const own = schemaOf(schema, name)
    if (own === null) return []
    const filled = field === null && own.nullable !== true && own.default !== undefined ? own.default : field
    return [[name, fitted(filled, own)] as const]
  })
  const filled = Object.entries(schema.properties ?? {}).flatMap(([name, own]) =>
    own.default === undefined || value[name] !== undefined ? [] : [[name, fitted(own.default, own)] as const],
  )
  return Object.fromEntries([...kept, ...filled])
}

export interface SchemaProblem {
  /** 'spec.replicas' */
  readonly field: string
  readonly why: string
}

/** The first thing about a value that its schema forbids, or null. */
export const problemWith = (value: unknown, schema: Schema, field: string): SchemaProblem | null => {
  if (value === null) return schema.nullable === true || isOpen(schema) ? null : { field, why: 'must not be null' }
  const why = wrongType(value, schema) ?? wrongValue(value, schema)
  if (why !== null) return { field, why }
  if (Array.isArray(value) && schema.items !== undefined) {
    const { items } = schema
    return first(value.map((item, index) => () => problemWith(item, items, `${field}[${index}]`)))
  }
  if (!isRecord(value)) return null
  const missing = (schema.required ?? []).find((name) => value[name] === undefined)
  if (missing !== undefined) return { field: inside(field, missing), why: 'required value' }
  return first(
    Object.entries(value).map(([name, own]) => () => {
      const known = own === undefined ? null : schemaOf(schema, name)
      return known === null ? null : problemWith(own, known, inside(field, name))
    }),
  )
}

const inside = (field: string, name: string): string => (field === '' ? name : `${field}.${name}`)

const first = (looks: readonly (() => SchemaProblem | null)[]): SchemaProblem | null => {
  for (const look of looks) {
    const problem = look()
    if (problem !== null) return problem
  }
  return null
}

const typeOf = (value: unknown): string => {
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number'
  return typeof value
}

const wrongType = (value: unknown, schema: Schema): string | null => {
  const type = typeOf(value)
  if (schema['x-kubernetes-int-or-string'] === true)
    return type === 'integer' || type === 'string' ? null : `must be of type integer or string, found ${type}`
  if (schema.type === undefined || schema.type === type || (schema.type === 'number' && type === 'integer')) return null
  return `must be of type ${schema.type}, found ${type}`
}

const wrongValue = (value: unknown, schema: Schema): string | null => {
  if (schema.enum !== undefined && !schema.enum.includes(value)) return `supported values: ${schema.enum.join(', ')}`
  if (typeof value === 'number') {
    if (schema.minimum !== undefined && value < schema.minimum) return `should be greater than or equal to ${schema.minimum}`
    if (schema.maximum !== undefined && value > schema.maximum) return `should be less than or equal to ${schema.maximum}`
  }
  if (typeof value === 'string') {
    if (schema.minLength !== undefined && value.length < schema.minLength) return `should be at least ${schema.minLength} chars long`
    if (schema.maxLength !== undefined && value.length > schema.maxLength) return `may not be longer than ${schema.maxLength}`
    if (schema.pattern !== undefined && !new RegExp(schema.pattern, 'u').test(value)) return `should match '${schema.pattern}'`
  }
  if (Array.isArray(value)) {
    if (schema.minItems !== undefined && value.length < schema.minItems) return `should have at least ${schema.minItems} items`
    if (schema.maxItems !== undefined && value.length > schema.maxItems) return `should have at most ${schema.maxItems} items`
  }
  return null
}
