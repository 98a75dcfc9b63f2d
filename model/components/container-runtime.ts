/**
 * The container runtime ends what it was told to stop, sooner or later; a program that is made to end does so by itself.
 *
 * Left out: images, sandboxes and the signal in between: a container that was told to stop runs until it has stopped.
 * Source: k8s.io/cri-api pkg/apis/runtime/v1/api.proto
 */
import type { Pod } from '../state/objects.ts'
import type { Component, System } from '../state/system.ts'
import { stored } from './view.ts'

export type ContainerEnds = { readonly kind: 'ContainerStopped' | 'ProgramEnds'; readonly id: string }

export const without = (system: System, id: string): System => {
  const running = new Map(system.running)
  running.delete(id)
  return { ...system, running, stopping: new Set([...system.stopping].filter((other) => other !== id)) }
}

/** Of pods that are not to be started again for ever. */
const isMadeToEnd = (system: System, uid: string): boolean =>
  stored<Pod>(system, 'pods').some(({ value }) => value.metadata.uid === uid && value.spec.restartPolicy !== 'Always')

export const containerRuntime: Component<System, ContainerEnds> = {
  name: 'container-runtime',
  enabled: (system) => [
    ...[...system.stopping].toSorted().map((id) => ({ kind: 'ContainerStopped' as const, id })),
    ...[...system.running.values()]
      .filter(({ id, pod }) => !system.stopping.has(id) && isMadeToEnd(system, pod))
      .map(({ id }) => ({ kind: 'ProgramEnds' as const, id })),
  ],
  next(system, { kind, id }) {
    const ended = system.running.get(id)
    const after = without(system, id)
    if (kind === 'ContainerStopped' || ended === undefined) return after
    return { ...after, endedWell: new Set([...system.endedWell, `${ended.pod}/${ended.container}`]) }
  },
}
