/** Pods on their nodes: what runs, what ends, and what is said about it. SEMANTICS 2.10. */
import { allocatable, requests } from '../components/scheduling/requests.ts'
import type { Invariant, Judgement } from '../invariant.ts'
import type { Cluster } from '../state/cluster.ts'
import type { Seen } from '../state/history.ts'
import type { ContainerStatus, Node, Pod, Uid } from '../state/objects.ts'
import { keyOf, resourceOfKey } from '../state/resources.ts'
import { isReady, isTerminal } from '../components/objects.ts'
import { Lives, OF_LIVES, Pods } from './lives.ts'
import { DRIFT, eachCommit, had, objectOf, safety, settles, watching, type Fields } from './define.ts'

const MANAGER = 'kubernetes pkg/kubelet/kuberuntime/kuberuntime_container.go'
const STATUS = 'kubernetes pkg/kubelet/status/status_manager.go'
const LIFECYCLE = 'https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/'
const CRI = 'k8s.io/cri-api pkg/apis/runtime/v1/api.proto'

/** Follows pods and sees the starts of containers. */
const onStart = (fields: Fields, judge: (seen: Seen<'ContainerStarted'>, pods: Pods, cluster: Cluster) => Judgement): Invariant =>
  watching(fields, ['Commit', 'ContainerStarted'], () => {
    const pods = new Pods()
    return {
      observe(next, { cluster }) {
        if (next.kind === 'Commit') pods.commit(next)
        return next.kind === 'ContainerStarted' ? judge(next, pods, cluster) : 'vacuous'
      },
    }
  })

const onlyBound = onStart(
  {
    id: 'KUBELET-S1',
    sentence: 'a container runs only on the node its pod was bound to',
    source: 'kubernetes pkg/kubelet/config/apiserver.go',
    sometimes: 'a container starts',
    ...safety,
  },
  ({ node, pod, podName, container }, pods) => {
    const bound = pods.nodeOf.get(pod)
    return bound === node
      ? 'notable'
      : { why: `container ${container} of ${podName} starts on ${node}, its pod is bound to ${bound ?? 'no node'}` }
  },
)

/** Exits of each container name by sandbox, and what started there. */
const restartsAndOrder = (
  fields: Fields,
  judge: (seen: Seen<'ContainerStarted'>, pod: Pod, exits: ReadonlyMap<string, readonly number[]>) => Judgement,
): Invariant =>
  watching(fields, ['Commit', 'ContainerStarted', 'ContainerExited'], () => {
    const pods = new Pods()
    /** sandbox → container name → exit codes. */
    const exits = new Map<string, Map<string, number[]>>()
    const sandboxOf = new Map<string, string>()
    return {
      observe(next) {
        switch (next.kind) {
          case 'Commit':
            pods.commit(next)
            return 'vacuous'
          case 'ContainerExited': {
            const sandbox = sandboxOf.get(next.id)
            if (sandbox === undefined) return 'vacuous'
            const held = exits.get(sandbox) ?? new Map<string, number[]>()
            exits.set(sandbox, held.set(next.container, [...(held.get(next.container) ?? []), next.exitCode]))
            return 'vacuous'
          }
          case 'ContainerStarted': {
            sandboxOf.set(next.id, next.sandbox)
            const pod = pods.byUid.get(next.pod)
            return pod === undefined ? 'vacuous' : judge(next, pod, exits.get(next.sandbox) ?? new Map())
          }
          default:
            return 'vacuous'
        }
      },
    }
  })

const restartPolicy = restartsAndOrder(
  {
    id: 'KUBELET-S2',
    sentence: 'a container is started again only as the restart policy allows',
    source: `${LIFECYCLE}#restart-policy`,
    sometimes: 'a container is started again',
    ...safety,
  },
  ({ container, podName }, pod, exits) => {
    const codes = exits.get(container) ?? []
    if (codes.length === 0) return 'holds'
    const init = (pod.spec.initContainers ?? []).some((one) => one.name === container)
    const { restartPolicy: policy } = pod.spec
    if (policy === 'Never') return { why: `container ${container} of ${podName} starts again with restartPolicy Never` }
    if ((policy === 'OnFailure' || init) && codes.at(-1) === 0)
      return { why: `container ${container} of ${podName} starts again after it had succeeded` }
    return 'notable'
  },
)

const initOrder = restartsAndOrder(
  {
    id: 'KUBELET-S3',
    sentence: 'init containers run one after another, and all before the others',
    source: `${LIFECYCLE}#pod-lifetime`,
    sometimes: 'an init container had run',
    ...safety,
  },
  ({ container, podName }, pod, exits) => {
    const init = (pod.spec.initContainers ?? []).map((one) => one.name)
    if (init.length === 0) return 'vacuous'
    const place = init.indexOf(container)
    const due = place < 0 ? init : init.slice(0, place)
    const missing = due.find((name) => !(exits.get(name) ?? []).includes(0))
    if (missing !== undefined) return { why: `container ${container} of ${podName} starts before init container ${missing} has succeeded` }
    return due.length > 0 ? 'notable' : 'holds'
  },
)

const PHASES = ['Pending', 'Running', 'Succeeded', 'Failed']
const phasesForward = eachCommit(
  {
    id: 'KUBELET-S4',
    sentence: 'a phase never goes back: what has succeeded or failed stays so, what runs is never pending again',
    source: STATUS,
    sometimes: 'a pod ends',
    ...safety,
  },
  'pods',
  ({ key, before, after, author }) => {
    const was = objectOf<Pod>(before)
    const is = objectOf<Pod>(after)
    if (was === undefined || is === undefined || was.metadata.uid !== is.metadata.uid || was.status.phase === is.status.phase)
      return 'vacuous'
    const back = isTerminal(was) || PHASES.indexOf(is.status.phase) < PHASES.indexOf(was.status.phase)
    if (back) return { why: `${author} set ${key} from ${was.status.phase} back to ${is.status.phase}` }
    return isTerminal(is) ? 'notable' : 'holds'
  },
)

const restartCounts = (pod: Pod): ReadonlyMap<string, number> =>
  new Map(
    [...(pod.status.initContainerStatuses ?? []), ...(pod.status.containerStatuses ?? [])].map((status: ContainerStatus) => [
      status.name,
      status.restartCount,
    ]),
  )

const restartsCounted = eachCommit(
  { id: 'KUBELET-S5', sentence: 'a restart count never falls', source: STATUS, sometimes: 'it rises', ...safety },
  'pods',
  ({ key, before, after, author }) => {
    const was = objectOf<Pod>(before)
    const is = objectOf<Pod>(after)
    if (was === undefined || is === undefined || was.metadata.uid !== is.metadata.uid || was.status === is.status) return 'vacuous'
    const now = restartCounts(is)
    let rose = false
    for (const [name, count] of restartCounts(was)) {
      const next = now.get(name)
      if (next !== undefined && next < count)
        return { why: `${author} set the restart count of ${name} in ${key} from ${count} to ${next}` }
      if (next !== undefined && next > count) rose = true
    }
    return rose ? 'notable' : 'holds'
  },
)

/** For each container that was told to stop: when, and by when it has to. */
const graceful: Invariant = watching(
  {
    id: 'KUBELET-S6',
    sentence: 'a container is killed only after it was told to stop and its grace period has passed',
    source: MANAGER,
    kind: 'history',
    strength: 'safety',
    sometimes: 'it has to be killed',
  },
  ['StopSignal', 'ContainerExited'],
  () => {
    const dueMs = new Map<string, number>()
    const killed = new Set<string>()
    return {
      observe(next) {
        if (next.kind === 'ContainerExited') {
          if (next.by !== 'stop') return 'vacuous'
          return dueMs.has(next.id) || killed.has(next.id) ? 'holds' : { why: `container ${next.id} was stopped without a signal` }
        }
        if (next.kind !== 'StopSignal') return 'vacuous'
        if (next.signal === 'TERM') {
          dueMs.set(next.id, Math.min(dueMs.get(next.id) ?? Infinity, next.atMs + next.graceMs))
          return 'holds'
        }
        killed.add(next.id)
        const due = dueMs.get(next.id)
        if (due === undefined) return { why: `container ${next.id} was killed without having been told to stop` }
        return next.atMs >= due * (1 - DRIFT) - 1
          ? 'notable'
          : { why: `container ${next.id} was killed ${Math.ceil(due - next.atMs)} ms before its grace period was over` }
      },
    }
  },
)

const removedWhenStopped = eachCommit(
  {
    id: 'KUBELET-S8',
    sentence: 'a kubelet lets a pod go from the store only when all its containers have stopped',
    source: 'kubernetes pkg/kubelet/kubelet_pods.go',
    sometimes: 'a pod is let go',
    ...safety,
  },
  'pods',
  ({ key, before, after, author }, { cluster }) => {
    const pod = objectOf<Pod>(before)
    if (after !== null || pod === undefined || author !== `kubelet-${pod.spec.nodeName}`) return 'vacuous'
    for (const running of cluster.running.values()) {
      if (running.pod === pod.metadata.uid) return { why: `${author} let ${key} go while container ${running.container} still ran` }
    }
    return 'notable'
  },
)

const endsWithAPhase: Invariant = watching(
  {
    id: 'KUBELET-S9',
    sentence: 'a pod that has run is said to have succeeded or failed before it is let go',
    source: `${STATUS} (1.27)`,
    kind: 'history',
    strength: 'safety',
    sometimes: 'it is let go',
  },
  ['Commit', 'ContainerStarted'],
  () => {
    const ran = new Set<Uid>()
    return {
      observe(next) {
        if (next.kind === 'ContainerStarted') ran.add(next.pod)
        if (next.kind !== 'Commit' || next.after !== null || resourceOfKey(next.key) !== 'pods') return 'vacuous'
        const pod = objectOf<Pod>(next.before)
        if (pod === undefined || next.author !== `kubelet-${pod.spec.nodeName}` || !ran.has(pod.metadata.uid)) return 'vacuous'
        return isTerminal(pod) ? 'notable' : { why: `${next.author} let ${next.key} go in phase ${pod.status.phase}` }
      },
    }
  },
)

const readyMeansReady = eachCommit(
  {
    id: 'KUBELET-S10',
    sentence: 'a pod is ready only when all its containers run and are ready',
    source: 'kubernetes pkg/kubelet/status/generate.go',
    sometimes: 'a pod becomes ready',
    ...safety,
  },
  'pods',
  ({ key, before, after, author }) => {
    const pod = objectOf<Pod>(after)
    if (pod === undefined || !isReady(pod) || !author.startsWith('kubelet-')) return 'vacuous'
    const statuses = pod.status.containerStatuses ?? []
    const not = pod.spec.containers.find(
      (container) =>
        statuses.find((status) => status.name === container.name && status.ready && status.state.running !== undefined) === undefined,
    )
    if (not !== undefined) return { why: `${author} calls ${key} ready, whose container ${not.name} is not` }
    const was = objectOf<Pod>(before)
    return was !== undefined && isReady(was) ? 'holds' : 'notable'
  },
)

const withinCapacity = onStart(
  {
    id: 'KUBELET-S13',
    sentence: 'the pods that run on a node never ask for more than it has, whatever schedulers did',
    source: 'kubernetes pkg/kubelet/lifecycle/predicate.go',
    sometimes: 'it has other pods',
    allows: ['ALLOW-12'],
    ...safety,
  },
  ({ node: name }, pods, cluster) => {
    const node = objectOf<Node>(cluster.store.get(keyOf('nodes', undefined, name)))
    if (node === undefined) return 'vacuous'
    const uids = new Set([...cluster.running.values()].filter((running) => running.node === name).map((running) => running.pod))
    const here = [...uids].flatMap((uid) => {
      const pod = pods.byUid.get(uid)
      const held =
        pod === undefined ? undefined : objectOf<Pod>(cluster.store.get(keyOf('pods', pod.metadata.namespace, pod.metadata.name)))
      return held !== undefined && held.metadata.uid === uid && !isTerminal(held) ? [held] : []
    })
    for (const resource of new Set(here.flatMap((pod) => [...requests(pod).keys()]))) {
      const sum = here.reduce((total, pod) => total + (requests(pod).get(resource) ?? 0), 0)
      if (sum > allocatable(node, resource))
        return { why: `the pods that run on ${name} ask for ${sum / 1000} ${resource}, it has ${allocatable(node, resource) / 1000}` }
    }
    return here.length > 1 ? 'notable' : 'holds'
  },
)

const stopsOnlyWhatShould: Invariant = watching(
  {
    id: 'KUBELET-S15',
    sentence:
      'a kubelet stops only containers whose pod is to end, or that their probes or hooks give up: losing the API server, or a restart of its own, stops nothing',
    source: 'https://kubernetes.io/docs/concepts/architecture/control-plane-node-communication/',
    kind: 'history',
    strength: 'safety',
    sometimes: 'a machine or a process is down or cut off at that moment',
  },
  [...OF_LIVES, 'FaultChanged'],
  () => {
    const lives = new Lives()
    let faults = 0
    return {
      observe(next, { cluster }) {
        if (next.kind === 'FaultChanged' && next.outcome !== 'skipped') faults += next.outcome === 'begun' ? 1 : -1
        const life = next.kind === 'StopSignal' ? lives.byId.get(next.id) : undefined
        lives.observe(next)
        if (next.kind !== 'StopSignal' || life === undefined || !lives.pods.byUid.has(life.pod)) return 'vacuous'
        if (lives.pods.isToRun(life.pod, cluster) && lives.givenUpBy(life) === null)
          return {
            why: `container ${next.id} of ${life.podName} on ${next.node} is told to stop (${next.reason}), though its pod is to run`,
          }
        return faults > 0 ? 'notable' : 'holds'
      },
    }
  },
)

const oneOfEach = onStart(
  {
    id: 'KUBELET-S16',
    sentence: 'no container is started beside one that still runs in its place, a restart of the kubelet included',
    source: 'kubernetes pkg/kubelet/kuberuntime/kuberuntime_manager.go',
    sometimes: 'a container starts',
    ...safety,
  },
  ({ id, pod, podName, container, node }, _pods, cluster) => {
    for (const running of cluster.running.values()) {
      if (running.id !== id && running.pod === pod && running.container === container && running.node === node)
        return { why: `container ${container} of ${podName} starts on ${node} while ${running.id} still runs` }
    }
    return 'notable'
  },
)

const containerLives: Invariant = watching(
  {
    id: 'CRI-S1',
    sentence: 'a container starts once and ends once, and its id is never used again',
    source: CRI,
    kind: 'history',
    strength: 'safety',
    sometimes: 'a container ends',
  },
  ['ContainerStarted', 'ContainerExited'],
  () => {
    const state = new Map<string, 'runs' | 'over'>()
    return {
      observe(next) {
        if (next.kind === 'ContainerStarted') {
          if (state.has(next.id)) return { why: `container ${next.id} starts a second time` }
          state.set(next.id, 'runs')
          return 'holds'
        }
        if (next.kind !== 'ContainerExited') return 'vacuous'
        if (state.get(next.id) !== 'runs') return { why: `container ${next.id} ends without running` }
        state.set(next.id, 'over')
        return 'notable'
      },
    }
  },
)

const ownAddress: Invariant = watching(
  {
    id: 'CRI-S2',
    sentence: 'no two sandboxes share an address at one time',
    source: 'https://kubernetes.io/docs/concepts/cluster-administration/networking/',
    kind: 'history',
    strength: 'safety',
    sometimes: 'an address is used again',
  },
  ['SandboxCreated', 'SandboxRemoved', 'ProcessEnded'],
  () => {
    const held = new Map<string, { sandbox: string; node: string }>()
    const used = new Set<string>()
    return {
      observe(next) {
        switch (next.kind) {
          case 'SandboxCreated': {
            const other = held.get(next.ip)
            if (other !== undefined) return { why: `sandbox ${next.sandbox} on ${next.node} gets ${next.ip}, which ${other.sandbox} has` }
            held.set(next.ip, { sandbox: next.sandbox, node: next.node })
            const again = used.has(next.ip)
            used.add(next.ip)
            return again ? 'notable' : 'holds'
          }
          case 'SandboxRemoved':
            held.delete(next.ip)
            return 'vacuous'
          case 'ProcessEnded':
            if (next.reason === 'machine crash') for (const [ip, { node }] of held) if (node === next.machine) held.delete(ip)
            return 'vacuous'
          default:
            return 'vacuous'
        }
      },
    }
  },
)

export const KUBELET: readonly Invariant[] = [
  onlyBound,
  restartPolicy,
  initOrder,
  phasesForward,
  restartsCounted,
  graceful,
  removedWhenStopped,
  endsWithAPhase,
  readyMeansReady,
  withinCapacity,
  stopsOnlyWhatShould,
  oneOfEach,
  settles(
    {
      id: 'KUBELET-L1',
      sentence: 'a pod on a node that is up gets its containers running and ready',
      source: LIFECYCLE,
      sometimes: 'there were pods',
    },
    (object, waitsFor) => object.startsWith('Pod ') && (waitsFor.includes('to be ready') || waitsFor.includes('started again')),
    had('pods'),
  ),
  settles(
    {
      id: 'KUBELET-L2',
      sentence: 'a pod that is deleted on a node that is up goes, within its grace period and a bit',
      source: LIFECYCLE,
      sometimes: 'there were pods',
    },
    (object, waitsFor) => object.startsWith('Pod ') && waitsFor.includes('being deleted'),
    had('pods'),
  ),
  settles(
    {
      id: 'KUBELET-L3',
      sentence: 'a node that is back ends the containers of pods that are no longer its own',
      source: 'kubernetes pkg/kubelet/kubelet_pods.go (HandlePodCleanups)',
      sometimes: 'there were pods',
    },
    (object) => object.startsWith('Container '),
    had('pods'),
  ),
  containerLives,
  ownAddress,
]
