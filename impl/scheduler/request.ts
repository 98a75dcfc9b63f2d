/**
 * What a pod asks for: containers and sidecars together, or an init container with the sidecars before it, whichever is
 * more, and its overhead. CPU in thousandths, everything else in units.
 *
 * Source: kubernetes/kubernetes staging/src/k8s.io/component-helpers/resource/helpers.go.
 */
import type { Container, Pod, ResourceList } from '../../model/state/objects.ts'
import { milli } from '../quantity.ts'

export type Amounts = ReadonlyMap<string, number>

/** What a container that asks for nothing counts for when nodes are compared: 100m CPU, 200 MiB. */
const USUAL: Amounts = new Map([
  ['cpu', 100],
  ['memory', 200 * 1024 * 1024],
])

/** CPU in thousandths, others in units, rounded up. */
export const amountOf = (resource: string, quantity: string): number =>
  resource === 'cpu' ? milli(quantity) : Math.ceil(milli(quantity) / 1000)

export const amountsOf = (list: ResourceList | undefined): Map<string, number> =>
  new Map(Object.entries(list ?? {}).map(([name, quantity]) => [name, amountOf(name, quantity)]))

const add = (sums: Map<string, number>, amounts: Amounts): void => {
  for (const [name, amount] of amounts) sums.set(name, (sums.get(name) ?? 0) + amount)
}
const raise = (sums: Map<string, number>, amounts: Amounts): void => {
  for (const [name, amount] of amounts) sums.set(name, Math.max(sums.get(name) ?? 0, amount))
}

const asked = (container: Container, usual: Amounts): Map<string, number> => {
  const amounts = amountsOf(container.resources?.requests)
  for (const [name, amount] of usual) if (!amounts.has(name)) amounts.set(name, amount)
  return amounts
}

/** usual: what counts for a container that does not say. */
const total = ({ spec }: Pod, usual: Amounts): Map<string, number> => {
  const sums = new Map<string, number>()
  for (const container of spec.containers) add(sums, asked(container, usual))
  const sidecars = new Map<string, number>()
  const starting = new Map<string, number>()
  for (const container of spec.initContainers ?? []) {
    const amounts = asked(container, usual)
    if (container.restartPolicy === 'Always') {
      add(sums, amounts)
      add(sidecars, amounts)
      raise(starting, sidecars)
    } else {
      add(amounts, sidecars)
      raise(starting, amounts)
    }
  }
  raise(sums, starting)
  add(sums, amountsOf(spec.overhead))
  return sums
}

const NOTHING: Amounts = new Map()

export const requestsOf = (pod: Pod): Amounts => total(pod, NOTHING)
/** With what is not asked for counted at its usual size: for scores only. */
export const usualRequestsOf = (pod: Pod): Amounts => total(pod, USUAL)

export interface HostPort {
  readonly ip: string
  readonly protocol: string
  readonly port: number
}

export const hostPortsOf = ({ spec }: Pod): readonly HostPort[] =>
  [...spec.containers, ...(spec.initContainers ?? []).filter((container) => container.restartPolicy === 'Always')]
    .flatMap((container) => container.ports ?? [])
    .filter((port) => (port.hostPort ?? 0) > 0)
    .map((port) => ({ ip: port.hostIP ?? '0.0.0.0', protocol: port.protocol ?? 'TCP', port: port.hostPort as number }))
