/**
 * Why the cluster has not converged: for each object what it waits for, in words, root causes first.
 *
 * `blocked` is what the specification itself sees no way out of; everything else must end by itself.
 */
import { backendsOf } from './components/backends.ts'
import { allocatable, infeasible, requests } from './components/feasible.ts'
import { podAffinity } from './components/scheduling/pod-affinity.ts'
import { spread } from './components/scheduling/spread.ts'
import type { Pending } from './invariant.ts'
import type { Cluster } from './state/cluster.ts'
import type { ApiObject, Condition, Deployment, EndpointSlice, Node, Pod, ReplicaSet, Service } from './state/objects.ts'
import { prefixOf, resourceOfKind } from './state/resources.ts'
import { matchesPairs } from './state/selector.ts'

const all = <T extends ApiObject>(cluster: Cluster, resource: string): readonly T[] => {
  const prefix = prefixOf(resource)
  const found: T[] = []
  for (const [key, stored] of cluster.store) if (key.startsWith(prefix)) found.push(stored.value as T)
  return found
}

const label = (object: ApiObject): string => {
  const { namespace, name } = object.metadata
  return `${object.kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`
}

const conditionOf = (conditions: readonly Condition[] | undefined, type: string): Condition | undefined =>
  conditions?.find((condition) => condition.type === type)

const isTerminal = (pod: Pod): boolean => pod.status.phase === 'Succeeded' || pod.status.phase === 'Failed'
const controllerOf = (object: ApiObject): string | undefined =>
  object.metadata.ownerReferences?.find((owner) => owner.controller === true)?.uid

interface Picture {
  readonly cluster: Cluster
  readonly pods: readonly Pod[]
  readonly nodes: ReadonlyMap<string, Node>
  readonly sets: readonly ReplicaSet[]
  /** uid → why it is blocked. */
  readonly blocked: Map<string, boolean>
}

export const pending = (cluster: Cluster): readonly Pending[] => {
  const picture: Picture = {
    cluster,
    pods: all<Pod>(cluster, 'pods'),
    nodes: new Map(all<Node>(cluster, 'nodes').map((node) => [node.metadata.name, node])),
    sets: all<ReplicaSet>(cluster, 'replicasets'),
    blocked: new Map(),
  }
  return [
    ...nodesPending(picture),
    ...podsPending(picture),
    ...setsPending(picture),
    ...deploymentsPending(picture),
    ...leftoversPending(picture),
    ...containersPending(picture),
    ...slicesPending(picture),
    ...rulesPending(picture),
  ]
}

const isLost = ({ cluster }: Picture, node: string): boolean => cluster.machinesDown.has(node)

// Nodes

const nodesPending = (picture: Picture): readonly Pending[] =>
  [...picture.nodes.values()].flatMap((node) => {
    const { name } = node.metadata
    const ready = conditionOf(node.status.conditions, 'Ready')?.status
    if (isLost(picture, name)) {
      // It will not come back; that it is gone has to be noticed.
      return ready === 'True' ? [{ object: label(node), waitsFor: 'its loss to be noticed', blocked: false }] : []
    }
    if (ready !== 'True') return [{ object: label(node), waitsFor: 'to be ready again', blocked: false }]
    const stale = (node.spec.taints ?? []).find(
      (taint) => taint.key === 'node.kubernetes.io/not-ready' || taint.key === 'node.kubernetes.io/unreachable',
    )
    return stale === undefined ? [] : [{ object: label(node), waitsFor: `the taint ${stale.key}:${stale.effect} to go`, blocked: false }]
  })

// Pods

const podsPending = (picture: Picture): readonly Pending[] => {
  const rows = new Map<string, Pending>()
  for (const pod of picture.pods) {
    const row = podPending(picture, pod)
    if (row === null) continue
    picture.blocked.set(pod.metadata.uid, row.blocked)
    // Pods of one owner that wait for the same thing are one line.
    const key = `${controllerOf(pod) ?? pod.metadata.uid}\n${row.waitsFor}`
    if (!rows.has(key)) rows.set(key, { ...row, of: workloadOf(picture, pod) })
  }
  return [...rows.values()]
}

/** Whose pod it is, as its user would say: the Deployment above the ReplicaSet. */
const workloadOf = (picture: Picture, pod: Pod): string => {
  const set = picture.sets.find((one) => one.metadata.uid === controllerOf(pod))
  if (set === undefined) return label(pod)
  const owner = set.metadata.ownerReferences?.find((ref) => ref.controller === true)
  return owner === undefined ? label(set) : `${owner.kind} ${set.metadata.namespace}/${owner.name}`
}

const podPending = (picture: Picture, pod: Pod): Pending | null => {
  const object = label(pod)
  const node = pod.spec.nodeName ?? ''
  if (pod.metadata.deletionTimestamp !== undefined) {
    // Nobody can say that its containers have stopped until the node comes back or is removed.
    const lost = node !== '' && isLost(picture, node) && picture.nodes.has(node)
    return lost ? null : { object, waitsFor: 'its end: it is being deleted', blocked: false }
  }
  if (isTerminal(pod)) return null
  if (node === '') return unboundPending(picture, pod)
  if (isLost(picture, node)) return evictionPending(picture, pod, node)
  for (const status of [...(pod.status.initContainerStatuses ?? []), ...(pod.status.containerStatuses ?? [])]) {
    const { waiting } = status.state
    if (waiting?.reason === 'CreateContainerConfigError') {
      return { object, waitsFor: `${waiting.message ?? 'its configuration'} (container ${status.name})`, blocked: true }
    }
    if (waiting?.reason === 'CrashLoopBackOff') return { object, waitsFor: `container ${status.name} to be started again`, blocked: false }
  }
  if (conditionOf(pod.status.conditions, 'Ready')?.status === 'True') return null
  return { object, waitsFor: `its containers to be ready on ${node}`, blocked: false }
}

const evictionPending = (picture: Picture, pod: Pod, node: string): Pending => {
  const object = label(pod)
  const stays = (pod.spec.tolerations ?? []).some(
    (one) => one.key === 'node.kubernetes.io/unreachable' && one.tolerationSeconds === undefined,
  )
  if (stays) return { object, waitsFor: `${node} to come back: it is lost, and the pod tolerates that for ever`, blocked: true }
  // With no node left that reports, nobody is evicted.
  const alone = [...picture.nodes.keys()].every((name) => isLost(picture, name))
  if (alone) return { object, waitsFor: `${node} to come back: it is lost, and so is every other node`, blocked: true }
  return { object, waitsFor: `to be evicted from ${node}, which is lost`, blocked: false }
}

const unboundPending = (picture: Picture, pod: Pod): Pending => {
  const object = label(pod)
  const said = conditionOf(pod.status.conditions, 'PodScheduled')
  if ((pod.spec.schedulingGates ?? []).length > 0) {
    return {
      object,
      waitsFor: `its scheduling gates to be removed: ${(pod.spec.schedulingGates ?? []).map((gate) => gate.name).join(', ')}`,
      blocked: true,
    }
  }
  if (pod.spec.schedulerName !== 'default-scheduler')
    return { object, waitsFor: `the scheduler ${pod.spec.schedulerName}, which does not run here`, blocked: true }
  const blocked = !hasRoom(picture, pod)
  const why = said?.status === 'False' && said.message !== undefined ? `: ${said.message}` : ''
  return { object, waitsFor: `a node${why}${blocked ? explained(picture, pod) : ''}`, blocked }
}

const evenly = spread({})

/** Whether some node would take it, as things are: by plain sums, and beside the pods that are there. */
const hasRoom = (picture: Picture, pod: Pod): boolean => {
  const pods = picture.pods.filter((other) => (other.spec.nodeName ?? '') !== '' && !isTerminal(other))
  const scene = { nodes: [...picture.nodes.values()], pods, others: all<ApiObject>(picture.cluster, 'namespaces') }
  return [...picture.nodes.values()].some((node) => {
    const { name } = node.metadata
    if (isLost(picture, name)) return false
    const others = picture.pods.filter((other) => other.spec.nodeName === name && !isTerminal(other))
    return infeasible(pod, node, others) === null && podAffinity(scene, pod, node) === 'fits' && evenly(scene, pod, node) === 'fits'
  })
}

/** What no node could ever give is said in numbers. */
const explained = (picture: Picture, pod: Pod): string => {
  const parts: string[] = []
  const nodes = [...picture.nodes.values()]
  for (const [resource, amount] of requests(pod)) {
    const largest = Math.max(0, ...nodes.map((node) => allocatable(node, resource)))
    if (amount > largest) parts.push(`it asks for ${show(amount, resource)} ${resource}, the largest node has ${show(largest, resource)}`)
  }
  return parts.length === 0 ? '' : ` (${parts.join('; ')})`
}

const show = (amount: number, resource: string): string => {
  const units = amount / 1000
  return resource === 'memory' ? `${Math.round(units / 1024 ** 2)} Mi` : String(Math.round(units * 1000) / 1000)
}

// Workloads

/** Foreground deletion waits for its pods, also for those whose end nobody can confirm. */
const beingDeleted = (picture: Picture, object: ApiObject, pods: readonly Pod[]): Pending => {
  const stuck = pods.find((pod) => pod.metadata.deletionTimestamp !== undefined && isLost(picture, pod.spec.nodeName ?? ''))
  if (stuck === undefined) return { object: label(object), waitsFor: 'its end: it is being deleted', blocked: false }
  return { object: label(object), waitsFor: `the end of ${stuck.metadata.name}, whose node ${stuck.spec.nodeName} is lost`, blocked: true }
}

const setsPending = (picture: Picture): readonly Pending[] =>
  picture.sets.flatMap((set) => {
    const { metadata, spec, status } = set
    if (metadata.deletionTimestamp !== undefined)
      return [
        beingDeleted(
          picture,
          set,
          picture.pods.filter((pod) => controllerOf(pod) === metadata.uid),
        ),
      ]
    const own = picture.pods.filter(
      (pod) => controllerOf(pod) === metadata.uid && !isTerminal(pod) && pod.metadata.deletionTimestamp === undefined,
    )
    const waitsForPods = own.some((pod) => picture.blocked.get(pod.metadata.uid) === true)
    const ready = own.filter((pod) => conditionOf(pod.status.conditions, 'Ready')?.status === 'True').length
    const row = (waitsFor: string): readonly Pending[] => [{ object: label(set), waitsFor, blocked: waitsForPods, derived: waitsForPods }]
    if (own.length !== spec.replicas) return row(`${spec.replicas} pods: it has ${own.length}`)
    if ((status.observedGeneration ?? 0) < (metadata.generation ?? 0)) return row('its controller to see its latest change')
    if (ready !== spec.replicas) return row(`${spec.replicas} pods to be ready: ${ready} are`)
    const agrees = status.replicas === spec.replicas && (status.readyReplicas ?? 0) === ready && (status.availableReplicas ?? 0) === ready
    return agrees ? [] : row('its status to agree with its pods')
  })

const surgeOf = ({ spec }: Deployment): number => {
  const { maxSurge = 0 } = spec.strategy.rollingUpdate ?? {}
  return typeof maxSurge === 'number' ? maxSurge : Math.ceil((Number.parseFloat(maxSurge) * spec.replicas) / 100)
}

const deploymentsPending = (picture: Picture): readonly Pending[] =>
  all<Deployment>(picture.cluster, 'deployments').flatMap((deployment) => {
    const { metadata, spec, status } = deployment
    const own = picture.sets.filter((set) => controllerOf(set) === metadata.uid)
    const uids = new Set(own.map((set) => set.metadata.uid))
    if (metadata.deletionTimestamp !== undefined)
      return [
        beingDeleted(
          picture,
          deployment,
          picture.pods.filter((pod) => uids.has(controllerOf(pod) ?? '')),
        ),
      ]
    const waitsForPods = picture.pods.some((pod) => uids.has(controllerOf(pod) ?? '') && picture.blocked.get(pod.metadata.uid) === true)
    const stuck = picture.pods.find(
      (pod) =>
        uids.has(controllerOf(pod) ?? '') && pod.metadata.deletionTimestamp !== undefined && isLost(picture, pod.spec.nodeName ?? ''),
    )
    const waitsForNode = (spec.podReplacementPolicy === 'TerminationComplete' || spec.strategy.type === 'Recreate') && stuck !== undefined
    const row = (waitsFor: string): readonly Pending[] => [
      {
        object: label(deployment),
        waitsFor: waitsForNode ? `${waitsFor} (${stuck.metadata.name} cannot end: ${stuck.spec.nodeName} is lost)` : waitsFor,
        blocked: waitsForPods || waitsForNode,
        derived: waitsForPods && !waitsForNode,
      },
    ]
    if ((status.observedGeneration ?? 0) < (metadata.generation ?? 0)) return row('its controller to see its latest change')
    const { updatedReplicas = 0, availableReplicas = 0, replicas = 0 } = status
    // One that was paused before it had a set gets none.
    if (spec.paused === true && own.length === 0) return []
    // A paused rollout stays where it is; only the number of replicas is kept, of two templates within the surge.
    if (spec.paused === true)
      return replicas >= spec.replicas && replicas <= spec.replicas + surgeOf(deployment)
        ? []
        : row(`${spec.replicas} replicas: it has ${replicas}`)
    if (updatedReplicas !== spec.replicas) return row(`${spec.replicas} replicas of its current template: ${updatedReplicas} are`)
    if (replicas !== spec.replicas) return row(`old replicas to end: ${replicas - updatedReplicas} are left`)
    return availableReplicas === spec.replicas ? [] : row(`${spec.replicas} replicas to be available: ${availableReplicas} are`)
  })

/** Objects whose owners are all gone. */
const leftoversPending = ({ cluster }: Picture): readonly Pending[] => {
  const uids = new Set<string>()
  for (const stored of cluster.store.values()) {
    const uid = (stored.value as Partial<ApiObject> | undefined)?.metadata?.uid
    if (uid !== undefined) uids.add(uid)
  }
  return ['replicasets', 'pods', 'endpointslices'].flatMap((resource) =>
    all(cluster, resource).flatMap((object) => {
      const owners = object.metadata.ownerReferences ?? []
      const orphan =
        owners.length > 0 &&
        object.metadata.deletionTimestamp === undefined &&
        owners.every((owner) => !uids.has(owner.uid) && resourceOfKind(owner.kind) !== undefined)
      return orphan ? [{ object: label(object), waitsFor: 'its end: its owner is gone', blocked: false }] : []
    }),
  )
}

/** Containers that run for a pod which is not there any more. */
const containersPending = (picture: Picture): readonly Pending[] => {
  const uids = new Set(picture.pods.map((pod) => pod.metadata.uid))
  return [...picture.cluster.running.values()].flatMap(({ pod, node, container, id }) =>
    uids.has(pod) || isLost(picture, node)
      ? []
      : [{ object: `Container ${id} on ${node}`, waitsFor: `its end: the pod of ${container} is gone`, blocked: false }],
  )
}

// Services

const slicesPending = (picture: Picture): readonly Pending[] => {
  const slices = all<EndpointSlice>(picture.cluster, 'endpointslices')
  return all<Service>(picture.cluster, 'services').flatMap((service) => {
    const { metadata, spec } = service
    if (metadata.deletionTimestamp !== undefined)
      return [{ object: label(service), waitsFor: 'its end: it is being deleted', blocked: false }]
    if (spec.selector === undefined || spec.type === 'ExternalName') return []
    const wanted = desiredEndpoints(picture, service)
    const held = endpointsOf(service, slices)
    return held === wanted
      ? []
      : [{ object: label(service), waitsFor: `its endpoints to be ${wanted || 'none'}: they are ${held || 'none'}`, blocked: false }]
  })
}

const desiredEndpoints = ({ pods }: Picture, service: Service): string =>
  pods
    .filter((pod) => pod.metadata.namespace === service.metadata.namespace && matchesPairs(service.spec.selector, pod.metadata.labels))
    .flatMap((pod) => {
      const { podIP } = pod.status
      if (podIP === undefined || isTerminal(pod)) return []
      const serving = conditionOf(pod.status.conditions, 'Ready')?.status === 'True'
      const ready = service.spec.publishNotReadyAddresses === true || (serving && pod.metadata.deletionTimestamp === undefined)
      return [`${podIP}${ready ? '' : ' (not ready)'}`]
    })
    .toSorted()
    .join(', ')

const endpointsOf = (service: Service, slices: readonly EndpointSlice[]): string =>
  slices
    .filter(
      (slice) =>
        slice.metadata.namespace === service.metadata.namespace &&
        slice.metadata.labels?.['kubernetes.io/service-name'] === service.metadata.name,
    )
    .flatMap((slice) => slice.endpoints)
    .flatMap((endpoint) => endpoint.addresses.map((address) => `${address}${endpoint.conditions.ready ? '' : ' (not ready)'}`))
    .toSorted()
    .join(', ')

/** Every node that is up routes to what the slices say is ready. */
const rulesPending = (picture: Picture): readonly Pending[] => {
  const { cluster } = picture
  const slices = all<EndpointSlice>(cluster, 'endpointslices')
  const wanted = new Map<string, string>()
  for (const service of all<Service>(cluster, 'services')) {
    const { clusterIP, ports, type } = service.spec
    if (clusterIP === undefined || clusterIP === 'None' || type === 'ExternalName') continue
    const backends = backendsOf(service, slices).join(', ')
    for (const port of ports ?? []) wanted.set(`${service.metadata.namespace}/${service.metadata.name}:${port.port}`, backends)
  }
  return [...picture.nodes.keys()].flatMap((node) => {
    if (isLost(picture, node)) return []
    const rules = cluster.rules.get(node) ?? {}
    const wrong =
      [...wanted].find(([name, backends]) => (rules[name]?.backends ?? []).join(', ') !== backends)?.[0] ??
      Object.keys(rules).find((name) => !wanted.has(name))
    return wrong === undefined
      ? []
      : [{ object: `Node ${node}`, waitsFor: `its service rules to be up to date for ${wrong}`, blocked: false }]
  })
}
