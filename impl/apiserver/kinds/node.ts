/** Nodes: a kubelet says at once what it has. Source: kubernetes/kubernetes pkg/registry/core/node/strategy.go. */
import type { Kind } from './kind.ts'

export const node: Kind = {
  defaults: (spec) => spec,
  initialStatus: (given) => given ?? { capacity: {}, allocatable: {}, conditions: [] },
}
