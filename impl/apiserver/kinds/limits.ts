/** Quotas and limit ranges. Source: kubernetes/kubernetes pkg/apis/core/v1/defaults.go, pkg/apis/core/validation. */
import type { LimitRange, LimitRangeItem, ResourceQuota } from '../../../model/state/policy.ts'
import type { ResourceList } from '../../../model/state/objects.ts'
import { milli } from '../../quantity.ts'
import type { Kind, Loose, Refuse } from './kind.ts'

const validateQuantities = (list: ResourceList | undefined, field: string, refuse: Refuse): void => {
  for (const [name, quantity] of Object.entries(list ?? {})) {
    let amount = 0
    try {
      amount = milli(quantity)
    } catch (error) {
      refuse(`${field}[${name}]`, (error as Error).message)
    }
    if (amount < 0) refuse(`${field}[${name}]`, 'must be greater than or equal to 0')
  }
}

/** Users may write whole numbers. */
const inText = (list: unknown): ResourceList =>
  Object.fromEntries(Object.entries((list ?? {}) as Loose).map(([name, quantity]) => [name, String(quantity)]))

export const resourceQuota: Kind = {
  defaults: (spec) => (spec['hard'] === undefined ? spec : { ...spec, hard: inText(spec['hard']) }),
  initialStatus: () => ({}),
  validate: (object, refuse) => validateQuantities((object as ResourceQuota).spec.hard, 'spec.hard', refuse),
}

const BOUNDS = ['min', 'max', 'default', 'defaultRequest', 'maxLimitRequestRatio'] as const

/** What a container asks for by default is what it may have by default, that is the most. */
const withDefaults = (given: LimitRangeItem): LimitRangeItem => {
  const said = BOUNDS.filter((bound) => given[bound] !== undefined)
  const item: LimitRangeItem = { ...given, ...Object.fromEntries(said.map((bound) => [bound, inText(given[bound])])) }
  if (item.type !== 'Container') return item
  const limits = { ...item.max, ...item.default }
  return { ...item, default: limits, defaultRequest: { ...item.min, ...limits, ...item.defaultRequest } }
}

export const limitRange: Kind = {
  defaults: (spec) => ({ ...spec, limits: ((spec['limits'] ?? []) as readonly LimitRangeItem[]).map(withDefaults) }),
  validate: (object, refuse) => {
    for (const [index, item] of (object as LimitRange).spec.limits.entries()) {
      const field = `spec.limits[${index}]`
      for (const part of ['min', 'max', 'default', 'defaultRequest'] as const) validateQuantities(item[part], `${field}.${part}`, refuse)
      for (const [name, least] of Object.entries(item.min ?? {})) {
        const most = item.max?.[name]
        if (most !== undefined && milli(least) > milli(most))
          refuse(`${field}.min[${name}]`, `min value ${least} is greater than max value ${most}`)
      }
    }
  },
}
