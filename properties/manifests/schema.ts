/**
 * Checks an object against the schema of its kind.
 *
 * The schemas are those of Kubernetes' own OpenAPI document, as the package kubernetes-models compiles them.
 */
import { createRequire } from 'node:module'

export interface SchemaProblem {
  /** ['spec', 'replicas'] */
  readonly path: readonly string[]
  /** 'an integer' */
  readonly expected: string
  /** The value has the right type, but is none of those the API server takes. */
  readonly refused: boolean
}

/** API groups that Kubernetes itself serves; a group of any other name belongs to a custom resource. */
const OWN_GROUP =
  /^$|^(admissionregistration|apiextensions|apiregistration|authentication|authorization|certificates|coordination|discovery|events|flowcontrol\.apiserver|internal\.apiserver|networking|node|rbac\.authorization|resource|scheduling|storage|storagemigration)\.k8s\.io$|^(apps|autoscaling|batch|extensions|policy)$/

/** Versions that older manifests name and today's API servers do not serve, and what replaced them. */
const REMOVED: Readonly<Record<string, string>> = {
  'extensions/v1beta1': 'apps/v1 or networking.k8s.io/v1',
  'apps/v1beta1': 'apps/v1',
  'apps/v1beta2': 'apps/v1',
  'batch/v1beta1': 'batch/v1',
  'policy/v1beta1': 'policy/v1',
  'networking.k8s.io/v1beta1': 'networking.k8s.io/v1',
  'autoscaling/v2beta1': 'autoscaling/v2',
  'autoscaling/v2beta2': 'autoscaling/v2',
  'discovery.k8s.io/v1beta1': 'discovery.k8s.io/v1',
  'rbac.authorization.k8s.io/v1beta1': 'rbac.authorization.k8s.io/v1',
  'apiextensions.k8s.io/v1beta1': 'apiextensions.k8s.io/v1',
  'storage.k8s.io/v1beta1': 'storage.k8s.io/v1',
}

interface AjvError {
  readonly instancePath: string
  readonly keyword: string
  readonly message?: string
  readonly params: Readonly<Record<string, unknown>>
}
interface Model {
  validate(): void
}
type ModelClass = new (data: unknown) => Model

const require = createRequire(import.meta.url)

const modelOf = (apiVersion: string, kind: string): ModelClass | undefined => {
  try {
    const models = require(`kubernetes-models/${apiVersion}`) as Record<string, ModelClass>
    return models[kind]
  } catch {
    return undefined
  }
}

export type KindOfObject =
  | { readonly known: true; problems(object: unknown): readonly SchemaProblem[] }
  | { readonly known: false; readonly removed: string | null; readonly custom: boolean }

/** What is known of an apiVersion and kind: its schema, or why there is none. */
export const lookUp = (apiVersion: string, kind: string): KindOfObject => {
  const removed = REMOVED[apiVersion]
  if (removed !== undefined) return { known: false, removed, custom: false }
  const group = apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : ''
  if (!OWN_GROUP.test(group)) return { known: false, removed: null, custom: true }
  const model = modelOf(apiVersion, kind)
  if (model === undefined) return { known: false, removed: null, custom: false }
  return { known: true, problems: (object) => problemsOf(model, object) }
}

const problemsOf = (ModelOf: ModelClass, object: unknown): readonly SchemaProblem[] => {
  try {
    new ModelOf(object).validate()
    return []
  } catch (error) {
    const errors = (error as { readonly errors?: readonly AjvError[] }).errors
    if (errors === undefined) throw error
    return errors.map(problemOf)
  }
}

const TYPES: Readonly<Record<string, string>> = {
  integer: 'an integer',
  number: 'a number',
  string: 'a text',
  boolean: 'true or false',
  object: 'an object',
  array: 'a list',
  null: 'nothing',
}

const problemOf = ({ instancePath, keyword, message, params }: AjvError): SchemaProblem => {
  const path = instancePath.split('/').slice(1)
  if (keyword === 'required')
    return { path: [...path, String(params['missingProperty'])], expected: 'a value: the field is required', refused: false }
  if (keyword === 'type') {
    const types = [params['type']].flat().map((type) => TYPES[String(type)] ?? String(type))
    return { path, expected: types.join(' or '), refused: false }
  }
  if (keyword === 'enum') return { path, expected: `one of ${(params['allowedValues'] as readonly unknown[]).join(', ')}`, refused: true }
  return { path, expected: (message ?? keyword).replace(/^must be /, ''), refused: false }
}
