/**
 * A DaemonSet has a pod on every node that wants one, and replaces them within what may be unavailable, or by a surge.
 *
 * It counts what it made and deleted itself and does not see yet. Left out: adoption, the back-off after pods that failed, the
 * limit of the history, and minReadySeconds, so that ready is available at once. Source: kubernetes pkg/controller/daemon
 */
import type { Node, Pod } from '../state/objects.ts'
import { keyOf } from '../state/resources.ts'
import type { ControllerRevision, DaemonSet } from '../state/stateful.ts'
import type { Request, System } from '../state/system.ts'
import { hashOf, newest, revisionsOf } from './controller-revisions.ts'
import { limits, mayStay, placeOf, specFor, wanted } from './daemons.ts'
import { controllerOf, isDeleting, isReady, isTerminal, sameValue } from './objects.ts'
import { asks, asksAndRemembers, client, MANAGER, ownedBy, refOf, removal } from './request.ts'
import { REVISION } from './template.ts'
import { known, seen, type Held } from './view.ts'

/** What one sync looks at. */
interface Round {
  readonly set: DaemonSet
  readonly current: ControllerRevision
  readonly nodes: readonly Node[]
  /** Node → pods there or meant for it. */
  readonly pods: ReadonlyMap<string, readonly Held<Pod>[]>
  readonly system: System
}

const on = ({ pods }: Round, node: string): readonly Held<Pod>[] => pods.get(node) ?? []
const lasting = (pods: readonly Held<Pod>[]): readonly Held<Pod>[] => pods.filter(({ value }) => !isDeleting(value))
const isNew = ({ current }: Round, { value }: Held<Pod>): boolean => value.metadata.labels?.[REVISION] === hashOf(current)

/** Upstream draws a name; here it is the first that is free in the store. */
const freeName = ({ keyspace }: System, { metadata: { namespace, name } }: DaemonSet, node: string): string => {
  let number = 0
  while (keyspace.kvs.has(keyOf('pods', namespace, `${name}-${node}-${number}`))) number++
  return `${name}-${node}-${number}`
}

const made = ({ set, current, system }: Round, node: string): Request => {
  const { template } = set.spec
  const name = freeName(system, set, node)
  const value: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: set.metadata.namespace ?? '',
      uid: '',
      creationTimestamp: '',
      labels: { ...template.metadata.labels, [REVISION]: hashOf(current) },
      ownerReferences: [ownedBy(set)],
    },
    spec: specFor(set, node),
    status: { phase: 'Pending' },
  }
  return asksAndRemembers(MANAGER, { kind: 'CreatePod', owner: refOf(set), name, node }, { verb: 'create', value })
}

const ended = ({ set }: Round, held: Held<Pod>): Request =>
  asksAndRemembers(MANAGER, { kind: 'DeletePod', owner: refOf(set), pod: refOf(held.value) }, removal(held))

/** Pods that are over, or one too many of their kind; with a surge one of each kind may be there. */
const superfluous = (round: Round, pods: readonly Held<Pod>[], surges: boolean): readonly Held<Pod>[] => {
  const left = lasting(pods)
  const over = left.filter(({ value }) => isTerminal(value))
  const running = left.filter((held) => !over.includes(held))
  if (!surges) return [...over, ...running.slice(1)]
  const fresh = running.filter((held) => isNew(round, held))
  const old = running.filter((held) => !isNew(round, held))
  const [first, last] = [fresh[0], old[0]]
  const replaced = first !== undefined && last !== undefined && (isReady(first.value) || !isReady(last.value))
  return [...over, ...fresh.slice(1), ...old.slice(replaced ? 0 : 1)]
}

const placed = (round: Round, surges: boolean): readonly Request[] =>
  round.nodes.flatMap((node) => {
    const here = on(round, node.metadata.name)
    if (wanted(round.set, node) && here.length === 0) return [made(round, node.metadata.name)]
    const going = mayStay(round.set, node) ? superfluous(round, here, surges) : lasting(here)
    return going.map((held) => ended(round, held))
  })

const replaced = (round: Round, places: readonly string[], most: number): readonly Request[] => {
  const alone = places.map((node) => ({ node, held: lasting(on(round, node)) }))
  const isWell = ({ held }: (typeof alone)[number]): boolean => held.some(({ value }) => isReady(value))
  const down = alone.filter((place) => !isWell(place)).length
  return alone.flatMap((place) => {
    const [held] = place.held
    if (held === undefined || place.held.length > 1 || isNew(round, held)) return []
    return !isWell(place) || down < most ? [ended(round, held)] : []
  })
}

const surged = (round: Round, places: readonly string[], most: number): readonly Request[] => {
  const surging = places.filter((node) => {
    const left = lasting(on(round, node))
    return left.length > 1 && !left.some((held) => isNew(round, held) && isReady(held.value))
  }).length
  return places.flatMap((node) => {
    const [held, second] = lasting(on(round, node))
    if (held === undefined || second !== undefined || isNew(round, held) || on(round, node).length > 1) return []
    return !isReady(held.value) || surging < most ? [made(round, node)] : []
  })
}

const status = ({ value: set, version }: Held<DaemonSet>, round: Round): readonly Request[] => {
  const places = round.nodes.filter((node) => wanted(set, node)).map(({ metadata }) => metadata.name)
  const firsts = places.flatMap((node) => on(round, node).slice(0, 1))
  const ready = firsts.filter(({ value }) => isReady(value)).length
  const told: DaemonSet['status'] = {
    desiredNumberScheduled: places.length,
    currentNumberScheduled: firsts.length,
    numberMisscheduled: [...round.pods.keys()].filter((node) => !places.includes(node)).length,
    numberReady: ready,
    numberAvailable: ready,
    updatedNumberScheduled: firsts.filter((held) => isNew(round, held)).length,
    observedGeneration: set.metadata.generation ?? 0,
  }
  return sameValue(set.status, told) ? [] : [asks(MANAGER, null, { verb: 'status', value: { ...set, status: told }, version })]
}

const synced = (system: System, held: Held<DaemonSet>): readonly Request[] => {
  const set = held.value
  const latest = newest(set, revisionsOf(system, set))
  if ('request' in latest) return [latest.request]
  const pods = new Map<string, Held<Pod>[]>()
  for (const pod of known<Pod>(system, MANAGER, 'pods')) {
    const { value } = pod
    if (controllerOf(value) !== set.metadata.uid || (isTerminal(value) && isDeleting(value))) continue
    pods.set(placeOf(value), [...(pods.get(placeOf(value)) ?? []), pod])
  }
  const nodes = seen<Node>(system, MANAGER, 'nodes').map(({ value }) => value)
  const round: Round = { set, current: latest.revision, nodes, pods, system }
  const places = nodes.filter((node) => wanted(set, node)).map(({ metadata }) => metadata.name)
  const { surge, unavailable } = limits(set, places.length)
  const placing = placed(round, surge > 0)
  const updating =
    placing.length > 0 || set.spec.updateStrategy.type === 'OnDelete'
      ? []
      : surge > 0
        ? surged(round, places, surge)
        : replaced(round, places, unavailable)
  const managed = [...placing, ...updating]
  // It does what it can, and then tells how things are.
  return managed.length > 0 ? managed : status(held, round)
}

export const daemonSet = client('daemonset', (system) =>
  seen<DaemonSet>(system, MANAGER, 'daemonsets').flatMap((held) => (isDeleting(held.value) ? [] : synced(system, held))),
)
