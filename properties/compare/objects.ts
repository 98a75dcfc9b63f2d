/** Objects of one kind from manifests or from `kubectl get -o json`: as a scheduler reads them, without the API's checks. */
import { readFileSync } from 'node:fs'
import { LineCounter, parseAllDocuments, type Document } from 'yaml'
import type { ApiObject } from '../../model/state/objects.ts'
import { InputError } from '../input.ts'

/** Throws InputError naming file, line and field. */
export const readAllObjects = (path: string): readonly ApiObject[] => {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new InputError(path, `expected a readable file (${(error as NodeJS.ErrnoException).code ?? 'error'})`)
  }
  const lines = new LineCounter()
  return (parseAllDocuments(text, { lineCounter: lines }) as Document[]).flatMap((document, index) => {
    const [broken] = document.errors
    const place = `${path}:${lines.linePos(broken?.pos[0] ?? document.contents?.range?.[0] ?? 0).line}`
    if (broken !== undefined)
      throw new InputError(place, `expected YAML or JSON: ${broken.message.replace(/ at line \d+, column \d+:[\s\S]*$/, '')}`)
    const value: unknown = document.toJS()
    return value === null || value === undefined ? [] : itemsOf(value, place, index + 1)
  })
}

export const readObjects = <T extends ApiObject>(path: string, kind: T['kind']): readonly T[] => {
  const found = readAllObjects(path).filter((object): object is T => object.kind === kind)
  if (found.length === 0) throw new InputError(path, `expected at least one ${kind}, found none`)
  return found
}

const itemsOf = (value: unknown, place: string, number: number): readonly ApiObject[] => {
  const object = value as Partial<ApiObject> & { readonly items?: readonly unknown[] }
  if (typeof value !== 'object' || Array.isArray(value) || typeof object.kind !== 'string')
    throw new InputError(place, `document ${number}: kind: expected a Kubernetes object`)
  if (object.kind.endsWith('List') && Array.isArray(object.items)) return object.items.flatMap((item) => itemsOf(item, place, number))
  const { metadata } = object
  if (typeof metadata?.name !== 'string' || metadata.name === '')
    throw new InputError(place, `document ${number}: metadata.name: expected a name of the ${object.kind}`)
  return [withIdentity(object as ApiObject)]
}

/** What the API server would have given it. */
const withIdentity = (object: ApiObject): ApiObject => {
  const { metadata } = object
  const given: Partial<ApiObject['metadata']> = metadata
  const namespace = given.namespace ?? (object.kind === 'Pod' ? 'default' : undefined)
  const uid = given.uid ?? `${object.kind}/${namespace ?? ''}/${metadata.name}`
  return { ...object, metadata: { ...metadata, uid, ...(namespace === undefined ? {} : { namespace }) } }
}
