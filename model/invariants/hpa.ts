/** Autoscalers: what they recommend, and how far and how fast they follow it. SEMANTICS 2.7. */
import { limitOf, recommended, type Change } from '../components/hpa.ts'
import type { Context, Invariant } from '../invariant.ts'
import type { HorizontalPodAutoscaler } from '../state/autoscaling.ts'
import type { Observation } from '../state/history.ts'
import type { Deployment, Pod } from '../state/objects.ts'
import { selectorOf } from '../state/replication.ts'
import { matchesLabels } from '../state/selector.ts'
import { deciding, DRIFT, had, keyOfRef, listed, objectOf, safety, settles, viewed, watching, type Deciding } from './define.ts'

const HPA = 'kubernetes pkg/controller/podautoscaler/horizontal.go'
const DOCS = 'https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/'

const asDocumented = deciding(
  {
    id: 'HPA-R1',
    sentence: 'what an autoscaler recommends is what the documented formula makes of the pods and samples it saw',
    source: `${DOCS}#algorithm-details`,
    sometimes: 'it recommends another number than there is',
    ...safety,
  },
  ['Recommend'],
  ({ choice, view, process }: Deciding<'Recommend'>, { history }) => {
    const autoscaler = viewed<HorizontalPodAutoscaler>(history, view, choice.owner)
    const target = viewed<Deployment>(history, view, choice.target)
    if (autoscaler === undefined || target === undefined || target.metadata.uid !== choice.target.uid)
      return { why: `${process} recommends replicas of ${choice.target.name}, which was not in its view` }
    const own = listed<Pod>(history, view, 'pods').filter(
      (pod) => pod.metadata.namespace === target.metadata.namespace && matchesLabels(selectorOf(target as never), pod.metadata.labels),
    )
    const right = recommended(autoscaler, choice.current, own, choice.usage, choice.nowMs)
    if (right !== choice.replicas)
      return { why: `${process} recommends ${choice.replicas ?? 'nothing'} replicas of ${choice.target.name}: it is ${right ?? 'nothing'}` }
    return right !== null && right !== choice.current ? 'notable' : 'holds'
  },
)

const withinBounds: Invariant = watching(
  {
    id: 'HPA-S1',
    sentence:
      'an autoscaler sets a number within its bounds, as far from the last as its policies allow, and leaves what is scaled to nothing alone',
    source: `${HPA}; ${DOCS}#scaling-policies`,
    sometimes: 'it scales',
    allows: ['ALLOW-21'],
    ...safety,
    kind: 'history',
  },
  ['Decision', 'Commit', 'ProcessEnded', 'StoppedLeading'],
  () => {
    /** process/target's key → changes that it made, and numbers it decided on: what a former life of it sent is no change of its own. */
    const changes = new Map<string, Change[]>()
    const decided = new Map<string, Set<number>>()
    const judge = ({ choice, view, process, atMs }: Deciding<'Autoscale'>, { history }: Context) => {
      const autoscaler = viewed<HorizontalPodAutoscaler>(history, view, choice.owner)
      const { from, to, target } = choice
      if (autoscaler === undefined) return { why: `${process} scales ${target.name} for ${choice.owner.name}, which was not in its view` }
      const { minReplicas, maxReplicas, behavior } = autoscaler.spec
      const says = `${process} scales ${target.name} from ${from} to ${to}`
      if (from === 0) return { why: `${says}, though it was scaled to nothing` }
      if (to < minReplicas || to > maxReplicas) return { why: `${says}, beyond ${minReplicas} to ${maxReplicas}` }
      // Who is out of bounds comes back at once.
      if (from < minReplicas || from > maxReplicas) return 'holds'
      const up = to > from
      const past = (changes.get(`${process}/${keyOfRef(target)}`) ?? []).map(({ by, atMs: at }) => ({ by, atMs: at - (atMs - at) * DRIFT }))
      const limit = limitOf(up ? behavior.scaleUp : behavior.scaleDown, from, past, atMs, up)
      const fits = up ? to <= Math.max(limit, from) : to >= Math.min(limit, from)
      return fits ? ('notable' as const) : { why: `${says}, where its policies allow ${limit}` }
    }
    return {
      observe(next, context) {
        if (next.kind === 'ProcessEnded' || next.kind === 'StoppedLeading') {
          for (const notes of [changes, decided]) for (const key of notes.keys()) if (key.startsWith(`${next.process}/`)) notes.delete(key)
          return 'vacuous'
        }
        if (next.kind === 'Commit') {
          const { before, after, author, key, atMs } = next
          const own = `${author}/${key}`
          const is = objectOf<Deployment>(after)?.spec?.replicas ?? 0
          if (before === null || decided.get(own)?.has(is) !== true) return 'vacuous'
          const by = is - (objectOf<Deployment>(before)?.spec?.replicas ?? 0)
          if (by !== 0) changes.set(own, [...(changes.get(own) ?? []), { atMs, by }])
          return 'vacuous'
        }
        if (next.kind !== 'Decision' || next.choice.kind !== 'Autoscale') return 'vacuous'
        const verdict = judge(next as Deciding<'Autoscale'>, context)
        const own = `${next.process}/${keyOfRef(next.choice.target)}`
        decided.set(own, (decided.get(own) ?? new Set()).add(next.choice.to))
        return verdict
      },
    }
  },
)

interface Told {
  readonly atMs: number
  readonly replicas: number | null
}

/** What each process has recommended of each target since it leads. */
class Rounds {
  private readonly byTarget = new Map<string, Told[]>()

  heed(next: Observation): void {
    if (next.kind === 'ProcessEnded' || next.kind === 'StoppedLeading') {
      for (const key of this.byTarget.keys()) if (key.startsWith(`${next.process}/`)) this.byTarget.delete(key)
      return
    }
    if (next.kind !== 'Decision' || next.choice.kind !== 'Recommend') return
    const key = `${next.process}/${next.choice.owner.uid}`
    this.byTarget.set(key, [...(this.byTarget.get(key) ?? []), { atMs: next.atMs, replicas: next.choice.replicas }])
  }

  of({ process, choice }: Deciding<'Autoscale'>): readonly Told[] {
    return this.byTarget.get(`${process}/${choice.owner.uid}`) ?? []
  }
}

/** Of scalings down that no bound demands. */
const onDown = (
  fields: Pick<Invariant, 'id' | 'sentence' | 'source' | 'sometimes'>,
  judge: (next: Deciding<'Autoscale'>, autoscaler: HorizontalPodAutoscaler, rounds: readonly Told[]) => string | null,
): Invariant =>
  watching({ ...fields, allows: ['ALLOW-21'], ...safety, kind: 'history' }, ['Decision', 'ProcessEnded', 'StoppedLeading'], () => {
    const rounds = new Rounds()
    return {
      observe(next, { history }) {
        if (next.kind === 'Decision' && next.choice.kind === 'Autoscale') {
          const scaling = next as Deciding<'Autoscale'>
          const { from, to, owner } = scaling.choice
          const autoscaler = viewed<HorizontalPodAutoscaler>(history, scaling.view, owner)
          if (autoscaler === undefined || to >= from || from > autoscaler.spec.maxReplicas) return 'vacuous'
          const why = judge(scaling, autoscaler, rounds.of(scaling))
          return why === null ? 'notable' : { why }
        }
        rounds.heed(next)
        return 'vacuous'
      },
    }
  })

export const AUTOSCALERS: readonly Invariant[] = [
  asDocumented,
  withinBounds,
  onDown(
    {
      id: 'HPA-S2',
      sentence: 'an autoscaler scales down to no fewer than the most it has recommended within its window',
      source: `${DOCS}#stabilization-window`,
      sometimes: 'it scales down',
    },
    ({ choice, process, atMs }, { spec }, rounds) => {
      const windowMs = spec.behavior.scaleDown.stabilizationWindowSeconds * 1000 * (1 - DRIFT)
      const recent = rounds.filter(({ atMs: at, replicas }) => replicas !== null && atMs - at < windowMs)
      const most = Math.min(spec.maxReplicas, Math.max(0, ...recent.map(({ replicas }) => replicas ?? 0)))
      return choice.to >= most
        ? null
        : `${process} scales ${choice.target.name} from ${choice.from} to ${choice.to}: it had recommended ${most} not long before`
    },
  ),
  onDown(
    {
      id: 'HPA-S3',
      sentence: 'without its metrics an autoscaler does not scale down',
      source: `${HPA} (computeReplicasForMetrics)`,
      sometimes: 'it scales down with all of them',
    },
    ({ choice, process }, { spec }, rounds) => {
      const missing = spec.metrics.some(({ type, resource }) => type !== 'Resource' || resource?.name !== 'cpu')
      if (!missing && rounds.at(-1)?.replicas !== null) return null
      return `${process} scales ${choice.target.name} from ${choice.from} to ${choice.to} without a metric`
    },
  ),
  settles(
    {
      id: 'HPA-L1',
      sentence: 'under a steady load an autoscaler gets its target to the replicas that the load asks for, within its bounds',
      source: `${DOCS}#algorithm-details`,
      sometimes: 'there is one',
      allows: ['ALLOW-21'],
    },
    (object) => object.startsWith('HorizontalPodAutoscaler '),
    had('horizontalpodautoscalers'),
  ),
]
