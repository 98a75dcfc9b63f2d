/**
 * The kubelet: registers its node, and keeps the containers on it as the API says they should be.
 *
 * Losing the API server stops nothing; a restart finds the containers as they are and goes on with them.
 * Source: kubernetes/kubernetes pkg/kubelet/kubelet.go.
 */
import type { Pod } from '../../model/state/objects.ts'
import type { NodeShape, ProgramShape, Timings } from '../../model/state/plan.ts'
import type { SandboxStatus } from '../container-runtime/api.ts'
import { Client } from '../client/client.ts'
import { ListWatch } from '../client/informer.ts'
import { RateLimitedQueue } from '../client/workqueue.ts'
import { isTerminal } from '../objects.ts'
import { spawn, type Task } from '../task.ts'
import type { ClusterHost, ClusterProcess } from '../wire.ts'
import { reject } from './admission.ts'
import { Cri } from './cri.ts'
import type { MachineMounts } from './mounts.ts'
import { NodeStatus } from './node-status.ts'
import { NodeVolumes } from './node-volumes.ts'
import { newer, PodWorker, type KubeletParts } from './pod-worker.ts'

export interface KubeletOptions {
  readonly endpoints: readonly string[]
  readonly shape: NodeShape
  readonly timings: Timings
  /** How programs end that end by themselves, by image. */
  readonly programs: Readonly<Record<string, ProgramShape>>
  /** Address of the machine. */
  readonly hostIP: string
  readonly mounts: MachineMounts
  /** Another one after each power loss. */
  bootId(): string
}

const TIMEOUT_MS = 10_000
const WORKERS = 16
const LOOK_UP_AGAIN_MS = 1_000
const HOUSEKEEPING_MS = 60_000
/** Grace of containers that nobody wants. */
const UNKNOWN_STOP_MS = 2_000
const START_MS: readonly [number, number] = [300, 2_000]
const STOP_MS: readonly [number, number] = [50, 3_000]

export const kubelet =
  (options: KubeletOptions) =>
  (host: ClusterHost): Kubelet =>
    new Kubelet(host, options)

export class Kubelet implements ClusterProcess {
  private readonly host: ClusterHost
  private readonly options: KubeletOptions
  readonly client: Client
  private readonly cri: Cri
  private readonly volumes: NodeVolumes
  private readonly node: NodeStatus
  private readonly pods: ListWatch<Pod>
  private readonly workers = new Map<string, PodWorker>()
  private readonly queue: RateLimitedQueue
  private readonly parts: KubeletParts
  private registered = false

  constructor(host: ClusterHost, options: KubeletOptions) {
    this.host = host
    this.options = options
    this.client = new Client(host, { endpoints: options.endpoints, timeoutMs: TIMEOUT_MS })
    this.cri = new Cri(host, `container-runtime-${options.shape.name}`, (pod) => this.lookAt(pod))
    this.volumes = new NodeVolumes(host, this.client, options.shape.name, options.mounts)
    this.node = new NodeStatus(host, this.client, options.shape, options.bootId(), this.volumes)
    this.pods = new ListWatch<Pod>(host, this.client, 'pods', `spec.nodeName=${options.shape.name}`, () => {})
    this.queue = new RateLimitedQueue(host, WORKERS, (uid) => this.sync(uid))
    this.parts = {
      host,
      client: this.client,
      cri: this.cri,
      volumes: this.volumes,
      hostIP: options.hostIP,
      startMs: options.timings.podStartMs ?? START_MS,
      stopMs: options.timings.podStopMs ?? STOP_MS,
      programs: options.programs,
      startedMs: host.elapsed(),
      later: (uid, ms) => this.queue.addAfter(uid, ms),
    }
  }

  start(): void {
    this.cri.connect()
    this.node.start(() => {
      this.registered = true
      this.pods.onChange((before, after) => this.podChanged(before, after))
      this.pods.start()
      this.housekeeping()
    })
  }

  receive(): void {}

  accept(): never {
    throw new Error('nobody connects to a kubelet')
  }

  private podChanged(before: Pod | null, after: Pod | null): void {
    const pod = after ?? before
    if (pod === null) return
    const { uid } = pod.metadata
    let worker = this.workers.get(uid)
    if (after === null) {
      if (worker !== undefined) worker.removed = true
    } else if (worker === undefined) {
      worker = new PodWorker(this.parts, after)
      this.workers.set(uid, worker)
    } else if (newer(after, worker.pod)) worker.pod = after
    this.queue.add(uid)
  }

  /** Null: at all. */
  private lookAt(pod: string | null): void {
    if (!this.registered) return
    for (const uid of pod === null ? this.workers.keys() : [pod]) this.queue.add(uid)
  }

  private *sync(uid: string): Task<'done' | 'retry'> {
    const worker = this.workers.get(uid)
    if (worker === undefined || worker.finished) return 'done'
    const isNew = !worker.admitted && worker.rejection === null && !worker.terminating
    if (isNew && !(yield* this.admit(worker))) return 'done'
    yield* worker.sync()
    if (worker.finished) this.workers.delete(uid)
    return 'done'
  }

  /** False: nothing can be said yet. */
  private *admit(worker: PodWorker): Task<boolean> {
    const node = this.node.node
    const seen = yield* this.cri.seen(worker.pod.metadata.uid)
    const runs = seen?.containers.some((container) => container.state === 'RUNNING') === true
    if (!runs && !isTerminal(worker.pod) && !(yield* this.isStillThere(worker))) return false
    const here = (seen?.sandboxes ?? []).length > 0
    // What already ran here before the kubelet was restarted is not turned away.
    if (here || worker.pod.status.startTime !== undefined || isTerminal(worker.pod) || node === null) {
      worker.admitted = true
      return true
    }
    const held = [...this.workers.values()].filter((other) => other !== worker && other.holds).map((other) => other.pod)
    worker.rejection = reject(worker.pod, node, held)
    worker.admitted = worker.rejection === null
    return true
  }

  /**
   * After a restart the first list may be of an apiserver that lags, and show a pod that was over long ago: nothing is
   * started that was not looked up. Upstream trusts its list (kubernetes/kubernetes#59848). False: nobody could say.
   */
  private *isStillThere(worker: PodWorker): Task<boolean> {
    const { uid, namespace, name } = worker.pod.metadata
    const read = yield* this.client.get<Pod>({ resource: 'pods', namespace, name })
    if (!read.ok && read.status.code !== 404) {
      this.queue.addAfter(uid, LOOK_UP_AGAIN_MS)
      return false
    }
    if (!read.ok || read.value.metadata.uid !== uid) worker.removed = true
    else if (newer(read.value, worker.pod)) worker.pod = read.value
    return true
  }

  /** Ends what runs here and nobody wants, once it is known what is wanted. */
  private housekeeping(): void {
    spawn(this.endUnknown())
    this.host.after(HOUSEKEEPING_MS, () => this.housekeeping())
  }

  /**
   * A list from a cache that lags may not show a pod that runs here already: what is not known is looked up before it is
   * ended. Upstream trusts its list (kubernetes/kubernetes#59848).
   */
  private *isStillWanted({ pod, namespace, name }: SandboxStatus): Task<boolean> {
    const read = yield* this.client.get<Pod>({ resource: 'pods', namespace, name })
    if (!read.ok) return read.status.code !== 404
    return read.value.metadata.uid === pod
  }

  private *endUnknown(): Task<void> {
    if (!this.pods.synced) {
      this.host.after(1_000, () => spawn(this.endUnknown()))
      return
    }
    const seen = yield* this.cri.seen()
    let allOver = true
    for (const sandbox of seen?.sandboxes ?? []) {
      if (this.workers.has(sandbox.pod) || (yield* this.isStillWanted(sandbox))) continue
      for (const container of seen?.containers ?? []) {
        if (container.sandbox !== sandbox.sandbox || container.state !== 'RUNNING') continue
        yield* this.cri.call({ call: 'StopContainer', id: container.id, timeoutMs: UNKNOWN_STOP_MS, reason: 'unknown pod' })
      }
      const over = (seen?.containers ?? []).every((container) => container.sandbox !== sandbox.sandbox || container.state !== 'RUNNING')
      allOver &&= over
      if (!over) continue
      yield* this.volumes.unmount(sandbox.pod)
      yield* this.cri.call({ call: 'RemovePodSandbox', sandbox: sandbox.sandbox })
    }
    // Their sandboxes go when they have stopped.
    if (!allOver) this.host.after(UNKNOWN_STOP_MS, () => spawn(this.endUnknown()))
    if (seen !== null) yield* this.unmountForNobody(seen.sandboxes)
    this.lookAt(null)
  }
  /** A kubelet that ended in between leaves a volume mounted for a pod that has not begun. */
  private *unmountForNobody(sandboxes: readonly SandboxStatus[]): Task<void> {
    for (const pod of this.options.mounts.pods)
      if (!this.workers.has(pod) && !sandboxes.some((sandbox) => sandbox.pod === pod)) yield* this.volumes.unmount(pod)
  }
}
