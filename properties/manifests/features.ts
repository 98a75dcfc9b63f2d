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
  const rows: readonly (readonly [boolean, string])[] = [
    [list(spec['initContainers']).some(isProbed), 'probes of init containers are not simulated yet: they always pass'],
    [containers.some(hasUnknownHook), 'what its lifecycle hooks do is not known: but for a sleep in them they take a moment, and succeed'],
    [spec['hostNetwork'] === true, 'the host network is not simulated: its pods get addresses of their own'],
  ]
  return [...rows.flatMap(([applies, text]) => (applies ? [text] : [])), ...list(spec['containers']).flatMap(impatient)]
}

const isProbed = (container: Tree): boolean => container['livenessProbe'] !== undefined || container['startupProbe'] !== undefined

const hasUnknownHook = (container: Tree): boolean =>
  Object.values(tree(container['lifecycle'])).some(
    (hook) => tree(hook)['sleep'] === undefined && !/\bsleep\s+\d+\b/.test(JSON.stringify(hook).replaceAll('","', ' ')),
  )

/** What simulated programs may take to start. */
const START_SECONDS = 3

/** A probe that may give up before a program of here has started has it started again and again. */
const impatient = (container: Tree): readonly string[] => {
  const kind = container['startupProbe'] === undefined ? 'liveness' : 'startup'
  if (container[`${kind}Probe`] === undefined) return []
  const probe = tree(container[`${kind}Probe`])
  const number = (field: string, otherwise: number): number => (typeof probe[field] === 'number' ? probe[field] : otherwise)
  const patience = number('initialDelaySeconds', 0) + (number('failureThreshold', 3) - 1) * number('periodSeconds', 10)
  if (patience >= START_SECONDS) return []
  return [
    `the ${kind} probe of container ${String(container['name'])} may give up ${patience} s after its start, and programs here take up to ${START_SECONDS} s to start: it may be started again and again`,
  ]
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
