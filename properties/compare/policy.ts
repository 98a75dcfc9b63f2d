/**
 * A policy: a profile of the scheduling framework, and how it breaks ties. Built in, from a KubeSchedulerConfiguration,
 * or a module of the user's own.
 */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseDocument } from 'yaml'
import { ConfigurationError } from '../../impl/scheduler/config-fields.ts'
import { profilesOf, type Profile, type Registry, type SchedulerConfiguration } from '../../impl/scheduler/config.ts'
import { SCORE_MOST, type Plugin } from '../../impl/scheduler/framework.ts'
import type { NodeInfo } from '../../impl/scheduler/node-info.ts'
import type { Node, Pod } from '../../model/state/objects.ts'
import type { Random } from '../../sim/random.ts'
import { InputError } from '../input.ts'
import type { Published } from './published.ts'

/** Who is chosen among equal nodes. first-drawn: the first in an order that each seed draws, the same for every policy. */
export const TIE_RULES = ['random', 'first-name', 'first-drawn'] as const
export type Ties = (typeof TIE_RULES)[number]

export interface Policy {
  readonly name: string
  /** Fresh for each run: plugins may keep notes of their own. */
  readonly profile: Profile
  readonly ties: Ties
}

/** What a module's plugins are made from. */
export interface PolicySetting {
  /** The pods of the workload before they are multiplied. */
  readonly typical: readonly Pod[]
  readonly nodes: readonly Node[]
  readonly random: Random
}

/** What a module exports as `policies`. */
export interface UserPolicy {
  readonly name: string
  /** Plugins by name with their weights; alone, or beside the defaults that are named in `defaults`. */
  readonly plugins: (setting: PolicySetting) => readonly { readonly plugin: Plugin; readonly weight?: number }[]
  /** In-tree plugins that take part too, by name and weight (0: it filters and does not score). */
  readonly defaults?: Readonly<Record<string, number>>
  readonly ties?: Ties
}

const FILTERING = ['NodeUnschedulable', 'NodeName', 'TaintToleration', 'NodeAffinity', 'NodePorts', 'NodeResourcesFit', 'PrioritySort']
const only = (scores: Readonly<Record<string, number>>, strategy?: 'LeastAllocated' | 'MostAllocated'): SchedulerConfiguration => ({
  percentageOfNodesToScore: 100,
  profiles: [
    {
      plugins: {
        multiPoint: { disabled: [{ name: '*' }], enabled: FILTERING.map((name) => ({ name, weight: 0 })) },
        score: { enabled: Object.entries(scores).map(([name, weight]) => ({ name, weight })) },
      },
      pluginConfig: strategy === undefined ? [] : [{ name: 'NodeResourcesFit', args: { scoringStrategy: { type: strategy } } }],
    },
  ],
})

const BUILT_IN: Readonly<Record<string, SchedulerConfiguration>> = {
  default: { percentageOfNodesToScore: 100 },
  'least-allocated': only({ NodeResourcesFit: 1 }, 'LeastAllocated'),
  'most-allocated': only({ NodeResourcesFit: 1 }, 'MostAllocated'),
  balanced: only({ NodeResourcesBalancedAllocation: 1 }),
  'random-fit': only({}),
}
export const BUILT_IN_POLICIES: readonly string[] = Object.keys(BUILT_IN)

/** Makes a policy anew for each run. */
export interface PolicySource {
  readonly name: string
  make(setting: PolicySetting): Policy
}

/** A name, a .yaml or .json configuration, or a module (all its policies, or one as 'module.ts#name'). Throws InputError. */
export const policySources = async (given: string, ties: Ties | null): Promise<readonly PolicySource[]> => {
  const configuration = BUILT_IN[given]
  if (configuration !== undefined) return [configured(given, configuration, ties)]
  const [path = '', chosen] = given.split('#')
  if (/\.(ya?ml|json)$/.test(path)) return [configured(given, readConfiguration(path), ties)]
  if (MODULE.test(path)) return moduleSources(path, chosen, ties)
  throw new InputError(
    '--policies',
    `expected one of ${BUILT_IN_POLICIES.join(', ')}, a configuration (.yaml) or a module (.ts), found '${given}'`,
  )
}

const configured = (name: string, configuration: SchedulerConfiguration, ties: Ties | null): PolicySource => ({
  name,
  make: () => ({ name, profile: profileOf(name, configuration, {}), ties: ties ?? 'random' }),
})

const profileOf = (name: string, configuration: SchedulerConfiguration, registry: Registry): Profile =>
  configuredAt(name, () => profilesOf(configuration, registry)[0] as Profile)

/** What is wrong with a configuration is said with the file it came from. */
const configuredAt = <T>(name: string, make: () => T): T => {
  try {
    return make()
  } catch (error) {
    if (error instanceof ConfigurationError) throw new InputError(name, `${error.path}: ${error.message}`)
    throw error
  }
}

const GROUP = /^kubescheduler\.config\.k8s\.io\/v1(beta\d)?$/

const readConfiguration = (path: string): SchedulerConfiguration => {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new InputError(path, `expected a readable file (${(error as NodeJS.ErrnoException).code ?? 'error'})`)
  }
  const document = parseDocument(text)
  const [broken] = document.errors
  if (broken !== undefined)
    throw new InputError(`${path}:${broken.linePos?.[0].line ?? 1}`, `expected YAML: ${broken.message.split('\n')[0] ?? ''}`)
  const value = document.toJS() as Partial<Record<string, unknown>> | null
  if (value?.['kind'] !== 'KubeSchedulerConfiguration' || !GROUP.test(String(value['apiVersion'])))
    throw new InputError(
      path,
      `expected a KubeSchedulerConfiguration of kubescheduler.config.k8s.io/v1, found ${String(value?.['apiVersion'])} ${String(value?.['kind'])}`,
    )
  profileOf(path, value, {})
  return value
}

/** All profiles of a configuration, or the default one. Throws InputError. */
export const profilesFrom = (path: string | undefined, registry: Registry): readonly Profile[] =>
  configuredAt(path ?? 'profiles', () => profilesOf(path === undefined ? {} : readConfiguration(path), registry))

interface PolicyModule {
  readonly policies?: unknown
  readonly published?: readonly Published[]
}

const moduleOf = async (path: string): Promise<PolicyModule> => {
  try {
    return (await import(pathToFileURL(resolve(path)).href)) as PolicyModule
  } catch (error) {
    throw new InputError(path, `expected a module that can be imported: ${(error as Error).message.split('\n')[0] ?? ''}`)
  }
}

const MODULE = /\.[mc]?[jt]s$/

/** Figures that were published of a module's policies. */
export const publishedOf = async (given: string): Promise<readonly Published[]> => {
  const [path = ''] = given.split('#')
  return MODULE.test(path) ? ((await moduleOf(path)).published ?? []) : []
}

const moduleSources = async (path: string, chosen: string | undefined, ties: Ties | null): Promise<readonly PolicySource[]> => {
  const { policies } = await moduleOf(path)
  if (!Array.isArray(policies) || policies.length === 0)
    throw new InputError(path, "expected an export 'policies': an array of policies, found none")
  const all = policies as readonly UserPolicy[]
  for (const [index, { name, plugins }] of (all as readonly Partial<UserPolicy>[]).entries()) {
    if (typeof name !== 'string') throw new InputError(path, `policies[${index}].name: expected a text`)
    if (typeof plugins !== 'function') throw new InputError(path, `policies[${index}].plugins: expected a function that makes plugins`)
  }
  const kept = chosen === undefined ? all : all.filter(({ name }) => name === chosen)
  if (kept.length === 0) throw new InputError(path, `expected one of ${all.map(({ name }) => name).join(', ')}, found '${chosen}'`)
  return kept.map((policy) => ({ name: policy.name, make: (setting) => fromModule(path, policy, setting, ties) }))
}

const pluginsOf = (path: string, policy: UserPolicy, setting: PolicySetting): ReturnType<UserPolicy['plugins']> => {
  try {
    return policy.plugins(setting)
  } catch (error) {
    throw blamed(path, `policy ${policy.name}: plugins`, error)
  }
}

const fromModule = (path: string, policy: UserPolicy, setting: PolicySetting, ties: Ties | null): Policy => {
  const own = pluginsOf(path, policy, setting)
  const registry: Registry = Object.fromEntries(own.map(({ plugin }) => [plugin.name, () => guarded(path, plugin)]))
  const enabled = [
    ...Object.entries(policy.defaults ?? {}).map(([name, weight]) => ({ name, weight })),
    ...own.map(({ plugin, weight = 1 }) => ({ name: plugin.name, weight })),
  ]
  const configuration: SchedulerConfiguration = {
    percentageOfNodesToScore: 100,
    profiles: [{ plugins: { multiPoint: { disabled: [{ name: '*' }], enabled } } }],
  }
  return { name: policy.name, profile: profileOf(path, configuration, registry), ties: ties ?? policy.ties ?? 'random' }
}

type AnyMember = (one: unknown, two: unknown, three: unknown, four: unknown) => unknown

/** What a user's plugin throws, or scores out of bounds, is said to be its own. */
const guarded = (path: string, plugin: Plugin): Plugin => {
  const members = Object.entries(plugin).map(([point, member]: [string, unknown]) => {
    if (typeof member !== 'function') return [point, member]
    const call = (member as AnyMember).bind(plugin)
    const guard: AnyMember = (one, two, three, four) => {
      try {
        return call(one, two, three, four)
      } catch (error) {
        throw blamed(path, `plugin ${plugin.name}: ${point}`, error)
      }
    }
    return [point, guard]
  })
  return inBounds(path, Object.fromEntries(members))
}

/** Scores are whole numbers from 0 to 100 in the end: once normalized, where the plugin does that. */
const inBounds = (path: string, plugin: Plugin): Plugin => {
  const check = (point: string, value: number, node: NodeInfo | undefined): void => {
    if (Number.isInteger(value) && value >= 0 && value <= SCORE_MOST) return
    const expected = `expected a whole number from 0 to ${SCORE_MOST}, found ${value} for node ${node?.name}`
    throw new InputError(path, `plugin ${plugin.name}: ${point}: ${expected}`)
  }
  if (plugin.normalize !== undefined)
    return {
      ...plugin,
      normalize: (cycle, pod, scores, nodes) => {
        plugin.normalize?.(cycle, pod, scores, nodes)
        for (const [index, value] of scores.entries()) check('normalize', value, nodes[index])
      },
    }
  if (plugin.score === undefined) return plugin
  return {
    ...plugin,
    score: (cycle, pod, node) => {
      const value = plugin.score?.(cycle, pod, node) ?? Number.NaN
      check('score', value, node)
      return value
    },
  }
}

const blamed = (path: string, what: string, error: unknown): InputError =>
  error instanceof InputError ? error : new InputError(path, `${what} threw: ${(error as Error).message}`)
