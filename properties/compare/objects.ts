/** Objects from manifests or from `kubectl get -o json`: as a scheduler reads them, without the API's checks. */
import { readFileSync } from 'node:fs'
import { LineCounter, parseAllDocuments, type Document } from 'yaml'
import type { ApiObject } from '../../model/state/objects.ts'
import { InputError } from '../input.ts'

export interface PlacedObject {
  readonly object: ApiObject
  /** 'nodes.yaml:12', or 'nodes.json: items[3]' */
  readonly place: string
}

/** Throws InputError naming file, line and field. */
export const readPlacedObjects = (path: string): readonly PlacedObject[] => {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new InputError(path, `expected a readable file (${(error as NodeJS.ErrnoException).code ?? 'error'})`)
  }
  return (path.endsWith('.json') ? readJson(path, text) : null) ?? readYaml(path, text)
}

/** A large cluster's JSON is read in no time this way. Null: it is no JSON, and the other reader says where. */
const readJson = (path: string, text: string): readonly PlacedObject[] | null => {
  try {
    return itemsOf(JSON.parse(text), (at) => (at === '' ? path : `${path}: ${at}`), '')
  } catch (error) {
    if (error instanceof InputError) throw error
    return null
  }
}

const readYaml = (path: string, text: string): readonly PlacedObject[] => {
  const lines = new LineCounter()
  return (parseAllDocuments(text, { lineCounter: lines }) as Document[]).flatMap((document, index) => {
    const [broken] = document.errors
    const place = `${path}:${lines.linePos(broken?.pos[0] ?? document.contents?.range?.[0] ?? 0).line}`
    if (broken !== undefined)
      throw new InputError(place, `expected YAML or JSON: ${broken.message.replace(/ at line \d+, column \d+:[\s\S]*$/, '')}`)
    const value: unknown = document.toJS()
    const placeOf = (at: string): string => (at === '' ? place : `${place}: ${at}`)
    return value === null || value === undefined ? [] : itemsOf(value, placeOf, `document ${index + 1}: `)
  })
}

export const readOfKind = (path: string, kind: string): readonly PlacedObject[] => {
  const found = readPlacedObjects(path).filter(({ object }) => object.kind === kind)
  if (found.length === 0) throw new InputError(path, `expected at least one ${kind}, found none`)
  return found
}

/** A List is its items. at: where in the document the value is. */
const itemsOf = (value: unknown, placeOf: (at: string) => string, document: string, at = ''): readonly PlacedObject[] => {
  const object = value as Partial<ApiObject> & { readonly items?: readonly unknown[] }
  if (typeof value !== 'object' || value === null || Array.isArray(value) || typeof object.kind !== 'string')
    throw new InputError(placeOf(at), `${document}kind: expected a Kubernetes object`)
  if (object.kind.endsWith('List') && Array.isArray(object.items)) {
    const kind = object.kind.slice(0, -'List'.length)
    // Lists of one kind may leave the kind of their items out.
    return object.items.flatMap((item, index) =>
      itemsOf(kind === '' ? item : { kind, apiVersion: object.apiVersion, ...(item as object) }, placeOf, document, `items[${index}]`),
    )
  }
  const { metadata } = object
  if (typeof metadata?.name !== 'string' || metadata.name === '')
    throw new InputError(placeOf(at), `${document}metadata.name: expected a name of the ${object.kind}`)
  return [{ object: withIdentity(object as ApiObject), place: placeOf(at) }]
}

const NAMESPACED =
  /^(Pod|Deployment|ReplicaSet|StatefulSet|DaemonSet|Job|CronJob|ReplicationController|PersistentVolumeClaim|PodDisruptionBudget|PodGroup)$/

/** What the API server would have given it. */
const withIdentity = (object: ApiObject): ApiObject => {
  const { metadata } = object
  const given: Partial<ApiObject['metadata']> = metadata
  const namespace = given.namespace ?? (NAMESPACED.test(object.kind) ? 'default' : undefined)
  const uid = given.uid ?? `${object.kind}/${namespace ?? ''}/${metadata.name}`
  return {
    ...object,
    apiVersion: (object as Partial<ApiObject>).apiVersion ?? 'v1',
    metadata: { ...metadata, uid, ...(namespace === undefined ? {} : { namespace }) },
  }
}
