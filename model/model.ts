/**
 * The composed system: what it begins with, and whose actions make its steps.
 *
 * There is one of each process: elections are left out, and with them what two that both believe to lead do to each other.
 */
import { serve } from './components/apiserver.ts'
import { attachDetach } from './components/attach-detach.ts'
import { clock } from './components/clock.ts'
import { containerRuntime } from './components/container-runtime.ts'
import { cronJob } from './components/cronjob-machine.ts'
import { csiAttacher } from './components/csi-attacher.ts'
import { daemonSet } from './components/daemonset.ts'
import { deployment } from './components/deployment.ts'
import { disruption } from './components/disruption.ts'
import { endpointSlices } from './components/endpointslice.ts'
import { environment } from './components/environment.ts'
import { EMPTY } from './components/etcd.ts'
import { garbageCollector } from './components/garbage-collector.ts'
import { autoscaler } from './components/hpa-machine.ts'
import { job } from './components/job-machine.ts'
import { kubeProxy } from './components/kube-proxy.ts'
import { kubelet } from './components/kubelet.ts'
import { nodeLifecycle } from './components/node-lifecycle.ts'
import { podGarbageCollector } from './components/pod-gc.ts'
import { admission, resourceQuotas } from './components/quota-machine.ts'
import { replicaSet } from './components/replicaset.ts'
import { scheduler } from './components/scheduler.ts'
import { serviceAccountTokens } from './components/service-account-tokens.ts'
import { statefulSet } from './components/statefulset.ts'
import { taintEviction } from './components/taint-eviction.ts'
import { ttlAfterFinished } from './components/ttl-after-finished.ts'
import { volumeBinder } from './components/volume-binder.ts'
import { volumeProtection } from './components/volume-protection.ts'
import { informers } from './components/view.ts'
import { endpointSliceMirroring } from './components/mirrored-machine.ts'
import { namespaceDefaults } from './components/namespace-defaults.ts'
import { namespaces } from './components/namespace.ts'
import type { KubernetesObject } from './state/kinds.ts'
import type { Action, Budget, Component, System, UserStep } from './state/system.ts'

/** A component as the whole sees it: what it would do. Doing it is the same whoever does. */
type Enabling = { readonly name: string; enabled(system: System): readonly Action[] }

/** What the cluster does of itself, in a fixed order. */
export const COMPONENTS = {
  informers,
  scheduler,
  replicaSet,
  deployment,
  job,
  cronJob,
  ttlAfterFinished,
  statefulSet,
  daemonSet,
  volumeBinder,
  volumeProtection,
  attachDetach,
  csiAttacher,
  nodeLifecycle,
  taintEviction,
  podGarbageCollector,
  garbageCollector,
  namespaces,
  namespaceDefaults,
  serviceAccountTokens,
  endpointSlices,
  endpointSliceMirroring,
  disruption,
  autoscaler,
  admission,
  resourceQuotas,
  kubelet,
  containerRuntime,
  kubeProxy,
  clock,
} satisfies Readonly<Record<string, Enabling>>

const next = (system: System, action: Action): System => {
  switch (action.kind) {
    case 'Request':
      return serve(system, action)
    case 'See':
      return informers.next(system, action)
    case 'MinutePasses':
      return clock.next(system, action)
    case 'Admit':
      return admission.next(system, action)
    case 'JudgeLoad':
    case 'ScaleTarget':
      return autoscaler.next(system, action)
    case 'AttachVolume':
    case 'DetachVolume':
      return csiAttacher.next(system, action)
    case 'NoteUnused':
      return attachDetach.next(system, action)
    case 'StartContainer':
    case 'StopContainer':
    case 'MountVolume':
    case 'UnmountVolume':
      return kubelet.next(system, action)
    case 'ContainerStopped':
    case 'ProgramEnds':
      return containerRuntime.next(system, action)
    case 'SwapRules':
      return kubeProxy.next(system, action)
    case 'UserActs':
    case 'ExitContainer':
    case 'CrashMachine':
    case 'RestartMachine':
    case 'CutOff':
    case 'Reconnect':
      return environment.next(system, action)
  }
}

/** The cluster without its environment: whoever of it is given, one of them at a time. */
export const clusterWith = (components: Readonly<Record<string, Enabling>>): Component<System, Action> => ({
  name: 'cluster',
  enabled: (system) => Object.values(components).flatMap((component) => component.enabled(system)),
  next,
})

export interface Setting {
  readonly objects: readonly KubernetesObject[]
  /** '<process> <resource>': whose view of what may lag. */
  readonly lagging: readonly string[]
  readonly users: readonly UserStep[]
  readonly budget: Budget
}

const NOTHING: System = {
  keyspace: EMPTY,
  nowMs: 0,
  views: new Map(),
  own: new Map(),
  incarnations: new Map(),
  machines: [],
  running: new Map(),
  stopping: new Set(),
  exits: new Map(),
  endedWell: new Set(),
  rules: new Map(),
  machinesDown: new Set(),
  attached: new Map(),
  mounted: new Map(),
  unusedSince: new Map(),
  cutOff: new Set(),
  loads: new Map(),
  autoscalings: new Map(),
  users: [],
  asked: [],
  budget: { crashes: 0, restarts: 0, exits: 0, cuts: 0 },
}

/** The objects are there, and everybody has seen them. */
export const init = ({ objects, lagging, users, budget }: Setting): System => {
  const made = objects.reduce(
    (system, value) => serve(system, { process: 'user', request: { verb: 'create', value }, remembered: false }),
    NOTHING,
  )
  const views = new Map(lagging.map((place) => [place, made.keyspace.revision]))
  const machines = objects.filter(({ kind }) => kind === 'Node').map(({ metadata }) => metadata.name)
  return { ...made, machines, views, users, budget }
}
