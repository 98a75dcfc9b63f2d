/** Pods and the lives of their containers, as far as they were seen: what several invariants of the kubelet are read from. */
import type { Observation, ObservationKind, ProbeKind, Seen } from '../state/history.ts'
import type { Container, Pod, Uid } from '../state/objects.ts'
import type { Cluster } from '../state/cluster.ts'
import { keyOf, resourceOfKey } from '../state/resources.ts'
import { isTerminal } from '../components/objects.ts'
import { objectOf } from './define.ts'

/** The last version of each pod that ever was, by uid. */
export class Pods {
  readonly byUid = new Map<Uid, Pod>()
  /** uid → the nodes it was ever bound to: one. */
  readonly nodeOf = new Map<Uid, string>()

  commit({ key, before, after }: Seen<'Commit'>): void {
    if (resourceOfKey(key) !== 'pods') return
    const pod = objectOf<Pod>(after ?? before)
    if (pod === undefined) return
    this.byUid.set(pod.metadata.uid, pod)
    if ((pod.spec.nodeName ?? '') !== '') this.nodeOf.set(pod.metadata.uid, pod.spec.nodeName ?? '')
  }

  /** As it is in the store; undefined: it is not there any more. */
  held(uid: Uid, { store }: Cluster): Pod | undefined {
    const known = this.byUid.get(uid)
    const held = known === undefined ? undefined : objectOf<Pod>(store.get(keyOf('pods', known.metadata.namespace, known.metadata.name)))
    return held?.metadata.uid === uid ? held : undefined
  }

  /** It is there, and is to run. */
  isToRun(uid: Uid, cluster: Cluster): boolean {
    const held = this.held(uid, cluster)
    return held !== undefined && held.metadata.deletionTimestamp === undefined && !isTerminal(held)
  }
}

export interface Life {
  readonly pod: Uid
  readonly podName: string
  readonly container: string
  readonly node: string
  /** Probes that failed in a row, as counted by the kubelet that runs now. */
  readonly failures: Record<ProbeKind, number>
  /** Its startup probe has passed. */
  started: boolean
  hookFailed: boolean
  /** It was told to stop, or its preStop hook has begun. */
  stopping: boolean
  /** When the last probe failed. */
  failedMs: number
}

export const OF_LIVES: readonly ObservationKind[] = [
  'Commit',
  'ContainerStarted',
  'ContainerExited',
  'Probed',
  'HookChanged',
  'StopSignal',
  'ProcessStarted',
]

/** Containers that run, with what their probes and hooks have come to. */
export class Lives {
  readonly pods = new Pods()
  readonly byId = new Map<string, Life>()

  observe(next: Observation): void {
    switch (next.kind) {
      case 'Commit':
        this.pods.commit(next)
        return
      case 'ContainerStarted': {
        const { id, pod, podName, container, node } = next
        const failures = { startup: 0, liveness: 0, readiness: 0 }
        this.byId.set(id, { pod, podName, container, node, failures, started: false, hookFailed: false, stopping: false, failedMs: 0 })
        return
      }
      case 'ContainerExited':
        this.byId.delete(next.id)
        return
      case 'StopSignal': {
        const life = this.byId.get(next.id)
        if (life !== undefined) life.stopping = true
        return
      }
      case 'Probed':
        this.probed(next)
        return
      case 'HookChanged': {
        const life = this.byId.get(next.id)
        if (life === undefined) return
        if (next.hook === 'postStart' && next.outcome === 'failed') life.hookFailed = true
        if (next.hook === 'preStop' && next.outcome === 'begun') life.stopping = true
        return
      }
      case 'ProcessStarted':
        // A kubelet that starts knows of no earlier failures.
        for (const { node, failures } of this.byId.values())
          if (next.process === `kubelet-${node}`) Object.assign(failures, { startup: 0, liveness: 0, readiness: 0 })
        return
      default:
    }
  }

  private probed({ id, probe, passed, atMs }: Seen<'Probed'>): void {
    const life = this.byId.get(id)
    if (life === undefined) return
    life.failures[probe] = passed ? 0 : life.failures[probe] + 1
    if (!passed) life.failedMs = atMs
    if (passed && probe === 'startup') life.started = true
  }

  specOf({ pod, container }: Life): Container | undefined {
    return this.pods.byUid.get(pod)?.spec.containers.find(({ name }) => name === container)
  }

  /** On whose account it has to be started anew; null: nothing of the sort. */
  givenUpBy(life: Life): 'startup probe' | 'liveness probe' | 'postStart hook' | null {
    const spec = this.specOf(life)
    const failed = (kind: 'startup' | 'liveness'): boolean => {
      const probe = spec?.[`${kind}Probe`]
      return probe !== undefined && life.failures[kind] >= (probe.failureThreshold ?? 3)
    }
    if (failed('startup')) return 'startup probe'
    if (failed('liveness')) return 'liveness probe'
    return life.hookFailed ? 'postStart hook' : null
  }
}
