/** Pod specs, alone or in templates. Source: kubernetes/kubernetes pkg/apis/core/v1/defaults.go, pkg/apis/core/validation. */
import type { Container, PodSpec, Probe } from '../../../model/state/objects.ts'
import { milli } from '../../quantity.ts'
import type { Loose, Refuse } from './kind.ts'

const probe = (given: Probe): Probe => ({
  ...given,
  initialDelaySeconds: given.initialDelaySeconds ?? 0,
  periodSeconds: given.periodSeconds ?? 10,
  timeoutSeconds: given.timeoutSeconds ?? 1,
  successThreshold: given.successThreshold ?? 1,
  failureThreshold: given.failureThreshold ?? 3,
})

const PROBES = ['readinessProbe', 'livenessProbe', 'startupProbe'] as const

const container = (given: Container): Container => {
  const probes = Object.fromEntries(
    PROBES.flatMap((name) => {
      const set = given[name]
      return set === undefined ? [] : [[name, probe(set)]]
    }),
  )
  const ports = given.ports?.map((port) => ({ ...port, protocol: port.protocol ?? 'TCP' }))
  // A request that is not given is the limit that is.
  const { requests, limits } = given.resources ?? {}
  const resources = limits === undefined ? {} : { resources: { limits, requests: { ...limits, ...requests } } }
  return { ...given, ...probes, ...resources, ...(ports === undefined ? {} : { ports }) }
}

export const defaultPodSpec = (given: Partial<PodSpec>): PodSpec => ({
  ...given,
  containers: (given.containers ?? []).map(container),
  ...(given.initContainers === undefined ? {} : { initContainers: given.initContainers.map(container) }),
  restartPolicy: given.restartPolicy ?? 'Always',
  terminationGracePeriodSeconds: given.terminationGracePeriodSeconds ?? 30,
  schedulerName: given.schedulerName ?? 'default-scheduler',
})

export const defaultTemplate = (given: Loose | undefined): Loose => ({
  ...given,
  metadata: given?.['metadata'] ?? {},
  spec: defaultPodSpec(given?.['spec'] ?? {}),
})

export const validatePodSpec = (spec: PodSpec, field: string, refuse: Refuse): void => {
  if (spec.containers.length === 0) refuse(`${field}.containers`, 'required value')
  for (const [index, { resources }] of spec.containers.entries()) {
    const { requests, limits } = resources ?? {}
    for (const [name, quantity] of Object.entries(requests ?? {})) {
      const place = `${field}.containers[${index}].resources.requests.${name}`
      const limit = limits?.[name]
      let asked = 0
      try {
        asked = milli(quantity)
      } catch {
        refuse(place, `'${quantity}' is not a quantity`)
      }
      if (limit !== undefined && asked > milli(limit)) refuse(place, `must be less than or equal to ${name} limit`)
    }
  }
}
