/** What the reasons why something waits are read from, and the words they share. */
import type { Cluster } from '../state/cluster.ts'
import type { ApiObject, Condition, Node, Pod } from '../state/objects.ts'
import type { Replicating } from '../state/replication.ts'
import { resourceOfKey } from '../state/resources.ts'
import type { Pending } from '../invariant.ts'

export interface Picture {
  readonly cluster: Cluster
  /** All objects there are, by resource. */
  readonly objects: ReadonlyMap<string, readonly ApiObject[]>
  readonly pods: readonly Pod[]
  readonly nodes: ReadonlyMap<string, Node>
  /** ReplicaSets and ReplicationControllers. */
  readonly sets: readonly Replicating[]
  /** Pods that wait, and owners whose pods are refused, by uid, and whether the specification sees no way out; filled as pods are looked at, before their owners. */
  readonly blocked: Map<string, boolean>
}

/** What of one sort still waits, root causes first. */
export type Waiting = (picture: Picture) => readonly Pending[]

export const all = <T extends ApiObject>({ objects }: Pick<Picture, 'objects'>, resource: string): readonly T[] =>
  (objects.get(resource) ?? []) as readonly T[]

export const pictureOf = (cluster: Cluster): Picture => {
  const objects = new Map<string, ApiObject[]>()
  for (const [key, { value }] of cluster.store) {
    const resource = resourceOfKey(key)
    if (resource === undefined) continue
    const held = objects.get(resource)
    if (held === undefined) objects.set(resource, [value as ApiObject])
    else held.push(value as ApiObject)
  }
  const of = <T extends ApiObject>(resource: string): readonly T[] => all<T>({ objects }, resource)
  return {
    cluster,
    objects,
    pods: of<Pod>('pods'),
    nodes: new Map(of<Node>('nodes').map((node) => [node.metadata.name, node])),
    sets: [...of<Replicating>('replicasets'), ...of<Replicating>('replicationcontrollers')],
    blocked: new Map(),
  }
}

/** 'Pod default/web-1' */
export const label = (object: ApiObject): string => {
  const { namespace, name } = object.metadata
  return `${object.kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`
}

export const conditionOf = (conditions: readonly Condition[] | undefined, type: string): Condition | undefined =>
  conditions?.find((condition) => condition.type === type)

export const isReady = (pod: Pod): boolean => conditionOf(pod.status.conditions, 'Ready')?.status === 'True'
export const isTerminal = (pod: Pod): boolean => pod.status.phase === 'Succeeded' || pod.status.phase === 'Failed'
export const isEnding = (object: ApiObject): boolean => object.metadata.deletionTimestamp !== undefined
export const controllerOf = (object: ApiObject): string | undefined =>
  object.metadata.ownerReferences?.find((owner) => owner.controller === true)?.uid
export const podsOf = ({ pods }: Picture, owner: ApiObject): readonly Pod[] =>
  pods.filter((pod) => controllerOf(pod) === owner.metadata.uid)

/** The machine is down for good. */
export const isLost = ({ cluster }: Picture, node: string): boolean => cluster.machinesDown.has(node)

/** Of an object that is being deleted. */
export const ITS_END = 'its end: it is being deleted'

/** An object that is being deleted waits for its pods (foreground), also for those whose end nobody can confirm. */
export const beingDeleted = (picture: Picture, object: ApiObject, pods: readonly Pod[]): Pending => {
  const stuck = pods.find((pod) => isEnding(pod) && isLost(picture, pod.spec.nodeName ?? ''))
  if (stuck === undefined) return { object: label(object), waitsFor: ITS_END, blocked: false }
  return { object: label(object), waitsFor: `the end of ${stuck.metadata.name}, whose node ${stuck.spec.nodeName} is lost`, blocked: true }
}

/** Finalizers that somebody here takes away. */
export const TAKEN_AWAY =
  /^(orphan|foregroundDeletion|batch\.kubernetes\.io\/job-tracking|kubernetes\.io\/pvc?-protection|customresourcecleanup\.apiextensions\.k8s\.io)$/
