/**
 * What scheduling makes of the cluster itself, not only of what the scheduler saw: with one scheduler at work.
 *
 * Others may bind meanwhile, and one that starts may begin with an old list: whom it could not know of is not held against it.
 */
import { isTerminal } from '../../components/objects.ts'
import { podAffinity } from '../../components/scheduling/pod-affinity.ts'
import { allocatable, requests } from '../../components/scheduling/requests.ts'
import type { Context, Invariant, Judgement } from '../../invariant.ts'
import type { Seen } from '../../state/history.ts'
import type { ApiObject, Node, Pod, Uid } from '../../state/objects.ts'
import { keyOf, prefixOf, resourceOfKey } from '../../state/resources.ts'
import { objectOf, watching, type Fields } from '../define.ts'

interface Bound {
  readonly pod: Pod
  readonly node: Node
  /** Pods that have a node, itself among them, and whether the scheduler could know of each. */
  readonly others: readonly { readonly pod: Pod; readonly known: boolean }[]
  readonly author: string
  readonly context: Context
}

/** Whoever it was in a life before. */
const FORMER = ''

/** Judges each binding by the state that it makes. */
const onceBound = (fields: Omit<Fields, 'kind' | 'strength'>, judge: (bound: Bound) => Judgement): Invariant =>
  watching({ ...fields, kind: 'history', strength: 'safety' }, ['Commit', 'Decision', 'ProcessStarted'], () => {
    const decisions = new Map<Uid, Seen<'Decision'>>()
    const binders = new Map<Uid, { author: string; revision: number }>()
    const started = new Map<string, number>()
    return {
      observe(next, context) {
        const { cluster } = context
        if (next.kind === 'Decision' && next.choice.kind === 'Bind') decisions.set(next.choice.pod.uid, next)
        if (next.kind === 'ProcessStarted') {
          started.set(next.process, cluster.revision)
          // What it decided in a life before may still be on its way, and it does not know of it any more.
          for (const [uid, { process }] of decisions) if (process === next.process) decisions.delete(uid)
        }
        if (next.kind !== 'Commit' || resourceOfKey(next.key) !== 'pods') return 'vacuous'
        const pod = objectOf<Pod>(next.after)
        const name = pod?.spec.nodeName ?? ''
        if (pod === undefined || name === '' || (objectOf<Pod>(next.before)?.spec.nodeName ?? '') !== '') return 'vacuous'
        const { author, revision } = next
        const decision = decisions.get(pod.metadata.uid)
        binders.set(pod.metadata.uid, { author: decision === undefined ? FORMER : author, revision })
        const node = objectOf<Node>(cluster.store.get(keyOf('nodes', undefined, name)))
        if (decision === undefined || node === undefined) return 'vacuous'
        const others: { pod: Pod; known: boolean }[] = []
        for (const [key, stored] of cluster.store) {
          const other = stored.value as Pod
          if (!key.startsWith(prefixOf('pods')) || (other.spec.nodeName ?? '') === '' || isTerminal(other)) continue
          const binder = binders.get(other.metadata.uid)
          const own = binder?.author === author && binder.revision > (started.get(author) ?? 0)
          others.push({ pod: other, known: binder === undefined || own || binder.revision <= (decision.view['pods'] ?? 0) })
        }
        return judge({ pod, node, others, author, context })
      },
    }
  })

const noOvercommit = onceBound(
  {
    id: 'SCHED-S2',
    sentence: 'with one scheduler at work the pods on a node never ask for more than it has',
    source: 'https://kubernetes.io/docs/concepts/architecture/nodes/#node-capacity',
    sometimes: 'the node had other pods',
    allows: ['ALLOW-12'],
  },
  ({ node, others, author }) => {
    const { name } = node.metadata
    const there = others.filter(({ pod }) => pod.spec.nodeName === name)
    if (there.some(({ known }) => !known)) return 'vacuous'
    const here = there.map(({ pod }) => pod)
    if (here.length > allocatable(node, 'pods') / 1000)
      return { why: `${name} has ${here.length} pods, it may have ${allocatable(node, 'pods') / 1000}` }
    for (const resource of new Set(here.flatMap((pod) => [...requests(pod).keys()]))) {
      const sum = here.reduce((total, pod) => total + (requests(pod).get(resource) ?? 0), 0)
      if (sum > allocatable(node, resource))
        return {
          why: `${author} overcommits ${name}: its pods ask for ${sum / 1000} ${resource}, it has ${allocatable(node, resource) / 1000}`,
        }
    }
    return here.length > 1 ? 'notable' : 'holds'
  },
)

const refuses = ({ spec }: Pod): boolean =>
  (spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).length > 0

const keptApart = onceBound(
  {
    id: 'SCHED-S4b',
    sentence: 'with one scheduler at work no pod is bound to where one is that refuses it, or that it refuses',
    source: 'KEP-895',
    sometimes: 'there are pods on other nodes that refuse it',
    allows: ['ALLOW-12', 'ALLOW-14'],
  },
  ({ pod, node, others, author, context: { cluster } }) => {
    const rest = others.filter((other) => other.pod !== pod && other.known).map((other) => other.pod)
    if (![pod, ...rest].some(refuses)) return 'vacuous'
    const of = (resource: string): readonly ApiObject[] =>
      [...cluster.store].flatMap(([key, { value }]) => (key.startsWith(prefixOf(resource)) ? [value as ApiObject] : []))
    const scene = { nodes: of('nodes') as readonly Node[], pods: rest, others: of('namespaces') }
    // Whom it wants to be with is another matter.
    const alone = { ...pod, spec: { ...pod.spec, affinity: { podAntiAffinity: pod.spec.affinity?.podAntiAffinity ?? {} } } }
    const there = rest.filter((other) => podAffinity({ ...scene, pods: [other] }, alone, node) !== 'fits')
    const [first] = there
    if (first !== undefined)
      return {
        why: `${author} binds ${pod.metadata.name} to ${node.metadata.name}, where ${first.metadata.name} is: one refuses the other`,
      }
    return rest.some(refuses) ? 'notable' : 'holds'
  },
)

export const WORLD: readonly Invariant[] = [noOvercommit, keptApart]
