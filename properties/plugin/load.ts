/** Loads the module of a controller of one's own, and says in one line what is wrong with it. */
import { statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { RESOURCES } from '../../model/state/resources.ts'
import { InputError } from '../input.ts'
import { resourceOf, type ControllerPlugin } from './plugin.ts'
import { hashOfSources } from './sources.ts'

export interface LoadedPlugin {
  readonly plugin: ControllerPlugin
  /** As it was given. */
  readonly module: string
  readonly hash: string
}

const ENTRIES = ['index.ts', 'index.mts', 'index.js', 'index.mjs']
const loaded = new Map<string, Promise<LoadedPlugin>>()

/** `module` is a file, or a folder with an index. Throws InputError naming the module, the field and what was expected. */
export const loadPlugin = (module: string): Promise<LoadedPlugin> => {
  const path = resolve(module)
  const known = loaded.get(path)
  if (known !== undefined) return known
  const loading = load(module)
  loaded.set(path, loading)
  return loading
}

const load = async (module: string): Promise<LoadedPlugin> => {
  const entry = entryOf(module)
  let exported: { readonly plugin?: unknown }
  try {
    exported = (await import(pathToFileURL(entry).href)) as typeof exported
  } catch (error) {
    throw new InputError(module, `expected a module that can be imported: ${String(error).split('\n')[0] ?? ''}`)
  }
  if (exported.plugin === undefined) throw new InputError(module, "expected an export 'plugin': a controller of one's own, found none")
  const plugin = checked(module, exported.plugin)
  return { plugin, module, hash: hashOfSources(entry) }
}

const entryOf = (module: string): string => {
  const path = resolve(module)
  const isThere = (file: string): boolean => statSync(file, { throwIfNoEntry: false })?.isFile() === true
  if (isThere(path)) return path
  const entry = ENTRIES.map((name) => join(path, name)).find(isThere)
  if (entry !== undefined) return entry
  if (statSync(path, { throwIfNoEntry: false }) === undefined)
    throw new InputError(module, 'expected the module of a controller, found no such path')
  throw new InputError(module, `expected one of ${ENTRIES.join(', ')} in the folder, found none`)
}

const NAME = /^[a-z]([-a-z0-9]*[a-z])?$/
const TAKEN = /^(etcd|etcd-client|user|kubelet.*|kube-.*|container-runtime.*|control-plane|client|spare|workstation|node.*)$/

type Tree = Readonly<Record<string, unknown>>
type Check = (value: unknown, field: string) => void

const checked = (module: string, value: unknown): ControllerPlugin => {
  const fail = (field: string, expected: string, found: unknown): never => {
    const shown = found === undefined ? 'nothing' : typeof found === 'function' ? 'a function' : JSON.stringify(found)?.slice(0, 60)
    throw new InputError(module, `plugin${field === '' ? '' : `.${field}`}: expected ${expected}, found ${shown}`)
  }
  const is =
    (type: 'string' | 'boolean' | 'function' | 'object', expected: string): Check =>
    (given, field) => {
      if (typeof given !== type || given === null) fail(field, expected, given)
    }
  const text = is('string', 'a text')
  const list =
    (each: Check): Check =>
    (given, field) => {
      if (!Array.isArray(given)) fail(field, 'a list', given)
      else for (const [index, entry] of given.entries()) each(entry, `${field}[${index}]`)
    }
  const fields =
    (checks: Readonly<Record<string, Check>>): Check =>
    (given, field) => {
      is('object', 'an object')(given, field)
      for (const [name, check] of Object.entries(checks)) check((given as Tree)[name], field === '' ? name : `${field}.${name}`)
    }
  const yes = is('boolean', 'true or false')
  const action = fields({ kind: text })
  const claim = { id: text, sentence: text, source: text, sometimes: text, hears: list(text), start: is('function', 'a function') }
  fields({
    name: (given, field) => {
      text(given, field)
      if (!NAME.test(given as string)) fail(field, 'lower-case letters, digits and hyphens', given)
      if (TAKEN.test(given as string)) fail(field, 'a name that no process of the cluster has', given)
    },
    kinds: list(fields({ group: text, version: text, kind: text, plural: text, namespaced: yes, status: yes })),
    controllers: list(is('function', 'a function from a context to a controller')),
    watches: list(text),
    manifests: list(fields({ apiVersion: text, kind: text, metadata: fields({ name: text }) })),
    // A list, or an arbitrary of fast-check.
    actions: (given, field) => {
      if (typeof (given as { generate?: unknown } | undefined)?.generate === 'function') return
      list(action)(given, field)
      if ((given as readonly unknown[]).length === 0) fail(field, 'at least one action of its users', given)
    },
    invariants: list(fields(claim)),
    convergence: fields({ id: text, sentence: text, pending: is('function', 'a function') }),
  })(value, '')
  const plugin = value as ControllerPlugin
  const served = new Set([...RESOURCES.map(({ resource }) => resource), ...plugin.kinds.map(resourceOf)])
  for (const [index, resource] of plugin.watches.entries())
    if (!served.has(resource)) fail(`watches[${index}]`, `a resource that is served (${[...served].join(', ')})`, resource)
  return plugin
}
