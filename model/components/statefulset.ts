/**
 * A StatefulSet makes its pods in order, ends them in the opposite order, and updates them from the highest down.
 *
 * Left out: orphans, pods that are adopted or released, what a retention policy does to claims, the limit of the history, and
 * minReadySeconds, so that ready is available at once.
 * Source: kubernetes pkg/controller/statefulset/stateful_set_control.go
 */
import type { PersistentVolumeClaim, Pod } from '../state/objects.ts'
import { keyOf } from '../state/resources.ts'
import type { ControllerRevision, StatefulSet } from '../state/stateful.ts'
import type { Request, System } from '../state/system.ts'
import { newest, revisionsOf } from './controller-revisions.ts'
import { controllerOf, isDeleting, isTerminal, sameValue } from './objects.ts'
import { claimsOf, isAvailable, isInRange, mostUnavailable, ordinalOf, partitionOf, startOf } from './ordinals.ts'
import { asks, client, MANAGER, ownedBy, refOf, removal } from './request.ts'
import { REVISION } from './template.ts'
import { seen, type Held } from './view.ts'

/** What one sync looks at. */
interface Round {
  readonly set: StatefulSet
  readonly current: ControllerRevision
  readonly update: ControllerRevision
  /** By place; undefined: missing. */
  readonly replicas: readonly (Held<Pod> | undefined)[]
  /** The highest first. */
  readonly condemned: readonly Held<Pod>[]
  readonly claims: ReadonlySet<string>
}

const available = (held: Held<Pod> | undefined): boolean => held !== undefined && isAvailable(held.value, 0, 0)
const revisionOf = ({ value }: Held<Pod>): string => value.metadata.labels?.[REVISION] ?? ''

const podOf = (set: StatefulSet, name: string, { metadata, data }: ControllerRevision): Pod => {
  const { template } = data.spec
  const claims = (set.spec.volumeClaimTemplates ?? []).map((claim) => claim.metadata.name)
  const volumes = claims.map((claim) => ({ name: claim, persistentVolumeClaim: { claimName: `${claim}-${name}` } }))
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: set.metadata.namespace ?? '',
      uid: '',
      creationTimestamp: '',
      labels: {
        ...template.metadata.labels,
        'statefulset.kubernetes.io/pod-name': name,
        'apps.kubernetes.io/pod-index': String(ordinalOf(name)),
        [REVISION]: metadata.name,
      },
      ownerReferences: [ownedBy(set)],
    },
    spec: { ...template.spec, hostname: name, subdomain: set.spec.serviceName ?? '', ...(volumes.length === 0 ? {} : { volumes }) },
    status: { phase: 'Pending' },
  }
}

const claimOf = (set: StatefulSet, pod: string, name: string): PersistentVolumeClaim => ({
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name, namespace: set.metadata.namespace ?? '', uid: '', creationTimestamp: '' },
  spec: set.spec.volumeClaimTemplates?.find(({ metadata }) => `${metadata.name}-${pod}` === name)?.spec ?? {},
  status: { phase: 'Pending' },
})

/** Its claims come first, one after another. */
const made = ({ set, current, update, claims }: Round, ordinal: number): Request => {
  const name = `${set.metadata.name}-${ordinal}`
  const claim = claimsOf(set, name).find((one) => !claims.has(keyOf('persistentvolumeclaims', set.metadata.namespace, one)))
  if (claim !== undefined) return asks(MANAGER, null, { verb: 'create', value: claimOf(set, name, claim) })
  const stays = set.spec.updateStrategy.type === 'RollingUpdate' && ordinal < partitionOf(set)
  return asks(
    MANAGER,
    { kind: 'CreatePod', owner: refOf(set), name },
    { verb: 'create', value: podOf(set, name, stays ? current : update) },
  )
}

const ended = ({ set }: Round, held: Held<Pod>): Request =>
  asks(MANAGER, { kind: 'DeletePod', owner: refOf(set), pod: refOf(held.value) }, removal(held))

/** What is done for each place; null: it is waited for. */
const placed = (round: Round, ordered: boolean): readonly Request[] | null => {
  const requests: Request[] = []
  for (const [place, held] of round.replicas.entries()) {
    const over = held !== undefined && isTerminal(held.value)
    if (held === undefined) requests.push(made(round, startOf(round.set) + place))
    else if (over && !isDeleting(held.value)) requests.push(ended(round, held))
    if (ordered && !available(held)) return requests.length > 0 ? requests : null
  }
  return requests
}

const shrunk = (round: Round, ordered: boolean): readonly Request[] | null => {
  const { condemned } = round
  const leaving = condemned.filter(({ value }) => !isDeleting(value))
  if (!ordered) return leaving.map((held) => ended(round, held))
  const [highest] = condemned
  if (highest === undefined) return []
  const firstUnwell = condemned.findLast((held) => !available(held))
  const may = !isDeleting(highest.value) && (available(highest) || highest === firstUnwell)
  return may ? [ended(round, highest)] : null
}

const updated = (round: Round): readonly Request[] => {
  const { set, replicas, update } = round
  const { type, rollingUpdate } = set.spec.updateStrategy
  if (type === 'OnDelete') return []
  const isOld = (held: Held<Pod> | undefined): held is Held<Pod> =>
    held !== undefined && revisionOf(held) !== update.metadata.name && !isDeleting(held.value)
  const open = replicas.slice(rollingUpdate?.partition ?? 0).toReversed()
  if (rollingUpdate?.maxUnavailable === undefined) {
    const next = open.find((held) => isOld(held) || !available(held))
    return isOld(next) ? [ended(round, next)] : []
  }
  const down = replicas.filter((held) => !available(held)).length
  const next = open.find(isOld)
  return next !== undefined && down < mostUnavailable(set) ? [ended(round, next)] : []
}

const status = ({ value: set, version }: Held<StatefulSet>, round: Round): readonly Request[] => {
  const pods = [...round.replicas, ...round.condemned].filter((held) => held !== undefined)
  const of = ({ metadata }: ControllerRevision): number =>
    pods.filter((held) => !isDeleting(held.value) && revisionOf(held) === metadata.name).length
  const ready = pods.filter(available).length
  const counts = { replicas: pods.length, readyReplicas: ready, availableReplicas: ready, updatedReplicas: of(round.update) }
  const complete =
    set.spec.updateStrategy.type === 'RollingUpdate' &&
    [counts.replicas, counts.readyReplicas, counts.updatedReplicas].every((count) => count === set.spec.replicas)
  const told: StatefulSet['status'] = {
    ...counts,
    currentReplicas: of(complete ? round.update : round.current),
    currentRevision: (complete ? round.update : round.current).metadata.name,
    updateRevision: round.update.metadata.name,
    observedGeneration: set.metadata.generation ?? 0,
  }
  return sameValue(set.status, told) ? [] : [asks(MANAGER, null, { verb: 'status', value: { ...set, status: told }, version })]
}

const synced = (system: System, held: Held<StatefulSet>): readonly Request[] => {
  const set = held.value
  const revisions = revisionsOf(system, set)
  const latest = newest(set, revisions)
  if ('request' in latest) return [latest.request]
  const pods = seen<Pod>(system, MANAGER, 'pods').filter(({ value }) => controllerOf(value) === set.metadata.uid)
  const at = (ordinal: number): Held<Pod> | undefined => pods.find(({ value }) => ordinalOf(value.metadata.name) === ordinal)
  const round: Round = {
    set,
    current: revisions.find(({ value }) => value.metadata.name === set.status.currentRevision)?.value ?? latest.revision,
    update: latest.revision,
    replicas: Array.from({ length: set.spec.replicas }, (_, place) => at(startOf(set) + place)),
    condemned: pods
      .filter(({ value }) => !isInRange(set, ordinalOf(value.metadata.name)))
      .toSorted((one, other) => ordinalOf(other.value.metadata.name) - ordinalOf(one.value.metadata.name)),
    claims: new Set(seen<PersistentVolumeClaim>(system, MANAGER, 'persistentvolumeclaims').map(({ key }) => key)),
  }
  const ordered = set.spec.podManagementPolicy === 'OrderedReady'
  const placing = placed(round, ordered)
  const shrinking = placing !== null && placing.length === 0 ? shrunk(round, ordered) : null
  const updating = shrinking !== null && shrinking.length === 0 ? updated(round) : []
  const managed = [...(placing ?? []), ...(shrinking ?? []), ...updating]
  // It does what it can, and then tells how things are.
  return managed.length > 0 ? managed : status(held, round)
}

export const statefulSet = client('statefulset', (system) =>
  seen<StatefulSet>(system, MANAGER, 'statefulsets').flatMap((held) => (isDeleting(held.value) ? [] : synced(system, held))),
)
