/**
 * What objects count for under quotas, in thousandths.
 *
 * Source: kubernetes/kubernetes pkg/quota/v1/evaluator/core. Left out: that a pod stops counting once it is past its grace
 * period, and what changes of an object add; gateways and the like that only cloud providers count.
 */
import type { ApiObject, Container, PersistentVolumeClaim, Pod, PodSpec, ResourceList, Service } from '../model/state/objects.ts'
import type { QuotaScope, ResourceQuota } from '../model/state/policy.ts'
import type { Resource } from '../model/state/resources.ts'
import { milli } from './quantity.ts'
import { isTerminal } from './objects.ts'

export type Usage = ReadonlyMap<string, number>
const UNIT = 1_000
/** Resources that are also counted by their bare names. */
const COUNTED = new Set(['services', 'configmaps', 'secrets', 'persistentvolumeclaims', 'resourcequotas', 'replicationcontrollers'])
const COMPUTE = ['cpu', 'memory', 'ephemeral-storage']

/** The most that its containers need at any time, of what `of` reads from each. */
const most = (spec: PodSpec, of: (container: Container) => ResourceList | undefined): Map<string, number> => {
  const first = spec.initContainers ?? []
  const all = [...spec.containers, ...first]
  const total = new Map<string, number>()
  for (const name of new Set(all.flatMap((container) => Object.keys(of(container) ?? {})))) {
    const amount = (container: Container): number => milli(of(container)?.[name] ?? '0')
    let sidecars = 0
    let peak = 0
    for (const container of first) {
      if (container.restartPolicy === 'Always') sidecars += amount(container)
      else peak = Math.max(peak, sidecars + amount(container))
    }
    const running = spec.containers.reduce((sum, container) => sum + amount(container), sidecars)
    total.set(name, Math.max(peak, running))
  }
  return total
}

const withOverhead = (amounts: Map<string, number>, spec: PodSpec, onlyKnown: boolean): Usage => {
  for (const [name, quantity] of Object.entries(spec.overhead ?? {}))
    if (!onlyKnown || amounts.has(name)) amounts.set(name, (amounts.get(name) ?? 0) + milli(quantity))
  return amounts
}

export const requestsOf = (spec: PodSpec): Usage =>
  withOverhead(
    most(spec, ({ resources }) => resources?.requests),
    spec,
    false,
  )
export const limitsOf = (spec: PodSpec): Usage =>
  withOverhead(
    most(spec, ({ resources }) => resources?.limits),
    spec,
    true,
  )

const podUsage = (pod: Pod): readonly (readonly [string, number])[] => {
  if (isTerminal(pod)) return []
  const requests = [...requestsOf(pod.spec)]
  return [
    ['pods', UNIT],
    ...requests.map(([name, amount]) => [`requests.${name}`, amount] as const),
    ...requests.filter(([name]) => COMPUTE.includes(name)),
    ...[...limitsOf(pod.spec)].map(([name, amount]) => [`limits.${name}`, amount] as const),
  ]
}

const claimUsage = ({ spec }: PersistentVolumeClaim): readonly (readonly [string, number])[] => {
  const asked = milli(spec.resources?.requests?.['storage'] ?? '0')
  const ofClass = `${spec.storageClassName ?? ''}.storageclass.storage.k8s.io`
  return [
    ['requests.storage', asked],
    ...(spec.storageClassName === undefined
      ? []
      : ([
          [`${ofClass}/requests.storage`, asked],
          [`${ofClass}/persistentvolumeclaims`, UNIT],
        ] as const)),
  ]
}

const serviceUsage = ({ spec }: Service): readonly (readonly [string, number])[] => {
  const ports = (spec.ports ?? []).length * UNIT
  if (spec.type === 'NodePort') return [['services.nodeports', ports]]
  return spec.type === 'LoadBalancer'
    ? [
        ['services.nodeports', ports],
        ['services.loadbalancers', UNIT],
      ]
    : []
}

/** All that one object counts for. */
export const usageOf = ({ resource, group, definition }: Resource, object: ApiObject): Usage => {
  const count = group === '' || definition !== undefined ? `count/${resource}` : `count/${resource}.${group}`
  const usage = new Map([[count, UNIT]])
  if (COUNTED.has(resource)) usage.set(resource, UNIT)
  const more =
    resource === 'pods'
      ? podUsage(object as Pod)
      : resource === 'persistentvolumeclaims'
        ? claimUsage(object as PersistentVolumeClaim)
        : resource === 'services'
          ? serviceUsage(object as Service)
          : []
  for (const [name, amount] of more) usage.set(name, amount)
  return usage
}

const isIn = (pod: Pod, scope: QuotaScope, values: readonly string[] | undefined, operator: string): boolean => {
  switch (scope) {
    case 'Terminating':
      return pod.spec['activeDeadlineSeconds'] !== undefined
    case 'NotTerminating':
      return pod.spec['activeDeadlineSeconds'] === undefined
    case 'BestEffort':
      return pod.status.qosClass === 'BestEffort'
    case 'NotBestEffort':
      return pod.status.qosClass !== 'BestEffort'
    case 'PriorityClass': {
      const name = pod.spec.priorityClassName ?? ''
      if (operator === 'Exists') return name !== ''
      if (operator === 'DoesNotExist') return name === ''
      return (operator === 'In') === (values ?? []).includes(name)
    }
    case 'CrossNamespacePodAffinity': {
      const { podAffinity, podAntiAffinity } = pod.spec.affinity ?? {}
      return [podAffinity, podAntiAffinity].some((one) =>
        [
          ...(one?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
          ...(one?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(({ podAffinityTerm }) => podAffinityTerm),
        ].some((term) => (term.namespaces ?? []).length > 0 || term.namespaceSelector !== undefined),
      )
    }
  }
}

/** A quota with scopes counts only the pods that are in all of them. */
export const inScope = ({ spec }: ResourceQuota, object: ApiObject): boolean => {
  const expressions = spec.scopeSelector?.matchExpressions ?? []
  if ((spec.scopes ?? []).length === 0 && expressions.length === 0) return true
  if (object.kind !== 'Pod') return false
  const pod = object as Pod
  return (
    (spec.scopes ?? []).every((scope) => isIn(pod, scope, undefined, 'Exists')) &&
    expressions.every(({ scopeName, operator, values }) => isIn(pod, scopeName, values, operator))
  )
}

const BINARY = ['Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei']

/** An amount in words: thousandths of cpu, the largest binary unit that leaves a whole number of bytes. */
export const quantityOf = (resource: string, amount: number): string => {
  if (amount % UNIT !== 0) return `${amount}m`
  let whole = amount / UNIT
  if (!/memory|storage/.test(resource) || resource.startsWith('count/')) return String(whole)
  let unit = ''
  for (const next of BINARY) {
    if (whole === 0 || whole % 1_024 !== 0) break
    whole /= 1_024
    unit = next
  }
  return `${whole}${unit}`
}
