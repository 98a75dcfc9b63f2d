/**
 * Eviction: a deletion of a pod that first takes one unit from the pod's disruption budget.
 *
 * The unit is taken by a guarded write, so that several API servers together never grant more than there was. A pod that
 * disturbs nobody by going (pending, ended, already deleted) needs none. Source: kubernetes pkg/registry/core/pod/storage/eviction.go.
 */
import type { Condition, Pod } from '../../model/state/objects.ts'
import type { PodDisruptionBudget } from '../../model/state/policy.ts'
import { keyOf, prefixOf } from '../../model/state/resources.ts'
import { isDeleting, isReady, isTerminal, withCondition } from '../objects.ts'
import { selects } from '../selector.ts'
import type { Task } from '../task.ts'
import { rfc3339 } from '../time.ts'
import type { ClusterHost } from '../wire.ts'
import type { ApiReply, DeleteOptions } from './api.ts'
import { conflict, forbidden, notFound, Refusal, tooManyRequests } from './status.ts'
import type { Storage } from './storage.ts'
import { versioned } from './watch-cache.ts'

const DISRUPTED_PODS_MOST = 2_000
const ATTEMPTS_MOST = 20
const VIOLATES = "Cannot evict pod as it would violate the pod's disruption budget."
const RETRY_AFTER_SECONDS = 10

type Remove = (namespace: string, name: string, options: DeleteOptions, author: string) => Task<ApiReply>

export class Evictions {
  private readonly host: ClusterHost
  private readonly storage: Storage
  private readonly remove: Remove

  constructor(host: ClusterHost, storage: Storage, remove: Remove) {
    this.host = host
    this.storage = storage
    this.remove = remove
  }

  /** Answers with the pod as its deletion left it. */
  *evict(namespace: string, name: string, options: DeleteOptions, author: string): Task<ApiReply> {
    for (let attempt = 1; ; attempt++) {
      const pod = yield* this.read(namespace, name, author)
      if (!disturbsNobody(pod)) return yield* this.withinBudget(pod, options, author)
      try {
        return yield* this.end(pod, isTerminal(pod) || isDeleting(pod) ? options : ofThisVersion(options, pod), author)
      } catch (error) {
        // It may have become ready meanwhile, and then its budget is asked.
        const again = isConflict(error) && options.preconditions?.resourceVersion === undefined
        if (!again || attempt === ATTEMPTS_MOST) throw error
      }
    }
  }

  private *read(namespace: string, name: string, author: string): Task<Pod> {
    const read = yield* this.storage.read(keyOf('pods', namespace, name), author)
    if (read === undefined) throw new Refusal(notFound('pods', name))
    return versioned(read.value as Pod, read.modRevision) as Pod
  }

  private *withinBudget(pod: Pod, options: DeleteOptions, author: string): Task<ApiReply> {
    const [budget, second] = yield* this.budgetsOf(pod, author)
    if (second !== undefined) {
      const message = 'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.'
      throw new Refusal({ code: 500, reason: 'InternalError', message })
    }
    if (budget === undefined) return yield* this.end(pod, options, author)
    if (isReady(pod) || !mayGoUnready(budget)) {
      yield* this.takeUnit(budget, pod)
      return yield* this.end(pod, options, author)
    }
    try {
      return yield* this.end(pod, ofThisVersion(options, pod), author)
    } catch (error) {
      if (isConflict(error) && options.preconditions?.resourceVersion === undefined) throw new Refusal(stillProcessed(budget))
      throw error
    }
  }

  private *budgetsOf(pod: Pod, author: string): Task<readonly PodDisruptionBudget[]> {
    const { kvs } = yield* this.storage.list(prefixOf('poddisruptionbudgets', pod.metadata.namespace), author)
    return kvs
      .map((kv) => versioned(kv.value as PodDisruptionBudget, kv.modRevision) as PodDisruptionBudget)
      .filter(({ spec }) => selects(spec.selector, pod.metadata.labels))
  }

  /** In the server's own name. Throws Refusal when the budget has none to give. */
  private *takeUnit(budget: PodDisruptionBudget, pod: Pod): Task<void> {
    const { namespace, name } = budget.metadata
    const key = keyOf('poddisruptionbudgets', namespace, name)
    const now = rfc3339(this.host.now())
    const taken = yield* this.storage.update(key, budget, this.host.name, (held) =>
      granted(held as PodDisruptionBudget, pod.metadata.name, now),
    )
    if (taken === undefined) throw new Refusal(notFound('poddisruptionbudgets.policy', name))
  }

  private *end(pod: Pod, options: DeleteOptions, author: string): Task<ApiReply> {
    const { namespace = 'default', name } = pod.metadata
    const { uid, resourceVersion } = options.preconditions ?? {}
    const now = rfc3339(this.host.now())
    const told = yield* this.storage.update(keyOf('pods', namespace, name), pod, author, (held) => {
      if (uid !== undefined && uid !== held.metadata.uid) {
        throw new Refusal(
          conflict('pods', name, `the UID in the precondition (${uid}) does not match the UID in record (${held.metadata.uid})`),
        )
      }
      if (resourceVersion !== undefined && resourceVersion !== held.metadata.resourceVersion) {
        throw new Refusal(conflict('pods', name, `the ResourceVersion in the precondition (${resourceVersion}) does not match`))
      }
      return withEviction(held as Pod, now)
    })
    if (told === undefined) throw new Refusal(notFound('pods', name))
    const ofTold = resourceVersion === undefined ? options : ofThisVersion(options, told as Pod)
    const reply = yield* this.remove(namespace, name, ofTold, author)
    return 'object' in reply ? { code: 201, object: reply.object } : reply
  }
}

const disturbsNobody = (pod: Pod): boolean => isTerminal(pod) || isDeleting(pod) || pod.status.phase === 'Pending'

/** A pod that is not ready counts for nobody; it goes if the others are enough, or if its budget does not mind. */
const mayGoUnready = ({ spec, status }: PodDisruptionBudget): boolean => {
  const { currentHealthy = 0, desiredHealthy = 0 } = status
  return spec.unhealthyPodEvictionPolicy === 'AlwaysAllow' || (currentHealthy >= desiredHealthy && desiredHealthy > 0)
}

/** What was decided of one version of a pod is done to that version only. */
const ofThisVersion = (options: DeleteOptions, pod: Pod): DeleteOptions => {
  const { resourceVersion } = pod.metadata
  return { ...options, preconditions: { ...options.preconditions, ...(resourceVersion === undefined ? {} : { resourceVersion }) } }
}

const isConflict = (error: unknown): boolean => error instanceof Refusal && error.status.reason === 'Conflict'

const stillProcessed = (budget: PodDisruptionBudget): Refusal['status'] =>
  tooManyRequests(VIOLATES, `The disruption budget ${budget.metadata.name} is still being processed by the server.`, RETRY_AFTER_SECONDS)

/** The budget with one unit less, and a note for whom. */
const granted = (budget: PodDisruptionBudget, podName: string, now: string): PodDisruptionBudget => {
  const { metadata, status } = budget
  const { name } = metadata
  if ((status.observedGeneration ?? 0) < (metadata.generation ?? 0)) throw new Refusal(stillProcessed(budget))
  if (Object.keys(status.disruptedPods ?? {}).length > DISRUPTED_PODS_MOST) {
    const why = 'DisruptedPods map too big - too many evictions not confirmed by PDB controller'
    throw new Refusal(forbidden(`poddisruptionbudget.policy "${name}" is forbidden: ${why}`))
  }
  if (status.disruptionsAllowed <= 0) {
    const why = `The disruption budget ${name} needs ${status.desiredHealthy ?? 0} healthy pods and has ${status.currentHealthy ?? 0} currently`
    throw new Refusal(tooManyRequests(VIOLATES, why, 0))
  }
  const disruptionsAllowed = status.disruptionsAllowed - 1
  const used: Condition = { type: 'DisruptionAllowed', status: 'False', reason: 'InsufficientPods', lastTransitionTime: now }
  return {
    ...budget,
    status: {
      ...status,
      disruptionsAllowed,
      disruptedPods: { ...status.disruptedPods, [podName]: now },
      ...(disruptionsAllowed === 0 ? { conditions: withCondition(status.conditions, used) } : {}),
    },
  }
}

const withEviction = (pod: Pod, now: string): Pod => {
  const told: Condition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'EvictionByEvictionAPI',
    message: 'Eviction API: evicting',
    lastTransitionTime: now,
  }
  return { ...pod, status: { ...pod.status, conditions: withCondition(pod.status.conditions, told) } }
}
