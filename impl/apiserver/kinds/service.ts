/** Services, and addresses of them written by hand. Source: kubernetes/kubernetes pkg/registry/core/{service,endpoint}. */
import type { Endpoints } from '../../../model/state/endpoints.ts'
import type { Service, ServicePort } from '../../../model/state/objects.ts'
import type { Kind } from './kind.ts'

export const service: Kind = {
  defaults: (spec) => ({
    ...spec,
    type: spec['type'] ?? 'ClusterIP',
    sessionAffinity: spec['sessionAffinity'] ?? 'None',
    ports: ((spec['ports'] ?? []) as readonly Partial<ServicePort>[]).map((port) => ({
      ...port,
      protocol: port.protocol ?? 'TCP',
      targetPort: port.targetPort ?? port.port,
    })),
  }),
  keep: (held, updated) => {
    const { clusterIP } = (held as Service).spec
    return clusterIP === undefined ? updated : ({ ...updated, spec: { ...(updated as Service).spec, clusterIP } } as Service)
  },
}

export const endpoints: Kind = {
  validate: (object, refuse) => {
    for (const [index, { addresses = [], notReadyAddresses = [], ports = [] }] of ((object as Endpoints).subsets ?? []).entries()) {
      if (addresses.length + notReadyAddresses.length === 0)
        refuse(`subsets[${index}]`, 'must specify `addresses` or `notReadyAddresses`: required value')
      if (ports.length > 1 && ports.some(({ name = '' }) => name === '')) refuse(`subsets[${index}].ports[0].name`, 'required value')
    }
  },
}
