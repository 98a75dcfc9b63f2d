/**
 * Which fields a KubeSchedulerConfiguration has, and what may stand in them: as data, with one function that checks.
 *
 * Source: https://kubernetes.io/docs/reference/config-api/kube-scheduler-config.v1/, kubernetes/kubernetes
 * pkg/scheduler/apis/config/validation.
 */
import { distance } from 'fastest-levenshtein'

/** Where in the configuration something is wrong, and what was expected there. */
export class ConfigurationError extends Error {
  readonly path: string

  constructor(path: string, message: string) {
    super(message)
    this.path = path
  }
}

export const nearest = (names: readonly string[], name: string): string =>
  names.toSorted((one, other) => distance(one, name) - distance(other, name))[0] ?? ''

type Form =
  | 'anything'
  | 'text'
  | 'true or false'
  | { readonly whole: readonly [least: number, most: number] }
  | { readonly oneOf: readonly string[] }
  | { readonly listOf: Form }
  | { readonly byName: Form }
  | { readonly fields: Readonly<Record<string, Form>> }
  /** Known, and nothing that is done here. */
  | { readonly absent: string }

const PERCENT: Form = { whole: [0, 100] }
const RESOURCES: Form = { listOf: { fields: { name: 'text', weight: { whole: [1, 100] } } } }

const PLUGIN_SET: Form = {
  fields: {
    enabled: { listOf: { fields: { name: 'text', weight: PERCENT } } },
    disabled: { listOf: { fields: { name: 'text', weight: PERCENT } } },
  },
}

/** Arguments of a plugin, by its name. Those of other plugins are their own affair. */
const ARGUMENTS: Readonly<Record<string, Readonly<Record<string, Form>>>> = {
  NodeResourcesFit: {
    ignoredResources: { listOf: 'text' },
    ignoredResourceGroups: { listOf: 'text' },
    scoringStrategy: {
      fields: {
        type: { oneOf: ['LeastAllocated', 'MostAllocated', 'RequestedToCapacityRatio'] },
        resources: RESOURCES,
        requestedToCapacityRatio: { fields: { shape: { listOf: { fields: { utilization: PERCENT, score: { whole: [0, 10] } } } } } },
      },
    },
  },
  NodeResourcesBalancedAllocation: { resources: RESOURCES },
  NodeAffinity: { addedAffinity: 'anything' },
  PodTopologySpread: { defaultConstraints: { listOf: 'anything' }, defaultingType: { oneOf: ['System', 'List'] } },
  InterPodAffinity: { hardPodAffinityWeight: PERCENT, ignorePreferredTermsOfExistingPods: 'true or false' },
  Coscheduling: { permitWaitingTimeSeconds: { whole: [0, Number.MAX_SAFE_INTEGER] } },
  DefaultPreemption: { minCandidateNodesPercentage: PERCENT, minCandidateNodesAbsolute: { whole: [0, Number.MAX_SAFE_INTEGER] } },
  VolumeBinding: { bindTimeoutSeconds: { whole: [0, Number.MAX_SAFE_INTEGER] }, shape: { listOf: 'anything' } },
}

const CONFIGURATION: Form = {
  fields: {
    apiVersion: 'text',
    kind: 'text',
    parallelism: { whole: [1, Number.MAX_SAFE_INTEGER] },
    leaderElection: 'anything',
    clientConnection: 'anything',
    enableProfiling: 'true or false',
    enableContentionProfiling: 'true or false',
    percentageOfNodesToScore: PERCENT,
    podInitialBackoffSeconds: { whole: [1, Number.MAX_SAFE_INTEGER] },
    podMaxBackoffSeconds: { whole: [1, Number.MAX_SAFE_INTEGER] },
    delayCacheUntilActive: 'true or false',
    extenders: { absent: 'extenders are programs of their own that are asked over HTTP, and are not asked here' },
    profiles: {
      listOf: {
        fields: {
          schedulerName: 'text',
          percentageOfNodesToScore: PERCENT,
          plugins: { byName: PLUGIN_SET },
          pluginConfig: { listOf: { fields: { name: 'text', args: 'anything' } } },
        },
      },
    },
  },
}

/** Throws ConfigurationError at the first thing that is wrong. Null is as good as absent. */
export const checkFields = (value: unknown): void => {
  check(CONFIGURATION, value, '')
  const { profiles = [] } = (value ?? {}) as { readonly profiles?: readonly { readonly pluginConfig?: readonly ArgumentsEntry[] }[] }
  for (const [place, { pluginConfig = [] }] of profiles.entries()) {
    for (const [index, { name, args }] of pluginConfig.entries()) {
      const fields = ARGUMENTS[name]
      const path = `profiles[${place}].pluginConfig[${index}].args`
      if (fields !== undefined) check({ fields: { apiVersion: 'text', kind: 'text', ...fields } }, args, path)
      if (name === 'NodeResourcesFit') checkShape(args as FitArguments | undefined, path)
    }
  }
}
interface ArgumentsEntry {
  readonly name: string
  readonly args?: unknown
}
interface FitArguments {
  readonly scoringStrategy?: {
    readonly type?: string
    readonly requestedToCapacityRatio?: { readonly shape?: readonly { readonly utilization: number }[] }
  }
}

const refuse = (path: string, expected: string, found: unknown): never => {
  throw new ConfigurationError(path === '' ? 'configuration' : path, `expected ${expected}, found ${JSON.stringify(found)}`)
}

const check = (form: Form, value: unknown, path: string): void => {
  if (value === undefined || value === null || form === 'anything') return
  if (form === 'text') {
    if (typeof value !== 'string') refuse(path, 'a text', value)
  } else if (form === 'true or false') {
    if (typeof value !== 'boolean') refuse(path, form, value)
  } else if ('whole' in form) checkWhole(form.whole, value, path)
  else if ('oneOf' in form) checkOneOf(form.oneOf, value, path)
  else if ('absent' in form) {
    if (!Array.isArray(value) || value.length > 0) throw new ConfigurationError(path, form.absent)
  } else if ('listOf' in form) {
    if (!Array.isArray(value)) return refuse(path, 'a list', value)
    for (const [index, item] of value.entries()) check(form.listOf, item, `${path}[${index}]`)
  } else checkObject(form, value, path)
}

const checkWhole = ([least, most]: readonly [number, number], value: unknown, path: string): void => {
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) return
  const upTo = most === Number.MAX_SAFE_INTEGER ? ` of at least ${least}` : ` from ${least} to ${most}`
  refuse(path, `a whole number${upTo}`, value)
}

const checkOneOf = (names: readonly string[], value: unknown, path: string): void => {
  if (names.includes(value as string)) return
  throw new ConfigurationError(
    path,
    `expected one of ${names.join(', ')}, found ${JSON.stringify(value)}; the nearest name is '${nearest(names, String(value))}'`,
  )
}

const checkObject = (
  form: { readonly fields: Readonly<Record<string, Form>> } | { readonly byName: Form },
  value: unknown,
  path: string,
): void => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return refuse(path, 'an object', value)
  for (const [name, held] of Object.entries(value)) {
    const at = path === '' ? name : `${path}.${name}`
    if ('byName' in form) check(form.byName, held, at)
    else {
      const own = form.fields[name]
      if (own === undefined)
        throw new ConfigurationError(at, `expected no such field; the nearest name is '${nearest(Object.keys(form.fields), name)}'`)
      check(own, held, at)
    }
  }
}

/** Points of a shape go up, and there is at least one where the strategy needs them. */
const checkShape = (args: FitArguments | undefined, path: string): void => {
  const { type, requestedToCapacityRatio } = args?.scoringStrategy ?? {}
  const shape = requestedToCapacityRatio?.shape ?? []
  const at = `${path}.scoringStrategy.requestedToCapacityRatio.shape`
  if (type === 'RequestedToCapacityRatio' && shape.length === 0) throw new ConfigurationError(at, 'expected at least one point, found none')
  for (const [index, { utilization }] of shape.entries()) {
    const before = shape[index - 1]
    if (before !== undefined && utilization <= before.utilization)
      throw new ConfigurationError(`${at}[${index}].utilization`, `expected more than ${before.utilization}, found ${utilization}`)
  }
}
