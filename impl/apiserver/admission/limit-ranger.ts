/**
 * What containers ask for if they do not say, and that none, no pod and no claim asks for too little or too much.
 *
 * Source: kubernetes/kubernetes plugin/pkg/admission/limitranger/admission.go. Left out: claims that are changed.
 */
import type { Container, PersistentVolumeClaim, Pod, ResourceList } from '../../../model/state/objects.ts'
import type { LimitRange, LimitRangeItem } from '../../../model/state/policy.ts'
import { milli } from '../../quantity.ts'
import { limitsOf, requestsOf } from '../../quota.ts'
import { forbidden, Refusal } from '../status.ts'
import type { AdmissionPlugin, Asked } from './plugin.ts'

type Amounts = ReadonlyMap<string, number>

const amounts = (list: ResourceList | undefined): Amounts =>
  new Map(Object.entries(list ?? {}).map(([name, quantity]) => [name, milli(quantity)]))

/** Each sentence one rule that is broken. */
const broken = (item: LimitRangeItem, requests: Amounts, limits: Amounts): readonly string[] => {
  const { type } = item
  const said: string[] = []
  const show = (amount: number, resource: string): string => (resource === 'cpu' ? `${amount}m` : String(amount / 1_000))
  for (const [resource, bound] of Object.entries(item.min ?? {})) {
    const [request, limit] = [requests.get(resource), limits.get(resource)]
    const start = `minimum ${resource} usage per ${type} is ${bound}`
    if (request === undefined) said.push(`${start}.  No request is specified`)
    else if (request < milli(bound)) said.push(`${start}, but request is ${show(request, resource)}`)
    else if (limit !== undefined && limit < milli(bound)) said.push(`${start}, but limit is ${show(limit, resource)}`)
  }
  for (const [resource, bound] of Object.entries(item.max ?? {})) {
    const [request, limit] = [requests.get(resource), limits.get(resource)]
    const start = `maximum ${resource} usage per ${type} is ${bound}`
    // A claim has no limit: what it asks for counts.
    const counted = type === 'PersistentVolumeClaim' ? request : limit
    if (counted === undefined) said.push(`${start}.  No ${type === 'PersistentVolumeClaim' ? 'request' : 'limit'} is specified`)
    else if (counted > milli(bound)) said.push(`${start}, but limit is ${show(counted, resource)}`)
    else if (request !== undefined && request > milli(bound)) said.push(`${start}, but request is ${show(request, resource)}`)
  }
  for (const [resource, bound] of Object.entries(item.maxLimitRequestRatio ?? {})) {
    const [request = 0, limit = 0] = [requests.get(resource), limits.get(resource)]
    const start = `${resource} max limit to request ratio per ${type} is ${bound}`
    if (request === 0 || limit === 0) said.push(`${start}, but no request is specified or request is 0, or no limit is specified`)
    else if (limit * 1_000 > milli(bound) * request) said.push(`${start}, but provided ratio is ${(limit / request).toFixed(6)}`)
  }
  return said
}

const filled = (container: Container, items: readonly LimitRangeItem[]): Container => {
  let { requests, limits } = container.resources ?? {}
  for (const item of items) {
    if (item.type !== 'Container') continue
    requests = { ...item.defaultRequest, ...requests }
    limits = { ...item.default, ...limits }
  }
  const resources = { ...(requests === undefined ? {} : { requests }), ...(limits === undefined ? {} : { limits }) }
  return Object.keys(resources).length === 0 ? container : { ...container, resources }
}

const judge = ({ resource, object }: Asked, items: readonly LimitRangeItem[]): void => {
  const said = items.flatMap((item): readonly string[] => {
    if (object.kind === 'PersistentVolumeClaim')
      return item.type === object.kind ? broken(item, amounts((object as PersistentVolumeClaim).spec.resources?.requests), new Map()) : []
    const { spec } = object as Pod
    if (item.type === 'Pod') return broken(item, requestsOf(spec), limitsOf(spec))
    if (item.type !== 'Container') return []
    return [...spec.containers, ...(spec.initContainers ?? [])].flatMap(({ resources }) =>
      broken(item, amounts(resources?.requests), amounts(resources?.limits)),
    )
  })
  if (said.length === 0) return
  const why = said.length === 1 ? (said[0] as string) : `[${said.join(', ')}]`
  throw new Refusal(forbidden(`${resource.resource} "${object.metadata.name}" is forbidden: ${why}`))
}

export const limitRanger: AdmissionPlugin = {
  name: 'LimitRanger',
  *create(asked, neighbours) {
    const { object } = asked
    if (asked.resource.resource !== 'pods' && asked.resource.resource !== 'persistentvolumeclaims') return object
    yield* neighbours.ready('limitranges')
    const ranges = neighbours.cachedList('limitranges', object.metadata.namespace) as readonly LimitRange[]
    const items = ranges.flatMap(({ spec }) => spec.limits)
    if (items.length === 0) return object
    let limited = object
    if (object.kind === 'Pod') {
      const pod = object as Pod
      const { containers, initContainers } = pod.spec
      const fill = (container: Container): Container => filled(container, items)
      const first = initContainers === undefined ? {} : { initContainers: initContainers.map(fill) }
      limited = { ...pod, spec: { ...pod.spec, containers: containers.map(fill), ...first } } as Pod
    }
    judge({ ...asked, object: limited }, items)
    return limited
  },
}
