/**
 * What a pod asks for, in thousandths: the most that it needs at any time of its life, and its overhead.
 *
 * Source: https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers
 */
import type { Container, Node, Pod, ResourceList } from '../../state/objects.ts'
import { thousandths } from '../../state/quantity.ts'

/** What a container that asks for nothing counts for when nodes are compared. */
export const USUAL: ResourceList = { cpu: '100m', memory: '200Mi' }

export const request = (pod: Pod, resource: string, usual: ResourceList = {}): number => {
  const of = ({ resources }: Container): number => thousandths(resources?.requests?.[resource] ?? usual[resource] ?? '0')
  const sum = (containers: readonly Container[]): number => containers.reduce((total, one) => total + of(one), 0)
  const first = pod.spec.initContainers ?? []
  const isSidecar = ({ restartPolicy }: Container): boolean => restartPolicy === 'Always'
  const running = sum(pod.spec.containers) + sum(first.filter(isSidecar))
  const starting = first.map((one, index) => of(one) + sum(first.slice(0, index).filter(isSidecar)))
  return Math.max(running, ...starting) + thousandths(pod.spec.overhead?.[resource] ?? '0')
}

export const asked = ({ spec }: Pod): readonly string[] => [
  ...new Set(
    [...spec.containers, ...(spec.initContainers ?? [])]
      .flatMap(({ resources }) => Object.keys(resources?.requests ?? {}))
      .concat(Object.keys(spec.overhead ?? {})),
  ),
]

const sums = new WeakMap<Pod['spec'], ReadonlyMap<string, number>>()
/** All that it asks for, by resource. */
export const requests = (pod: Pod): ReadonlyMap<string, number> => {
  const found = sums.get(pod.spec) ?? new Map(asked(pod).map((name) => [name, request(pod, name)]))
  sums.set(pod.spec, found)
  return found
}

export const allocatable = (node: Node, resource: string): number => thousandths(node.status.allocatable[resource] ?? '0')

/** Extended resources have a domain of their own. */
export const isExtended = (resource: string): boolean => resource.includes('/') && !/^([^/]*\.)?kubernetes\.io\//.test(resource)
