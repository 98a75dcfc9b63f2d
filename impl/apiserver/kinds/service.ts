/** Services. Source: kubernetes/kubernetes pkg/registry/core/service. */
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
