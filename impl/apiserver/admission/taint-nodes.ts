/** Nothing is scheduled to a node before it has said that it is ready. Source: plugin/pkg/admission/nodetaint. */
import type { Node } from '../../../model/state/objects.ts'
import type { AdmissionPlugin } from './plugin.ts'

export const taintNodesByCondition: AdmissionPlugin = {
  name: 'TaintNodesByCondition',
  create({ object }) {
    if (object.kind !== 'Node') return object
    const node = object as Node
    const taints = [...(node.spec.taints ?? []), { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' as const }]
    return { ...node, spec: { ...node.spec, taints } } as Node
  },
}
