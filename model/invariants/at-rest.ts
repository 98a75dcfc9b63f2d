/** What is done to a cluster at rest must not move it: nodes go on by themselves, and components hold no truth. SEMANTICS 2.13. */
import { isHeartbeat } from '../quiet.ts'
import type { Context, Invariant, Judgement } from '../invariant.ts'
import type { Observation, ObservationKind, Seen } from '../state/history.ts'
import { keyOf, prefixOf } from '../state/resources.ts'
import { watching } from './define.ts'

const APISERVER = /^kube-apiserver-/
const KUBELET = 'kubelet-'
const OF_NODES = /^kube(let|-proxy)-/
const OF_CRON_JOBS = prefixOf('cronjobs')
const MOVES = [
  ...(['ContainerStarted', 'ContainerExited', 'StopSignal', 'SandboxCreated', 'SandboxRemoved'] as const),
  ...(['VolumeMounted', 'VolumeUnmounted', 'RulesSwapped', 'Probed', 'HookChanged'] as const),
]
const isMove = (next: Observation): next is Seen<(typeof MOVES)[number]> => (MOVES as readonly ObservationKind[]).includes(next.kind)

const NO_RULES = '{}'

/** What moves on the nodes but by itself: programs that end, or fail their probes, in the places of which others begin; power that is lost. */
class Nodes {
  private readonly ended = new Set<string>()
  /** Ids of containers that failed a probe or a hook. */
  private readonly failed = new Set<string>()
  private readonly rules = new Map<string, string>()

  /** With the power its rules are gone. */
  powerLost(node: string): void {
    this.rules.delete(node)
  }

  /** Null: it would have happened anyway, or nothing changes by it. */
  moved(next: Seen<(typeof MOVES)[number]>): string | null {
    switch (next.kind) {
      case 'ContainerExited':
        if (next.by === 'itself' || this.failed.has(next.id)) this.ended.add(`${next.pod} ${next.container}`)
        return next.by === 'stop' && !this.failed.has(next.id) ? `container ${next.id} is stopped on ${next.node}` : null
      case 'ContainerStarted':
        if (this.ended.has(`${next.pod} ${next.container}`)) return null
        return `container ${next.container} of ${next.podName} is started on ${next.node}`
      case 'Probed':
      case 'HookChanged':
        if (next.kind === 'Probed' ? !next.passed : next.outcome === 'failed') this.failed.add(next.id)
        return null
      case 'StopSignal':
        return this.failed.has(next.id) ? null : `container ${next.id} on ${next.node} is told to stop (${next.reason})`
      case 'SandboxCreated':
      case 'SandboxRemoved':
        return `${next.node} ${next.kind === 'SandboxCreated' ? 'creates' : 'removes'} sandbox ${next.sandbox}`
      case 'VolumeMounted':
      case 'VolumeUnmounted':
        return `${next.node} ${next.kind === 'VolumeMounted' ? 'mounts' : 'unmounts'} ${next.volume}`
      case 'RulesSwapped': {
        const before = this.rules.get(next.node) ?? NO_RULES
        const after = JSON.stringify(next.rules)
        this.rules.set(next.node, after)
        return before === after ? null : `the proxy of ${next.node} changes its rules`
      }
    }
  }
}

/** With a CronJob there is always something under way. */
const comesAndGoes = ({ cluster }: Context): boolean => [...cluster.store.keys()].some((key) => key.startsWith(OF_CRON_JOBS))

const withoutControlPlane: Invariant = watching(
  {
    id: 'CL-S1',
    sentence:
      'while a cluster at rest has no API server nothing changes on its nodes but what ends by itself: not what runs, not the rules',
    source: 'https://kubernetes.io/docs/concepts/architecture/#node-components',
    kind: 'history',
    strength: 'safety',
    sometimes: 'a kubelet, a proxy or a machine of a node begins anew meanwhile',
  },
  ['PhaseBegan', 'ProcessStarted', 'ProcessEnded', ...MOVES],
  () => {
    const nodes = new Nodes()
    const up = new Set<string>()
    let resting = false
    let struck = false
    return {
      observe(next, context) {
        if (isMove(next)) {
          const moved = nodes.moved(next)
          return moved !== null && resting && up.size === 0 ? { why: `${moved} while no API server runs` } : 'vacuous'
        }
        if (next.kind === 'PhaseBegan') resting = next.phase === 'rest' && !comesAndGoes(context)
        if (next.kind !== 'ProcessStarted' && next.kind !== 'ProcessEnded') return 'vacuous'
        const { kind, process, machine, reason } = next
        if (reason === 'machine crash') nodes.powerLost(machine)
        if (!APISERVER.test(process)) {
          struck ||= kind === 'ProcessStarted' && up.size === 0 && OF_NODES.test(process)
          return 'vacuous'
        }
        const wasOut = up.size === 0
        if (kind === 'ProcessStarted') up.add(process)
        else up.delete(process)
        if (!wasOut && up.size === 0) struck = false
        if (!resting || kind === 'ProcessEnded' || !wasOut) return 'vacuous'
        return struck ? 'notable' : 'holds'
      },
    }
  },
)

const holdNoTruth: Invariant = watching(
  {
    id: 'CL-S2',
    sentence:
      'components hold no truth: when all of a cluster at rest begin anew nothing is written but signs of life, nothing stops or starts',
    source: 'https://github.com/kubernetes/design-proposals-archive/blob/main/architecture/principles.md',
    kind: 'history',
    strength: 'safety',
    sometimes: 'they all have, and it came to its end as it was',
  },
  ['PhaseBegan', 'FaultChanged', 'UserActed', 'Commit', 'ProcessStarted', ...MOVES],
  () => {
    const nodes = new Nodes()
    const kubelets = new Set<string>()
    let resting = false
    let restarted = false
    const judge = (next: Observation, { cluster }: Context): Judgement => {
      if (isMove(next)) {
        const moved = nodes.moved(next)
        return moved === null || !restarted ? 'vacuous' : { why: `${moved} after all components began anew` }
      }
      if (!restarted || next.kind !== 'Commit' || !next.key.startsWith('/registry/') || isHeartbeat(next, cluster)) return 'vacuous'
      return { why: `${next.author} writes ${next.key} after all components began anew` }
    }
    /** A kubelet whose Node was deleted registers when it begins anew. */
    const isLevel = (context: Context): boolean =>
      context.pending().length === 0 && [...kubelets].every((node) => context.cluster.store.has(keyOf('nodes', undefined, node)))
    return {
      observe(next, context) {
        if (next.kind === 'ProcessStarted' && next.process.startsWith(KUBELET)) kubelets.add(next.process.slice(KUBELET.length))
        if (next.kind === 'PhaseBegan') {
          resting = next.phase === 'rest' && !comesAndGoes(context)
          return next.phase === 'end' && restarted ? 'notable' : 'vacuous'
        }
        // Any other fault, and whatever a user does, is a reason of its own.
        if (next.kind === 'UserActed') restarted = false
        if (next.kind === 'FaultChanged' && next.outcome === 'begun') {
          const { fault } = next
          const ofAll = resting && fault.kind === 'Outage' && fault.of === 'processes'
          restarted = ofAll && (restarted || isLevel(context))
        }
        return judge(next, context)
      },
    }
  },
)

export const AT_REST: readonly Invariant[] = [withoutControlPlane, holdNoTruth]
