/**
 * Pods that have a node and wait for leave to go there: each plugin that asked them to wait allows or rejects them, or its time
 * runs out.
 *
 * Source: kubernetes/kubernetes pkg/scheduler/framework/runtime/{framework.go,waiting_pods_map.go}.
 */
import { unschedulable, type Status, type WaitingPod, type WaitingPods } from './framework.ts'
import type { PodInfo } from './node-info.ts'

/** No plugin is waited for longer. */
export const PERMIT_MOST_MS = 15 * 60_000

/** Runs a function after some time; what it returns calls it off. */
export type Later = (ms: number, run: () => void) => void

class Waiting implements WaitingPod {
  readonly info: PodInfo
  readonly node: string
  private readonly plugins: Set<string>
  private readonly end: (status: Status | null) => void

  constructor(info: PodInfo, node: string, plugins: Iterable<string>, end: (status: Status | null) => void) {
    this.info = info
    this.node = node
    this.plugins = new Set(plugins)
    this.end = end
  }

  allow(plugin: string): void {
    this.plugins.delete(plugin)
    if (this.plugins.size === 0) this.end(null)
  }

  reject(plugin: string, why: string): void {
    this.end({ ...unschedulable(why), plugin })
  }

  timeOut(plugin: string, ms: number): void {
    if (this.plugins.has(plugin)) this.reject(plugin, `rejected due to timeout after waiting ${ms / 1000}s at plugin ${plugin}`)
  }
}

export class WaitingPodsMap implements WaitingPods {
  private readonly byUid = new Map<string, Waiting>()

  /** Calls `ended` once: with null when every plugin has allowed it, otherwise with what it was rejected for. */
  add(info: PodInfo, node: string, timeouts: ReadonlyMap<string, number>, later: Later, ended: (status: Status | null) => void): void {
    const { uid } = info.pod.metadata
    const waiting = new Waiting(info, node, timeouts.keys(), (status) => {
      if (this.byUid.get(uid) !== waiting) return
      this.byUid.delete(uid)
      ended(status)
    })
    this.byUid.set(uid, waiting)
    for (const [plugin, ms] of timeouts) {
      const bounded = Math.min(ms, PERMIT_MOST_MS)
      later(bounded, () => {
        if (this.byUid.get(uid) === waiting) waiting.timeOut(plugin, bounded)
      })
    }
  }

  get(uid: string): WaitingPod | undefined {
    return this.byUid.get(uid)
  }

  /** As they are now: who ends meanwhile is passed over by nobody. */
  all(): readonly WaitingPod[] {
    return [...this.byUid.values()]
  }
}
