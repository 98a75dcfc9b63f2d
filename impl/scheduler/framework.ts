/**
 * The scheduling framework: where plugins take part in placing a pod.
 *
 * Source: https://kubernetes.io/docs/concepts/scheduling-eviction/scheduling-framework/,
 * kubernetes/kubernetes pkg/scheduler/framework/interface.go.
 */
import type { Pod } from '../../model/state/objects.ts'
import type { Random } from '../../sim/random.ts'
import type { Task } from '../task.ts'
import type { NodeInfo, PodInfo } from './node-info.ts'
import type { Remembered } from './remembered.ts'
import type { Listers } from './listers.ts'

export const SCORE_MOST = 100

/** Why a plugin turned a pod away. A success is null. */
export interface Status {
  /** Unresolvable: nothing that preemption could do would change it. Wait and Skip say what they say upstream. */
  readonly code: 'Unschedulable' | 'UnschedulableAndUnresolvable' | 'Skip' | 'Wait' | 'Pending' | 'Error'
  /** In the words of the upstream plugin. */
  readonly reasons: readonly string[]
  /** Filled in by the framework, unless the plugin has. */
  readonly plugin?: string
}
export const unschedulable = (...reasons: readonly string[]): Status => ({ code: 'Unschedulable', reasons })
export const unresolvable = (...reasons: readonly string[]): Status => ({ code: 'UnschedulableAndUnresolvable', reasons })
/** The plugin has nothing to do with this pod: its later points are left out. */
export const SKIP: Status = { code: 'Skip', reasons: [] }
export const isSkip = (result: unknown): boolean => (result as Status | undefined)?.code === 'Skip'

/** A pod that came to a node or left it. */
export interface Change {
  readonly info: PodInfo
  readonly node: NodeInfo
  readonly by: 1 | -1
}
/** How far a snapshot's changes have been followed. */
export interface Moment {
  /** Which nodes there are, and what they are. */
  readonly nodes: number
  readonly changes: number
}

/** The nodes as they were when the cycle began. */
export interface Snapshot {
  /** In the order in which they are examined. */
  readonly nodes: readonly NodeInfo[]
  node(name: string): NodeInfo | undefined
  /** Those with a pod that has any affinity term, and any required anti-affinity term. */
  readonly withAffinity: readonly NodeInfo[]
  readonly withRequiredAntiAffinity: readonly NodeInfo[]
  /** How many pods have any affinity term, and any required anti-affinity term. */
  readonly affinityPods: number
  readonly antiAffinityPods: number
  /** Image name → on how many nodes it is. */
  imageNodes(name: string): number
  /** Whether any node says which images it has. */
  readonly hasImages: boolean
  readonly moment: Moment
  /** Hands on what changed since; returns until when. Null: it is too long ago, nodes have changed, or `follow` gave up. */
  replay(since: Moment, follow: (change: Change) => boolean): Moment | null
  readonly objects: Listers
}

/** What plugins note for themselves over one pod's cycle. Copied for each node that preemption tries out. */
export class CycleState {
  private readonly notes = new Map<string, unknown>()
  readonly skipFilter = new Set<string>()
  readonly skipScore = new Set<string>()
  /** Of pods of this spec; null: nothing is to be remembered. */
  remembered: Remembered | null = null
  /** Filters that are not local and have something to do with this pod; null: not worked out. */
  filters: readonly Plugin[] | null = null
  /** Uids of pods that are to be tried at once, if they are parked. */
  readonly toActivate = new Set<string>()

  write(plugin: string, note: unknown): void {
    this.notes.set(plugin, note)
  }

  read<Note>(plugin: string): Note {
    return this.notes.get(plugin) as Note
  }

  /** A note with a `copy` method is copied, others are shared. */
  copy(): CycleState {
    const copy = new CycleState()
    for (const [plugin, note] of this.notes) copy.notes.set(plugin, (note as { copy?(): unknown } | undefined)?.copy?.() ?? note)
    for (const plugin of this.skipFilter) copy.skipFilter.add(plugin)
    for (const plugin of this.skipScore) copy.skipScore.add(plugin)
    return copy
  }
}

/** A pod that has a node and waits for leave to go there. */
export interface WaitingPod {
  readonly info: PodInfo
  readonly node: string
  /** It goes when every plugin that asked it to wait has allowed it. */
  allow(plugin: string): void
  reject(plugin: string, why: string): void
}
export interface WaitingPods {
  get(uid: string): WaitingPod | undefined
  all(): readonly WaitingPod[]
}

export interface Cycle {
  readonly state: CycleState
  readonly snapshot: Snapshot
  readonly random: Random
  readonly waiting: WaitingPods
}

/** Only these nodes need be looked at. */
export interface PreFilterResult {
  readonly nodeNames: ReadonlySet<string>
}

export interface Queued {
  readonly pod: Pod
  /** When it first entered the queue, and how often it was tried. */
  readonly sinceMs: number
  attempts: number
  /** Plugins that turned it away last: events that none of them waits for do not wake it. */
  readonly rejectedBy?: ReadonlySet<string>
}

/** What happened in the cluster, as far as it may help a pod. */
export interface ClusterEvent {
  readonly resource:
    | 'Node'
    | 'Pod'
    | 'AssignedPod'
    | 'PersistentVolume'
    | 'PersistentVolumeClaim'
    | 'StorageClass'
    | 'CSINode'
    | 'Namespace'
    | 'PodGroup'
  readonly action: 'Add' | 'Update' | 'Delete'
  readonly before: unknown
  readonly after: unknown
}

/** Each point is optional. Null and undefined are successes. */
export interface Plugin {
  readonly name: string
  /** filter and score look at nothing but the pod's spec and the node: what they say of one pod holds for the next of its spec. */
  readonly local?: true
  preEnqueue?(pod: Pod): Status | null
  /** Negative: the first pod comes first. */
  queueSort?(one: Queued, other: Queued): number
  preFilter?(cycle: Cycle, pod: PodInfo): Status | PreFilterResult | null
  /** Keep what preFilter noted in step with a pod that is added to, or taken from, a node on trial. */
  addPod?(cycle: Cycle, pod: PodInfo, other: PodInfo, node: NodeInfo): void
  removePod?(cycle: Cycle, pod: PodInfo, other: PodInfo, node: NodeInfo): void
  filter?(cycle: Cycle, pod: PodInfo, node: NodeInfo): Status | null
  /** Told that no node will do, once it is known whether preemption would help. */
  postFilter?(cycle: Cycle, pod: PodInfo): void
  preScore?(cycle: Cycle, pod: PodInfo, nodes: readonly NodeInfo[]): Status | null
  /** Whole numbers; 0 to 100 once normalized. */
  score?(cycle: Cycle, pod: PodInfo, node: NodeInfo): number
  normalize?(cycle: Cycle, pod: PodInfo, scores: number[], nodes: readonly NodeInfo[]): void
  reserve?(cycle: Cycle, pod: PodInfo, node: string): Status | null
  unreserve?(cycle: Cycle, pod: PodInfo, node: string): void
  /** Wait: `allow` or `reject` of the waiting pod is called later, or `timeoutMs` rejects it. */
  permit?(cycle: Cycle, pod: PodInfo, node: string): { readonly status: Status | null; readonly timeoutMs: number }
  preBind?(cycle: Cycle, pod: PodInfo, node: string): Task<Status | null>
  postBind?(cycle: Cycle, pod: PodInfo, node: string): void
  /** Queueing hint: whether this event may help a pod that this plugin turned away. Absent: every event may. */
  mayHelp?(pod: Pod, event: ClusterEvent): boolean
}

export interface WeightedPlugin {
  readonly plugin: Plugin
  readonly weight: number
}

/** 100 for the largest, in proportion for the rest; reversed: 100 for zero. Source: helper/normalize_score.go. */
export const normalizeByMost = (scores: number[], reverse: boolean): void => {
  let most = 0
  for (const score of scores) most = Math.max(most, score)
  for (const [index, score] of scores.entries()) {
    const scaled = most === 0 ? 0 : Math.trunc((SCORE_MOST * score) / most)
    scores[index] = reverse ? SCORE_MOST - scaled : scaled
  }
}
