/** The state of the composed system as the explorer walks it, and what may be done to it: small, immutable, shared between states. */
import type { Cluster, Mount, RunningContainer } from './cluster.ts'
import type { Choice, ProcessName } from './history.ts'
import type { Key, LeaseId, Revision, Stored, WatchEvent } from './keyspace.ts'
import type { KubernetesObject } from './kinds.ts'
import type { Uid } from './objects.ts'
import type { ResourceName } from './resources.ts'

/** One component, or the whole: which actions are possible, and what each does. */
export interface Component<State, Step> {
  readonly name: string
  /** Every action whose guard holds, in a fixed order. Guards live nowhere else. */
  enabled(state: State): readonly Step[]
  /** Total on `enabled(state)`; never mutates `state`. */
  next(state: State, action: Step): State
}

/** etcd's store as one sequential machine. */
export interface Keyspace {
  readonly revision: Revision
  /** Revisions below cannot be read any more; 0: never compacted. */
  readonly compacted: Revision
  readonly kvs: ReadonlyMap<Key, Stored>
  readonly leases: ReadonlyMap<LeaseId, { readonly ttlSeconds: number }>
  /** What each revision changed, from the first that is kept. */
  readonly changes: readonly (readonly WatchEvent[])[]
}

/** What users still do, one step after another. */
export type UserStep =
  | { readonly kind: 'Create'; readonly value: KubernetesObject }
  | { readonly kind: 'Scale'; readonly deployment: string; readonly replicas: number }
  /** An object that is there becomes this one, but for its metadata and status. */
  | { readonly kind: 'Replace'; readonly value: KubernetesObject }
  | { readonly kind: 'SetImage'; readonly deployment: string; readonly image: string }
  /** kubectl rollout undo: back to the template of the revision before. */
  | { readonly kind: 'Rollback'; readonly deployment: string }
  | {
      readonly kind: 'Delete'
      readonly resource: ResourceName
      readonly name: string
      readonly propagation: Propagation
      /** It is forced out. */
      readonly graceSeconds?: 0
    }
  | { readonly kind: 'Cordon'; readonly node: string }
  /** What the pods of a workload ('namespace/name') have to do from now on; null: nobody measures it. */
  | { readonly kind: 'SetLoad'; readonly workload: string; readonly milliCpu: number | null }
export type Propagation = 'Background' | 'Foreground' | 'Orphan'

/** How often the environment may still do what. */
export interface Budget {
  readonly crashes: number
  readonly restarts: number
  readonly exits: number
  readonly cuts: number
  /** How long the clock still goes whether or not anybody waits for it; absent: not at all. */
  readonly minutes?: number
}

export interface System {
  readonly keyspace: Keyspace
  /** What every clock says, since 1970. */
  readonly nowMs: number
  /** '<process> <resource>' → the revision up to which it has seen it. Those that are not here see everything at once. */
  readonly views: ReadonlyMap<string, Revision>
  /** '<process> <key>' → its own last write there that its view does not show yet. */
  readonly own: ReadonlyMap<string, OwnWrite>
  /** How many objects there have been of a key: makes uids. */
  readonly incarnations: ReadonlyMap<Key, number>
  /** Each is the node of its name, whether or not that is in the store. */
  readonly machines: readonly string[]
  readonly running: ReadonlyMap<string, RunningContainer>
  /** Containers that were told to stop. */
  readonly stopping: ReadonlySet<string>
  /** Pod and container → how often it has ended by itself or with its machine. */
  readonly exits: ReadonlyMap<string, number>
  /** Pod and container of programs that have ended well, as they were made for. */
  readonly endedWell: ReadonlySet<string>
  readonly rules: Cluster['rules']
  readonly machinesDown: ReadonlySet<string>
  /** Machines that reach nobody, while what is on them goes on. */
  readonly cutOff: ReadonlySet<string>
  /** 'namespace/name' of a workload → what its pods have to do, as Cluster has it. */
  readonly loads: Cluster['loads']
  /** Uid of an autoscaler → what it remembers. */
  readonly autoscalings: ReadonlyMap<Uid, Autoscaling>
  /** 'volume node' → what the storage back end has attached, and for which VolumeAttachment. */
  readonly attached: ReadonlyMap<string, { readonly volume: string; readonly node: string; readonly attachment: string }>
  /** 'volume node pod' → what is mounted. */
  readonly mounted: ReadonlyMap<string, Mount>
  /** Uid of a VolumeAttachment → since when it has been noticed that no pod on its node uses the volume. */
  readonly unusedSince: ReadonlyMap<Uid, number>
  readonly users: readonly UserStep[]
  /** Creations that count under a quota, on their way through a server. */
  readonly asked: readonly Asked[]
  readonly budget: Budget
}
export interface Asked {
  readonly process: ProcessName
  readonly value: KubernetesObject
  readonly isCharged: boolean
}
/** What an autoscaler remembers: of the past no more than its windows and periods reach. */
export interface Autoscaling {
  readonly recommendations: readonly { readonly atMs: number; readonly replicas: number }[]
  readonly changes: readonly { readonly atMs: number; readonly by: number }[]
  /** It is about to set that many replicas, if its target is still of the version that it read; null: it is not. */
  readonly scaling: { readonly target: Key; readonly version: Revision; readonly replicas: number } | null
  /** When it was kept by a window or a period from what it recommended; null: it was not. */
  readonly keptAtMs: number | null
}
export interface OwnWrite {
  readonly revision: Revision
  readonly after: Stored | null
}

/** A request to the API. Those that name a version or a uid are refused when it is no longer that. */
export type ApiRequest =
  | { readonly verb: 'create'; readonly value: KubernetesObject }
  /** All but the status. */
  | { readonly verb: 'update'; readonly value: KubernetesObject; readonly version: Revision }
  /** The status alone; version null: whatever the version, of the same object. */
  | { readonly verb: 'status'; readonly value: KubernetesObject; readonly version: Revision | null }
  | { readonly verb: 'bind'; readonly key: Key; readonly uid: Uid; readonly node: string }
  | {
      readonly verb: 'delete'
      readonly key: Key
      readonly uid: Uid
      readonly version?: Revision
      readonly propagation: Propagation
      /** Absent: the pod's own grace period. */
      readonly graceSeconds?: 0
    }

/** A process asks something of the API. It is one step with its effect, or with its refusal. */
export interface Request {
  readonly kind: 'Request'
  readonly process: ProcessName
  /** What was decided, in the words of histories; null: routine, such as telling a status. */
  readonly choice: Choice | null
  readonly request: ApiRequest
  /** The process counts on what it wrote before its view shows it. */
  readonly remembered: boolean
  /** It has just read the object that it decides on, whatever its view shows of the resource. */
  readonly reads?: ResourceName
}

export type Action =
  | Request
  /** A process sees the next change of a resource that it had not seen. */
  | { readonly kind: 'See'; readonly process: ProcessName; readonly resource: ResourceName }
  | { readonly kind: 'MinutePasses' }
  | AdmissionAction
  | AutoscalerAction
  | VolumeAction
  | { readonly kind: 'StartContainer'; readonly container: RunningContainer }
  | { readonly kind: 'StopContainer'; readonly id: string }
  | { readonly kind: 'ContainerStopped' | 'ProgramEnds'; readonly id: string }
  | { readonly kind: 'SwapRules'; readonly node: string; readonly rules: Rules }
  | EnvironmentAction
export type Rules = Readonly<Record<string, { readonly clusterIP: string; readonly backends: readonly string[] }>>
/** The next step of the nth creation that is asked for; request null: it is refused. */
export type AdmissionAction = {
  readonly kind: 'Admit'
  readonly nth: number
  readonly process: ProcessName
  readonly request: ApiRequest | null
}
export type AutoscalerAction =
  /** It looks, with a fresh read of its target, and remembers what it makes of that. */
  | {
      readonly kind: 'JudgeLoad'
      readonly process: ProcessName
      readonly autoscaler: Uid
      readonly reads: ResourceName
      readonly choices: readonly Choice[]
      readonly after: Autoscaling
    }
  /** What it is about to write arrives. */
  | { readonly kind: 'ScaleTarget'; readonly process: ProcessName; readonly autoscaler: Uid; readonly target: Key }
export type VolumeAction =
  /** The storage back end has done so. */
  | {
      readonly kind: 'AttachVolume' | 'DetachVolume'
      readonly attachment: string
      readonly volume: string
      readonly node: string
      readonly by: ProcessName
    }
  | { readonly kind: 'MountVolume' | 'UnmountVolume'; readonly mount: Mount }
  /** Null: it is used. */
  | { readonly kind: 'NoteUnused'; readonly attachment: Uid; readonly sinceMs: number | null }
export type EnvironmentAction =
  | { readonly kind: 'UserActs'; readonly step: UserStep }
  | { readonly kind: 'ExitContainer'; readonly id: string }
  | { readonly kind: 'CrashMachine' | 'RestartMachine' | 'CutOff' | 'Reconnect'; readonly node: string }

export const clusterOf = ({ keyspace, running, rules, machinesDown, loads }: System): Cluster => ({
  nowMs: 0,
  phase: 'calm',
  revision: keyspace.revision,
  store: keyspace.kvs,
  running,
  rules,
  machinesDown,
  processesDown: new Set(),
  loads,
  drains: new Map(),
})
