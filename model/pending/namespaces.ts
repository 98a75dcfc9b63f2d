/** Namespaces: what they still have to get, and what is still in those that are being deleted. */
import { missingIn } from '../components/namespace-defaults.ts'
import { contentsOf } from '../components/namespace.ts'
import type { Pending } from '../invariant.ts'
import type { Cluster } from '../state/cluster.ts'
import type { Namespace, Pod } from '../state/objects.ts'
import { keyOf } from '../state/resources.ts'
import { all, isEnding, isLost, label, TAKEN_AWAY, type Waiting } from './picture.ts'

export const namespacesPending: Waiting = (picture) =>
  all<Namespace>(picture, 'namespaces').flatMap((namespace) => {
    if (!isEnding(namespace)) {
      const [missing] = missingIn(namespace, (key) => picture.cluster.store.has(key))
      return missing === undefined ? [] : [{ object: label(namespace), waitsFor: `its ${missing.kind} ${missing.name}`, blocked: false }]
    }
    const contents = contentsOf(picture.cluster.store, namespace.metadata.name).map(({ value }) => value)
    const object = label(namespace)
    const [first] = contents
    if (first === undefined) return [{ object, waitsFor: 'its controller to see that it is empty', blocked: false }]
    const stuck = contents.flatMap((one): readonly Pending[] => {
      const node = one.kind === 'Pod' ? ((one as Pod).spec.nodeName ?? '') : ''
      if (isEnding(one) && node !== '' && isLost(picture, node) && picture.nodes.has(node))
        return [{ object, waitsFor: `the end of ${label(one)}, whose node ${node} is lost`, blocked: true }]
      const held = isEnding(one) ? (one.metadata.finalizers ?? []).find((name) => !TAKEN_AWAY.test(name)) : undefined
      return held === undefined ? [] : [{ object, waitsFor: `the finalizer ${held} of ${label(one)} to be removed`, blocked: true }]
    })
    return stuck.length > 0 ? stuck.slice(0, 1) : [{ object, waitsFor: `the end of ${label(first)}, which is still in it`, blocked: false }]
  })

/** What outlived its namespace (ALLOW-6) is nobody's concern: nothing can be made for it any more. */
export const homeless =
  ({ store }: Cluster) =>
  (row: Pending): Pending => {
    const namespace = /^\w+ ([^/ ]+)\//.exec(row.object)?.[1]
    const there = (name: string): boolean => store.has(keyOf('namespaces', undefined, name))
    // Small worlds do without namespaces altogether.
    if (namespace === undefined || there(namespace) || !there('default')) return row
    return { ...row, waitsFor: `${row.waitsFor} (its namespace is gone)`, blocked: true }
  }
