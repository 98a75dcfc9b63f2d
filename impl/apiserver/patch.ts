/**
 * Patches: JSON Patch (RFC 6902), JSON Merge Patch (RFC 7386) and the strategic merge of built-in kinds.
 *
 * Patched values are new; what is not touched is shared with the old one.
 */
import cloneDeep from 'lodash/cloneDeep.js'
import { applyPatch, type Operation } from 'rfc6902'

type Json = unknown
type JsonObject = Readonly<Record<string, Json>>

const isObject = (value: Json): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value)

export const mergePatch = (target: Json, patch: Json): Json => {
  if (!isObject(patch)) return patch
  const result: Record<string, Json> = isObject(target) ? { ...target } : {}
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name]
    else result[name] = mergePatch(result[name], value)
  }
  return result
}

/** Lists that merge by a key of their items; all others are replaced. From the patchMergeKey tags of the API types. */
const MERGE_KEYS: Readonly<Record<string, string>> = {
  containers: 'name',
  initContainers: 'name',
  env: 'name',
  volumes: 'name',
  volumeMounts: 'mountPath',
  ports: 'containerPort',
  conditions: 'type',
  ownerReferences: 'uid',
}
/** Ports of a service have another key than those of a container. */
const mergeKeyOf = (name: string, items: readonly Json[]): string | undefined =>
  name === 'ports' && items.some((item) => isObject(item) && item['port'] !== undefined) ? 'port' : MERGE_KEYS[name]

/** Of a list of plain values: those that are to go, whatever else is in it by then. */
const DELETE_FROM = '$deleteFromPrimitiveList/'

export const strategicMerge = (target: Json, patch: Json): Json => {
  if (!isObject(patch)) return patch
  if (patch['$patch'] === 'replace') {
    const { $patch: _directive, ...rest } = patch
    return rest
  }
  const result: Record<string, Json> = isObject(target) ? { ...target } : {}
  for (const [name, value] of Object.entries(patch)) {
    if (name.startsWith(DELETE_FROM)) {
      const list = name.slice(DELETE_FROM.length)
      const held = result[list]
      if (Array.isArray(held) && Array.isArray(value)) result[list] = held.filter((item) => !value.includes(item))
      continue
    }
    if (name.startsWith('$')) continue
    const before = result[name]
    if (value === null) delete result[name]
    else if (Array.isArray(value)) result[name] = mergeList(name, Array.isArray(before) ? before : [], value)
    else result[name] = strategicMerge(before, value)
  }
  return result
}

const mergeList = (name: string, before: readonly Json[], patch: readonly Json[]): Json => {
  if (name === 'finalizers') return [...new Set([...before, ...patch])]
  const key = mergeKeyOf(name, [...before, ...patch])
  if (key === undefined) return patch
  const result = [...before]
  for (const item of patch) {
    if (!isObject(item)) return patch
    const place = result.findIndex((held) => isObject(held) && held[key] === item[key])
    if (item['$patch'] === 'delete') {
      if (place >= 0) result.splice(place, 1)
    } else if (place >= 0) result[place] = strategicMerge(result[place], item)
    else result.push(item)
  }
  return result
}

/** Throws an Error naming the operation that does not fit; nothing is changed then. */
export const jsonPatch = (target: Json, operations: readonly Operation[]): Json => {
  const result = cloneDeep(target)
  const results = applyPatch(result, [...operations])
  for (const [index, { path }] of operations.entries()) {
    const error = results[index] ?? null
    if (error === null) continue
    const { op } = operations[index] as Operation
    throw new Error(op === 'test' ? `testing path ${path} failed` : `${op} operation does not apply: doc is missing key: ${path}`)
  }
  return result
}
