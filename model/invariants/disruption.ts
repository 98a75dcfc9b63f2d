/** Disruption budgets, evictions and drains: what is granted, and that no more is. SEMANTICS 2.8. */
import { countOf, covers, isHealthy } from '../components/disruption.ts'
import type { Context, Invariant, Judgement } from '../invariant.ts'
import { finding } from '../pending/disruption.ts'
import type { Cluster } from '../state/cluster.ts'
import type { Seen } from '../state/history.ts'
import type { Key } from '../state/keyspace.ts'
import type { Deployment, Pod } from '../state/objects.ts'
import type { PodDisruptionBudget } from '../state/policy.ts'
import { keyOf, prefixOf, resourceOfKey, resourceOfKind } from '../state/resources.ts'
import { isDeleting, sameValue } from '../components/objects.ts'
import { deciding, had, listed, objectOf, safety, viewed, watching } from './define.ts'

const EVICTION = 'kubernetes pkg/registry/core/pod/storage/eviction.go'
const CONTROLLER = 'kubernetes pkg/controller/disruption/disruption.go'
const BUDGETS = 'poddisruptionbudgets'
const DELETION_TIMEOUT_MS = 120_000

const isController = (author: string): boolean => author.startsWith('kube-controller-manager')
const budgetsIn = ({ store }: Cluster): readonly (readonly [Key, PodDisruptionBudget])[] => {
  const prefix = prefixOf(BUDGETS)
  return [...store].flatMap(([key, { value }]) => (key.startsWith(prefix) ? [[key, value as PodDisruptionBudget] as const] : []))
}
const podsIn = ({ store }: Cluster): readonly Pod[] => {
  const prefix = prefixOf('pods')
  return [...store].flatMap(([key, { value }]) => (key.startsWith(prefix) ? [value as Pod] : []))
}

/** A unit was taken: the status was changed by a server itself. */
const grantIn = (seen: Seen<'Commit'>): { readonly was: PodDisruptionBudget; readonly is: PodDisruptionBudget } | null => {
  if (resourceOfKey(seen.key) !== BUDGETS || seen.author !== seen.via) return null
  const was = objectOf<PodDisruptionBudget>(seen.before)
  const is = objectOf<PodDisruptionBudget>(seen.after)
  return was === undefined || is === undefined || sameValue(was.status, is.status) ? null : { was, is }
}

const toBeEvicted = (pod: Pod): boolean =>
  pod.status.conditions?.some(
    ({ type, status, reason }) => type === 'DisruptionTarget' && status === 'True' && reason === 'EvictionByEvictionAPI',
  ) === true

/** A pod whose end was just asked for by an eviction; it was healthy until then. */
const evictedIn = (seen: Seen<'Commit'>): Pod | null => {
  if (resourceOfKey(seen.key) !== 'pods') return null
  const pod = objectOf<Pod>(seen.before)
  const after = objectOf<Pod>(seen.after)
  const ends = pod !== undefined && !isDeleting(pod) && (after === undefined || isDeleting(after))
  return ends && isHealthy(pod) && toBeEvicted(pod) ? pod : null
}

const oneUnitEach: Invariant = watching(
  {
    id: 'PDB-S1',
    sentence: 'every eviction of a ready pod under a budget takes one unit of it, and none is taken twice, over all API servers',
    source: EVICTION,
    sometimes: 'a pod is evicted for which a unit was taken',
    ...safety,
    kind: 'history',
  },
  ['Invoke', 'Commit'],
  () => {
    /** Pod → the store when its eviction was first asked for. */
    const asked = new Map<Key, number>()
    /** Budget and pod for which a unit was taken since. */
    const granted = new Set<string>()
    const judgeGrant = ({ was, is }: { was: PodDisruptionBudget; is: PodDisruptionBudget }, seen: Seen<'Commit'>): Judgement => {
      const before = was.status.disruptedPods ?? {}
      const after = is.status.disruptedPods ?? {}
      for (const name of Object.keys(after)) granted.add(`${seen.key} ${name}`)
      const forgotten = Object.keys(before).find((name) => after[name] === undefined)
      const added = Object.keys(after).filter((name) => before[name] !== after[name])
      if (is.status.disruptionsAllowed !== was.status.disruptionsAllowed - 1 || forgotten !== undefined || added.length > 1) {
        return {
          why: `${seen.via} takes a unit of ${seen.key} at revision ${seen.revision}: it allowed ${was.status.disruptionsAllowed}, now ${is.status.disruptionsAllowed}, for ${added.join(', ') || 'nobody'}${forgotten === undefined ? '' : `, and ${forgotten} is forgotten`}`,
        }
      }
      return 'holds'
    }
    return {
      observe(next, { cluster, history }) {
        if (next.kind === 'Invoke') {
          const { request } = next
          if (request.kind !== 'Api' || request.verb !== 'evict') return 'vacuous'
          const key = keyOf('pods', request.namespace, request.name ?? '')
          if (!asked.has(key)) asked.set(key, cluster.revision)
          return 'vacuous'
        }
        const seen = next as Seen<'Commit'>
        const grant = grantIn(seen)
        if (grant !== null) return judgeGrant(grant, seen)
        const pod = evictedIn(seen)
        const since = asked.get(seen.key)
        if (pod === null || since === undefined) return 'vacuous'
        // That it was ready, and its budget as it is, all the time since the eviction was asked for.
        const first = objectOf<Pod>(history.at(seen.key, since))
        const versions = history.versions(seen.key).filter(({ revision }) => revision > since && revision < seen.revision)
        const ready = [first, ...versions.map(({ after }) => objectOf<Pod>(after))]
        if (!ready.every((one) => one !== undefined && one.metadata.uid === pod.metadata.uid && isHealthy(one))) return 'vacuous'
        const budgets = budgetsIn(cluster).filter(([, budget]) => covers(budget, pod))
        const [[key, budget] = []] = budgets
        if (key === undefined || budget === undefined || budgets.length > 1) return 'vacuous'
        const then = objectOf<PodDisruptionBudget>(history.at(key, since))
        if (then?.metadata.uid !== budget.metadata.uid || then.metadata.generation !== budget.metadata.generation) return 'vacuous'
        if (granted.has(`${key} ${pod.metadata.name}`)) return 'notable'
        return { why: `${seen.author} evicts ${seen.key} at revision ${seen.revision}, and no unit of ${key} was taken for it` }
      },
    }
  },
)

/** How many of its pods are healthy, and how many it wants; null: that cannot be told. */
const standing = (
  cluster: Cluster,
  budget: PodDisruptionBudget,
): { readonly expected: number; readonly desired: number; readonly healthy: number } | null => {
  const count = countOf(budget, podsIn(cluster), finding(cluster, budget), () => false)
  return count === null ? null : { expected: count.expectedPods, desired: count.desiredHealthy, healthy: count.currentHealthy }
}

/** Which budgets nothing but evictions has disturbed since their status was last true. */
class Calm {
  /** Budget → how many it wants. */
  private readonly wanted = new Map<Key, number>()
  /** Controller and budget → it counts pods as healthy that are not any more, and that it has no note of. */
  private readonly mistaken = new Set<string>()

  counted({ choice, view, process }: Seen<'Decision'>, { cluster, history }: Context): void {
    if (choice.kind !== 'CountBudget') return
    const budget = viewed<PodDisruptionBudget>(history, view, choice.budget)
    const place = `${process} ${keyOf(BUDGETS, choice.budget.namespace, choice.budget.name)}`
    this.mistaken.delete(place)
    if (budget === undefined) return
    const over = listed<Pod>(history, view, 'pods').some((pod) => {
      if (!covers(budget, pod) || !isHealthy(pod) || choice.disrupted.includes(pod.metadata.name)) return false
      const now = objectOf<Pod>(cluster.store.get(keyOf('pods', pod.metadata.namespace, pod.metadata.name)))
      return now === undefined || now.metadata.uid !== pod.metadata.uid || !isHealthy(now)
    })
    if (over) this.mistaken.add(place)
  }

  told({ key, after, author }: Seen<'Commit'>, cluster: Cluster): void {
    const budget = objectOf<PodDisruptionBudget>(after)
    const current = budget !== undefined && (budget.status.observedGeneration ?? 0) >= (budget.metadata.generation ?? 0)
    if (current && !isController(author)) return
    const before = this.wanted.get(key)
    this.wanted.delete(key)
    const now = current ? standing(cluster, budget) : null
    if (!current || now === null || this.mistaken.has(`${author} ${key}`)) return
    const promised = podsIn(cluster).filter(
      (pod) => covers(budget, pod) && isHealthy(pod) && budget.status.disruptedPods?.[pod.metadata.name] !== undefined,
    ).length
    const left = now.healthy - promised
    const isTrue = budget.status.currentHealthy === left && budget.status.expectedPods === now.expected
    // Who was calm stays so: if too many are promised by now, evictions alone have done it.
    if (isTrue && (left >= now.desired || before === now.desired)) this.wanted.set(key, now.desired)
  }

  disturbed(seen: Seen<'Commit'>, cluster: Cluster): Judgement {
    if (this.wanted.size === 0 || !matters(seen)) return 'vacuous'
    const judgements = [...this.wanted].map(([key, desired]) => this.judge(key, desired, seen, cluster))
    return (
      judgements.find((one) => typeof one === 'object') ??
      (['notable', 'holds'] as const).find((one) => judgements.includes(one)) ??
      'vacuous'
    )
  }

  private judge(key: Key, desired: number, seen: Seen<'Commit'>, cluster: Cluster): Judgement {
    const budget = objectOf<PodDisruptionBudget>(cluster.store.get(key))
    if (budget === undefined) return 'vacuous'
    const [was, is] = resourceOfKey(seen.key) === 'pods' ? [objectOf<Pod>(seen.before), objectOf<Pod>(seen.after)] : []
    const counts = (pod: Pod | undefined): boolean => pod !== undefined && covers(budget, pod) && isHealthy(pod)
    const fewer = counts(was) && !counts(is)
    const now = standing(cluster, budget)
    const evicted = evictedIn(seen)
    const granted = evicted !== null && budget.status.disruptedPods?.[evicted.metadata.name] !== undefined
    if (now === null || now.desired !== desired || (fewer && !granted)) {
      // Something else disturbs it, or a grant was given up and is used after all.
      this.wanted.delete(key)
      return 'vacuous'
    }
    if (!fewer) return 'vacuous'
    if (now.healthy >= desired) return now.healthy === desired ? 'notable' : 'holds'
    return {
      why: `${seen.author} evicts ${seen.key} at revision ${seen.revision}: ${now.healthy} healthy pods are left to ${key}, which wants ${desired}`,
    }
  }
}

/** Pods come, go and change; owners are scaled. */
const matters = ({ key, before, after }: Seen<'Commit'>): boolean => {
  const replicas = (stored: Seen<'Commit'>['after']): number | undefined =>
    (objectOf<Deployment>(stored)?.spec as { readonly replicas?: number } | undefined)?.replicas
  return resourceOfKey(key) === 'pods' || replicas(before) !== replicas(after)
}

const enoughStay: Invariant = watching(
  {
    id: 'PDB-S2',
    sentence:
      'while evictions alone disturb the pods of a budget, and its status had been true, no eviction leaves fewer of them healthy than it wants',
    source: 'https://kubernetes.io/docs/concepts/workloads/pods/disruptions/',
    sometimes: 'an eviction leaves just as many as it wants',
    // A controller that goes back in what it sees counts pods whose end another one had seen.
    allows: ['ALLOW-2'],
    ...safety,
    kind: 'history',
  },
  ['Decision', 'Commit'],
  () => {
    const calm = new Calm()
    return {
      observe(next, context) {
        if (next.kind === 'Decision') calm.counted(next, context)
        else if (next.kind === 'Commit' && resourceOfKey(next.key) === BUDGETS) calm.told(next, context.cluster)
        else if (next.kind === 'Commit') return calm.disturbed(next, context.cluster)
        return 'vacuous'
      },
    }
  },
)

const refusedWithout: Invariant = watching(
  {
    id: 'PDB-S3',
    sentence: 'a budget that allows nothing, or whose controller has not seen its latest change, grants no eviction',
    source: EVICTION,
    sometimes: 'an eviction is refused with 429',
    ...safety,
    kind: 'history',
  },
  ['Invoke', 'Reply', 'Commit'],
  () => {
    const evictions = new Set<string>()
    return {
      observe(next) {
        if (next.kind === 'Invoke') {
          if (next.request.kind === 'Api' && next.request.verb === 'evict') evictions.add(next.call)
          return 'vacuous'
        }
        if (next.kind === 'Reply') {
          if (!evictions.delete(next.call)) return 'vacuous'
          return next.outcome.kind === 'refused' && next.outcome.code === 429 ? 'notable' : 'vacuous'
        }
        const seen = next as Seen<'Commit'>
        const grant = grantIn(seen)
        if (grant === null) return 'vacuous'
        const { metadata, status } = grant.was
        if (status.disruptionsAllowed <= 0)
          return {
            why: `${seen.via} grants an eviction of ${seen.key} at revision ${seen.revision}, which allowed ${status.disruptionsAllowed}`,
          }
        if ((status.observedGeneration ?? 0) < (metadata.generation ?? 0))
          return {
            why: `${seen.via} grants an eviction of ${seen.key} at revision ${seen.revision}, of generation ${metadata.generation}: what it allows was counted for ${status.observedGeneration ?? 'none'}`,
          }
        return 'holds'
      },
    }
  },
)

const countedRight = deciding(
  {
    id: 'PDB-R1',
    sentence: 'what a budget allows is what its pods and their owners come to as its controller sees them, percentages rounded up',
    source: CONTROLLER,
    sometimes: 'a pod that is there is counted as evicted',
    ...safety,
  },
  ['CountBudget'],
  ({ choice, view, process }, { history }) => {
    const budget = viewed<PodDisruptionBudget>(history, view, choice.budget)
    if (budget === undefined || budget.metadata.uid !== choice.budget.uid)
      return { why: `${process} counts for ${choice.budget.name}, which was not in its view` }
    const pods = listed<Pod>(history, view, 'pods')
    const noted = pods.filter(
      (pod) => covers(budget, pod) && !isDeleting(pod) && budget.status.disruptedPods?.[pod.metadata.name] !== undefined,
    )
    for (const { metadata } of noted) {
      const agedMs = Date.parse(choice.at) - Date.parse(budget.status.disruptedPods?.[metadata.name] ?? '')
      // Both are told in whole seconds.
      if (!choice.disrupted.includes(metadata.name) && agedMs < DELETION_TIMEOUT_MS - 1_000)
        return { why: `${process} forgets after ${agedMs} ms that ${metadata.name} was evicted` }
    }
    const stray = choice.disrupted.find((name) => !noted.some(({ metadata }) => metadata.name === name))
    if (stray !== undefined) return { why: `${process} counts ${stray} as evicted, which it was not` }
    const find = (kind: string, name: string) =>
      viewed(history, view, { resource: resourceOfKind(kind)?.resource ?? kind, namespace: budget.metadata.namespace ?? '', name })
    const count = countOf(budget, pods, find, (name) => choice.disrupted.includes(name))
    const told = `${choice.disruptionsAllowed} of ${choice.currentHealthy}, wanted ${choice.desiredHealthy} of ${choice.expectedPods}`
    if (count === null)
      return { why: `${process} allows ${told} for ${choice.budget.name}, though the owners of its pods are not in its view` }
    const right = `${count.disruptionsAllowed} of ${count.currentHealthy}, wanted ${count.desiredHealthy} of ${count.expectedPods}`
    if (right !== told) return { why: `${process} allows ${told} for ${choice.budget.name}; it saw that it is ${right}` }
    return choice.disrupted.length > 0 ? 'notable' : 'holds'
  },
)

/** What still waits of one sort, and nothing could be waiting for for ever. */
const waiting = (context: Context, sort: string): string | null => {
  const [row] = context.pending().filter(({ object, blocked }) => !blocked && object.startsWith(sort))
  return row === undefined ? null : `${row.object} still waits for ${row.waitsFor}`
}

const unitsComeBack: Invariant = watching(
  {
    id: 'PDB-L1',
    sentence: 'what a budget allows comes to agree with its pods, and a unit that was taken for a pod which stays comes back',
    source: CONTROLLER,
    kind: 'convergence',
    strength: 'liveness',
    sometimes: 'a unit came back of which no use was made',
  },
  ['Commit', 'PhaseBegan'],
  () => {
    let unused = false
    return {
      observe(next, context) {
        if (next.kind === 'Commit') {
          if (resourceOfKey(next.key) !== BUDGETS || !isController(next.author)) return 'vacuous'
          const left = objectOf<PodDisruptionBudget>(next.after)?.status.disruptedPods ?? {}
          const { namespace } = objectOf<PodDisruptionBudget>(next.before)?.metadata ?? {}
          unused ||= Object.keys(objectOf<PodDisruptionBudget>(next.before)?.status.disruptedPods ?? {}).some((name) => {
            const pod = objectOf<Pod>(context.cluster.store.get(keyOf('pods', namespace, name)))
            return left[name] === undefined && pod !== undefined && !isDeleting(pod)
          })
          return 'vacuous'
        }
        if (next.kind !== 'PhaseBegan' || next.phase !== 'end' || !had(BUDGETS)(context)) return 'vacuous'
        const why = waiting(context, 'PodDisruptionBudget ')
        if (why !== null) return { why }
        return unused ? 'notable' : 'holds'
      },
    }
  },
)

const drainsEnd: Invariant = watching(
  {
    id: 'DRAIN-L1',
    sentence: 'a drain ends once the budgets allow it and the pods it evicted have ended',
    source: 'kubernetes/kubectl pkg/drain/drain.go',
    kind: 'convergence',
    strength: 'liveness',
    sometimes: 'a drain ended that had been refused evictions',
  },
  ['DrainChanged', 'Invoke', 'Reply', 'PhaseBegan'],
  () => {
    const evictions = new Set<string>()
    let refusals = 0
    let drains = 0
    let patient = false
    return {
      observe(next, context) {
        if (next.kind === 'Invoke') {
          if (next.request.kind === 'Api' && next.request.verb === 'evict') evictions.add(next.call)
        } else if (next.kind === 'Reply') {
          if (evictions.delete(next.call) && next.outcome.kind === 'refused' && next.outcome.code === 429) refusals++
        } else if (next.kind === 'DrainChanged') {
          if (next.outcome === 'begun') drains++
          else if (next.outcome === 'ended') patient ||= refusals > 0
        } else if (next.kind === 'PhaseBegan' && next.phase === 'end' && drains > 0) {
          const why = waiting(context, 'Drain of ')
          if (why !== null) return { why }
          return patient ? 'notable' : 'holds'
        }
        return 'vacuous'
      },
    }
  },
)

export const DISRUPTION: readonly Invariant[] = [oneUnitEach, enoughStay, refusedWithout, countedRight, unitsComeBack, drainsEnd]
