/**
 * Which pods were told that room is made for them, and on which node: others of lower or equal rank leave it to them.
 *
 * Source: kubernetes/kubernetes pkg/scheduler/internal/queue/scheduling_queue.go (nominator).
 */
import type { Pod } from '../../model/state/objects.ts'
import { isDeleting } from '../objects.ts'
import { podInfoOf, priorityOf, type PodInfo } from './node-info.ts'
import type { Nominations } from './runtime.ts'

export class Nominator implements Nominations {
  private readonly promises = new Map<string, { readonly info: PodInfo; readonly node: string }>()

  get size(): number {
    return this.promises.size
  }

  on(node: string): readonly PodInfo[] {
    return [...this.promises.values()].filter((one) => one.node === node).map(({ info }) => info)
  }

  promise(info: PodInfo, node: string): void {
    this.promises.set(info.pod.metadata.uid, { info, node })
  }

  /** True: it had been promised a node. */
  forget(uid: string): boolean {
    return this.promises.delete(uid)
  }

  /** A pod that waits, as it is now. True: it had been promised a node, and no longer is. */
  follow(before: Pod | null, after: Pod): boolean {
    const node = after.status.nominatedNodeName ?? ''
    const held = this.promises.get(after.metadata.uid)
    if (isDeleting(after)) return this.forget(after.metadata.uid)
    if (node !== '') this.promise(podInfoOf(after), node)
    // What was promised a moment ago may not be written yet.
    else if (held !== undefined && (before?.status.nominatedNodeName ?? '') === '') this.promise(podInfoOf(after), held.node)
    else return this.forget(after.metadata.uid)
    return false
  }

  /** Who was promised a node and ranks below a pod. */
  below(pod: Pod, node: string): readonly Pod[] {
    return this.on(node).flatMap((other) => (priorityOf(other.pod) < priorityOf(pod) ? [other.pod] : []))
  }

  all(): readonly { readonly uid: string; readonly node: string }[] {
    return [...this.promises].map(([uid, { node }]) => ({ uid, node }))
  }
}
