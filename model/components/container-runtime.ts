/**
 * The container runtime ends what it was told to stop, sooner or later.
 *
 * Left out: images, sandboxes and the signal in between: a container that was told to stop runs until it has stopped.
 * Source: k8s.io/cri-api pkg/apis/runtime/v1/api.proto
 */
import type { Component, System } from '../state/system.ts'

export type ContainerStopped = { readonly kind: 'ContainerStopped'; readonly id: string }

export const without = (system: System, id: string): System => {
  const running = new Map(system.running)
  running.delete(id)
  return { ...system, running, stopping: new Set([...system.stopping].filter((other) => other !== id)) }
}

export const containerRuntime: Component<System, ContainerStopped> = {
  name: 'container-runtime',
  enabled: ({ stopping }) => [...stopping].toSorted().map((id) => ({ kind: 'ContainerStopped', id })),
  next: (system, { id }) => without(system, id),
}
