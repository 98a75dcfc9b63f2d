/**
 * A cluster to schedule on, from manifests and from what `kubectl get -o json` prints: nodes, the pods that run there, and the
 * pods that are to be placed. Workloads stand for the pods that their controllers would still make.
 *
 * Lenient where kubectl is: fields that nobody here reads are passed over. What is read has to be of the right type.
 */
import { defaultPodSpec } from '../../impl/apiserver/kinds/pod-spec.ts'
import { SYSTEM_CLASSES } from '../../impl/apiserver/kinds/priority-class.ts'
import { isDeleting, isTerminal } from '../../impl/objects.ts'
import { listersOf, type Listers } from '../../impl/scheduler/listers.ts'
import { amountsOf } from '../../impl/scheduler/request.ts'
import type { ApiObject, Node, Pod, PodSpec, PriorityClass } from '../../model/state/objects.ts'
import { readPlacedObjects, type PlacedObject } from '../compare/objects.ts'
import { InputError } from '../input.ts'
import { filesOf } from '../manifests/read.ts'
import { lookUp } from '../manifests/schema.ts'
import { isWorkload, podsOfWorkload, type Workload } from './workloads.ts'

export interface GivenCluster {
  readonly nodes: readonly Node[]
  readonly running: readonly Pod[]
  readonly pending: readonly Pod[]
  readonly objects: Listers
  /** One line for each thing that is not as it may seem. */
  readonly notes: readonly string[]
}

/** Kind → the resource that plugins look it up under. */
const LOOKED_UP: Readonly<Record<string, string>> = {
  Namespace: 'namespaces',
  PersistentVolumeClaim: 'persistentvolumeclaims',
  PersistentVolume: 'persistentvolumes',
  StorageClass: 'storageclasses',
  CSINode: 'csinodes',
  PodDisruptionBudget: 'poddisruptionbudgets',
  PodGroup: 'podgroups',
  Pod: 'pods',
}

/** Throws InputError naming file, line, object and field. */
export const readCluster = (paths: readonly string[]): GivenCluster => {
  const placed = lastOfEach(paths.flatMap(filesOf).flatMap(readPlacedObjects))
  const ofKind = (kind: string): readonly PlacedObject[] => placed.filter(({ object }) => object.kind === kind)
  const nodes = ofKind('Node').map(nodeOf)
  if (nodes.length === 0)
    throw new InputError(
      paths.join(', '),
      `expected at least one Node, found none among ${placed.length} objects: add what 'kubectl get nodes -o json' prints`,
    )
  const classes = ofKind('PriorityClass').map(({ object }) => object as PriorityClass)
  const notes: string[] = []
  const given = ofKind('Pod').map((one) => podOf(one, classes))
  const made = placed
    .filter(({ object }) => isWorkload(object.kind))
    .flatMap((one) => {
      check(one)
      const pods = podsOfWorkload(one.object as Workload, { nodes, pods: given, all: placed.map(({ object }) => object) })
      return pods.map((pod) => podOf({ object: pod, place: one.place }, classes))
    })
  for (const { object, place } of ofKind('CronJob'))
    notes.push(`${place}: CronJob ${object.metadata.name}: it makes pods when its time comes: left out`)
  const alive = [...given, ...made].filter((pod) => !isTerminal(pod))
  const bound = (pod: Pod): boolean => (pod.spec.nodeName ?? '') !== ''
  const known = new Set(nodes.map(({ metadata }) => metadata.name))
  const lost = alive.filter((pod) => bound(pod) && !known.has(pod.spec.nodeName as string))
  if (lost.length > 0) notes.push(`${lost.length} running pods are on nodes that are not among the files: left out`)
  return {
    nodes,
    running: alive.filter((pod) => bound(pod) && known.has(pod.spec.nodeName as string)),
    pending: alive.filter((pod) => !bound(pod) && !isDeleting(pod)),
    objects: objectsOf([...placed.map(({ object }) => object).filter(({ kind }) => kind !== 'Pod'), ...alive]),
    notes,
  }
}

/** Of an object that is given twice the later counts, as with kubectl apply. */
const lastOfEach = (all: readonly PlacedObject[]): readonly PlacedObject[] => {
  const kept = new Map<string, PlacedObject>()
  for (const one of all) kept.set(nameOf(one.object), one)
  return [...kept.values()]
}

const nameOf = ({ kind, metadata }: ApiObject): string =>
  `${kind} ${metadata.namespace === undefined ? '' : `${metadata.namespace}/`}${metadata.name}`

const fail = ({ object, place }: PlacedObject, field: string, problem: string): never => {
  throw new InputError(place, `${nameOf(object)}: ${field}: ${problem}`)
}

/** Types only: what the API server refuses to store may still be asked about. What status says is read where it matters. */
const check = (one: PlacedObject): void => {
  const known = lookUp(one.object.apiVersion, one.object.kind)
  if (!known.known) return
  const wrong = known.problems(one.object).find(({ path, refused }) => !refused && path[0] === 'spec')
  if (wrong === undefined) return
  const amount = wrong.path.some((step) => step === 'requests' || step === 'limits')
  const found = wrong.path.reduce<unknown>((value, step) => (value as Readonly<Record<string, unknown>> | undefined)?.[step], one.object)
  const shown = found === undefined ? '' : `, found ${JSON.stringify(found)}`
  fail(one, wrong.path.join('.'), `expected ${amount ? 'a quantity such as 500m or 2Gi' : wrong.expected}${shown}`)
}

const quantities = (one: PlacedObject, field: string, list: Parameters<typeof amountsOf>[0]): void => {
  try {
    for (const amount of amountsOf(list).values()) if (amount < 0) fail(one, field, 'expected no negative amount')
  } catch (error) {
    if (error instanceof InputError) throw error
    fail(one, field, (error as Error).message)
  }
}

/** Throws InputError. */
export const nodeOf = (one: PlacedObject): Node => {
  check(one)
  const node = one.object as Node
  const status = (node.status ?? {}) as Partial<Node['status']>
  const allocatable = status.allocatable ?? status.capacity
  if (allocatable === undefined || Object.keys(allocatable).length === 0)
    return fail(one, 'status.allocatable', 'expected what the node offers, such as cpu, memory and pods, found nothing')
  quantities(one, 'status.allocatable', allocatable)
  for (const name of ['cpu', 'memory', 'pods'])
    if (allocatable[name] === undefined) fail(one, `status.allocatable.${name}`, 'expected an amount, found nothing')
  return {
    ...node,
    spec: node.spec ?? {},
    status: { ...status, capacity: status.capacity ?? allocatable, allocatable, conditions: status.conditions ?? [] },
  }
}

/** As the API server would have completed it. Throws InputError. */
export const podOf = (one: PlacedObject, classes: readonly PriorityClass[]): Pod => {
  check(one)
  const pod = one.object as Pod
  const spec = defaultPodSpec(pod.spec ?? {})
  if (spec.containers.length === 0) fail(one, 'spec.containers', 'expected at least one container, found none')
  for (const container of [...spec.containers, ...(spec.initContainers ?? [])])
    quantities(one, `container ${container.name}: resources.requests`, container.resources?.requests)
  return { ...pod, spec: withPriority(one, spec, classes), status: pod.status ?? { phase: 'Pending' } }
}

/** What the admission plugin Priority writes. */
const withPriority = (one: PlacedObject, spec: PodSpec, classes: readonly PriorityClass[]): PodSpec => {
  const name = spec.priorityClassName
  if (spec.priority !== undefined) return spec
  const found =
    name === undefined
      ? classes.find(({ globalDefault }) => globalDefault === true)
      : classes.find(({ metadata }) => metadata.name === name)
  const priority = found?.value ?? (name === undefined ? 0 : SYSTEM_CLASSES[name])
  if (priority === undefined)
    return fail(one, 'spec.priorityClassName', `expected a PriorityClass among the files, found no '${name}' (or give spec.priority)`)
  const policy = spec.preemptionPolicy ?? found?.preemptionPolicy
  return { ...spec, priority, ...(policy === undefined ? {} : { preemptionPolicy: policy }) }
}

const objectsOf = (all: readonly ApiObject[]): Listers => {
  const byResource = new Map<string, ApiObject[]>()
  for (const object of all) {
    const resource = LOOKED_UP[object.kind]
    if (resource !== undefined) byResource.set(resource, [...(byResource.get(resource) ?? []), object])
  }
  const list = (resource: string): readonly ApiObject[] => byResource.get(resource) ?? []
  const keyOf = ({ metadata }: ApiObject): string =>
    metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`
  return listersOf((resource, key) => list(resource).find((object) => keyOf(object) === key), list)
}
