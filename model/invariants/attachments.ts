/** Volumes on nodes: on one at a time, not taken off under a pod's feet, not for ever on a dead one. SEMANTICS 2.12. */
import { conditionOf } from '../components/objects.ts'
import {
  holdsVolumes,
  isExclusive,
  nodeNamed,
  OUT_OF_SERVICE,
  volumeNamedOnNode,
  volumeOnNode,
  volumesOf,
} from '../components/attachments.ts'
import type { Context, Invariant, Judgement } from '../invariant.ts'
import type { Cluster } from '../state/cluster.ts'
import type { Observation, ObservationKind, Seen } from '../state/history.ts'
import type { Node, PersistentVolume, Pod } from '../state/objects.ts'
import { keyOf, prefixOf } from '../state/resources.ts'
import type { VolumeAttachment } from '../state/storage.ts'
import { DRIFT, had, objectOf, settles, watching, type Deciding } from './define.ts'

const RECONCILER = 'kubernetes pkg/controller/volume/attachdetach/reconciler/reconciler.go'
const EXECUTOR = 'kubernetes pkg/volume/util/operationexecutor/operation_generator.go'
const MANAGER = 'kube-controller-manager'
const OF_ATTACHMENTS = prefixOf('volumeattachments')
const OF_PODS = prefixOf('pods')
/** --attach-detach-max-wait-for-unmount: how long a node that is not ready is waited for. */
const UNMOUNT_MOST_MS = 360_000

/**
 * What a watcher of volumes notes: who has what mounted, what nobody waits for any more, and in what a process had a hand that
 * no longer led. Two leaders for a moment do not know of each other: nothing is promised of the volumes of those.
 */
export class VolumeNotes {
  /** Empty: nobody is elected, and who acts is alone. */
  private leader = ''
  private readonly ended = new Set<string>()
  private readonly overtaken = new Set<string>()
  /** 'volume node' → pods. What a machine had mounted goes with its power. */
  private readonly mounts = new Map<string, Set<string>>()
  /** 'volume node'. */
  private readonly forced = new Set<string>()

  observe(next: Observation): void {
    switch (next.kind) {
      case 'Leading':
        if (next.lease === MANAGER) this.leader = next.process
        return
      case 'ProcessStarted':
        this.ended.delete(next.process)
        return
      case 'ProcessEnded':
        this.ended.add(next.process)
        if (next.reason === 'machine crash') this.powerLost(next.machine)
        return
      case 'Commit': {
        if (!next.key.startsWith(OF_ATTACHMENTS) || this.leader === '' || next.author === this.leader) return
        const { spec } = objectOf<VolumeAttachment>(next.after ?? next.before) as VolumeAttachment
        this.overtaken.add(spec.source.persistentVolumeName)
        return
      }
      case 'Decision':
        if (next.choice.kind === 'DetachVolume' && next.choice.because !== 'unmounted')
          this.forced.add(`${next.choice.volume} ${next.choice.node}`)
        return
      case 'VolumeAttached':
        this.forced.delete(`${next.volume} ${next.node}`)
        this.asked(next)
        return
      case 'VolumeDetached':
        this.asked(next)
        return
      case 'VolumeMounted':
        this.mountsAt(next.volume, next.node).add(next.pod)
        return
      case 'VolumeUnmounted':
        this.mountsAt(next.volume, next.node).delete(next.pod)
        return
      default:
    }
  }

  /** What somebody asked for who has ended since was asked for in time. */
  private asked({ by, volume }: Seen<'VolumeAttached' | 'VolumeDetached'>): void {
    if (this.leader !== '' && by !== this.leader && !this.ended.has(by)) this.overtaken.add(volumeNamedOnNode(volume))
  }

  private mountsAt(volume: string, node: string): Set<string> {
    const key = `${volume} ${node}`
    const pods = this.mounts.get(key) ?? new Set()
    this.mounts.set(key, pods)
    return pods
  }

  private powerLost(machine: string): void {
    for (const [key, pods] of this.mounts) if (key.endsWith(` ${machine}`)) pods.clear()
  }

  isOvertaken(volume: string): boolean {
    return this.overtaken.has(volumeNamedOnNode(volume))
  }

  isForced(volume: string, node: string): boolean {
    return this.forced.has(`${volume} ${node}`)
  }

  podsWith(volume: string, node: string): ReadonlySet<string> {
    return this.mountsAt(volume, node)
  }

  /** Also what is not any more. */
  wasMounted(volume: string, node: string): boolean {
    return this.mounts.has(`${volume} ${node}`)
  }
}
export const NOTED: readonly ObservationKind[] = [
  ...(['Leading', 'ProcessStarted', 'ProcessEnded', 'Commit', 'Decision'] as const),
  ...(['VolumeAttached', 'VolumeDetached', 'VolumeMounted', 'VolumeUnmounted'] as const),
]

const onOneNode: Invariant = watching(
  {
    id: 'VOL-S3',
    sentence: 'a volume for one node at a time is attached to another only when it has been detached from the one before',
    source: RECONCILER,
    kind: 'history',
    strength: 'safety',
    sometimes: 'it was attached elsewhere before',
    allows: ['ALLOW-11', 'ALLOW-17'],
  },
  NOTED,
  () => {
    const notes = new VolumeNotes()
    const on = new Map<string, Set<string>>()
    const moved = new Map<string, string>()
    return {
      observe(next, { cluster }) {
        notes.observe(next)
        if (next.kind === 'VolumeDetached') on.get(next.volume)?.delete(next.node)
        if (next.kind !== 'VolumeAttached') return 'vacuous'
        const nodes = on.get(next.volume) ?? new Set<string>()
        const [other] = nodes
        on.set(next.volume, nodes.add(next.node))
        const before = moved.get(next.volume)
        moved.set(next.volume, next.node)
        const volume = objectOf<PersistentVolume>(cluster.store.get(keyOf('persistentvolumes', undefined, volumeNamedOnNode(next.volume))))
        if (volume === undefined || !isExclusive(volume) || notes.isOvertaken(next.volume)) return 'vacuous'
        if (other !== undefined) return { why: `${next.by} has ${next.volume} attached to ${next.node} while it is attached to ${other}` }
        return before !== undefined && before !== next.node ? 'notable' : 'holds'
      },
    }
  },
)

const unmountedFirst: Invariant = watching(
  {
    id: 'VOL-S4',
    sentence: 'a volume is detached from a node that is waited for only when no pod has it mounted there any more',
    source: RECONCILER,
    kind: 'history',
    strength: 'safety',
    sometimes: 'one had',
    allows: ['ALLOW-11', 'ALLOW-17'],
  },
  NOTED,
  () => {
    const notes = new VolumeNotes()
    return {
      observe(next) {
        notes.observe(next)
        if (next.kind !== 'VolumeDetached' || notes.isForced(next.volume, next.node) || notes.isOvertaken(next.volume)) return 'vacuous'
        const wasMounted = notes.wasMounted(next.volume, next.node)
        const [pod] = notes.podsWith(next.volume, next.node)
        if (pod !== undefined) return { why: `${next.volume} is detached from ${next.node}, where pod ${pod} has it mounted` }
        return wasMounted ? 'notable' : 'holds'
      },
    }
  },
)

const isOutOfService = ({ spec }: Node): boolean =>
  spec.taints?.some(({ key, effect }) => key === OUT_OF_SERVICE && effect === 'NoExecute') === true

const judgeDetaching = (
  { choice, view, atMs, process }: Deciding<'DetachVolume'>,
  { history }: Context,
  unusedSince: ReadonlyMap<string, number>,
): Judgement => {
  const node = objectOf<Node>(history.at(keyOf('nodes', undefined, choice.node), view['nodes'] ?? 0))
  const detaches = `${process} has ${choice.volume} detached from ${choice.node}`
  switch (choice.because) {
    case 'unmounted':
      return 'vacuous'
    case 'out of service':
      return node !== undefined && isOutOfService(node) ? 'notable' : { why: `${detaches} as one out of service, which it is not` }
    case 'not ready': {
      if (node !== undefined && conditionOf(node.status.conditions, 'Ready') === 'True')
        return { why: `${detaches} by force, which is ready` }
      const unusedMs = atMs - (unusedSince.get(`${volumeNamedOnNode(choice.volume)} ${choice.node}`) ?? -Infinity)
      const waitedMs = Math.min(unusedMs, choice.waitedMs)
      return waitedMs >= UNMOUNT_MOST_MS * (1 - DRIFT) ? 'notable' : { why: `${detaches} by force after ${Math.round(waitedMs / 1000)} s` }
    }
  }
}

const forcedLate: Invariant = watching(
  {
    id: 'VOL-S5',
    sentence:
      'a volume that may be mounted is detached only from a node that is not ready and has been waited for, or that is out of service',
    source: RECONCILER,
    kind: 'history',
    strength: 'safety',
    sometimes: 'it is',
  },
  ['Commit', 'Decision'],
  () => {
    /** 'volume node' → when the last pod that used it there had gone. */
    const unusedSince = new Map<string, number>()
    return {
      observe(next, context) {
        if (next.kind === 'Decision')
          return next.choice.kind === 'DetachVolume' ? judgeDetaching(next as Deciding<'DetachVolume'>, context, unusedSince) : 'vacuous'
        const { before, after, atMs, key } = next as Seen<'Commit'>
        if (before === null || !key.startsWith(OF_PODS)) return 'vacuous'
        const was = objectOf<Pod>(before) as Pod
        const is = objectOf<Pod>(after)
        if (was.spec.volumes === undefined || !holdsVolumes(was) || (is !== undefined && holdsVolumes(is))) return 'vacuous'
        for (const { metadata } of volumesOf(context.cluster, was)) unusedSince.set(`${metadata.name} ${was.spec.nodeName}`, atMs)
        return 'vacuous'
      },
    }
  },
)

const attachedFirst: Invariant = watching(
  {
    id: 'VOL-S6',
    sentence:
      'a volume is mounted when the status of its node says that it is attached and in use, before the containers of its pod start, and until they have stopped',
    source: EXECUTOR,
    kind: 'history',
    strength: 'safety',
    sometimes: 'a container starts with one',
    allows: ['ALLOW-11', 'ALLOW-17'],
  },
  [...NOTED, 'ContainerStarted'],
  () => {
    const notes = new VolumeNotes()
    return {
      observe(next, { cluster }) {
        notes.observe(next)
        if (next.kind === 'ContainerStarted') return judgeStart(next, cluster, notes)
        if (next.kind === 'VolumeUnmounted') return judgeUnmount(next, cluster)
        if (next.kind !== 'VolumeMounted' || notes.isForced(next.volume, next.node) || notes.isOvertaken(next.volume)) return 'vacuous'
        return judgeMount(next, cluster)
      },
    }
  },
)

type Storage = Seen<'VolumeMounted' | 'VolumeUnmounted'>

const judgeMount = ({ volume, node }: Storage, cluster: Cluster): Judgement => {
  const object = nodeNamed(cluster, node)
  if (object === undefined) return 'vacuous'
  const { volumesInUse = [], volumesAttached = [] } = object.status
  if (!volumesInUse.includes(volume)) return { why: `${node} mounts ${volume} and does not say that it has it in use` }
  return volumesAttached.some(({ name }) => name === volume)
    ? 'holds'
    : { why: `${node} mounts ${volume}, which is not said to be attached` }
}

const judgeUnmount = ({ volume, node, pod: uid }: Storage, { running }: Cluster): Judgement => {
  const runs = [...running.values()].find((one) => one.pod === uid && one.node === node)
  return runs === undefined ? 'holds' : { why: `${node} unmounts ${volume} while container ${runs.container} of pod ${uid} runs` }
}

const judgeStart = ({ pod: uid, node, podName }: Seen<'ContainerStarted'>, cluster: Cluster, notes: VolumeNotes): Judgement => {
  for (const [key, { value }] of cluster.store) {
    if (!key.startsWith(OF_PODS) || (value as Pod).metadata.uid !== uid) continue
    const volumes = volumesOf(cluster, value as Pod).flatMap((volume) => volumeOnNode(volume) ?? [])
    const missing = volumes.find((volume) => !notes.podsWith(volume, node).has(uid))
    if (missing !== undefined) return { why: `a container of ${podName} starts on ${node} without its volume ${missing}` }
    return volumes.length > 0 ? 'notable' : 'vacuous'
  }
  return 'vacuous'
}

export const ATTACHMENTS: readonly Invariant[] = [
  onOneNode,
  unmountedFirst,
  forcedLate,
  attachedFirst,
  settles(
    {
      id: 'VOL-L2',
      sentence: 'a volume that no pod on a node uses any more leaves it, a dead node after 6 min; one that a pod waits for comes to it',
      source: RECONCILER,
      sometimes: 'there was one',
    },
    (object, waitsFor) => object.startsWith('VolumeAttachment') || waitsFor.startsWith('volume '),
    had('volumeattachments'),
  ),
]
