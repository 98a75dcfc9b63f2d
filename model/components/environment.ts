/**
 * All that nobody in the cluster decides: what users ask for, one step after another, and what breaks, as often as granted.
 *
 * A user's step looks at the store as it is. What breaks may come at any moment; a machine that is cut off is reached
 * again sooner or later, one that crashed only if that is granted.
 */
import type { KubernetesObject } from '../state/kinds.ts'
import type { Deployment, Node, ReplicaSet } from '../state/objects.ts'
import type { ResourceQuota } from '../state/policy.ts'
import { keyOf, resourceNamed } from '../state/resources.ts'
import type { ApiRequest, Budget, Component, EnvironmentAction, System, UserStep } from '../state/system.ts'
import { keyOfObject, serve } from './apiserver.ts'
import { without } from './container-runtime.ts'
import { revisionOf } from './deployment.ts'
import { controllerOf } from './objects.ts'
import { quotaOf } from './quota-machine.ts'
import { HASH, templateOf } from './template.ts'
import { stored, type Held } from './view.ts'

const NAMESPACE = 'default'

const deploymentNamed = (system: System, wanted: string): Held<Deployment> | undefined =>
  stored<Deployment>(system, 'deployments').find(({ value }) => value.metadata.name === wanted)

/** The template of the revision before the current one. */
const templateBefore = (system: System, { value: deployment }: Held<Deployment>): Deployment['spec']['template'] | undefined => {
  const current = templateOf(deployment.spec.template)
  const [before] = stored<ReplicaSet>(system, 'replicasets')
    .map(({ value }) => value)
    .filter((set) => controllerOf(set) === deployment.metadata.uid && templateOf(set.spec.template) !== current)
    .toSorted((one, other) => revisionOf(other) - revisionOf(one))
  if (before === undefined) return undefined
  const { [HASH]: _hash, ...labels } = before.spec.template.metadata.labels ?? {}
  return { ...before.spec.template, metadata: { ...before.spec.template.metadata, labels } }
}

const respecified = (held: Held<Deployment> | undefined, change: (spec: Deployment['spec']) => Deployment['spec']): ApiRequest | null =>
  held === undefined ? null : { verb: 'update', value: { ...held.value, spec: change(held.value.spec) }, version: held.version }

const requestOf = (system: System, step: UserStep): ApiRequest | null => {
  switch (step.kind) {
    case 'Create':
      return { verb: 'create', value: step.value }
    case 'Scale':
      return respecified(deploymentNamed(system, step.deployment), (spec) => ({ ...spec, replicas: step.replicas }))
    case 'Replace': {
      const held = system.keyspace.kvs.get(keyOfObject(step.value))
      if (held === undefined) return null
      const { metadata } = held.value as KubernetesObject
      return { verb: 'update', value: { ...step.value, metadata } as KubernetesObject, version: held.modRevision }
    }
    case 'SetImage':
      return respecified(deploymentNamed(system, step.deployment), (spec) => {
        const containers = spec.template.spec.containers.map((one) => ({ ...one, image: step.image }))
        return { ...spec, template: { ...spec.template, spec: { ...spec.template.spec, containers } } }
      })
    case 'Rollback': {
      const held = deploymentNamed(system, step.deployment)
      const template = held === undefined ? undefined : templateBefore(system, held)
      return template === undefined ? null : respecified(held, (spec) => ({ ...spec, template }))
    }
    case 'Delete': {
      const key = keyOf(step.resource, resourceNamed(step.resource)?.namespaced === false ? undefined : NAMESPACE, step.name)
      const object = system.keyspace.kvs.get(key)?.value as KubernetesObject | undefined
      const { propagation, graceSeconds } = step
      const grace = graceSeconds === undefined ? {} : { graceSeconds }
      return object === undefined ? null : { verb: 'delete', key, uid: object.metadata.uid, propagation, ...grace }
    }
    case 'Cordon': {
      const held = stored<Node>(system, 'nodes').find(({ value }) => value.metadata.name === step.node)
      if (held === undefined) return null
      return { verb: 'update', value: { ...held.value, spec: { ...held.value.spec, unschedulable: true } }, version: held.version }
    }
    case 'SetLoad':
      return null
  }
}

const users = (system: System, step: UserStep): System => {
  const request = requestOf(system, step)
  const acted = { ...system, users: system.users.slice(1) }
  if (step.kind === 'SetLoad') return { ...acted, loads: new Map(system.loads).set(step.workload, step.milliCpu) }
  if (request?.verb === 'create' && quotaOf(stored<ResourceQuota>(system, 'resourcequotas'), request.value) !== undefined)
    return { ...acted, asked: [...system.asked, { process: 'user', value: request.value, isCharged: false }] }
  return request === null ? acted : serve(acted, { process: 'user', request, remembered: false })
}

const spent = (system: System, what: Exclude<keyof Budget, 'minutes'>): System => ({
  ...system,
  budget: { ...system.budget, [what]: system.budget[what] - 1 },
})

/** Ended without anybody having stopped it. */
const exited = (system: System, id: string): System => {
  const { pod, container } = system.running.get(id) ?? { pod: id, container: '' }
  const place = `${pod}/${container}`
  return { ...without(system, id), exits: new Map(system.exits).set(place, (system.exits.get(place) ?? 0) + 1) }
}

const crashed = (system: System, node: string): System => {
  const here = [...system.running.values()].filter((container) => container.node === node)
  const rules = new Map(system.rules)
  rules.delete(node)
  const dead = here.reduce((left, { id }) => exited(left, id), system)
  const mounted = new Map([...system.mounted].filter(([, mount]) => mount.node !== node))
  return { ...dead, rules, mounted, machinesDown: new Set([...system.machinesDown, node]) }
}

const less = (set: ReadonlySet<string>, member: string): ReadonlySet<string> => new Set([...set].filter((other) => other !== member))

export const environment: Component<System, EnvironmentAction> = {
  name: 'environment',

  enabled(system) {
    const { budget, machinesDown, cutOff, running, stopping } = system
    const up = system.machines.filter((node) => !machinesDown.has(node))
    return [
      ...system.users.slice(0, 1).map((step) => ({ kind: 'UserActs' as const, step })),
      ...(budget.exits === 0 ? [] : [...running.keys()].filter((id) => !stopping.has(id)).toSorted()).map((id) => ({
        kind: 'ExitContainer' as const,
        id,
      })),
      ...(budget.crashes === 0 ? [] : up).map((node) => ({ kind: 'CrashMachine' as const, node })),
      ...(budget.restarts === 0 ? [] : [...machinesDown].toSorted()).map((node) => ({ kind: 'RestartMachine' as const, node })),
      ...(budget.cuts === 0 ? [] : up.filter((node) => !cutOff.has(node))).map((node) => ({ kind: 'CutOff' as const, node })),
      ...[...cutOff].toSorted().map((node) => ({ kind: 'Reconnect' as const, node })),
    ]
  },

  next(system, action) {
    const { machinesDown, cutOff } = system
    switch (action.kind) {
      case 'UserActs':
        return users(system, action.step)
      case 'ExitContainer':
        return exited(spent(system, 'exits'), action.id)
      case 'CrashMachine':
        return crashed(spent(system, 'crashes'), action.node)
      case 'RestartMachine':
        return { ...spent(system, 'restarts'), machinesDown: less(machinesDown, action.node) }
      case 'CutOff':
        return { ...spent(system, 'cuts'), cutOff: new Set([...cutOff, action.node]) }
      case 'Reconnect':
        return { ...system, cutOff: less(cutOff, action.node) }
    }
  },
}
