/**
 * Limit ranges, by plain definition: what containers ask for by default, and which bounds a pod keeps.
 *
 * Source: https://kubernetes.io/docs/concepts/policy/limit-range/
 */
import type { Container, Pod, ResourceList } from '../state/objects.ts'
import type { LimitRange, LimitRangeItem } from '../state/policy.ts'
import { thousandths } from '../state/quantity.ts'
import { peak } from './quota.ts'

const filled = (container: Container, items: readonly LimitRangeItem[]): Container => {
  // Of a limit that is given comes a request, before any default is looked at.
  let requests = { ...container.resources?.limits, ...container.resources?.requests }
  let limits = { ...container.resources?.limits }
  for (const item of items.filter(({ type }) => type === 'Container')) {
    requests = { ...item.defaultRequest, ...requests }
    limits = { ...item.default, ...limits }
  }
  return { ...container, resources: { requests, limits } }
}

/** What of a bound is not kept; null: it is. */
const outOf = (item: LimitRangeItem, requests: ResourceList, limits: ResourceList): string | null => {
  const of = (list: ResourceList, name: string): number | undefined => (list[name] === undefined ? undefined : thousandths(list[name]))
  for (const [name, least] of Object.entries(item.min ?? {})) {
    const [request, limit] = [of(requests, name), of(limits, name)]
    if (request === undefined || request < thousandths(least) || (limit !== undefined && limit < thousandths(least)))
      return `less than ${least} ${name} for a ${item.type}`
  }
  for (const [name, most] of Object.entries(item.max ?? {})) {
    const [request, limit] = [of(requests, name), of(limits, name)]
    if (limit === undefined || limit > thousandths(most) || (request !== undefined && request > thousandths(most)))
      return `more than ${most} ${name} for a ${item.type}, or no limit`
  }
  for (const [name, ratio] of Object.entries(item.maxLimitRequestRatio ?? {})) {
    const [request = 0, limit = 0] = [of(requests, name), of(limits, name)]
    if (request === 0 || limit * 1000 > thousandths(ratio) * request) return `a limit of ${name} of more than ${ratio} times the request`
  }
  return null
}

const inUnits = (amounts: ReadonlyMap<string, number>): ResourceList =>
  Object.fromEntries([...amounts].map(([name, amount]) => [name, `${amount}m`]))

/** The pod as it would be made, and what is wrong with it. */
export const brokenBy = (ranges: readonly LimitRange[], pod: Pod): { readonly pod: Pod; readonly broken: string | null } => {
  const items = ranges.flatMap(({ spec }) => spec.limits)
  const fill = (container: Container): Container => filled(container, items)
  const first = pod.spec.initContainers === undefined ? {} : { initContainers: pod.spec.initContainers.map(fill) }
  const made: Pod = { ...pod, spec: { ...pod.spec, containers: pod.spec.containers.map(fill), ...first } }
  return { pod: made, broken: broken(items, made) }
}

/** Of a pod as it is. */
export const broken = (items: readonly LimitRangeItem[], { spec }: Pod): string | null => {
  for (const item of items) {
    if (item.type === 'PersistentVolumeClaim') continue
    const parts =
      item.type === 'Pod'
        ? [{ requests: inUnits(peak(spec, 'requests')), limits: inUnits(peak(spec, 'limits')) }]
        : [...spec.containers, ...(spec.initContainers ?? [])].map(({ resources }) => ({
            requests: resources?.requests ?? {},
            limits: resources?.limits ?? {},
          }))
    const found = parts.map(({ requests, limits }) => outOf(item, requests, limits)).find((why) => why !== null)
    if (found !== undefined) return found
  }
  return null
}
