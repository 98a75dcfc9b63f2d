/** Pods of a group get their nodes together or not at all: the promise of the optional plugin Coscheduling. */
import { infeasible } from '../components/feasible.ts'
import { groupOf, isPlaced, membersOf } from '../components/scheduling/gang.ts'
import type { Context, Invariant } from '../invariant.ts'
import { isTerminal } from '../pending/picture.ts'
import type { ApiObject, Node, Pod, Uid } from '../state/objects.ts'
import type { PodGroup } from '../state/pod-group.ts'
import { POD_GROUP_LABEL } from '../state/pod-group.ts'
import { prefixOf, resourceOfKey } from '../state/resources.ts'
import { deciding, listed, objectOf, safety, viewed, watching } from './define.ts'

const SOURCE = 'kubernetes-sigs/scheduler-plugins pkg/coscheduling, KEP-42'

const together = deciding(
  {
    id: 'GANG-S1',
    sentence:
      'a pod of a group goes to its node only when as many of the group as it needs have one, bound as the scheduler sees it or counted there by it',
    source: SOURCE,
    sometimes: 'others of the group go with it',
    ...safety,
  },
  ['Permit'],
  ({ choice, view, process }, { history }) => {
    const pod = viewed<Pod>(history, view, choice.pod)
    if (pod === undefined || pod.metadata.labels?.[POD_GROUP_LABEL] === undefined) return 'vacuous'
    const group = groupOf(pod, listed<PodGroup>(history, view, 'podgroups'))
    if (group === undefined) return { why: `${process} lets ${choice.pod.name} go, though its group is not there` }
    const counted = new Set<Uid>(choice.together)
    const members = membersOf(group, listed<Pod>(history, view, 'pods'))
    const placed = members.filter((member) => isPlaced(member) || counted.has(member.metadata.uid))
    if (placed.length < group.spec.minMember)
      return {
        why: `${process} lets ${choice.pod.name} go with ${placed.length} of its group ${group.metadata.name} placed, which needs ${group.spec.minMember}`,
      }
    return placed.some((member) => !isPlaced(member) && member !== pod) ? 'notable' : 'holds'
  },
)

/** Whether some node that is up would take it as things are. */
const hasRoom = ({ cluster }: Context, pod: Pod): boolean => {
  const values = [...cluster.store.values()].map(({ value }) => value as ApiObject)
  const nodes = values.filter((object): object is Node => object.kind === 'Node' && !cluster.machinesDown.has(object.metadata.name))
  const pods = values.filter((object): object is Pod => object.kind === 'Pod' && isPlaced(object as Pod) && !isTerminal(object as Pod))
  return nodes.some((node) => infeasible({ nodes, pods, others: values }, pod, node) === null)
}

const groupKeyOf = ({ metadata }: Pod): string | undefined => {
  const name = metadata.labels?.[POD_GROUP_LABEL]
  return name === undefined ? undefined : `${metadata.namespace}/${name}`
}

/** Members of each group that is there. */
const groups = ({ cluster }: Context): readonly { readonly group: PodGroup; readonly members: readonly Pod[] }[] => {
  const pods: Pod[] = []
  const found: PodGroup[] = []
  for (const [key, stored] of cluster.store) {
    if (key.startsWith(prefixOf('pods'))) pods.push(stored.value as Pod)
    else if (key.startsWith(prefixOf('podgroups'))) found.push(stored.value as PodGroup)
  }
  return found.map((group) => ({ group, members: membersOf(group, pods) }))
}

const whole: Invariant = watching(
  {
    id: 'GANG-L1',
    sentence:
      'a group all of whose pods came after the last fault, and of which none was deleted or ended, does not rest with some of them bound, but fewer than it needs, unless enough were let go together and there is no room left for the rest',
    source: SOURCE,
    kind: 'convergence',
    strength: 'liveness',
    sometimes: 'such a group is bound',
  },
  ['Commit', 'Decision', 'FaultChanged', 'PhaseBegan'],
  () => {
    /** Groups that met a fault, or lost a pod: what is left of them may rest as it is. */
    const excused = new Set<string>()
    const seen = new Set<string>()
    const letGo = new Set<Uid>()
    return {
      observe(next, context) {
        if (next.kind === 'Decision' && next.choice.kind === 'Permit') letGo.add(next.choice.pod.uid)
        if (next.kind === 'FaultChanged') for (const key of seen) excused.add(key)
        if (next.kind === 'Commit' && resourceOfKey(next.key) === 'pods') {
          const [was, is] = [objectOf<Pod>(next.before), objectOf<Pod>(next.after)]
          const pod = is ?? was
          const key = pod === undefined ? undefined : groupKeyOf(pod)
          if (key === undefined) return 'vacuous'
          seen.add(key)
          const gone =
            is === undefined ||
            is.metadata.deletionTimestamp !== undefined ||
            is.status.phase === 'Succeeded' ||
            is.status.phase === 'Failed'
          if (gone) excused.add(key)
        }
        if (next.kind !== 'PhaseBegan' || next.phase !== 'end') return 'vacuous'
        const judged = groups(context).filter(({ group: { metadata } }) => !excused.has(`${metadata.namespace}/${metadata.name}`))
        for (const { group, members } of judged) {
          const bound = members.filter(isPlaced).length
          if (bound === 0 || bound >= group.spec.minMember) continue
          // Enough were let go together and a binding failed: whoever took the room meanwhile keeps it.
          const entire = members.filter(({ metadata }) => letGo.has(metadata.uid)).length >= group.spec.minMember
          if (!entire || members.some((member) => !isPlaced(member) && hasRoom(context, member)))
            return { why: `group ${group.metadata.name} rests with ${bound} pods bound, it needs ${group.spec.minMember}` }
        }
        return judged.some(({ members }) => members.some(isPlaced)) ? 'notable' : 'vacuous'
      },
    }
  },
)

export const GANGS: readonly Invariant[] = [together, whole]
