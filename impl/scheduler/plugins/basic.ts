/** Plugins that need a line or two each: NodeUnschedulable, NodeName, TaintToleration, NodePorts, gates and order. */
import type { Taint, Toleration } from '../../../model/state/objects.ts'
import { tolerates, UNSCHEDULABLE } from '../../taints.ts'
import { normalizeByMost, SKIP, unresolvable, unschedulable, type Plugin } from '../framework.ts'
import { priorityOf } from '../node-info.ts'
import type { HostPort } from '../request.ts'

const tolerated = (tolerations: readonly Toleration[] | undefined, taint: Taint): boolean =>
  (tolerations ?? []).some((toleration) => tolerates(toleration, taint))

export const schedulingGates: Plugin = {
  name: 'SchedulingGates',
  preEnqueue: (pod) => {
    const gates = pod.spec.schedulingGates ?? []
    if (gates.length === 0) return null
    return unresolvable(`waiting for scheduling gates: [${gates.map((gate) => gate.name).join(' ')}]`)
  },
}

export const prioritySort: Plugin = {
  name: 'PrioritySort',
  queueSort: (one, other) => priorityOf(other.pod) - priorityOf(one.pod) || one.sinceMs - other.sinceMs,
}

export const nodeUnschedulable: Plugin = {
  name: 'NodeUnschedulable',
  local: true,
  filter: (_cycle, { pod }, { node }) =>
    node.spec?.unschedulable !== true || tolerated(pod.spec.tolerations, { key: UNSCHEDULABLE, effect: 'NoSchedule' })
      ? null
      : unresolvable('node(s) were unschedulable'),
  mayHelp: (_pod, { resource }) => resource === 'Node',
}

export const nodeName: Plugin = {
  name: 'NodeName',
  local: true,
  filter: (_cycle, { pod }, { name }) =>
    (pod.spec.nodeName ?? '') === '' || pod.spec.nodeName === name ? null : unresolvable("node(s) didn't match the requested node name"),
  mayHelp: (_pod, { resource, action }) => resource === 'Node' && action === 'Add',
}

export const taintToleration: Plugin = {
  name: 'TaintToleration',
  local: true,
  filter: (_cycle, { pod }, { node }) => {
    const taint = (node.spec?.taints ?? []).find((one) => one.effect !== 'PreferNoSchedule' && !tolerated(pod.spec.tolerations, one))
    return taint === undefined ? null : unresolvable('node(s) had untolerated taint(s)')
  },
  preScore: ({ state }, { pod }) => {
    const soft = (pod.spec.tolerations ?? []).filter(({ effect }) => (effect ?? '') === '' || effect === 'PreferNoSchedule')
    state.write('TaintToleration', soft)
    return null
  },
  score: ({ state }, _pod, { node }) => {
    const taints = node.spec?.taints
    if (taints === undefined || taints.length === 0) return 0
    const soft = state.read<readonly Toleration[]>('TaintToleration')
    return taints.filter((taint) => taint.effect === 'PreferNoSchedule' && !tolerated(soft, taint)).length
  },
  normalize: (_cycle, _pod, scores) => normalizeByMost(scores, true),
  mayHelp: (_pod, { resource }) => resource === 'Node',
}

const ANY_IP = '0.0.0.0'
/** Whether two host ports cannot be had on one node. */
export const clash = (one: HostPort, other: HostPort): boolean =>
  one.port === other.port && one.protocol === other.protocol && (one.ip === other.ip || one.ip === ANY_IP || other.ip === ANY_IP)

export const nodePorts: Plugin = {
  name: 'NodePorts',
  local: true,
  preFilter: (_cycle, pod) => (pod.hostPorts.length === 0 ? SKIP : null),
  filter: (_cycle, pod, node) => {
    if (node.portPods === 0) return null
    for (const other of node.pods.values()) {
      if (other.hostPorts.some((taken) => pod.hostPorts.some((wanted) => clash(taken, wanted))))
        return unschedulable("node(s) didn't have free ports for the requested pod ports")
    }
    return null
  },
  mayHelp: (_pod, { resource, action }) => resource === 'Node' || (resource === 'AssignedPod' && action === 'Delete'),
}
