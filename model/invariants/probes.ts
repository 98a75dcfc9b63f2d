/** Containers that are asked whether they are well, and what follows: probes, hooks and back-off. SEMANTICS 2.10. */
import type { Invariant, Judgement } from '../invariant.ts'
import type { Cluster } from '../state/cluster.ts'
import type { Seen } from '../state/history.ts'
import type { Pod } from '../state/objects.ts'
import { resourceOfKey } from '../state/resources.ts'
import { DRIFT, objectOf, watching } from './define.ts'
import { Lives, OF_LIVES, type Life } from './lives.ts'

const WORKER = 'kubernetes pkg/kubelet/prober/worker.go'
const PROBES = 'https://kubernetes.io/docs/concepts/workloads/pods/probes/'
const CONTAINER = 'kubernetes pkg/kubelet/kuberuntime/kuberuntime_container.go'
const history = { kind: 'history', strength: 'safety' } as const

/** 'container main of web-1 on node-0' */
const named = ({ container, podName, node }: Life): string => `container ${container} of ${podName} on ${node}`

const startupFirst: Invariant = watching(
  {
    id: 'KUBELET-S11',
    sentence: 'a container is asked whether it lives, or can serve, only after its startup probe has passed',
    source: `${WORKER}; ${PROBES}`,
    sometimes: 'it has a startup probe',
    ...history,
  },
  OF_LIVES,
  () => {
    const lives = new Lives()
    return {
      observe(next) {
        lives.observe(next)
        if (next.kind !== 'Probed' || next.probe === 'startup') return 'vacuous'
        const life = lives.byId.get(next.id)
        if (life === undefined || lives.specOf(life)?.startupProbe === undefined) return life === undefined ? 'vacuous' : 'holds'
        return life.started ? 'notable' : { why: `the ${next.probe} of ${named(life)} is probed, which has not started` }
      },
    }
  },
)

/** What a kubelet may take from the probe that settles it to the signal, when the API server makes it wait for an answer. */
const SOON_MS = 60_000

const startedAnew: Invariant = watching(
  {
    id: 'KUBELET-S11b',
    sentence:
      'a container of a pod that is to run is stopped once its startup or liveness probe failed failureThreshold times in a row, or its postStart hook; never for its readiness probe',
    source: `${WORKER}; ${PROBES}`,
    sometimes: 'a probe, or the hook, has it stopped',
    ...history,
  },
  [...OF_LIVES, 'PhaseBegan'],
  () => {
    const lives = new Lives()
    return {
      observe(next, { cluster }) {
        if (next.kind === 'PhaseBegan') return next.phase === 'end' ? stillRuns(lives, next.atMs, cluster) : 'vacuous'
        const judged = next.kind === 'StopSignal' ? stopped(lives, next, cluster) : 'vacuous'
        lives.observe(next)
        return next.kind === 'Probed' ? again(lives, next) : judged
      },
    }
  },
)

const stopped = (lives: Lives, { id, signal }: Seen<'StopSignal'>, cluster: Cluster): Judgement => {
  const life = lives.byId.get(id)
  if (life === undefined || signal !== 'TERM' || !lives.pods.isToRun(life.pod, cluster)) return 'vacuous'
  if (lives.givenUpBy(life) !== null) return 'notable'
  const { failures } = life
  const [kind, count] = failures.readiness > 0 ? ['readiness', failures.readiness] : ['liveness', failures.liveness + failures.startup]
  return { why: `${named(life)} is told to stop after ${count} failed ${kind} probes in a row` }
}

/** One that failed for good is not asked again: it is to be stopped. */
const again = (lives: Lives, { id, probe }: Seen<'Probed'>): Judgement => {
  const life = lives.byId.get(id)
  const spec = life === undefined || probe === 'readiness' ? undefined : lives.specOf(life)?.[`${probe}Probe`]
  if (life === undefined || spec === undefined || life.failures[probe] <= (spec.failureThreshold ?? 3)) return 'vacuous'
  return { why: `${named(life)} goes on after ${life.failures[probe]} failed ${probe} probes in a row` }
}

const stillRuns = (lives: Lives, atMs: number, { processesDown, ...cluster }: Cluster): Judgement => {
  let any = false
  for (const life of lives.byId.values()) {
    any = true
    const overdue = lives.givenUpBy(life) !== null && !life.stopping && life.failedMs < atMs - SOON_MS
    if (overdue && !processesDown.has(`kubelet-${life.node}`) && lives.pods.isToRun(life.pod, { ...cluster, processesDown }))
      return { why: `${named(life)} still runs, though its ${lives.givenUpBy(life)} has failed` }
  }
  return any ? 'holds' : 'vacuous'
}

const readyAfterProbe: Invariant = watching(
  {
    id: 'KUBELET-S10b',
    sentence: 'a container with a readiness probe is called ready only after the probe has passed',
    source: 'kubernetes pkg/kubelet/prober/prober_manager.go',
    sometimes: 'it is called ready',
    ...history,
  },
  ['Commit', 'Probed'],
  () => {
    const passed = new Set<string>()
    return {
      observe(next) {
        if (next.kind === 'Probed' && next.probe === 'readiness' && next.passed) passed.add(next.id)
        if (next.kind !== 'Commit' || !next.author.startsWith('kubelet-') || resourceOfKey(next.key) !== 'pods') return 'vacuous'
        const pod = objectOf<Pod>(next.after)
        const probed = pod?.spec.containers.filter(({ readinessProbe }) => readinessProbe !== undefined) ?? []
        if (probed.length === 0) return 'vacuous'
        const ready = (pod?.status.containerStatuses ?? []).filter(
          (status) => status.ready && probed.some(({ name }) => name === status.name),
        )
        const early = ready.find(({ containerID = '' }) => !passed.has(containerID))
        if (early !== undefined)
          return { why: `${next.author} calls container ${early.name} of ${next.key} ready, whose probe has not passed` }
        return ready.length > 0 ? 'notable' : 'holds'
      },
    }
  },
)

const LEAST_MS = 10_000
const MOST_MS = 300_000
const FORGET_MS = 600_000
/** Times of a container are told by the clock of its machine, in milliseconds. */
const SLACK_MS = 5

/** How a container fared: when it ended last, and how often it was started again since that was forgotten. */
interface Fate {
  readonly node: string
  startedMs: number
  endedMs: number | null
  restarts: number
}

const backsOff: Invariant = watching(
  {
    id: 'KUBELET-S12',
    sentence:
      'a container that ends again and again is started again at once, then 10 s after its end, 20 s, and so on up to 300 s; a run of 10 min or a new kubelet begins that anew',
    source: 'kubernetes pkg/kubelet/kuberuntime/kuberuntime_manager.go (doBackOff), client-go util/flowcontrol/backoff.go',
    sometimes: 'it has to wait',
    ...history,
  },
  ['ContainerStarted', 'ContainerExited', 'ProcessStarted', 'ProcessEnded', 'FaultChanged'],
  () => {
    const fates = new Map<string, Fate>()
    return {
      observe(next) {
        switch (next.kind) {
          case 'FaultChanged':
            // It cannot tell any more how long ago something was.
            if (next.fault.kind === 'JumpClock') for (const [key, { node }] of fates) if (node === next.detail) fates.delete(key)
            return 'vacuous'
          case 'ProcessStarted':
            for (const fate of fates.values()) if (next.process === `kubelet-${fate.node}`) fate.restarts = 0
            return 'vacuous'
          case 'ProcessEnded':
            // After a loss of power nothing is left on the machine.
            if (next.reason === 'machine crash') for (const [key, { node }] of fates) if (node === next.machine) fates.delete(key)
            return 'vacuous'
          case 'ContainerExited': {
            const key = `${next.pod}/${next.container}`
            const fate = fates.get(key)
            if (fate !== undefined) fate.endedMs = next.atMs
            return 'vacuous'
          }
          case 'ContainerStarted': {
            const key = `${next.pod}/${next.container}`
            const fate = fates.get(key)
            if (fate === undefined || fate.endedMs === null) {
              fates.set(key, { node: next.node, startedMs: next.atMs, endedMs: null, restarts: 0 })
              return 'vacuous'
            }
            const judged = waited(next, fate)
            fate.restarts = fate.endedMs - fate.startedMs > FORGET_MS ? 1 : fate.restarts + 1
            fate.startedMs = next.atMs
            fate.endedMs = null
            return judged
          }
          default:
            return 'vacuous'
        }
      },
    }
  },
)

const waited = ({ container, podName, node, atMs }: Seen<'ContainerStarted'>, fate: Fate): Judgement => {
  const { startedMs, endedMs, restarts } = fate
  if (endedMs === null) return 'vacuous'
  if (restarts === 0 || endedMs - startedMs > FORGET_MS * (1 - DRIFT)) return 'holds'
  const dueMs = Math.min(MOST_MS, LEAST_MS * 2 ** (restarts - 1))
  if (atMs - endedMs >= dueMs * (1 - DRIFT) - SLACK_MS) return 'notable'
  return {
    why: `container ${container} of ${podName} on ${node} is started again ${atMs - endedMs} ms after its end: after ${restarts} restarts ${dueMs} ms are due`,
  }
}

const MINIMUM_MS = 2_000

const hookFirst: Invariant = watching(
  {
    id: 'KUBELET-S6b',
    sentence:
      'a container is told to stop after its preStop hook has ended or used up the grace period, and then has what is left of that, and two seconds at least',
    source: `${CONTAINER}; https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/`,
    sometimes: 'the hook ran',
    ...history,
  },
  OF_LIVES,
  () => {
    const lives = new Lives()
    /** Container id → when its hook began last, and whether it still runs. */
    const hooks = new Map<string, { readonly begunMs: number; runs: boolean }>()
    return {
      observe(next, { cluster }) {
        const judged = next.kind === 'StopSignal' ? afterHook(lives, hooks, next, cluster) : 'vacuous'
        lives.observe(next)
        if (next.kind !== 'HookChanged' || next.hook !== 'preStop') return judged
        const hook = hooks.get(next.id)
        if (next.outcome === 'begun') hooks.set(next.id, { begunMs: next.atMs, runs: true })
        else if (hook !== undefined) hook.runs = false
        return judged
      },
    }
  },
)

const afterHook = (
  lives: Lives,
  hooks: ReadonlyMap<string, { readonly begunMs: number; readonly runs: boolean }>,
  { id, signal, graceMs, atMs }: Seen<'StopSignal'>,
  cluster: Cluster,
): Judgement => {
  const life = lives.byId.get(id)
  const spec = life === undefined || signal !== 'TERM' ? undefined : lives.specOf(life)
  // What is not in the store any more was killed without a word.
  const pod = life === undefined ? undefined : lives.pods.held(life.pod, cluster)
  if (life === undefined || spec?.lifecycle?.preStop === undefined || pod === undefined) return 'vacuous'
  const hook = hooks.get(id)
  if (hook === undefined) return { why: `${named(life)} is told to stop without its preStop hook` }
  const given = [
    pod.metadata.deletionGracePeriodSeconds,
    spec.livenessProbe?.terminationGracePeriodSeconds,
    spec.startupProbe?.terminationGracePeriodSeconds,
  ]
  const leastMs = Math.min(pod.spec.terminationGracePeriodSeconds, ...given.map((one) => one ?? Infinity)) * 1000
  const sinceMs = atMs - hook.begunMs
  if (hook.runs && sinceMs < leastMs * (1 - DRIFT) - SLACK_MS)
    return { why: `${named(life)} is told to stop ${sinceMs} ms after its preStop hook has begun, which still runs` }
  const leftMs = Math.max(MINIMUM_MS, leastMs - sinceMs)
  return graceMs >= leftMs * (1 - DRIFT) - SLACK_MS
    ? 'notable'
    : { why: `${named(life)} has ${graceMs} ms to end after its preStop hook, of its grace period ${leftMs} ms are left` }
}

export const PROBING: readonly Invariant[] = [readyAfterProbe, startupFirst, startedAnew, hookFirst, backsOff]
