/** Deployments: one set a template, history kept, pauses kept, the spec left alone. SEMANTICS 2.5. */
import { notToCleanUp } from '../components/deployment.ts'
import type { Invariant } from '../invariant.ts'
import type { Deployment, ReplicaSet } from '../state/objects.ts'
import { controllerOf, sameValue } from '../components/objects.ts'
import { deciding, eachCommit, has, objectOf, safety, settles, viewed } from './define.ts'
import { setsOf, templateOf } from '../components/template.ts'
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
    sentence: 'clean-up takes only old ReplicaSets of which nothing is left',
    source: 'kubernetes pkg/controller/deployment/sync.go',
    sometimes: 'a set is taken',
    ...safety,
  },
  ['DeleteReplicaSet'],
  ({ choice, view, process }, { history }) => {
    const set = viewed<ReplicaSet>(history, view, choice.replicaSet)
    const deployment = viewed<Deployment>(history, view, choice.owner)
    if (set === undefined || deployment === undefined) return 'vacuous'
    const reason = notToCleanUp(deployment, set)
    return reason === null ? 'notable' : { why: `${process} cleans up ${choice.replicaSet.name}, which ${reason}` }
  },
)

const pausedStays = deciding(
  {
    id: 'DEP-S7',
    sentence: 'a paused Deployment gets no ReplicaSet for a new template',
    source: 'https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#pausing-and-resuming-a-deployment',
    sometimes: 'a set is made for one that is not paused',
    ...safety,
  },
  ['CreateReplicaSet'],
  ({ choice, view, process }, { history }) => {
    const deployment = viewed<Deployment>(history, view, choice.owner)
    if (deployment === undefined) return 'vacuous'
    return deployment.spec.paused === true
      ? { why: `${process} makes ${choice.name} for ${choice.owner.name}, which is paused` }
      : 'notable'
  },
)

const specIsTheUsers = eachCommit(
  {
    id: 'DEP-S8',
    sentence: "a Deployment's spec is its users': its controller never changes it",
    source: 'kubernetes pkg/controller/deployment',
    sometimes: 'its controller writes to it',
    ...safety,
  },
  'deployments',
  ({ before, after, author, revision, key }) => {
    const was = objectOf<Deployment>(before)
    const is = objectOf<Deployment>(after)
    if (was === undefined || is === undefined || !author.startsWith('kube-controller-manager')) return 'vacuous'
    return sameValue(was.spec, is.spec) ? 'notable' : { why: `${author} changed the spec of ${key} at revision ${revision}` }
  },
)

// Garbage

export const DEPLOYMENTS: readonly Invariant[] = [
  ...ROLLOUT,
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
