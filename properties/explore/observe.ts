/** What an outside observer would have seen of a step of the model: the same words that histories are told in. */
import { proxyOf } from '../../model/components/kube-proxy.ts'
import { viewOf } from '../../model/components/view.ts'
import type { RunningContainer } from '../../model/state/cluster.ts'
import type { Observation, ObservationKind } from '../../model/state/history.ts'
import type { KeyValue, Stored } from '../../model/state/keyspace.ts'
import type { Pod } from '../../model/state/objects.ts'
import type { Action, System } from '../../model/state/system.ts'

/** Everything it ever tells of: an invariant that wants to hear of anything else cannot be judged here. */
export const TOLD: ReadonlySet<ObservationKind> = new Set<ObservationKind>([
  'Decision',
  'Commit',
  'ContainerStarted',
  'StopSignal',
  'ContainerExited',
  'RulesSwapped',
  'VolumeAttached',
  'VolumeDetached',
  'VolumeMounted',
  'VolumeUnmounted',
  'ProcessStarted',
  'ProcessEnded',
  'FaultChanged',
  // Nobody is elected here, and nobody stops; no container is probed, and none has hooks.
  'Probed',
  'HookChanged',
  'Leading',
  'StoppedLeading',
])

/** When it is, observe says of each. */
const NOW = { atMs: 0 } as const

const storedOf = ({ key: _key, ...stored }: KeyValue): Stored => stored

const commits = (before: System, after: System, author: string): readonly Observation[] => {
  const { changes, revision } = after.keyspace
  const fresh = revision - before.keyspace.revision
  return changes.slice(changes.length - fresh).flatMap((events, index) =>
    events.map(({ type, kv, prevKv }) => ({
      ...NOW,
      kind: 'Commit' as const,
      revision: before.keyspace.revision + 1 + index,
      key: kv.key,
      before: prevKv === undefined ? null : storedOf(prevKv),
      after: type === 'DELETE' ? null : storedOf(kv),
      author,
      via: 'kube-apiserver-0',
    })),
  )
}

const exit = (
  { id, node, pod, container }: RunningContainer,
  by: 'itself' | 'stop' | 'crash',
  exitCode = by === 'itself' ? 1 : 137,
): Observation => ({
  ...NOW,
  kind: 'ContainerExited',
  node,
  pod,
  container,
  id,
  exitCode,
  by,
})

const podName = ({ keyspace }: System, uid: string): string =>
  [...keyspace.kvs.values()].map(({ value }) => value as Pod).find((pod) => pod.metadata.uid === uid)?.metadata.name ?? uid

const started = (system: System, { id, node, pod, container, init }: RunningContainer): Observation => ({
  ...NOW,
  kind: 'ContainerStarted',
  by: `kubelet-${node}`,
  node,
  pod,
  podName: podName(system, pod),
  container,
  id,
  init,
  sandbox: pod,
})

const machine = (kind: 'ProcessStarted' | 'ProcessEnded', node: string, reason: string): Observation => ({
  ...NOW,
  kind,
  process: `kubelet-${node}`,
  machine: node,
  reason,
})
const cut = (node: string, outcome: 'begun' | 'ended'): Observation => ({
  ...NOW,
  kind: 'FaultChanged',
  fault: { kind: 'Partition', side: [node], direction: 'both', forMs: 0 },
  outcome,
  detail: node,
})

const told = (before: System, action: Action, after: System): readonly Observation[] => {
  const container = (id: string): readonly RunningContainer[] => {
    const found = before.running.get(id)
    return found === undefined ? [] : [found]
  }
  switch (action.kind) {
    case 'Request': {
      const { process, choice, reads } = action
      const view = { ...viewOf(before, process), ...(reads === undefined ? {} : { [reads]: before.keyspace.revision }) }
      const decided = choice === null ? [] : [{ ...NOW, kind: 'Decision' as const, process, view, choice }]
      return [...decided, ...commits(before, after, process)]
    }
    case 'Admit':
    case 'ScaleTarget':
      return commits(before, after, action.process)
    case 'JudgeLoad': {
      const { process, reads, choices } = action
      const view = { ...viewOf(before, process), [reads]: before.keyspace.revision }
      return choices.map((choice) => ({ ...NOW, kind: 'Decision' as const, process, view, choice }))
    }
    case 'See':
    case 'NoteUnused':
    case 'MinutePasses':
      return []
    case 'AttachVolume':
    case 'DetachVolume': {
      const { kind, ...asked } = action
      return [{ ...NOW, kind: kind === 'AttachVolume' ? 'VolumeAttached' : 'VolumeDetached', ...asked }]
    }
    case 'MountVolume':
    case 'UnmountVolume':
      return [{ ...NOW, kind: action.kind === 'MountVolume' ? 'VolumeMounted' : 'VolumeUnmounted', ...action.mount }]
    case 'StartContainer':
      return [started(before, action.container)]
    case 'StopContainer':
      return container(action.id).map(({ id, node }) => ({
        ...NOW,
        kind: 'StopSignal',
        node,
        id,
        signal: 'TERM',
        graceMs: 0,
        reason: 'its pod is to end',
      }))
    case 'ContainerStopped':
      return container(action.id).map((one) => exit(one, 'stop'))
    case 'ProgramEnds':
      return container(action.id).map((one) => exit(one, 'itself', 0))
    case 'SwapRules':
      return [{ ...NOW, kind: 'RulesSwapped', node: action.node, view: viewOf(before, proxyOf(action.node)), rules: action.rules }]
    case 'UserActs':
      return commits(before, after, 'user')
    case 'ExitContainer':
      return container(action.id).map((one) => exit(one, 'itself'))
    case 'CrashMachine': {
      const here = [...before.running.values()].filter(({ node }) => node === action.node)
      return [...here.map((one) => exit(one, 'crash')), machine('ProcessEnded', action.node, 'machine crash')]
    }
    case 'RestartMachine':
      return [machine('ProcessStarted', action.node, 'restart')]
    case 'CutOff':
      return [cut(action.node, 'begun')]
    case 'Reconnect':
      return [cut(action.node, 'ended')]
  }
}

export const observe = (before: System, action: Action, after: System): readonly Observation[] => {
  const { nowMs } = before
  const seen = told(before, action, after)
  return nowMs === 0 ? seen : seen.map((one) => ({ ...one, atMs: nowMs }))
}
