/**
 * Quotas, by plain definition: what each object counts for, and what all of a namespace come to. In thousandths.
 *
 * Left out: that a pod stops counting once it is past its grace period.
 * Source: https://kubernetes.io/docs/concepts/policy/resource-quotas/
 */
import type { Key } from '../state/keyspace.ts'
import type { ApiObject, Container, PersistentVolumeClaim, Pod, PodSpec, Service } from '../state/objects.ts'
import type { QuotaScope, ResourceQuota } from '../state/policy.ts'
import { thousandths } from '../state/quantity.ts'
import { resourceNamed, resourceOfKey, type ResourceName } from '../state/resources.ts'
import { isTerminal } from './objects.ts'
import { qosClassOf } from './qos.ts'

const ONE = 1_000

/** The most that a pod needs of each resource at any time of its life. */
export const peak = (spec: PodSpec, part: 'requests' | 'limits'): ReadonlyMap<string, number> => {
  const first = spec.initContainers ?? []
  const names = new Set([...spec.containers, ...first].flatMap(({ resources }) => Object.keys(resources?.[part] ?? {})))
  if (part === 'requests') for (const name of Object.keys(spec.overhead ?? {})) names.add(name)
  const of = ({ resources }: Container, name: string): number => thousandths(resources?.[part]?.[name] ?? '0')
  const isSidecar = ({ restartPolicy }: Container): boolean => restartPolicy === 'Always'
  const total = (containers: readonly Container[], name: string): number => containers.reduce((sum, one) => sum + of(one, name), 0)
  return new Map(
    [...names].map((name) => {
      const running = total([...spec.containers, ...first.filter(isSidecar)], name)
      const starting = first.map((one, index) => of(one, name) + total(first.slice(0, index).filter(isSidecar), name))
      return [name, Math.max(running, ...starting) + thousandths(spec.overhead?.[name] ?? '0')]
    }),
  )
}

const PLAIN = /^(services|configmaps|secrets|persistentvolumeclaims|resourcequotas|replicationcontrollers)$/
const COMPUTE = /^(cpu|memory|ephemeral-storage)$/

/** All that one object counts for, by the names that quotas use. */
export const usageOf = (resource: ResourceName, object: ApiObject): ReadonlyMap<string, number> => {
  const group = resourceNamed(resource)?.group ?? ''
  const usage = new Map([[group === '' ? `count/${resource}` : `count/${resource}.${group}`, ONE]])
  if (PLAIN.test(resource)) usage.set(resource, ONE)
  if (resource === 'pods' && !isTerminal(object as Pod)) {
    usage.set('pods', ONE)
    for (const [name, amount] of peak((object as Pod).spec, 'requests')) {
      usage.set(`requests.${name}`, amount)
      if (COMPUTE.test(name)) usage.set(name, amount)
    }
    for (const [name, amount] of peak((object as Pod).spec, 'limits')) usage.set(`limits.${name}`, amount)
  }
  if (resource === 'services') {
    const { type, ports = [] } = (object as Service).spec
    if (type === 'NodePort' || type === 'LoadBalancer') usage.set('services.nodeports', ports.length * ONE)
    if (type === 'LoadBalancer') usage.set('services.loadbalancers', ONE)
  }
  if (resource === 'persistentvolumeclaims') {
    const { resources, storageClassName } = (object as PersistentVolumeClaim).spec
    const asked = thousandths(resources?.requests?.['storage'] ?? '0')
    usage.set('requests.storage', asked)
    if (storageClassName !== undefined) {
      usage.set(`${storageClassName}.storageclass.storage.k8s.io/requests.storage`, asked)
      usage.set(`${storageClassName}.storageclass.storage.k8s.io/persistentvolumeclaims`, ONE)
    }
  }
  return usage
}

const looksElsewhere = ({ spec }: Pod): boolean =>
  [spec.affinity?.podAffinity, spec.affinity?.podAntiAffinity].some((one) =>
    [
      ...(one?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
      ...(one?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(({ podAffinityTerm }) => podAffinityTerm),
    ].some((term) => (term.namespaces ?? []).length > 0 || term.namespaceSelector !== undefined),
  )

const hasScope = (pod: Pod, scope: QuotaScope): boolean => {
  switch (scope) {
    case 'Terminating':
    case 'NotTerminating':
      return (pod.spec['activeDeadlineSeconds'] !== undefined) === (scope === 'Terminating')
    case 'BestEffort':
    case 'NotBestEffort':
      return (qosClassOf(pod) === 'BestEffort') === (scope === 'BestEffort')
    case 'PriorityClass':
      return (pod.spec.priorityClassName ?? '') !== ''
    case 'CrossNamespacePodAffinity':
      return looksElsewhere(pod)
  }
}

/** A quota with scopes counts only pods, those that are in all of them. */
export const inScope = ({ spec }: ResourceQuota, object: ApiObject): boolean => {
  const { scopes = [], scopeSelector } = spec
  const expressions = scopeSelector?.matchExpressions ?? []
  if (scopes.length + expressions.length === 0) return true
  if (object.kind !== 'Pod') return false
  const pod = object as Pod
  const name = pod.spec.priorityClassName ?? ''
  return (
    scopes.every((scope) => hasScope(pod, scope)) &&
    expressions.every(({ scopeName, operator, values = [] }) => {
      if (operator === 'Exists' || operator === 'DoesNotExist') return hasScope(pod, scopeName) === (operator === 'Exists')
      if (scopeName !== 'PriorityClass') return hasScope(pod, scopeName)
      return values.includes(name) === (operator === 'In')
    })
  )
}

/** All that counts under a quota, of one of its resources. */
export const usageIn = (store: ReadonlyMap<Key, { readonly value: unknown }>, quota: ResourceQuota, name: string): number => {
  let sum = 0
  for (const [key, { value }] of store) {
    const object = value as Partial<ApiObject> | undefined
    if (!key.startsWith('/registry/') || object?.metadata?.namespace !== quota.metadata.namespace) continue
    if (inScope(quota, object as ApiObject)) sum += usageOf(resourceOfKey(key) ?? '', object as ApiObject).get(name) ?? 0
  }
  return sum
}

/** What a pod has to say under the quota, and does not; null: nothing. */
export const unmet = ({ spec }: ResourceQuota, pod: Pod): string | null => {
  const containers = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])]
  const silent = Object.keys(spec.hard ?? {}).find((name) => {
    const [, part = 'requests.', compute = ''] = /^(requests\.|limits\.)?(.*)$/.exec(name) ?? []
    if (!COMPUTE.test(compute)) return false
    return containers.some(({ resources }) => resources?.[part === 'limits.' ? 'limits' : 'requests']?.[compute] === undefined)
  })
  return silent ?? null
}
