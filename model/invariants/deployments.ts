/** Deployments: one set a template, history kept, pauses kept, the spec left alone. SEMANTICS 2.5. */
import { notToCleanUp, revisionOf } from '../components/deployment.ts'
import type { Invariant } from '../invariant.ts'
import type { HorizontalPodAutoscaler } from '../state/autoscaling.ts'
import type { Cluster } from '../state/cluster.ts'
import { prefixOf } from '../state/resources.ts'
import type { Deployment, ReplicaSet } from '../state/objects.ts'
import { matchesLabels } from '../state/selector.ts'
import { controllerOf, isDeleting, sameValue } from '../components/objects.ts'
import { deciding, eachCommit, has, listed, objectOf, safety, settles, viewed } from './define.ts'
import { limits, setsOf, templateOf } from '../components/template.ts'
import { REVISIONS } from './deployment-revisions.ts'
import { ROLLOUT } from './rollout.ts'

const oneSetATemplate = eachCommit(
  {
    id: 'DEP-S4',
    sentence: 'a Deployment has one ReplicaSet for each template',
    source: 'kubernetes pkg/controller/deployment/sync.go',
    sometimes: 'it has another set already',
    ...safety,
  },
  'replicasets',
  ({ before, after, author, key }, { cluster }) => {
    const set = before === null ? objectOf<ReplicaSet>(after) : undefined
    const owner = set === undefined ? undefined : controllerOf(set)
    if (set === undefined || owner === undefined) return 'vacuous'
    const others = [...cluster.store]
      .filter(([other]) => other !== key && other.startsWith('/registry/replicasets/'))
      .map(([, stored]) => stored.value as ReplicaSet)
    const own = setsOf(others, owner)
    const twin = own.find((other) => templateOf(other.spec.template) === templateOf(set.spec.template))
    if (twin !== undefined) return { why: `${author} made ${set.metadata.name} for the template that ${twin.metadata.name} has` }
    return own.length > 0 ? 'notable' : 'holds'
  },
)

const cleansUpOld = deciding(
  {
    id: 'DEP-S6',
    sentence: 'clean-up takes only old ReplicaSets of which nothing is left, the oldest, beyond those that are to be kept',
    source: 'kubernetes pkg/controller/deployment/sync.go',
    sometimes: 'a set is taken',
    ...safety,
  },
  ['DeleteReplicaSet'],
  ({ choice, view, process }, { history }) => {
    const set = viewed<ReplicaSet>(history, view, choice.replicaSet)
    const deployment = viewed<Deployment>(history, view, choice.owner)
    if (set === undefined || deployment === undefined) return 'vacuous'
    // Those that it adopts count too.
    const isItsOwn = (other: ReplicaSet): boolean => {
      const owner = controllerOf(other)
      return owner === undefined ? matchesLabels(deployment.spec.selector, other.metadata.labels) : owner === choice.owner.uid
    }
    const newer = listed<ReplicaSet>(history, view, 'replicasets').filter(
      (other) =>
        isItsOwn(other) &&
        other.metadata.uid !== set.metadata.uid &&
        !isDeleting(other) &&
        templateOf(other.spec.template) !== templateOf(deployment.spec.template) &&
        revisionOf(other) >= revisionOf(set),
    ).length
    const kept = deployment.spec.revisionHistoryLimit ?? 10
    const reason = notToCleanUp(deployment, set) ?? (newer < kept ? `is one of the newest ${newer + 1}, ${kept} are to be kept` : null)
    return reason === null ? 'notable' : { why: `${process} cleans up ${choice.replicaSet.name}, which ${reason}` }
  },
)

const pausedStays = deciding(
  {
    id: 'DEP-S7',
    sentence: 'a paused Deployment gets no ReplicaSet for a new template, and none of its sets grows at the cost of another',
    source: 'https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#pausing-and-resuming-a-deployment',
    sometimes: 'a paused one of several templates is resized',
    ...safety,
  },
  ['CreateReplicaSet', 'ScaleReplicaSet'],
  ({ choice, view, process }, { history }) => {
    const deployment = viewed<Deployment>(history, view, choice.owner)
    if (deployment === undefined) return 'vacuous'
    if (deployment.spec.paused !== true) return 'holds'
    if (choice.kind === 'CreateReplicaSet') return { why: `${process} makes ${choice.name} for ${choice.owner.name}, which is paused` }
    const active = setsOf(listed<ReplicaSet>(history, view, 'replicasets'), choice.owner.uid).filter((set) => set.spec.replicas > 0)
    const total = active.reduce((sum, set) => sum + set.spec.replicas, 0)
    const { replicas } = deployment.spec
    const saturated = active.some(({ spec, status }) => spec.replicas === replicas && status.availableReplicas === replicas)
    if (active.length < 2 || (choice.to === 0 && saturated)) return 'holds'
    const { most } = limits(deployment)
    const grows = choice.to > choice.from
    // With room for more all grow, with too many all shrink, each by its share.
    const wrong = grows ? total >= most : total <= most && replicas > 0
    return wrong
      ? {
          why: `${process} resizes ${choice.replicaSet.name} from ${choice.from} to ${choice.to} of ${total} for ${choice.owner.name}, which is paused`,
        }
      : 'notable'
  },
)

/** Its number of replicas is that of its autoscaler, which is another controller of the same process. */
const isAutoscaled = ({ store }: Cluster, { kind, metadata }: Deployment): boolean =>
  [...store].some(([key, { value }]) => {
    if (!key.startsWith(prefixOf('horizontalpodautoscalers', metadata.namespace))) return false
    const { scaleTargetRef } = (value as HorizontalPodAutoscaler).spec
    return scaleTargetRef.kind === kind && scaleTargetRef.name === metadata.name
  })

const specIsTheUsers = eachCommit(
  {
    id: 'DEP-S8',
    sentence: "a Deployment's spec is its users': its controller never changes it",
    source: 'kubernetes pkg/controller/deployment',
    sometimes: 'its controller writes to it',
    ...safety,
  },
  'deployments',
  ({ before, after, author, revision, key }, { cluster }) => {
    const was = objectOf<Deployment>(before)
    const is = objectOf<Deployment>(after)
    if (was === undefined || is === undefined || !author.startsWith('kube-controller-manager')) return 'vacuous'
    const resized = was.spec.replicas !== is.spec.replicas && sameValue({ ...was.spec, replicas: is.spec.replicas }, is.spec)
    if (resized && isAutoscaled(cluster, is)) return 'vacuous'
    return sameValue(was.spec, is.spec) ? 'notable' : { why: `${author} changed the spec of ${key} at revision ${revision}` }
  },
)

// Garbage

export const DEPLOYMENTS: readonly Invariant[] = [
  ...ROLLOUT,
  ...REVISIONS,
  oneSetATemplate,
  cleansUpOld,
  pausedStays,
  specIsTheUsers,
  settles(
    {
      id: 'DEP-L1',
      sentence: 'a Deployment whose template can become ready gets all its replicas there, and none of another',
      source: 'https://kubernetes.io/docs/concepts/workloads/controllers/deployment/',
      sometimes: 'there is one at the end',
    },
    (object) => object.startsWith('Deployment '),
    has('deployments'),
  ),
]
