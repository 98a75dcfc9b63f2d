/**
 * Patches: JSON Patch (RFC 6902), JSON Merge Patch (RFC 7386) and the strategic merge of built-in kinds.
 *
 * Patched values are new; what is not touched is shared with the old one.
 */
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

export const strategicMerge = (target: Json, patch: Json): Json => {
  if (!isObject(patch)) return patch
  if (patch['$patch'] === 'replace') {
    const { $patch: _directive, ...rest } = patch
    return rest
  }
  const result: Record<string, Json> = isObject(target) ? { ...target } : {}
  for (const [name, value] of Object.entries(patch)) {
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

interface Operation {
  readonly op: 'add' | 'remove' | 'replace' | 'test'
  readonly path: string
  readonly value?: Json
}

/** Throws an Error naming the operation that does not fit; nothing is changed then. */
export const jsonPatch = (target: Json, operations: readonly Operation[]): Json =>
  operations.reduce((value, operation) => perform(value, operation, pointer(operation.path)), target)

const pointer = (path: string): readonly string[] =>
  path.split('/').slice(1).map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))

const perform = (target: Json, operation: Operation, path: readonly string[]): Json => {
  const [head, ...rest] = path
  if (head === undefined) return operation.value
  if (Array.isArray(target)) {
    const index = head === '-' ? target.length : Number(head)
    if (rest.length > 0) return target.with(index, perform(target[index], operation, rest))
    if (operation.op === 'add') return target.toSpliced(index, 0, operation.value)
    if (operation.op === 'remove') return target.toSpliced(index, 1)
    return target.with(index, operation.value)
  }
  if (!isObject(target)) throw new Error(`${operation.op} operation does not apply: doc is missing path: "${operation.path}"`)
  if (rest.length > 0) return { ...target, [head]: perform(target[head], operation, rest) }
  if (operation.op === 'add') return { ...target, [head]: operation.value }
  if (target[head] === undefined) throw new Error(`${operation.op} operation does not apply: doc is missing key: ${operation.path}`)
  if (operation.op === 'replace') return { ...target, [head]: operation.value }
  if (operation.op === 'test') {
    if (JSON.stringify(target[head]) !== JSON.stringify(operation.value)) throw new Error(`testing path ${operation.path} failed`)
    return target
  }
  const { [head]: _removed, ...kept } = target
  return kept
}
