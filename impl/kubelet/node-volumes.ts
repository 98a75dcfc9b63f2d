/**
 * Volumes that have to be attached before a pod's containers start: said to be in use, waited for, mounted, and unmounted
 * before they are said not to be in use any more.
 *
 * Whoever takes a volume off the node looks at what it says is in use and takes it out of what is attached in one write. So
 * one version of the node that has it in both is enough to mount it by, as long as no word to the contrary is on its way.
 * Source: kubernetes/kubernetes pkg/kubelet/volumemanager, pkg/volume/util/operationexecutor (verify controller attached volume).
 */
import type { Node } from '../../model/state/objects.ts'
import type { Client } from '../client/client.ts'
import { sleep, type Task } from '../task.ts'
import type { ClusterHost } from '../wire.ts'
import type { MachineMounts } from './mounts.ts'

const MOUNT_MS: readonly [number, number] = [50, 500]
const RETRY_LEAST_MS = 500
const RETRY_MOST_MS = 122_000

export class NodeVolumes {
  private readonly host: ClusterHost
  private readonly client: Client
  private readonly node: string
  private readonly mounts: MachineMounts
  /** Pod → the volumes that it waits for or has. */
  private readonly wanted = new Map<string, readonly string[]>()
  /** What the API server was told, and nothing to the contrary since. */
  private reported: ReadonlySet<string> = new Set()
  private readonly backOffMs = new Map<string, number>()

  constructor(host: ClusterHost, client: Client, node: string, mounts: MachineMounts) {
    this.host = host
    this.client = client
    this.node = node
    this.mounts = mounts
  }

  /** In order. */
  get inUse(): readonly string[] {
    return [...new Set([...[...this.wanted.values()].flat(), ...this.mounts.volumes])].toSorted()
  }

  /** The API server has heard of these, as they were when that began. */
  told(volumes: readonly string[]): void {
    this.reported = new Set(volumes)
  }

  /** alone: those of them that one pod may have at a time. Null: all are mounted. Otherwise after how long to ask again. */
  *mount(pod: string, volumes: readonly string[], alone: readonly string[]): Task<number | null> {
    const inUse = this.inUse
    if (volumes.some((volume) => !inUse.includes(volume))) this.forget(volumes.filter((volume) => !inUse.includes(volume)))
    this.wanted.set(pod, volumes)
    const open = volumes.filter((volume) => !this.mounts.has(volume, pod))
    if (open.length === 0) return null
    if (!(yield* this.areAttached(open))) return this.backOff(pod)
    for (const volume of open) {
      yield* sleep(this.host, this.host.random('mount').between(...MOUNT_MS))
      // Who was first has it.
      if (alone.includes(volume) && this.mounts.isElsewhere(volume, pod)) return this.backOff(pod)
      this.mounts.add(volume, pod)
      this.host.observe({ kind: 'VolumeMounted', node: this.node, pod, volume })
    }
    this.backOffMs.delete(pod)
    return null
  }

  private backOff(pod: string): number {
    const waitMs = this.backOffMs.get(pod) ?? RETRY_LEAST_MS
    this.backOffMs.set(pod, Math.min(waitMs * 2, RETRY_MOST_MS))
    return waitMs
  }

  private *areAttached(volumes: readonly string[]): Task<boolean> {
    if (volumes.some((volume) => !this.reported.has(volume))) return false
    const read = yield* this.client.get<Node>({ resource: 'nodes', name: this.node })
    if (!read.ok) return false
    const { volumesInUse = [], volumesAttached = [] } = read.value.status
    return volumes.every((volume) => volumesInUse.includes(volume) && volumesAttached.some(({ name }) => name === volume))
  }

  /** Nothing of the pod runs any more. */
  *unmount(pod: string): Task<void> {
    for (const volume of this.mounts.of(pod)) {
      yield* sleep(this.host, this.host.random('mount').between(...MOUNT_MS))
      this.mounts.remove(volume, pod)
      this.host.observe({ kind: 'VolumeUnmounted', node: this.node, pod, volume })
    }
    const had = this.wanted.get(pod) ?? []
    this.wanted.delete(pod)
    this.backOffMs.delete(pod)
    if (had.length === 0) return
    const inUse = this.inUse
    this.forget(had.filter((volume) => !inUse.includes(volume)))
  }

  /** From now on the node may be told that these are not in use: who wants them has to tell it anew. */
  private forget(volumes: readonly string[]): void {
    if (volumes.length > 0) this.reported = new Set([...this.reported].filter((volume) => !volumes.includes(volume)))
  }
}
