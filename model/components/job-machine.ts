/**
 * A Job runs pods until enough of them have succeeded or too many failed, and counts the end of each once.
 *
 * It may see its pods later than its own status, or the other way round: whether an end is still to be counted it asks the
 * store. One pod is made, let go or deleted at a time. Left out: the back-off and deadlines; pod failure
 * policies, restarts under OnFailure, and the numbers of active, ready and ending pods that it only tells.
 * Source: kubernetes pkg/controller/job/job_controller.go; KEP-2307, KEP-2214, KEP-3850, KEP-3998
 */
import { COMPLETION_INDEX, INDEX_FAILURES, TRACKING_FINALIZER, type Job, type JobStatus } from '../state/batch.ts'
import type { Labels, Pod } from '../state/objects.ts'
import { keyOf } from '../state/resources.ts'
import type { Request, System } from '../state/system.ts'
import { momentOf } from './clock.ts'
import { failedIndexes, failsByIndexes, failuresAfter, handsOn, isLimitedPerIndex, lastFailures, nextMs } from './job-indexes.ts'
import {
  failedOf,
  hasFailed,
  indexesIn,
  indexOf,
  isEndingUp,
  isFinished,
  isIndexed,
  isTracked,
  meetsPolicy,
  succeededIndexes,
  succeededOf,
  unnoted,
  wanted,
} from './job.ts'
import { conditionOf, controllerOf, isActive, isDeleting, isTerminal, sameValue, withCondition } from './objects.ts'
import { asksAndRemembers, client, MANAGER, ownedBy, refOf, removal } from './request.ts'
import { hasSeen, known, seen, stored, type Held } from './view.ts'

type Asks = readonly Request[]
const uidOf = ({ value }: Held<Pod>): string => value.metadata.uid

/** Upstream draws a name; here it is the first that is free in the store. */
const freeName = ({ keyspace }: System, { metadata: { namespace, name } }: Job): string => {
  let number = 0
  while (keyspace.kvs.has(keyOf('pods', namespace, `${name}-${number}`))) number++
  return `${name}-${number}`
}

const podOf = ({ job, ends }: Scene, name: string, index: number | null): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name,
    namespace: job.metadata.namespace ?? '',
    uid: '',
    creationTimestamp: '',
    labels: job.spec.template.metadata.labels ?? {},
    ...(index === null ? {} : { annotations: { [COMPLETION_INDEX]: String(index), ...failuresOf(job, ends, index) } }),
    ownerReferences: [ownedBy(job)],
    finalizers: [TRACKING_FINALIZER],
  },
  spec: job.spec.template.spec,
  status: { phase: 'Pending' },
})

/** What the pod for an index says of those before. Without pod failure policies nothing is ignored. */
const failuresOf = (job: Job, ends: readonly Pod[], index: number): Labels => {
  if (!isLimitedPerIndex(job)) return {}
  const [last] = lastFailures(job, ends, index)
  return { [INDEX_FAILURES]: String(last === undefined ? 0 : failuresAfter(job, last).counted) }
}

const untracked = (pod: Pod): Pod => ({
  ...pod,
  metadata: { ...pod.metadata, finalizers: (pod.metadata.finalizers ?? []).filter((name) => name !== TRACKING_FINALIZER) },
})
const release = ({ value, version }: Held<Pod>): Request =>
  asksAndRemembers(MANAGER, null, { verb: 'update', value: untracked(value), version })

/** What is known of a Job's pods: as its view shows them, and as they are after what was asked for since. */
interface Scene {
  readonly job: Job
  readonly shown: readonly Held<Pod>[]
  readonly latest: readonly Held<Pod>[]
  /** Ends that are still to be noted. */
  readonly ends: readonly Pod[]
  /** Its view of the pods is at least as new as that of the Job. */
  readonly abreast: boolean
  readonly now: string
}

/** Noted ends whose finalizers are gone become numbers. */
const counted = ({ job, latest, abreast }: Scene): JobStatus => {
  const { succeeded = [], failed = [] } = job.status.uncountedTerminatedPods ?? {}
  const isGone = (uid: string): boolean => {
    const pod = latest.find((held) => uidOf(held) === uid)?.value
    return pod === undefined ? abreast : !isTracked(pod)
  }
  const left = { succeeded: succeeded.filter((uid) => !isGone(uid)), failed: failed.filter((uid) => !isGone(uid)) }
  return {
    ...job.status,
    succeeded: (job.status.succeeded ?? 0) + succeeded.length - left.succeeded.length,
    failed: (job.status.failed ?? 0) + failed.length - left.failed.length,
    uncountedTerminatedPods: left,
  }
}

const inOrder = (indexes: ReadonlySet<number>): string => [...indexes].toSorted((one, other) => one - other).join(',')

/** A failed pod that is to hand on to the next one of its index is noted when that is there, or when the Job is to end. */
const noted = ({ job, latest, ends: all }: Scene, status: JobStatus): JobStatus => {
  const pods = latest.map(({ value }) => value)
  const ends = isEndingUp(job) ? all : all.filter((pod) => !handsOn(job, pods, all, pod))
  const { succeeded = [], failed = [] } = status.uncountedTerminatedPods ?? {}
  const well = ends.filter((pod) => pod.status.phase === 'Succeeded')
  const ill = ends.filter((pod) => pod.status.phase !== 'Succeeded').map((pod) => pod.metadata.uid)
  if (!isIndexed(job))
    return {
      ...status,
      uncountedTerminatedPods: { succeeded: [...succeeded, ...well.map((pod) => pod.metadata.uid)], failed: [...failed, ...ill] },
    }
  const indexes = succeededIndexes(job, well)
  return {
    ...status,
    completedIndexes: inOrder(indexes),
    ...(isLimitedPerIndex(job) ? { failedIndexes: inOrder(failedIndexes(job, all)) } : {}),
    succeeded: indexes.size,
    uncountedTerminatedPods: { succeeded, failed: [...failed, ...ill] },
  }
}

const holds = ({ conditions }: JobStatus, type: string): boolean => conditionOf(conditions, type) === 'True'
const saying = (status: JobStatus, type: string, now: string): JobStatus =>
  holds(status, type)
    ? status
    : { ...status, conditions: withCondition(status.conditions, { type, status: 'True', lastTransitionTime: now }) }

/** First how it is to end, then that it has: when all is counted and nothing is left. */
const concluded = (scene: Scene, status: JobStatus): JobStatus => {
  const { job, latest, ends, now } = scene
  const says = (type: string): JobStatus => saying(status, type, now)
  const active = latest.filter(({ value }) => isActive(value)).length
  const open = latest.filter(({ value }) => isDeleting(value) && !isTerminal(value)).length
  const { succeeded = [], failed = [] } = status.uncountedTerminatedPods ?? {}
  const over = active + open + succeeded.length + failed.length === 0
  if (holds(status, 'FailureTarget')) return over ? says('Failed') : status
  if (holds(status, 'SuccessCriteriaMet')) return over ? says('Complete') : status
  if (failedOf(job, ends) > job.spec.backoffLimit || failsByIndexes(job, ends) !== null) return says('FailureTarget')
  if (meetsPolicy(job, ends)) return says('SuccessCriteriaMet')
  const enough = active === 0 && succeededOf(job, ends) >= (job.spec.completions ?? 1)
  return enough ? says('SuccessCriteriaMet') : status
}

const tells = (scene: Scene, version: number): Asks => {
  const { job } = scene
  const status = concluded(scene, noted(scene, counted(scene)))
  return sameValue(status, job.status) ? [] : [asksAndRemembers(MANAGER, null, { verb: 'status', value: { ...job, status }, version })]
}

/** Pods whose end is noted, or never will be. */
const releases = ({ job, shown, latest }: Scene): Asks => {
  const { succeeded = [], failed = [] } = job.status.uncountedTerminatedPods ?? {}
  const isDone = ({ value: pod }: Held<Pod>): boolean => {
    if (isDeleting(job) || succeeded.includes(pod.metadata.uid) || failed.includes(pod.metadata.uid)) return true
    const index = isIndexed(job) && pod.status.phase === 'Succeeded' ? indexOf(job, pod) : null
    return index !== null && indexesIn(job.status.completedIndexes).has(index)
  }
  const held = latest.filter(({ value }) => isTracked(value)).map(uidOf)
  return shown.filter((pod) => isTracked(pod.value) && held.includes(uidOf(pod)) && isDone(pod)).map(release)
}

const freeIndex = ({ job, latest, ends }: Scene): number | null => {
  if (!isIndexed(job)) return null
  const taken = new Set([...indexesIn(job.status.completedIndexes), ...failedIndexes(job, ends)])
  for (const { value } of latest) if (!hasFailed(job, value)) taken.add(indexOf(job, value) ?? -1)
  let index = 0
  while (taken.has(index)) index++
  return index
}

const manages = (system: System, scene: Scene): Asks => {
  const { job, shown, latest, ends } = scene
  if (isDeleting(job)) return []
  const owner = refOf(job)
  const active = latest.filter(({ value }) => isActive(value))
  const wants = wanted(job, active.length, succeededOf(job, ends))
  if (active.length < wants) {
    const name = freeName(system, job)
    const index = freeIndex(scene)
    // How long the back-off takes is left out: whenever a pod is made it is over.
    const last = index === null ? [] : lastFailures(job, ends, index)
    const nowMs = Math.max(system.nowMs, ...last.map(nextMs))
    const choice = { kind: 'CreateJobPod' as const, owner, name, index, nowMs }
    return [asksAndRemembers(MANAGER, choice, { verb: 'create', value: podOf(scene, name, index) })]
  }
  const uids = new Set(active.map(uidOf))
  const victims = active.length > wants ? shown.filter((pod) => uids.has(uidOf(pod))) : []
  const because = isEndingUp(job) ? 'finished' : job.spec.suspend ? 'suspended' : 'excess'
  return victims.map((held): Request => {
    const choice = { kind: 'DeleteJobPod' as const, owner, pod: refOf(held.value), because } as const
    // Of a Job that goes on it is let go first: nobody counts it.
    if (because !== 'finished' && isTracked(held.value))
      return asksAndRemembers(MANAGER, choice, { verb: 'update', value: untracked(held.value), version: held.version })
    return asksAndRemembers(MANAGER, choice, removal(held))
  })
}

/** Pods that no Job counts any more: what it cannot see it asks the store for. */
const orphans = (system: System): Asks =>
  seen<Pod>(system, MANAGER, 'pods').flatMap((held) => {
    const owner = controllerOf(held.value)
    const job = stored<Job>(system, 'jobs').find(({ value }) => value.metadata.uid === owner)?.value
    return isTracked(held.value) && (job === undefined || isFinished(job)) ? [release(held)] : []
  })

/** By what it holds for still to be counted of what it sees tracked. */
export const countingBy = (isHeld: (system: System, pod: Held<Pod>) => boolean): ReturnType<typeof client> =>
  client('job', (system) => [
    ...seen<Job>(system, MANAGER, 'jobs').flatMap(({ key, value: job, version }): Asks => {
      // What it wrote last has to be in sight.
      const last = known<Job>(system, MANAGER, 'jobs').find((held) => held.key === key)
      if (isFinished(job) || last?.version !== version) return []
      const own = ({ value }: Held<Pod>): boolean => controllerOf(value) === job.metadata.uid
      const shown = seen<Pod>(system, MANAGER, 'pods').filter(own)
      const latest = known<Pod>(system, MANAGER, 'pods').filter(own)
      const held = shown.filter((pod) => isHeld(system, pod)).map(({ value }) => value)
      const scene = {
        job,
        shown,
        latest,
        ends: unnoted(job, held),
        abreast: hasSeen(system, MANAGER, 'pods', version),
        now: momentOf(system.nowMs),
      }
      const told = tells(scene, version)
      if (told.length > 0) return told
      const released = releases(scene)
      return released.length > 0 ? released : manages(system, scene)
    }),
    ...orphans(system),
  ])

export const job = countingBy((system, { key, value }) => {
  const pod = system.keyspace.kvs.get(key)?.value as Pod | undefined
  return pod?.metadata.uid === value.metadata.uid && isTracked(pod)
})
