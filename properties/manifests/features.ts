/** Parts of an object that the simulated cluster takes but does not act on: said to the user, one line each. */
import type { Manifest } from '../../model/state/plan.ts'

type Tree = Readonly<Record<string, unknown>>

const tree = (value: unknown): Tree => (typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Tree) : {})
const list = (value: unknown): readonly Tree[] => (Array.isArray(value) ? value.map(tree) : [])

export const notSimulated = (object: Manifest): readonly string[] => {
  const spec = tree(object['spec'])
  switch (object.kind) {
    case 'Pod':
      return ofPodSpec(spec)
    case 'Deployment':
    case 'ReplicaSet':
    case 'ReplicationController':
    case 'StatefulSet':
    case 'DaemonSet':
      return ofPodSpec(tree(tree(spec['template'])['spec']))
    case 'Job':
      return ofJob(spec)
    case 'CronJob':
      return ofJob(tree(tree(spec['jobTemplate'])['spec']))
    case 'HorizontalPodAutoscaler':
      return ofAutoscaler(spec)
    case 'Service':
      return ofService(spec)
    default:
      return []
  }
}

const ofPodSpec = (spec: Tree): readonly string[] => {
  const containers = [...list(spec['containers']), ...list(spec['initContainers'])]
  const some = (field: string): boolean => containers.some((container) => container[field] !== undefined)
  const rows: readonly (readonly [boolean, string])[] = [
    [some('livenessProbe') || some('startupProbe'), 'liveness and startup probes are not simulated yet: they always pass'],
    [some('lifecycle'), 'lifecycle hooks are not simulated yet: they take no time'],
    [spec['hostNetwork'] === true, 'the host network is not simulated: its pods get addresses of their own'],
  ]
  return rows.flatMap(([applies, text]) => (applies ? [text] : []))
}

const ofAutoscaler = (spec: Tree): readonly string[] => {
  const others = list(spec['metrics']).filter((metric) => metric['type'] !== 'Resource' || tree(metric['resource'])['name'] !== 'cpu')
  return others.length === 0 ? [] : ['only the use of CPU is measured here: its other metrics count as missing']
}

const ofJob = (spec: Tree): readonly string[] => ofPodSpec(tree(tree(spec['template'])['spec']))

const ofService = (spec: Tree): readonly string[] => {
  const rows: readonly (readonly [boolean, string])[] = [
    [spec['type'] === 'LoadBalancer', 'no load balancer is simulated: it is reached by its cluster IP'],
    [spec['type'] === 'NodePort', 'node ports are not simulated yet: it is reached by its cluster IP'],
    [spec['sessionAffinity'] === 'ClientIP', 'session affinity is not simulated yet'],
  ]
  return rows.flatMap(([applies, text]) => (applies ? [text] : []))
}
