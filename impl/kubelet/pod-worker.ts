/**
 * One pod on one node, brought step by step to what it should be: running, or ending, or gone. The steps go one way.
 *
 * Every call looks at what the runtime has and does the next thing; nothing is remembered that a restart may not forget.
 * Source: kubernetes/kubernetes pkg/kubelet/{pod_workers.go,kuberuntime/kuberuntime_manager.go}.
 */
import type { Container, PersistentVolume, PersistentVolumeClaim, Pod } from '../../model/state/objects.ts'
import type { ProgramShape } from '../../model/state/plan.ts'
import type { ContainerState, SandboxStatus } from '../container-runtime/api.ts'
import { claimsOf, isForOnePod, nameOnNode } from '../attachable.ts'
import type { Client } from '../client/client.ts'
import { isDeleting, isTerminal } from '../objects.ts'
import { same } from '../equal.ts'
import { wait, type Task } from '../task.ts'
import type { ClusterHost } from '../wire.ts'
import type { Cri } from './cri.ts'
import type { NodeVolumes } from './node-volumes.ts'
import { Prober, probeOf, type Health } from './prober.ts'
import { programOf } from './program.ts'
import { statusOf } from './status.ts'
import { Stopper } from './stopping.ts'

export interface KubeletParts {
  readonly host: ClusterHost
  readonly client: Client
  readonly cri: Cri
  readonly volumes: NodeVolumes
  readonly hostIP: string
  readonly startMs: readonly [number, number]
  readonly stopMs: readonly [number, number]
  readonly programs: Readonly<Record<string, ProgramShape>>
  /** When the kubelet did. */
  readonly startedMs: number
  /** Calls the worker again after a while. */
  later(uid: string, ms: number): void
}

/** Back-off between crashes: doubled each time, forgotten after a container ran for long enough. */
const BACK_OFF_LEAST_MS = 10_000
const BACK_OFF_MOST_MS = 300_000
const BACK_OFF_FORGET_MS = 600_000
const CONFIG_RETRY_MS = 10_000
const VOLUME_RETRY_MS = 2_000
const STATUS_RETRY_MS = 1_000
const HOOK_FAILED = 'its postStart hook failed'
/** Of a container whose postStart hook has failed: it counts as one that never ran. */
const UNBORN: Health = { started: false, ready: false, failed: null }

interface Crash {
  backOffMs: number
  readonly containerId: string
}

export class PodWorker {
  /** As last seen in the API; kept after it has gone from there. */
  pod: Pod
  /** The API has no such pod any more. */
  removed = false
  /** Null: not looked at yet. Set by the kubelet before the first sync. */
  rejection: { readonly reason: string; readonly message: string } | null = null
  admitted = false
  /** Nothing is left of it here. */
  finished = false
  private readonly parts: KubeletParts
  private readonly waiting = new Map<string, { readonly reason: string; readonly message: string }>()
  private readonly crashes = new Map<string, Crash>()
  /** Container id → why it alone was stopped, and how long it had. */
  private readonly givenUp = new Map<string, { readonly why: string; readonly graceMs: number }>()
  private readonly prober: Prober
  private readonly stopper: Stopper
  private stopped = false

  constructor(parts: KubeletParts, pod: Pod) {
    this.parts = parts
    this.pod = pod
    this.prober = new Prober(parts.host, parts.cri, parts.startedMs, () => parts.later(pod.metadata.uid, 0))
    this.stopper = new Stopper(parts.host, parts.cri)
  }

  get terminating(): boolean {
    return this.removed || isDeleting(this.pod)
  }

  /** Holds resources on the node. */
  get holds(): boolean {
    return this.admitted && !this.finished && (!isTerminal(this.pod) || !this.stopped)
  }

  *sync(): Task<void> {
    const { uid } = this.pod.metadata
    const seen = yield* this.parts.cri.seen(uid)
    if (seen === null) {
      this.parts.later(uid, STATUS_RETRY_MS)
      return
    }
    const { sandboxes } = seen
    const containers = newest(seen.containers)
    const running = seen.containers.filter((container) => container.state === 'RUNNING')
    if (this.rejection !== null) yield* this.refuse(this.rejection)
    else if (this.terminating || isTerminal(this.pod)) yield* this.terminate(sandboxes, containers, running)
    else yield* this.run(sandboxes, containers)
  }

  // Refused at the door

  private *refuse(rejection: { readonly reason: string; readonly message: string }): Task<void> {
    if (!isTerminal(this.pod)) yield* this.post({ ...this.pod.status, phase: 'Failed', ...rejection })
    else if (isDeleting(this.pod)) yield* this.deleteObject()
  }

  // Running

  private *run(sandboxes: readonly SandboxStatus[], containers: ReadonlyMap<string, ContainerState>): Task<void> {
    let sandbox = sandboxes.find((one) => one.state === 'READY')
    if (sandbox === undefined) {
      if (!(yield* this.hasVolumes())) {
        // What ran before the machine lost power does not run while it waits.
        if (this.pod.status.startTime !== undefined) yield* this.report(null, false)
        return
      }
      sandbox = yield* this.startSandbox(sandboxes.length)
      if (sandbox === undefined) return
    }
    const current = new Map([...containers].filter(([, container]) => container.sandbox === sandbox.sandbox))
    if (yield* this.initialize(sandbox, current)) {
      for (const container of this.pod.spec.containers) yield* this.runContainer(sandbox, container, current.get(container.name))
    }
    yield* this.report(sandbox.ip, false)
  }

  /** False: a claim is not there, not bound, or on its way out, or a volume is not attached, or in use; it is asked again later. */
  private *hasVolumes(): Task<boolean> {
    const { parts } = this
    const { uid } = this.pod.metadata
    const volumes: string[] = []
    const alone: string[] = []
    for (const claim of claimsOf(this.pod)) {
      const volume = yield* this.volumeOf(claim)
      if (volume === null) {
        parts.later(uid, VOLUME_RETRY_MS)
        return false
      }
      const onNode = nameOnNode(volume)
      if (onNode === null) continue
      volumes.push(onNode)
      if (isForOnePod(volume)) alone.push(onNode)
    }
    const againMs = volumes.length === 0 ? null : yield* parts.volumes.mount(uid, volumes, alone)
    if (againMs !== null) parts.later(uid, againMs)
    return againMs === null
  }

  /** Live reads: what it holds depends on them. */
  private *volumeOf(name: string): Task<PersistentVolume | null> {
    const { client } = this.parts
    const { namespace } = this.pod.metadata
    const claim = yield* client.get<PersistentVolumeClaim>({ resource: 'persistentvolumeclaims', namespace, name })
    if (!claim.ok || claim.value.status?.phase !== 'Bound' || isDeleting(claim.value)) return null
    const volume = yield* client.get<PersistentVolume>({ resource: 'persistentvolumes', name: claim.value.spec.volumeName ?? '' })
    return volume.ok ? volume.value : null
  }

  private *startSandbox(attempt: number): Task<SandboxStatus | undefined> {
    const { uid, name, namespace = '' } = this.pod.metadata
    const { host } = this.parts
    // Pulling images, setting up the network.
    yield* wait<void>((resume) => void host.after(host.random('start').between(...this.parts.startMs), () => resume()))
    if (this.terminating) {
      this.parts.later(uid, 0)
      return undefined
    }
    const reply = yield* this.parts.cri.call({ call: 'RunPodSandbox', pod: uid, name, namespace, attempt })
    if (!reply.ok || reply.id === undefined || reply.ip === undefined) {
      this.parts.later(uid, STATUS_RETRY_MS)
      return undefined
    }
    return { sandbox: reply.id, pod: uid, name, namespace, attempt, state: 'READY', ip: reply.ip }
  }

  /** True: all init containers have succeeded, each after the one before. */
  private *initialize(sandbox: SandboxStatus, containers: ReadonlyMap<string, ContainerState>): Task<boolean> {
    if (this.pod.spec.containers.some((container) => containers.has(container.name))) return true
    for (const container of this.pod.spec.initContainers ?? []) {
      const state = containers.get(container.name)
      if (state?.state === 'EXITED' && state.exitCode === 0) continue
      if (state?.state === 'RUNNING') return false
      if (state?.state === 'EXITED' && this.pod.spec.restartPolicy === 'Never') return false
      yield* this.startContainer(sandbox, container, state, true)
      return false
    }
    return true
  }

  private *runContainer(sandbox: SandboxStatus, container: Container, state: ContainerState | undefined): Task<void> {
    if (state?.state === 'RUNNING') {
      const { failed } = this.follow(container, state)
      if (failed !== null) this.giveUp(state.id, `its ${failed} probe failed`, probeOf(container, failed)?.terminationGracePeriodSeconds)
      yield* this.endGivenUp(container, state)
      return
    }
    this.prober.forget(container.name)
    const { restartPolicy } = this.pod.spec
    const ended = state?.state === 'EXITED'
    if (ended && (restartPolicy === 'Never' || (restartPolicy === 'OnFailure' && state.exitCode === 0))) return
    yield* this.startContainer(sandbox, container, state, false)
  }

  private follow(container: Container, state: ContainerState): Health {
    return this.prober.follow(
      container,
      state,
      this.pod.status.containerStatuses?.find(({ name }) => name === container.name),
    )
  }

  /** It alone is to be stopped, and started again as the restart policy says. */
  private giveUp(id: string, why: string, graceSeconds = this.pod.spec.terminationGracePeriodSeconds): void {
    if (!this.givenUp.has(id)) this.givenUp.set(id, { why, graceMs: graceSeconds * 1000 })
  }

  private *endGivenUp(container: Container, state: ContainerState): Task<void> {
    const given = this.givenUp.get(state.id)
    if (given !== undefined) yield* this.stopper.stop(container, state, given.graceMs, given.why)
  }

  private *startContainer(sandbox: SandboxStatus, container: Container, before: ContainerState | undefined, init: boolean): Task<void> {
    const { name } = container
    if (before?.state === 'EXITED' && !this.backedOff(name, before)) return
    const missing = yield* this.missingConfig(container)
    if (missing !== null) {
      this.waiting.set(name, { reason: 'CreateContainerConfigError', message: missing })
      this.parts.later(this.pod.metadata.uid, CONFIG_RETRY_MS)
      return
    }
    if (this.terminating) return
    const recorded = [...(this.pod.status.containerStatuses ?? []), ...(this.pod.status.initContainerStatuses ?? [])].find(
      (status) => status.name === name,
    )
    const started = recorded?.containerID === undefined ? 0 : recorded.restartCount + 1
    const attempt = before === undefined ? started : Math.max(before.attempt + 1, recorded?.restartCount ?? 0)
    const created = yield* this.parts.cri.call({
      call: 'CreateContainer',
      sandbox: sandbox.sandbox,
      container: name,
      attempt,
      init,
      program: programOf(this.parts, this.pod, container, init, attempt),
    })
    if (!created.ok || created.id === undefined) {
      this.parts.later(this.pod.metadata.uid, STATUS_RETRY_MS)
      return
    }
    this.waiting.delete(name)
    const run = yield* this.parts.cri.call({ call: 'StartContainer', id: created.id })
    if (run.ok && container.lifecycle?.postStart !== undefined) yield* this.postStart(container, created.id)
  }

  /** Nothing is said of it, and no other container started, before its hook has ended. */
  private *postStart(container: Container, id: string): Task<void> {
    const ran = yield* this.parts.cri.call({ call: 'Hook', id, hook: 'postStart' })
    if (!ran.ok || ran.passed !== false) return
    const seen = yield* this.parts.cri.seen(this.pod.metadata.uid)
    const state = seen?.containers.find((one) => one.id === id && one.state === 'RUNNING')
    this.giveUp(id, HOOK_FAILED)
    if (state !== undefined) yield* this.endGivenUp(container, state)
  }

  /** False: it crashed too recently. The first restart is immediate, as is the first after a long run. */
  private backedOff(name: string, ended: ContainerState): boolean {
    const ranMs = ended.finishedAtMs - ended.startedAtMs
    let crash = this.crashes.get(name)
    if (crash === undefined || ranMs > BACK_OFF_FORGET_MS) {
      this.crashes.set(name, { backOffMs: BACK_OFF_LEAST_MS, containerId: ended.id })
      return true
    }
    const sinceMs = this.parts.host.now() - ended.finishedAtMs
    if (sinceMs >= crash.backOffMs) {
      crash = { backOffMs: Math.min(BACK_OFF_MOST_MS, crash.backOffMs * 2), containerId: ended.id }
      this.crashes.set(name, crash)
      return true
    }
    const leftMs = crash.backOffMs - sinceMs
    const why = this.givenUp.get(ended.id)?.why
    this.waiting.set(name, {
      reason: 'CrashLoopBackOff',
      message: `back-off ${Math.ceil(crash.backOffMs / 1000)}s restarting failed container=${name}${why === undefined ? '' : `: ${why}`}`,
    })
    this.parts.later(this.pod.metadata.uid, Math.max(100, leftMs))
    return false
  }

  /** Null: every ConfigMap and Secret it names is there. */
  private *missingConfig(container: Container): Task<string | null> {
    for (const [resource, name] of configOf(container)) {
      const { namespace } = this.pod.metadata
      const read = yield* this.parts.client.get({ resource, namespace, name }, '0')
      if (!read.ok && read.status.code === 404) return `${resource === 'secrets' ? 'secret' : 'configmap'} "${name}" not found`
      if (!read.ok) return `couldn't read ${resource} "${name}"`
    }
    return null
  }

  // Ending

  private *terminate(
    sandboxes: readonly SandboxStatus[],
    containers: ReadonlyMap<string, ContainerState>,
    running: readonly ContainerState[],
  ): Task<void> {
    const { cri } = this.parts
    this.prober.stop()
    if (running.length > 0) {
      for (const state of running) {
        const container = this.pod.spec.containers.find(({ name }) => name === state.container)
        yield* this.stopper.stop(container, state, this.graceMs(), this.removed ? 'removed' : 'deleted')
      }
      yield* this.report(null, true)
      return
    }
    this.stopped = true
    for (const sandbox of sandboxes) if (sandbox.state === 'READY') yield* cri.call({ call: 'StopPodSandbox', sandbox: sandbox.sandbox })
    const told = this.removed || isTerminal(this.pod) || (yield* this.report(null, true, containers))
    yield* this.parts.volumes.unmount(this.pod.metadata.uid)
    if (!told) return
    if (!this.removed) {
      if (!isDeleting(this.pod)) return
      yield* this.deleteObject()
      // Its end is heard of by the watch; then everything of it is cleared away.
      if (!this.removed) return
    }
    for (const sandbox of sandboxes) yield* cri.call({ call: 'RemovePodSandbox', sandbox: sandbox.sandbox })
    this.finished = true
  }

  private graceMs(): number {
    const { deletionGracePeriodSeconds } = this.pod.metadata
    return this.removed ? 0 : (deletionGracePeriodSeconds ?? this.pod.spec.terminationGracePeriodSeconds) * 1000
  }

  private *deleteObject(): Task<void> {
    const { namespace, name, uid } = this.pod.metadata
    const reply = yield* this.parts.client.delete({ resource: 'pods', namespace, name }, { gracePeriodSeconds: 0, preconditions: { uid } })
    if (reply.ok || reply.status.code === 404 || reply.status.code === 409) return
    this.parts.later(uid, STATUS_RETRY_MS)
  }

  // Status

  /** False: it could not be posted, and will be tried again. */
  private *report(ip: string | null, terminating: boolean, known?: ReadonlyMap<string, ContainerState>): Task<boolean> {
    let containers = known
    if (containers === undefined) {
      const seen = yield* this.parts.cri.seen(this.pod.metadata.uid)
      if (seen === null) return false
      containers = newest(seen.containers)
    }
    for (const container of this.pod.spec.containers) {
      const state = containers.get(container.name)
      if (state?.state === 'RUNNING' && !terminating) this.follow(container, state)
    }
    const { host, hostIP } = this.parts
    const status = statusOf(this.pod, {
      containers,
      waiting: this.waiting,
      health: (name) => (this.givenUp.get(containers.get(name)?.id ?? '')?.why === HOOK_FAILED ? UNBORN : this.prober.healthOf(name)),
      podIP: ip,
      hostIP,
      nowMs: host.now(),
      terminating,
    })
    return yield* this.post(status)
  }

  private *post(status: Pod['status']): Task<boolean> {
    if (this.removed || same(status, this.pod.status)) return true
    const { uid } = this.pod.metadata
    const reply = yield* this.parts.client.updateStatus<Pod>('pods', { ...this.pod, status })
    if (reply.ok) {
      if (newer(reply.value, this.pod)) this.pod = reply.value
      return true
    }
    // The next sync begins with what the watch brings.
    this.parts.later(uid, STATUS_RETRY_MS)
    return false
  }
}

export const newer = (one: Pod, other: Pod): boolean =>
  one.metadata.uid === other.metadata.uid && Number(one.metadata.resourceVersion) >= Number(other.metadata.resourceVersion)

/** The last container of each name. */
const newest = (containers: readonly ContainerState[]): ReadonlyMap<string, ContainerState> => {
  const result = new Map<string, ContainerState>()
  for (const container of containers) {
    const held = result.get(container.container)
    if (held === undefined || held.attempt <= container.attempt) result.set(container.container, container)
  }
  return result
}

/** [resource, name] of what must be there before the container can be made. */
const configOf = (container: Container): readonly (readonly ['configmaps' | 'secrets', string])[] => {
  const found: ['configmaps' | 'secrets', string][] = []
  const note = (resource: 'configmaps' | 'secrets', ref: { readonly name: string; readonly optional?: boolean } | undefined): void => {
    if (ref !== undefined && ref.optional !== true) found.push([resource, ref.name])
  }
  for (const { valueFrom } of container.env ?? []) {
    note('configmaps', valueFrom?.configMapKeyRef)
    note('secrets', valueFrom?.secretKeyRef)
  }
  for (const source of container.envFrom ?? []) {
    note('configmaps', source.configMapRef)
    note('secrets', source.secretRef)
  }
  return found
}
