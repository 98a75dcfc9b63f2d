/**
 * What a pod asks for: the sum of its containers or the largest init container, whichever is more, and its overhead.
 *
 * Source: kubernetes/kubernetes pkg/api/v1/resource/helpers.go.
 */
import type { Container, Pod } from '../../model/state/objects.ts'
import { milli } from '../quantity.ts'

export interface PodRequest {
  /** Thousandths by resource; only what is asked for. */
  readonly resources: ReadonlyMap<string, number>
  readonly nonZero: { readonly cpu: number; readonly memory: number }
  readonly hostPorts: readonly string[]
}

/** What a container that asks for nothing counts for when nodes are compared: 100m CPU, 200 MB. */
const USUAL_CPU = 100
const USUAL_MEMORY = 200 * 1024 * 1024 * 1000

const add = (sums: Map<string, number>, name: string, amount: number): void => {
  sums.set(name, (sums.get(name) ?? 0) + amount)
}

const computed = new WeakMap<Pod['spec'], PodRequest>()

export const requestOf = (pod: Pod): PodRequest => {
  let found = computed.get(pod.spec)
  if (found === undefined) {
    found = compute(pod)
    computed.set(pod.spec, found)
  }
  return found
}

const compute = ({ spec }: Pod): PodRequest => {
  const resources = new Map<string, number>()
  const nonZero = { cpu: 0, memory: 0 }
  for (const container of spec.containers) {
    for (const [name, quantity] of Object.entries(container.resources?.requests ?? {})) add(resources, name, milli(quantity))
    nonZero.cpu += usual(container, 'cpu', USUAL_CPU)
    nonZero.memory += usual(container, 'memory', USUAL_MEMORY)
  }
  for (const container of spec.initContainers ?? []) {
    for (const [name, quantity] of Object.entries(container.resources?.requests ?? {})) {
      resources.set(name, Math.max(resources.get(name) ?? 0, milli(quantity)))
    }
  }
  for (const [name, quantity] of Object.entries(spec.overhead ?? {})) add(resources, name, milli(quantity))
  const ports = spec.containers.flatMap((container) => container.ports ?? []).filter((port) => (port.hostPort ?? 0) > 0)
  return { resources, nonZero, hostPorts: ports.map((port) => `${port.protocol ?? 'TCP'}/${port.hostPort}`) }
}

const usual = (container: Container, name: string, otherwise: number): number => {
  const asked = container.resources?.requests?.[name]
  return asked === undefined ? otherwise : milli(asked)
}
