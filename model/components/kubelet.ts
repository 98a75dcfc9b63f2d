/**
 * The kubelet of a node runs the containers of the pods that are bound to it, tells their status, and lets them go.
 *
 * What a pod is to do it takes from its view, what runs it sees at once. Left out: init containers, probes (a container
 * that runs is ready), when what began, admission (one scheduler never overcommits), images, and the back-off between restarts, which only
 * delays. A kubelet that reaches nobody goes on by its last view.
 * Source: kubernetes pkg/kubelet (pod_workers.go, kuberuntime, status)
 */
import type { ContainerStatus, Node, Pod } from '../state/objects.ts'
import type { Action, Component, Request, System } from '../state/system.ts'
import { serve } from './apiserver.ts'
import { hasMounts, hasVolumes, isAttachedThere, mounted, mounts, tellsUse, unmounts, type MayMount } from './kubelet-volumes.ts'
import { isSilent } from './node-lifecycle.ts'
import { conditionOf, isDeleting, isTerminal, sameValue, withCondition } from './objects.ts'
import { asks } from './request.ts'
import { seen, stored, type Held } from './view.ts'

const MOMENT = '1970-01-01T00:00:00Z'
const kubeletOf = (node: string): string => `kubelet-${node}`

const runsOf = ({ running }: System, pod: Pod): readonly string[] =>
  [...running.values()].filter(({ pod: uid }) => uid === pod.metadata.uid).map(({ container }) => container)
const exitsOf = ({ exits }: System, pod: Pod, container: string): number => exits.get(`${pod.metadata.uid}/${container}`) ?? 0

const hasEndedWell = ({ endedWell }: System, pod: Pod, container: string): boolean => endedWell.has(`${pod.metadata.uid}/${container}`)

/** Every pod has an address of its own, which goes with it. */
const addressOf = (pod: Pod): string => `ip-${pod.metadata.uid}`

const starts = (system: System, { value: pod }: Held<Pod>, node: string): readonly Action[] => {
  if (isDeleting(pod) || isTerminal(pod) || !hasVolumes(system, pod, node)) return []
  const runs = runsOf(system, pod)
  return pod.spec.containers
    .filter(({ name }) => !runs.includes(name) && (pod.spec.restartPolicy === 'Always' || exitsOf(system, pod, name) === 0))
    .filter(({ name }) => !hasEndedWell(system, pod, name))
    .map(({ name: container }) => ({
      kind: 'StartContainer',
      // Each time it runs is told apart.
      container: {
        id: `${pod.metadata.uid}/${container}#${exitsOf(system, pod, container)}`,
        node,
        pod: pod.metadata.uid,
        container,
        init: false,
        startedAtMs: 0,
      },
    }))
}

/** Containers whose pod is being deleted, is over, or is not there any more. */
const stops = (system: System, pods: readonly Held<Pod>[], node: string): readonly Action[] =>
  [...system.running.values()].flatMap(({ id, node: on, pod: uid }) => {
    if (on !== node || system.stopping.has(id)) return []
    const pod = pods.find(({ value }) => value.metadata.uid === uid)?.value
    return pod === undefined || isDeleting(pod) || isTerminal(pod) ? [{ kind: 'StopContainer' as const, id }] : []
  })

const containerStatus = (system: System, pod: Pod, name: string, runs: readonly string[]): ContainerStatus => {
  const running = runs.includes(name)
  return {
    name,
    ready: running,
    restartCount: exitsOf(system, pod, name),
    state: running ? { running: { startedAt: MOMENT } } : { waiting: { reason: 'ContainerCreating' } },
  }
}

const statusOf = (system: System, pod: Pod): Pod['status'] => {
  const runs = runsOf(system, pod)
  const names = pod.spec.containers.map(({ name }) => name)
  const ready = names.every((name) => runs.includes(name))
  const well = names.every((name) => hasEndedWell(system, pod, name))
  const ended = runs.length === 0 && (well || names.some((name) => exitsOf(system, pod, name) > 0))
  const over = isDeleting(pod) ? runs.length === 0 : pod.spec.restartPolicy !== 'Always' && ended
  const ran = runs.length > 0 || ended || pod.status.phase === 'Running'
  return {
    ...pod.status,
    startTime: MOMENT,
    phase: over ? (well ? 'Succeeded' : 'Failed') : ran ? 'Running' : 'Pending',
    conditions: withCondition(pod.status.conditions, { type: 'Ready', status: ready ? 'True' : 'False' }),
    containerStatuses: names.map((name) => containerStatus(system, pod, name, runs)),
    ...(runs.length > 0 ? { podIP: addressOf(pod) } : {}),
  }
}

const tells = (system: System, held: Held<Pod>, node: string): readonly Request[] => {
  const pod = held.value
  const process = kubeletOf(node)
  if (isTerminal(pod)) {
    // Its end was told; with nothing of it running it may go.
    if (!isDeleting(pod) || runsOf(system, pod).length > 0 || hasMounts(system, pod)) return []
    return [asks(process, null, { verb: 'delete', key: held.key, uid: pod.metadata.uid, propagation: 'Background', graceSeconds: 0 })]
  }
  const status = statusOf(system, pod)
  return sameValue(pod.status, status) ? [] : [asks(process, null, { verb: 'status', value: { ...pod, status }, version: null })]
}

/** Its own sign of life. */
const beats = (system: System, name: string): readonly Request[] => {
  const node = stored<Node>(system, 'nodes').find(({ value }) => value.metadata.name === name)?.value
  if (node === undefined || conditionOf(node.status.conditions, 'Ready') === 'True') return []
  const conditions = withCondition(node.status.conditions, { type: 'Ready', status: 'True' })
  const value: Node = { ...node, status: { ...node.status, conditions } }
  return [asks(kubeletOf(name), null, { verb: 'status', value, version: null })]
}

export const mountingBy = (mayMount: MayMount): Component<System, Action> => ({
  name: 'kubelet',

  enabled: (system) =>
    system.machines.flatMap((node) => {
      if (system.machinesDown.has(node)) return []
      const pods = seen<Pod>(system, kubeletOf(node), 'pods').filter((held) => held.value.spec.nodeName === node)
      const local = [...pods.flatMap((pod) => starts(system, pod, node)), ...stops(system, pods, node), ...unmounts(system, pods, node)]
      if (isSilent(system, node)) return local
      const told = [...beats(system, node), ...tellsUse(system, pods, node)]
      return [
        ...told,
        ...pods.flatMap((pod) => mounts(system, pod, node, mayMount)),
        ...local,
        ...pods.flatMap((pod) => tells(system, pod, node)),
      ]
    }),

  next(system, action) {
    switch (action.kind) {
      case 'StartContainer':
        return { ...system, running: new Map(system.running).set(action.container.id, action.container) }
      case 'StopContainer':
        return { ...system, stopping: new Set([...system.stopping, action.id]) }
      case 'MountVolume':
      case 'UnmountVolume':
        return mounted(system, action)
      case 'Request':
        return serve(system, action)
      default:
        return system
    }
  },
})

export const kubelet = mountingBy(isAttachedThere)
