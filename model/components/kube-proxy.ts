/**
 * The proxy of a node sends connections to services where the slices say, as far as it sees, by one table swapped whole.
 *
 * Left out: how the table is written (iptables, IPVS) and sessions; a connection goes by the table there is.
 * Source: kubernetes pkg/proxy
 */
import type { EndpointSlice, Service } from '../state/objects.ts'
import type { Component, Rules, System } from '../state/system.ts'
import { backendsOf } from './backends.ts'
import { isSilent } from './node-lifecycle.ts'
import { sameValue } from './objects.ts'
import { seen } from './view.ts'

export type SwapRules = { readonly kind: 'SwapRules'; readonly node: string; readonly rules: Rules }
export const proxyOf = (node: string): string => `kube-proxy-${node}`

const wanted = (system: System, node: string): Rules => {
  const slices = seen<EndpointSlice>(system, proxyOf(node), 'endpointslices').map(({ value }) => value)
  const rows = seen<Service>(system, proxyOf(node), 'services').flatMap(({ value: service }) => {
    const { clusterIP, ports, type } = service.spec
    if (clusterIP === undefined || clusterIP === 'None' || type === 'ExternalName') return []
    const { namespace, name } = service.metadata
    const backends = backendsOf(service, slices)
    return (ports ?? []).map(({ port }) => [`${namespace}/${name}:${port}`, { clusterIP, backends }] as const)
  })
  return Object.fromEntries(rows)
}

export const kubeProxy: Component<System, SwapRules> = {
  name: 'kube-proxy',

  enabled: (system) =>
    system.machines.flatMap((node) => {
      if (isSilent(system, node)) return []
      const rules = wanted(system, node)
      return sameValue(system.rules.get(node) ?? {}, rules) ? [] : [{ kind: 'SwapRules' as const, node, rules }]
    }),

  next: (system, { node, rules }) => ({ ...system, rules: new Map(system.rules).set(node, rules) }),
}
