/** The revisions of a Deployment, its progress and its deadline. SEMANTICS 2.5. */
import { isDeleting } from '../components/objects.ts'
import { setsOf, templateOf } from '../components/template.ts'
import type { Context, Invariant, Judgement } from '../invariant.ts'
import type { Seen } from '../state/history.ts'
import type { Condition, Deployment, Lease, ReplicaSet } from '../state/objects.ts'
import { keyOf, prefixOf, resourceOfKey } from '../state/resources.ts'
import { eachCommit, objectOf, safety, watching } from './define.ts'

const SYNC = 'kubernetes pkg/controller/deployment/sync.go'
const PROGRESS = 'kubernetes pkg/controller/deployment/progress.go'
const REVISION = 'deployment.kubernetes.io/revision'
const NO_DEADLINE = 2_147_483_647

const revisionOf = (object: ReplicaSet | Deployment): number => Number(object.metadata.annotations?.[REVISION] ?? 0)

const allOf = <T>({ cluster }: Context, resource: string): readonly T[] =>
  [...cluster.store].flatMap(([key, stored]) => (key.startsWith(prefixOf(resource)) ? [stored.value as T] : []))

const revisionsRise: Invariant = watching(
  {
    id: 'DEP-S5',
    sentence: 'revisions only rise, and in the end that of the current template is above all others',
    source: SYNC,
    kind: 'history',
    strength: 'safety',
    sometimes: 'a template came back into use',
  },
  ['Commit', 'PhaseBegan'],
  () => ({
    observe(next, context) {
      if (next.kind === 'PhaseBegan') return next.phase === 'end' ? currentIsNewest(context) : 'vacuous'
      const { key, before, after, author } = next as Seen<'Commit'>
      const resource = resourceOfKey(key)
      const was = objectOf<ReplicaSet>(before)
      const is = objectOf<ReplicaSet>(after)
      if (resource !== 'replicasets' || was === undefined || is === undefined || !author.startsWith('kube-controller-manager'))
        return 'vacuous'
      const [from, to] = [revisionOf(was), revisionOf(is)]
      if (from === to) return 'vacuous'
      return to > from ? 'notable' : { why: `${author} takes ${key} back from revision ${from} to ${to}` }
    },
  }),
)

/** Of Deployments that have nothing left to do. */
const currentIsNewest = (context: Context): Judgement => {
  const busy = new Set(context.pending().map(({ object }) => object))
  let verdict: Judgement = 'vacuous'
  for (const deployment of allOf<Deployment>(context, 'deployments')) {
    const { uid, namespace, name } = deployment.metadata
    if (isDeleting(deployment) || deployment.spec.paused === true || busy.has(`Deployment ${namespace}/${name}`)) continue
    const sets = setsOf(allOf<ReplicaSet>(context, 'replicasets'), uid).filter((set) => !isDeleting(set))
    const template = templateOf(deployment.spec.template)
    const current = sets.find((set) => templateOf(set.spec.template) === template)
    if (current === undefined) continue
    const above = sets.find((set) => set !== current && revisionOf(set) >= revisionOf(current))
    if (above !== undefined)
      return {
        why: `${above.metadata.name} has revision ${revisionOf(above)}, the current ${current.metadata.name} ${revisionOf(current)}`,
      }
    if (revisionOf(deployment) !== revisionOf(current))
      return { why: `Deployment ${namespace}/${name} says revision ${revisionOf(deployment)}, its set has ${revisionOf(current)}` }
    verdict = 'holds'
  }
  return verdict
}

const progressOf = (deployment: Deployment | undefined): Condition | undefined =>
  deployment?.status.conditions?.find(({ type }) => type === 'Progressing')
const isLate = (condition: Condition | undefined): boolean => condition?.reason === 'ProgressDeadlineExceeded'
const secondsOf = (time: string | undefined): number => Math.floor(Date.parse(time ?? '1970-01-01T00:00:00Z') / 1000)

const lateOnlyAfterTheDeadline = eachCommit(
  {
    id: 'DEP-S9',
    sentence:
      'a rollout is said to be late only when nothing of it has moved for its whole deadline, by the clock it was last seen to move by',
    source: PROGRESS,
    sometimes: 'it is late',
    ...safety,
  },
  'deployments',
  ({ before, after, author, key }) => {
    const was = objectOf<Deployment>(before)
    const is = objectOf<Deployment>(after)
    if (was === undefined || is === undefined || progressOf(is) === undefined) return 'vacuous'
    if (!isLate(progressOf(is)) || isLate(progressOf(was))) return 'holds'
    const deadline = is.spec.progressDeadlineSeconds ?? 600
    const moved = progressOf(was)
    const stillSeconds = secondsOf(progressOf(is)?.lastUpdateTime) - secondsOf(moved?.lastUpdateTime)
    if (is.spec.paused === true) return { why: `${author} calls ${key} late, which is paused` }
    return stillSeconds >= deadline
      ? 'notable'
      : { why: `${author} calls ${key} late ${stillSeconds} s after it last moved (${moved?.reason}), ${deadline} s are granted` }
  },
)

/** Within this time after the deadline it is looked at. */
const NOTICED_SECONDS = 15

const lateIsSaid: Invariant = watching(
  {
    id: 'DEP-L3',
    sentence: 'a rollout that does not get on for its whole deadline is said to be late',
    source: PROGRESS,
    kind: 'convergence',
    strength: 'liveness',
    sometimes: 'one is late at the end',
  },
  ['PhaseBegan'],
  () => ({
    observe(next, context) {
      if (next.kind !== 'PhaseBegan' || next.phase !== 'end') return 'vacuous'
      // Deadlines run by the clock of who leads: its last sign of life says what that shows.
      const lease = objectOf<Lease>(context.cluster.store.get(keyOf('leases', 'kube-system', 'kube-controller-manager')))
      const nowSeconds = secondsOf(lease?.spec.renewTime)
      const open = new Set(context.pending().map(({ object }) => object))
      let verdict: Judgement = 'vacuous'
      for (const deployment of allOf<Deployment>(context, 'deployments')) {
        const { namespace, name } = deployment.metadata
        const { progressDeadlineSeconds: deadline = 600, paused } = deployment.spec
        const label = `Deployment ${namespace}/${name}`
        if (isDeleting(deployment) || paused === true || deadline === NO_DEADLINE || !open.has(label)) continue
        const { replicas, updatedReplicas } = deployment.status
        const condition = progressOf(deployment)
        if (isLate(condition)) {
          verdict = 'notable'
          continue
        }
        // Once all were there, what befalls them later is no rollout.
        if (condition === undefined || (condition.reason === 'NewReplicaSetAvailable' && replicas === updatedReplicas)) continue
        const stillSeconds = nowSeconds - secondsOf(condition.lastUpdateTime)
        if (stillSeconds > deadline + NOTICED_SECONDS)
          return { why: `${label} has not got on for ${stillSeconds} s, of ${deadline} s that are granted, and says ${condition.reason}` }
      }
      return verdict
    },
  }),
)

const undoneIsDone: Invariant = watching(
  {
    id: 'DEP-L2',
    sentence: 'a Deployment that was taken back to an earlier template gets all its replicas there, whatever became of the later one',
    source: 'https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#rolling-back-a-deployment',
    kind: 'convergence',
    strength: 'liveness',
    sometimes: 'the later one had not become ready',
  },
  ['UserActed', 'Commit', 'PhaseBegan'],
  () => {
    /** Deployments whose template the last that changed it took from an earlier revision: whether what it left was unfinished. */
    const undone = new Map<string, boolean>()
    /** The template each had before its last change. */
    const templates = new Map<string, { readonly template: string; readonly unfinished: boolean }>()
    return {
      observe(next, context) {
        if (next.kind === 'Commit') {
          if (resourceOfKey(next.key) !== 'deployments') return 'vacuous'
          const was = objectOf<Deployment>(next.before)
          const is = objectOf<Deployment>(next.after)
          if (is === undefined || was === undefined) undone.delete(next.key)
          else if (templateOf(was.spec.template) !== templateOf(is.spec.template)) {
            undone.delete(next.key)
            templates.set(next.key, {
              template: templateOf(is.spec.template),
              unfinished: progressOf(was)?.reason !== 'NewReplicaSetAvailable',
            })
          }
          return 'vacuous'
        }
        if (next.kind === 'UserActed') {
          const [, place] = /^deployments\/(\S+) to /.exec(next.detail) ?? []
          const changed = place === undefined || next.action !== 'Rollback' ? undefined : templates.get(`/registry/deployments/${place}`)
          if (changed !== undefined) undone.set(`/registry/deployments/${place}`, changed.unfinished)
          return 'vacuous'
        }
        if (next.kind !== 'PhaseBegan' || next.phase !== 'end' || undone.size === 0) return 'vacuous'
        const labels = new Set([...undone.keys()].map((key) => `Deployment ${key.slice('/registry/deployments/'.length)}`))
        const row = context.pending().find(({ object, blocked }) => labels.has(object) && !blocked)
        if (row !== undefined) return { why: `${row.object}, taken back, still waits for ${row.waitsFor}` }
        return [...undone.values()].includes(true) ? 'notable' : 'holds'
      },
    }
  },
)

export const REVISIONS: readonly Invariant[] = [revisionsRise, lateOnlyAfterTheDeadline, lateIsSaid, undoneIsDone]
