/** Nodes that are lost: noticed in time, never too early, and what becomes of their pods. SEMANTICS 2.8. */
import type { Context, Invariant } from '../invariant.ts'
import { noExecuteTaints, toleratedMs } from '../components/tolerated.ts'
import type { StoreHistory } from '../state/cluster.ts'
import type { Node, Pod, Uid } from '../state/objects.ts'
import { keyOf, resourceOfKey } from '../state/resources.ts'
import { conditionOf, isTerminal } from '../components/objects.ts'
import { deciding, DRIFT, had, objectOf, safety, settles, viewed, watching, type Deciding } from './define.ts'

const LIFECYCLE = 'kubernetes pkg/controller/nodelifecycle/node_lifecycle_controller.go'
const TAINT_MANAGER = 'kubernetes pkg/controller/nodelifecycle/scheduler/taint_manager.go'
/** --node-monitor-grace-period, and how long pod garbage collection waits for a node to come back. */
const GRACE_MS = 40_000
const QUARANTINE_MS = 40_000
/** A live read and the write that follows it. */
const READ_MS = 15_000

const notTooEarly = deciding(
  {
    id: 'NODE-S1',
    sentence: 'a node is called unknown only when nothing was heard of it for the whole grace period',
    source: LIFECYCLE,
    sometimes: 'a node is called unknown',
    ...safety,
  },
  ['MarkUnknown'],
  ({ choice, view, process, atMs }, { history }) => {
    if (choice.sinceMs < GRACE_MS)
      return { why: `${process} calls ${choice.node} unknown after ${choice.sinceMs} ms of silence, ${GRACE_MS} ms are granted` }
    const seen = history
      .versions(keyOf('leases', 'kube-node-lease', choice.node))
      .findLast((version) => version.revision <= (view['leases'] ?? 0))
    const silentMs = atMs - (seen?.atMs ?? 0)
    return silentMs >= GRACE_MS * (1 - DRIFT)
      ? 'notable'
      : { why: `${process} calls ${choice.node} unknown ${silentMs} ms after a sign of life that it had seen` }
  },
)

const nodeAt = (history: StoreHistory, name: string, revision: number): Node | undefined =>
  objectOf<Node>(history.at(keyOf('nodes', undefined, name), revision))

/** Since when the node has had a NoExecute taint without a break, as of a revision. */
const taintedSince = (history: StoreHistory, name: string, revision: number): number => {
  let since = Infinity
  for (const version of history.versions(keyOf('nodes', undefined, name)).toReversed()) {
    if (version.revision > revision) continue
    if (noExecuteTaints(objectOf<Node>(version.after)).length === 0) break
    since = version.atMs
  }
  return since
}

const toleratedFirst = deciding(
  {
    id: 'NODE-S3',
    sentence: 'a pod is evicted for a taint only after what it tolerates of it, never when it tolerates it for ever',
    source: TAINT_MANAGER,
    sometimes: 'it had been tolerated for a while',
    allows: ['ALLOW-21'],
    ...safety,
  },
  ['EvictPod'],
  ({ choice, view, process, atMs }, { history }) => {
    const pod = viewed<Pod>(history, view, choice.pod)
    if (pod === undefined || pod.metadata.uid !== choice.pod.uid)
      return { why: `${process} evicts ${choice.pod.name}, which was not in its view` }
    const taints = noExecuteTaints(nodeAt(history, choice.node, view['nodes'] ?? 0))
    if (taints.length === 0) return { why: `${process} evicts ${choice.pod.name} from ${choice.node}, which had no NoExecute taint` }
    const tolerated = toleratedMs(pod, taints)
    if (tolerated === null)
      return { why: `${process} evicts ${choice.pod.name}, which tolerates ${taints.map((taint) => taint.key).join(', ')} for ever` }
    const waitedMs = atMs - taintedSince(history, choice.node, view['nodes'] ?? 0)
    const least = Math.min(choice.waitedMs, waitedMs)
    if (least < tolerated * (1 - DRIFT))
      return { why: `${process} evicts ${choice.pod.name} ${least} ms after the taint, it tolerates ${tolerated} ms` }
    return tolerated > 0 ? 'notable' : 'holds'
  },
)

const staysUntilConfirmed: Invariant = watching(
  {
    id: 'NODE-S5',
    sentence: 'a pod on a node stays in the store until its kubelet confirms its end, unless somebody forces it',
    source: 'https://kubernetes.io/docs/concepts/architecture/nodes/#condition',
    kind: 'history',
    strength: 'safety',
    sometimes: "the pod's node had been lost for a while",
    allows: ['ALLOW-15'],
  },
  ['Commit', 'Decision'],
  () => {
    const forced = new Set<Uid>()
    /** Their kubelets, or users, gave them no more time: a finalizer alone kept them. */
    const held = new Set<Uid>()
    return {
      observe(next, { cluster }) {
        if (next.kind === 'Decision') {
          if (next.choice.kind === 'ForceDeletePod') forced.add(next.choice.pod.uid)
          return 'vacuous'
        }
        if (next.kind !== 'Commit' || resourceOfKey(next.key) !== 'pods') return 'vacuous'
        if (next.after !== null) {
          const { metadata, spec } = objectOf<Pod>(next.after) as Pod
          const mayEnd = next.author.startsWith('user') || next.author === `kubelet-${spec.nodeName}`
          if (metadata.deletionGracePeriodSeconds === 0 && mayEnd) held.add(metadata.uid)
          return 'vacuous'
        }
        const pod = objectOf<Pod>(next.before)
        const node = pod?.spec.nodeName ?? ''
        if (pod === undefined || node === '' || isTerminal(pod) || pod.spec.terminationGracePeriodSeconds === 0) return 'vacuous'
        const free = next.author.startsWith('user') || forced.has(pod.metadata.uid) || held.has(pod.metadata.uid)
        if (next.author !== `kubelet-${node}` && !free)
          return { why: `${next.author} removed ${next.key}, which ${node} had not said is over` }
        return forced.has(pod.metadata.uid) || cluster.machinesDown.has(node) ? 'notable' : 'holds'
      },
    }
  },
)

const forcedOnlyWithoutNode = deciding(
  {
    id: 'NODE-S6',
    sentence:
      'pod garbage collection forces out only pods whose node had been gone for the whole quarantine, or that end on a node out of service, or that end and never had one, or that are over',
    source: 'kubernetes pkg/controller/podgc/gc_controller.go',
    sometimes: 'a pod is forced out of a node',
    ...safety,
  },
  ['ForceDeletePod'],
  (seen, context) => {
    const wrong = notToForce(seen, context)
    if (wrong !== null) return { why: `${seen.process} forces ${seen.choice.pod.name} out, ${wrong}` }
    return seen.choice.node === '' ? 'holds' : 'notable'
  },
)

const notToForce = ({ choice, view, atMs }: Deciding<'ForceDeletePod'>, { history }: Context): string | null => {
  const pod = viewed<Pod>(history, view, choice.pod)
  const ending = pod?.metadata.deletionTimestamp !== undefined
  switch (choice.reason) {
    case 'too many':
      return pod === undefined || isTerminal(pod) ? null : 'which is not over'
    case 'never bound':
      return ending && (pod?.spec.nodeName ?? '') === '' ? null : 'which has a node or is not being deleted'
    case 'out of service': {
      const node = nodeAt(history, choice.node, view['nodes'] ?? 0)
      const out = node?.spec.taints?.some((taint) => taint.key === 'node.kubernetes.io/out-of-service') === true
      return ending && out && conditionOf(node?.status.conditions, 'Ready') !== 'True'
        ? null
        : `which may still end on ${choice.node} by itself`
    }
    case 'node gone': {
      if (choice.absentMs < QUARANTINE_MS) return `${choice.absentMs} ms after it missed ${choice.node}`
      return wasAbsent(history, choice.node, atMs) ? null : `whose node ${choice.node} is there`
    }
  }
}

/** Within the time of a live read and what follows it. */
const wasAbsent = (history: StoreHistory, node: string, atMs: number): boolean => {
  const versions = history.versions(keyOf('nodes', undefined, node))
  const last = versions.at(-1)
  if (last === undefined || last.after === null || atMs - last.atMs <= READ_MS) return true
  const before = versions.findLast((version) => version.after === null)
  return before !== undefined && history.at(keyOf('nodes', undefined, node), before.revision) === undefined && atMs - before.atMs <= READ_MS
}

export const NODES: readonly Invariant[] = [
  notTooEarly,
  toleratedFirst,
  staysUntilConfirmed,
  forcedOnlyWithoutNode,
  settles(
    {
      id: 'NODE-L1',
      sentence: 'a node that is back is ready again, and its taints are gone',
      source: LIFECYCLE,
      sometimes: 'there are nodes at the end',
    },
    (object, waitsFor) => object.startsWith('Node ') && (waitsFor.includes('ready again') || waitsFor.includes('taint')),
    had('nodes'),
  ),
  settles(
    {
      id: 'NODE-L2',
      sentence: 'the loss of a node is noticed, and its pods are replaced elsewhere once they have tolerated it',
      source: LIFECYCLE,
      sometimes: 'a machine is still lost at the end',
      allows: ['ALLOW-15', 'ALLOW-21'],
    },
    (_object, waitsFor) => waitsFor.includes('evicted') || waitsFor.includes('its loss'),
    ({ cluster }) =>
      [...cluster.store.keys()].some(
        (key) => key.startsWith('/registry/nodes/') && cluster.machinesDown.has(key.slice('/registry/nodes/'.length)),
      ),
  ),
]
