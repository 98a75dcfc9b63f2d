/**
 * Profiles from a KubeSchedulerConfiguration: which plugins take part where, with what weight and which arguments.
 *
 * Source: https://kubernetes.io/docs/reference/scheduling/config/, kubernetes/kubernetes
 * pkg/scheduler/apis/config/{v1/default_plugins.go,validation}.
 */
import { checkFields, ConfigurationError, nearest } from './config-fields.ts'
import type { Plugin, WeightedPlugin } from './framework.ts'
import { nodeName, nodePorts, nodeUnschedulable, prioritySort, schedulingGates, taintToleration } from './plugins/basic.ts'
import { coscheduling, type CoschedulingArgs } from './plugins/coscheduling.ts'
import { imageLocality } from './plugins/image-locality.ts'
import { interPodAffinity, type InterPodAffinityArgs } from './plugins/inter-pod-affinity.ts'
import { nodeAffinity, type NodeAffinityArgs } from './plugins/node-affinity.ts'
import type { PreemptionArgs } from './plugins/preemption.ts'
import { nodeResourcesBalancedAllocation, nodeResourcesFit, type BalancedArgs, type FitArgs } from './plugins/resources.ts'
import { podTopologySpread, type TopologySpreadArgs } from './plugins/topology-spread.ts'
import { nodeVolumeLimits, volumeBinding, volumeRestrictions, volumeZone, type VolumeBindingArgs } from './plugins/volumes.ts'
import { Framework } from './runtime.ts'

/** Makes a plugin from its arguments. */
export type PluginFactory = (args: never) => Plugin
export type Registry = Readonly<Record<string, PluginFactory>>

export const IN_TREE: Registry = {
  SchedulingGates: () => schedulingGates,
  PrioritySort: () => prioritySort,
  NodeUnschedulable: () => nodeUnschedulable,
  NodeName: () => nodeName,
  TaintToleration: () => taintToleration,
  NodeAffinity: (args: NodeAffinityArgs) => nodeAffinity(args),
  NodePorts: () => nodePorts,
  NodeResourcesFit: (args: FitArgs) => nodeResourcesFit(args),
  VolumeRestrictions: () => volumeRestrictions,
  NodeVolumeLimits: () => nodeVolumeLimits,
  VolumeBinding: (args: VolumeBindingArgs) => volumeBinding(args),
  VolumeZone: () => volumeZone,
  PodTopologySpread: (args: TopologySpreadArgs) => podTopologySpread(args),
  InterPodAffinity: (args: InterPodAffinityArgs) => interPodAffinity(args),
  // What these two do at their points is the scheduler's own: they are named to be configured.
  DefaultPreemption: () => ({ name: 'DefaultPreemption' }),
  NodeResourcesBalancedAllocation: (args: BalancedArgs) => nodeResourcesBalancedAllocation(args),
  ImageLocality: () => imageLocality,
  DefaultBinder: () => ({ name: 'DefaultBinder' }),
}

/** Not of the default profile: a configuration turns them on. */
const OPTIONAL: Registry = { Coscheduling: (args: CoschedulingArgs) => coscheduling(args) }
export const PLUGINS: Registry = { ...IN_TREE, ...OPTIONAL }

/** The default profile: in this order, with these weights. */
const DEFAULT_WEIGHTS: Readonly<Record<string, number>> = {
  TaintToleration: 3,
  NodeAffinity: 2,
  PodTopologySpread: 2,
  InterPodAffinity: 2,
}

export interface PluginEntry {
  readonly name: string
  readonly weight?: number
}
export interface PluginSet {
  readonly enabled?: readonly PluginEntry[]
  /** '*': all the defaults. */
  readonly disabled?: readonly PluginEntry[]
}
export type PluginSets = Readonly<Record<string, PluginSet>>

export interface ProfileConfiguration {
  readonly schedulerName?: string
  readonly percentageOfNodesToScore?: number
  readonly plugins?: PluginSets
  readonly pluginConfig?: readonly { readonly name: string; readonly args?: unknown }[]
}
export interface SchedulerConfiguration {
  readonly percentageOfNodesToScore?: number
  readonly profiles?: readonly ProfileConfiguration[]
}

/** Extension point in a configuration → the members of a plugin that it turns on and off. */
const POINTS: Readonly<Record<string, readonly (keyof Plugin)[]>> = {
  preEnqueue: ['preEnqueue'],
  queueSort: ['queueSort'],
  preFilter: ['preFilter', 'addPod', 'removePod'],
  filter: ['filter'],
  postFilter: ['postFilter'],
  preScore: ['preScore'],
  score: ['score', 'normalize'],
  reserve: ['reserve', 'unreserve'],
  permit: ['permit'],
  preBind: ['preBind'],
  bind: [],
  postBind: ['postBind'],
}

export interface Profile {
  readonly framework: Framework
  readonly schedulerName: string
  /** 0: by the adaptive formula. */
  readonly percentageOfNodesToScore: number
  readonly preemption: PreemptionArgs | null
}

export const DEFAULT_SCHEDULER = 'default-scheduler'

/** Throws ConfigurationError. registry: plugins beside those in the tree. without: defaults to leave out. */
export const profilesOf = (
  configuration: SchedulerConfiguration,
  registry: Registry = {},
  without: readonly string[] = [],
): readonly Profile[] => {
  checkFields(configuration)
  const all = { ...PLUGINS, ...registry }
  const profiles = (configuration.profiles ?? [{}]).map((profile, index) =>
    profileOf(profile, configuration, all, without, `profiles[${index}]`),
  )
  const names = profiles.map(({ schedulerName }) => schedulerName)
  const twice = names.findIndex((name, index) => names.indexOf(name) !== index)
  if (twice >= 0)
    throw new ConfigurationError(`profiles[${twice}].schedulerName`, `expected a name of its own, found '${names[twice]}' again`)
  return profiles
}

const profileOf = (
  profile: ProfileConfiguration,
  configuration: SchedulerConfiguration,
  registry: Registry,
  without: readonly string[],
  path: string,
): Profile => {
  const schedulerName = profile.schedulerName ?? DEFAULT_SCHEDULER
  const args = new Map<string, unknown>()
  for (const [index, { name, args: given }] of (profile.pluginConfig ?? []).entries()) {
    known(registry, name, `${path}.pluginConfig[${index}].name`)
    args.set(name, given ?? {})
  }
  const enabled = enabledOf(profile.plugins ?? {}, registry, without, path)
  const plugins: WeightedPlugin[] = [...enabled].map(([name, { weight, off }]) => {
    const plugin = (registry[name] as PluginFactory)((args.get(name) ?? {}) as never)
    return { plugin: only(plugin, off), weight }
  })
  const sorters = plugins.filter(({ plugin }) => plugin.queueSort !== undefined).map(({ plugin }) => plugin.name)
  if (sorters.length > 1)
    throw new ConfigurationError(
      `${path}.plugins.queueSort`,
      `expected one plugin that sorts the queue, found ${sorters.join(', ')}: disable the others there`,
    )
  return {
    framework: new Framework(schedulerName, plugins),
    schedulerName,
    percentageOfNodesToScore: profile.percentageOfNodesToScore ?? configuration.percentageOfNodesToScore ?? 0,
    preemption: enabled.has('DefaultPreemption') ? (args.get('DefaultPreemption') ?? {}) : null,
  }
}

interface Enabled {
  readonly weight: number
  readonly off: ReadonlySet<keyof Plugin>
}

/** Members that are switched off at their point are left out. */
const only = (plugin: Plugin, off: ReadonlySet<keyof Plugin>): Plugin =>
  off.size === 0
    ? plugin
    : (Object.fromEntries(Object.entries(plugin).filter(([member]) => !off.has(member as keyof Plugin))) as unknown as Plugin)

const known = (registry: Registry, name: string, path: string): void => {
  if (registry[name] !== undefined) return
  throw new ConfigurationError(path, `expected a plugin, found '${name}'; the nearest name is '${nearest(Object.keys(registry), name)}'`)
}

const enabledOf = (sets: PluginSets, registry: Registry, without: readonly string[], path: string): ReadonlyMap<string, Enabled> => {
  const points = Object.keys(POINTS)
  for (const point of Object.keys(sets)) {
    if (point === 'multiPoint' || points.includes(point)) continue
    const meant = nearest([...points, 'multiPoint'], point)
    throw new ConfigurationError(`${path}.plugins.${point}`, `expected an extension point; the nearest name is '${meant}'`)
  }
  for (const [point, { enabled = [], disabled = [] }] of Object.entries(sets)) {
    for (const [index, { name, weight }] of enabled.entries()) {
      const at = `${path}.plugins.${point}.enabled[${index}]`
      known(registry, name, `${at}.name`)
      if (weight !== undefined && (!Number.isInteger(weight) || weight < 0 || weight > 100))
        throw new ConfigurationError(`${at}.weight`, `expected a whole number from 0 to 100, found ${weight}`)
    }
    for (const [index, { name }] of disabled.entries())
      if (name !== '*') known(registry, name, `${path}.plugins.${point}.disabled[${index}].name`)
  }
  const everywhere = sets['multiPoint'] ?? {}
  const isOff = ({ disabled = [] }: PluginSet, name: string): boolean => disabled.some((one) => one.name === name || one.name === '*')
  const chosen = new Map<string, { weight: number; off: Set<keyof Plugin> }>()
  for (const name of Object.keys(IN_TREE)) {
    if (!without.includes(name) && !isOff(everywhere, name)) chosen.set(name, { weight: DEFAULT_WEIGHTS[name] ?? 1, off: new Set() })
  }
  for (const { name, weight } of everywhere.enabled ?? []) {
    chosen.delete(name)
    chosen.set(name, { weight: weight ?? DEFAULT_WEIGHTS[name] ?? 1, off: new Set() })
  }
  for (const point of points) {
    const set = sets[point] ?? {}
    for (const [name, { off }] of chosen) if (isOff(set, name)) for (const member of POINTS[point] ?? []) off.add(member)
    for (const { name, weight } of set.enabled ?? []) {
      const before = chosen.get(name)
      const members = POINTS[point] ?? []
      if (before !== undefined) {
        for (const member of members) before.off.delete(member)
        if (weight !== undefined) before.weight = weight
      } else {
        const off = new Set(
          Object.values(POINTS)
            .flat()
            .filter((member) => !members.includes(member)),
        )
        chosen.set(name, { weight: weight ?? DEFAULT_WEIGHTS[name] ?? 1, off })
      }
    }
  }
  return chosen
}
