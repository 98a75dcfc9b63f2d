/** Who is meant by a selector, and what a toleration tolerates: by plain definition. */
import type { LabelSelector, Labels, Node, NodeSelectorTerm, Pod, Taint, Toleration } from './objects.ts'

export const matchesLabels = (selector: LabelSelector, labels: Labels = {}): boolean => {
  const pairs = Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels[key] === value)
  const expressions = (selector.matchExpressions ?? []).every((expression) => {
    const held = labels[expression.key]
    const among = held !== undefined && (expression.values ?? []).includes(held)
    switch (expression.operator) {
      case 'In':
        return among
      case 'NotIn':
        return !among
      case 'Exists':
        return held !== undefined
      case 'DoesNotExist':
        return held === undefined
    }
  })
  return pairs && expressions
}

/** A service's selector. An empty one selects nothing. */
export const matchesPairs = (pairs: Labels | undefined, labels: Labels = {}): boolean => {
  const entries = Object.entries(pairs ?? {})
  return entries.length > 0 && entries.every(([key, value]) => labels[key] === value)
}

/** KEP-5471: Lt and Gt compare the taint's value with the toleration's, both whole numbers. */
const valueTolerated = ({ operator, value = '' }: Toleration, held: string): boolean => {
  const numbers = [held, value].every((text) => /^(0|-?[1-9]\d*)$/.test(text))
  switch (operator) {
    case 'Exists':
      return true
    case 'Lt':
      return numbers && Number(held) < Number(value)
    case 'Gt':
      return numbers && Number(held) > Number(value)
    default:
      return held === value
  }
}

export const toleratesTaint = (tolerations: readonly Toleration[] | undefined, taint: Taint): boolean =>
  (tolerations ?? []).some((toleration) => {
    const effect = toleration.effect === undefined || toleration.effect === taint.effect
    const key = toleration.key === undefined ? toleration.operator === 'Exists' : toleration.key === taint.key
    const value = valueTolerated(toleration, taint.value ?? '')
    return effect && key && value
  })

/** What can be a label's value: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/ */
const isLabelValue = (value: string): boolean =>
  value === '' || (value.length <= 63 && /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/.test(value))

/** A term without requirements matches nothing, nor does one that asks for what no label can be. */
export const termSelects = (term: NodeSelectorTerm, node: Node): boolean => {
  const all = [
    ...(term.matchExpressions ?? []).map((one) => ({ ...one, held: node.metadata.labels?.[one.key] })),
    ...(term.matchFields ?? []).map((one) => ({ ...one, held: one.key === 'metadata.name' ? node.metadata.name : undefined })),
  ]
  return (
    all.length > 0 &&
    (term.matchExpressions ?? []).every(({ values = [] }) => values.every(isLabelValue)) &&
    all.every(({ operator, values = [], held }) => {
      switch (operator) {
        case 'In':
          return held !== undefined && values.includes(held)
        case 'NotIn':
          return held === undefined || !values.includes(held)
        case 'Exists':
          return held !== undefined
        case 'DoesNotExist':
          return held === undefined
        case 'Gt':
          return held !== undefined && Number(held) > Number(values[0])
        case 'Lt':
          return held !== undefined && Number(held) < Number(values[0])
        default:
          return false
      }
    })
  )
}

/** nodeSelector and required node affinity together. */
export const selectsNode = (pod: Pod, node: Node): boolean => {
  const labels = node.metadata.labels ?? {}
  const pairs = Object.entries(pod.spec.nodeSelector ?? {}).every(([key, value]) => labels[key] === value)
  const required = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  return pairs && (required === undefined || (required.nodeSelectorTerms ?? []).some((term) => termSelects(term, node)))
}
