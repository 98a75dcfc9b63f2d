/**
 * Defaults that the API server writes into what users leave out.
 *
 * Source: kubernetes/kubernetes pkg/apis/{core,apps}/v1/defaults.go, plugin/pkg/admission/defaulttolerationseconds.
 */
import type { Container, PodSpec, Probe, ServicePort, Toleration } from '../../model/state/objects.ts'

type Loose = Readonly<Record<string, unknown>>

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

const NOT_READY_KEYS = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']

/** Admission: how long a pod stays on a node that is lost, unless it says so itself. */
export const defaultTolerations = (spec: PodSpec, seconds: number): PodSpec => {
  const given = spec.tolerations ?? []
  const tolerates = (key: string): boolean =>
    given.some((one) => (one.key === key || one.key === undefined) && (one.effect === 'NoExecute' || one.effect === undefined))
  const added = NOT_READY_KEYS.filter((key) => !tolerates(key)).map((key): Toleration => ({
    key,
    operator: 'Exists',
    effect: 'NoExecute',
    tolerationSeconds: seconds,
  }))
  return added.length === 0 ? spec : { ...spec, tolerations: [...given, ...added] }
}

const podTemplate = (given: Loose | undefined): Loose => ({
  ...given,
  metadata: given?.['metadata'] ?? {},
  spec: defaultPodSpec(given?.['spec'] ?? {}),
})

const deploymentSpec = (spec: Loose): Loose => {
  const strategy = (spec['strategy'] ?? {}) as Loose
  const type = strategy['type'] ?? 'RollingUpdate'
  const rolling = { maxSurge: '25%', maxUnavailable: '25%', ...(strategy['rollingUpdate'] as Loose | undefined) }
  return {
    ...spec,
    replicas: spec['replicas'] ?? 1,
    progressDeadlineSeconds: spec['progressDeadlineSeconds'] ?? 600,
    revisionHistoryLimit: spec['revisionHistoryLimit'] ?? 10,
    strategy: type === 'RollingUpdate' ? { type, rollingUpdate: rolling } : { type },
    template: podTemplate(spec['template'] as Loose | undefined),
  }
}

const serviceSpec = (spec: Loose): Loose => ({
  ...spec,
  type: spec['type'] ?? 'ClusterIP',
  sessionAffinity: spec['sessionAffinity'] ?? 'None',
  ports: ((spec['ports'] ?? []) as readonly Partial<ServicePort>[]).map((port) => ({
    ...port,
    protocol: port.protocol ?? 'TCP',
    targetPort: port.targetPort ?? port.port,
  })),
})

/** The spec of a kind with its defaults. Applying it twice changes nothing. */
export const defaultSpec = (kind: string, spec: Loose): Loose => {
  switch (kind) {
    case 'Pod':
      return defaultPodSpec(spec)
    case 'Deployment':
      return deploymentSpec(spec)
    case 'ReplicaSet':
      return { ...spec, replicas: spec['replicas'] ?? 1, template: podTemplate(spec['template'] as Loose | undefined) }
    case 'Service':
      return serviceSpec(spec)
    default:
      return spec
  }
}
