/**
 * A ReplicaSet has as many pods as it wants: it makes what it misses and deletes what it has too many, as far as it sees.
 *
 * It counts what it made and deleted itself and does not see yet, which upstream calls expectations. One pod is made or
 * deleted at a time: that several are in one round is the same as one after another. Which of equally ranked pods goes
 * is open; of upstream's ranks only those that matter to availability are kept (no node, then not ready, then ready).
 * A ReplicationController is the same with another selector. Left out: minReadySeconds, so that ready is available at once.
 * Source: kubernetes pkg/controller/replicaset/replica_set.go, pkg/controller/controller_utils.go
 */
import type { Pod, ReplicaSet } from '../state/objects.ts'
import { selectorOf, type Replicating, type ReplicationController } from '../state/replication.ts'
import { keyOf } from '../state/resources.ts'
import { matchesLabels } from '../state/selector.ts'
import type { Request, System } from '../state/system.ts'
import { controllerOf, isActive, isBound, isDeleting, isReady, isTerminal, sameValue } from './objects.ts'
import { asks, asksAndRemembers, client, MANAGER, ownedBy, refOf, removal } from './request.ts'
import { known, seen, type Held } from './view.ts'

/** Lower goes first. */
const rank = (pod: Pod): number => (isBound(pod) ? (isReady(pod) ? 2 : 1) : 0)

/** How many of these pods go before this one. */
export const lowerRanked = (pod: Pod, pods: readonly Pod[]): number => pods.filter((other) => rank(other) < rank(pod)).length

const podOf = (set: Replicating, name: string): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name,
    namespace: set.metadata.namespace ?? '',
    uid: '',
    creationTimestamp: '',
    labels: set.spec.template.metadata.labels ?? {},
    ownerReferences: [ownedBy(set)],
  },
  spec: set.spec.template.spec,
  status: { phase: 'Pending' },
})

/** Upstream draws a name; here it is the first that is free in the store, so that equal states are the same state. */
const freeName = ({ keyspace }: System, { metadata: { namespace, name } }: Replicating): string => {
  let number = 0
  while (keyspace.kvs.has(keyOf('pods', namespace, `${name}-${number}`))) number++
  return `${name}-${number}`
}

/** `pods` as they are known; `shown` as they are seen: only what is seen can be deleted. */
const replicas = (
  system: System,
  { value: set }: Held<Replicating>,
  pods: readonly Held<Pod>[],
  shown: readonly Held<Pod>[],
): readonly Request[] => {
  const active = pods.filter(({ value }) => isActive(value))
  const owner = refOf(set)
  const uids = new Set(active.map(({ value }) => value.metadata.uid))
  if (active.length < set.spec.replicas) {
    // What it deleted it has to see gone before it makes more.
    if (shown.some(({ value }) => isActive(value) && !uids.has(value.metadata.uid))) return []
    const name = freeName(system, set)
    return [asksAndRemembers(MANAGER, { kind: 'CreatePod', owner, name }, { verb: 'create', value: podOf(set, name) })]
  }
  const candidates = shown.filter(({ value }) => uids.has(value.metadata.uid))
  if (candidates.length <= set.spec.replicas) return []
  const left = candidates.map(({ value }) => value)
  return candidates
    .filter(({ value }) => lowerRanked(value, left) === 0)
    .map((held) => asksAndRemembers(MANAGER, { kind: 'DeletePod', owner, pod: refOf(held.value) }, removal(held)))
}

const ownership = ({ value: set }: Held<Replicating>, pods: readonly Held<Pod>[]): readonly Request[] =>
  pods.flatMap(({ value: pod, version }) => {
    const owner = refOf(set)
    const matches = matchesLabels(selectorOf(set), pod.metadata.labels)
    const ownerReferences = pod.metadata.ownerReferences ?? []
    const changed = (references: typeof ownerReferences): Pod => ({ ...pod, metadata: { ...pod.metadata, ownerReferences: references } })
    if (controllerOf(pod) === set.metadata.uid && !matches) {
      const value = changed(ownerReferences.filter(({ uid }) => uid !== set.metadata.uid))
      return [asks(MANAGER, { kind: 'ReleasePod', owner, pod: refOf(pod) }, { verb: 'update', value, version })]
    }
    if (controllerOf(pod) !== undefined || !matches || !isActive(pod)) return []
    const value = changed([...ownerReferences, ownedBy(set)])
    // It goes on with it as its own.
    return [asksAndRemembers(MANAGER, { kind: 'AdoptPod', owner, pod: refOf(pod) }, { verb: 'update', value, version })]
  })

/** What a set says of its pods. */
export const tellsOf = (pods: readonly Pod[]): Omit<ReplicaSet['status'], 'observedGeneration'> => {
  const lasting = pods.filter((pod) => !isTerminal(pod))
  const active = lasting.filter((pod) => !isDeleting(pod))
  const ready = active.filter(isReady).length
  return {
    replicas: active.length,
    readyReplicas: ready,
    availableReplicas: ready,
    terminatingReplicas: lasting.length - active.length,
  }
}

const status = ({ value: set, version }: Held<Replicating>, pods: readonly Held<Pod>[]): readonly Request[] => {
  const told: ReplicaSet['status'] = { ...tellsOf(pods.map(({ value }) => value)), observedGeneration: set.metadata.generation ?? 0 }
  return sameValue(set.status, told) ? [] : [asks(MANAGER, null, { verb: 'status', value: { ...set, status: told }, version })]
}

/** Managing by a given knowledge of the pods: what its view shows, and what it expects since. */
export const replicatingBy = (podsKnown: (system: System, process: string) => readonly Held<Pod>[]): ReturnType<typeof client> =>
  client('replicaset', (system) =>
    [
      ...seen<ReplicaSet>(system, MANAGER, 'replicasets'),
      ...seen<ReplicationController>(system, MANAGER, 'replicationcontrollers'),
    ].flatMap((set: Held<Replicating>) => {
      const here = ({ value }: Held<Pod>): boolean => value.metadata.namespace === set.value.metadata.namespace
      const own = ({ value }: Held<Pod>): boolean => controllerOf(value) === set.value.metadata.uid
      const shown = seen<Pod>(system, MANAGER, 'pods').filter(here)
      const managed = isDeleting(set.value)
        ? []
        : [...ownership(set, shown), ...replicas(system, set, podsKnown(system, MANAGER).filter(own), shown.filter(own))]
      // As upstream: it does what it can, and then tells how things are.
      return managed.length > 0 ? managed : status(set, shown.filter(own))
    }),
  )

export const replicaSet = replicatingBy((system, process) => known<Pod>(system, process, 'pods'))
