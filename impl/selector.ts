/**
 * Selectors as the API takes them: label selectors of objects and of requests, and field selectors.
 *
 * Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
 */
import type { ApiObject, LabelSelector, Labels, Pod } from '../model/state/objects.ts'

const NONE: Labels = {}

/** An empty selector matches everything; an absent one nothing. */
export const selects = (selector: LabelSelector | undefined, labels: Labels | undefined): boolean => {
  if (selector === undefined) return false
  const has = labels ?? NONE
  const { matchLabels = NONE, matchExpressions } = selector
  for (const key in matchLabels) if (has[key] !== matchLabels[key]) return false
  if (matchExpressions === undefined) return true
  return matchExpressions.every(({ key, operator, values = [] }) => {
    const value = has[key]
    switch (operator) {
      case 'In':
        return value !== undefined && values.includes(value)
      case 'NotIn':
        return value === undefined || !values.includes(value)
      case 'Exists':
        return value !== undefined
      case 'DoesNotExist':
        return value === undefined
    }
  })
}

/** A service's selector: every pair must be there; an empty one matches nothing. */
export const selectsPairs = (selector: Labels | undefined, labels: Labels | undefined): boolean => {
  const has = labels ?? NONE
  let any = false
  for (const key in selector) {
    if (has[key] !== selector[key]) return false
    any = true
  }
  return any
}

/** A selector in the text form of a request: 'app=web,tier!=db,env in (a,b),!old'. Throws an Error naming the part. */
export const parseSelector = (text: string): LabelSelector => {
  const matchExpressions = splitOutside(text).map((part): NonNullable<LabelSelector['matchExpressions']>[number] => {
    const set = /^(\S+)\s+(in|notin)\s+\(([^)]*)\)$/.exec(part)
    if (set !== null) {
      const values = (set[3] as string).split(',').map((value) => value.trim())
      return { key: set[1] as string, operator: set[2] === 'in' ? 'In' : 'NotIn', values }
    }
    const pair = /^([^=!\s]+)\s*(==|=|!=)\s*(\S*)$/.exec(part)
    if (pair !== null) {
      return { key: pair[1] as string, operator: pair[2] === '!=' ? 'NotIn' : 'In', values: [pair[3] as string] }
    }
    const bare = /^(!?)\s*([^=!\s]+)$/.exec(part)
    if (bare === null) throw new Error(`'${part}' is not a label selector`)
    return { key: bare[2] as string, operator: bare[1] === '!' ? 'DoesNotExist' : 'Exists' }
  })
  return { matchExpressions }
}

/** At commas that are not inside parentheses. */
const splitOutside = (text: string): readonly string[] =>
  text
    .split(/,(?![^(]*\))/)
    .map((part) => part.trim())
    .filter((part) => part !== '')

const fieldOf = (object: ApiObject, field: string): string | undefined => {
  switch (field) {
    case 'metadata.name':
      return object.metadata.name
    case 'metadata.namespace':
      return object.metadata.namespace ?? ''
    case 'spec.nodeName':
      return (object as Pod).spec.nodeName ?? ''
    case 'status.phase':
      return (object as Pod).status.phase
    case 'spec.unschedulable':
      return String((object as { spec?: { unschedulable?: boolean } }).spec?.unschedulable ?? false)
    default:
      return undefined
  }
}

export interface Matcher {
  (object: ApiObject): boolean
}

/** Both selectors of a request in one. Throws an Error for a field that cannot be selected by. */
export const matcher = (labelSelector: string | undefined, fieldSelector: string | undefined): Matcher | null => {
  if (labelSelector === undefined && fieldSelector === undefined) return null
  const labels = labelSelector === undefined ? null : parseSelector(labelSelector)
  const fields = (fieldSelector ?? '')
    .split(',')
    .filter((part) => part !== '')
    .map((part) => {
      const pair = /^([^=!]+)(==|=|!=)(.*)$/.exec(part)
      if (pair === null) throw new Error(`'${part}' is not a field selector`)
      return { field: pair[1] as string, equal: pair[2] !== '!=', value: pair[3] as string }
    })
  return (object) => {
    if (labels !== null && !selects(labels, object.metadata.labels)) return false
    return fields.every(({ field, equal, value }) => {
      const held = fieldOf(object, field)
      if (held === undefined) throw new Error(`field label not supported: ${field}`)
      return (held === value) === equal
    })
  }
}
