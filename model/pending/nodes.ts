/** Nodes. */
import { conditionOf, isLost, label, type Waiting } from './picture.ts'

export const nodesPending: Waiting = (picture) =>
  [...picture.nodes.values()].flatMap((node) => {
    const { name } = node.metadata
    const ready = conditionOf(node.status.conditions, 'Ready')?.status
    if (isLost(picture, name)) {
      // It will not come back; that it is gone has to be noticed.
      return ready === 'True' ? [{ object: label(node), waitsFor: 'its loss to be noticed', blocked: false }] : []
    }
    if (ready !== 'True') return [{ object: label(node), waitsFor: 'to be ready again', blocked: false }]
    const stale = (node.spec.taints ?? []).find(
      (taint) => taint.key === 'node.kubernetes.io/not-ready' || taint.key === 'node.kubernetes.io/unreachable',
    )
    return stale === undefined ? [] : [{ object: label(node), waitsFor: `the taint ${stale.key}:${stale.effect} to go`, blocked: false }]
  })
