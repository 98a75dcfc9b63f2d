/**
 * A plan: all that is done in a run, as data. A run is a function of its plan.
 *
 * It is generated, shrunk, stored in a trace, replayed, and edited by hand. Times are milliseconds of virtual time.
 */
import type { AuthRequest } from './auth.ts'
import type { KvRequest, LeaseLeasesRequest } from './keyspace.ts'
import type { HashKvRequest, MaintenanceRequest } from './maintenance.ts'
import type { MembersRequest } from './membership.ts'
import type { ApiObject, Labels, Taint } from './objects.ts'

export interface NodeShape {
  readonly name: string
  /** Quantities. */
  readonly cpu: string
  readonly memory: string
  readonly pods: number
  readonly zone?: string
  readonly labels?: Labels
  readonly taints?: readonly Taint[]
}

/** Options of components, in milliseconds. Absent: the default of SEMANTICS, that is of Kubernetes 1.28 and etcd 3.5. */
export interface Timings {
  readonly etcdHeartbeatMs?: number
  readonly etcdElectionMs?: number
  /** Entries a leader sends in one message; a number, not a time. */
  readonly etcdAppendEntries?: number
  /** Messages with entries that may be under way to one member without an answer; a number, not a time. */
  readonly etcdInflightMessages?: number
  /** Entries applied between two snapshots, and kept after one for members that lag behind; numbers, not times. */
  readonly etcdSnapshotCount?: number
  readonly etcdCatchUpEntries?: number
  /** Absent: leases are not checkpointed. */
  readonly etcdLeaseCheckpointMs?: number
  /** Records looked through at a time when what is compacted is taken away; a number, not a time. */
  readonly etcdCompactionBatch?: number
  readonly etcdQuotaBytes?: number
  readonly etcdMaxRequestBytes?: number
  /** Responses to watches of one connection that may be on their way; a number, not a time. */
  readonly etcdWatchWindow?: number
  /** Revisions a watch that lags is told of at a time; a number, not a time. */
  readonly etcdWatchBatch?: number
  readonly etcdProgressNotifyMs?: number
  /** How often the leader compares the others with itself. Absent: never. */
  readonly etcdCorruptCheckMs?: number
  /** Endpoints that a slice may hold; a number, not a time. */
  readonly endpointsPerSlice?: number
  /** Pods that are over and may stay; a number, not a time. */
  readonly terminatedPodsMost?: number
  readonly nodeMonitorGraceMs?: number
  readonly nodeMonitorPeriodMs?: number
  /** tolerationSeconds that admission adds for not-ready and unreachable; default 300 s. */
  readonly defaultTolerationMs?: number
  readonly leaseDurationMs?: number
  readonly renewDeadlineMs?: number
  readonly retryPeriodMs?: number
  readonly podStartMs?: readonly [number, number]
  /** How long a container takes to exit after SIGTERM, drawn per container. */
  readonly podStopMs?: readonly [number, number]
}

/** What the programs of an image do. */
export interface ProgramShape {
  /** Until they end by themselves, where their pods are made for that. Absent: a few seconds. */
  readonly runsMs?: readonly [number, number]
  /** Drawn each time one ends. Absent: 0. */
  readonly exitCodes?: readonly number[]
  /**
   * From their start until they answer probes: of a container's first start, its second and so on; the last goes for all that
   * follow. Absent: half a second to three.
   */
  readonly startsMs?: readonly (readonly [number, number])[]
  /** Of that many first starts of a container the postStart hook fails. */
  readonly postStartFails?: number
}

export interface ClusterShape {
  /** etcd members: 1, 3 or 5. */
  readonly members: number
  /** Processes of etcd beside them, each on its own machine, that wait to be added as members. Absent: none. */
  readonly spareMembers?: number
  /** 0 for a store without Kubernetes above it (suite etcd). */
  readonly apiservers: number
  readonly controllerManagers: number
  readonly schedulers: number
  /** Processes of the user's own controller. Absent: none. */
  readonly operators?: number
  readonly nodes: readonly NodeShape[]
  /** A KubeSchedulerConfiguration for every scheduler. Absent: the default profile. */
  readonly schedulerConfiguration?: unknown
  /** Clients that talk to etcd directly (suite etcd). */
  readonly etcdClients: number
  readonly timings: Timings
  /**
   * By image. A program ends by itself where its pod is made for that: restartPolicy OnFailure or Never. Of images that
   * are not here it does so after a few seconds, with exit code 0; they answer probes soon, and their hooks succeed.
   */
  readonly programs?: Readonly<Record<string, ProgramShape>>
}

/** How the world behaves all the time, and which kinds of fault were armed when the actions were drawn. */
export interface Weather {
  readonly latencyMs: readonly [number, number]
  readonly lossPerMille: number
  readonly duplicatePerMille: number
  readonly reorderPerMille: number
  readonly diskSyncMs: readonly [number, number]
  readonly tornWrites: boolean
  readonly clockOffsetMs: number
  readonly clockDriftPpm: number
  /**
   * How many etcd members may be out at once: a minority, which is what Raft promises to stay available with, or any
   * number, with which it still promises to lose nothing.
   */
  readonly membersOut: 'minority' | 'any'
  /** Fault kind → how often it was drawn: 'off', 'low', 'high'. */
  readonly armed: Readonly<Record<string, 'off' | 'low' | 'high'>>
}

/**
 * A process or machine by name ('etcd-1', 'node-2'), or by the role it has when the fault strikes:
 * 'etcd:leader', 'etcd:follower', 'kube-controller-manager:leader', 'kube-scheduler:leader'. A partition and the crash of
 * machines may also be of a whole zone: 'zone:zone-1' is every node in it.
 */
export type Target = string

export type Fault =
  | { readonly kind: 'CrashProcess'; readonly target: Target; readonly restartMs: number }
  /** restartMs null: it never comes back. */
  | { readonly kind: 'CrashMachine'; readonly target: Target; readonly restartMs: number | null }
  | { readonly kind: 'PauseProcess'; readonly target: Target; readonly forMs: number }
  /** Splits the machines named in `side` from all others, or only from those of etcd members: clients then reach both parts. */
  | {
      readonly kind: 'Partition'
      readonly side: readonly Target[]
      readonly direction: 'both' | 'in' | 'out'
      readonly forMs: number
      readonly clientsStay?: boolean
    }
  | { readonly kind: 'SlowLink'; readonly target: Target; readonly extraMs: number; readonly forMs: number; readonly clientsStay?: boolean }
  | { readonly kind: 'Clog'; readonly target: Target; readonly forMs: number }
  | { readonly kind: 'StallDisk'; readonly target: Target; readonly syncMs: number; readonly forMs: number }
  | { readonly kind: 'JumpClock'; readonly target: Target; readonly deltaMs: number }
  /** For a while, whenever it says something while a write of its is not yet durable. */
  | { readonly kind: 'CrashUnsynced'; readonly target: Target; readonly forMs: number; readonly restartMs: number }
  /**
   * For a while whoever leads the etcd members, or is elected, is cut off from all others, until the next one is: soon
   * after, within so many times the longest that a message takes; or, `atCommit`, at the very moment when it first knows
   * one of so many entries committed, before it has told anybody.
   */
  | {
      readonly kind: 'DeposeElected'
      readonly afterTripsMost: number
      readonly forMs: number
      readonly clientsStay?: boolean
      readonly atCommit?: boolean
      /** Clients of the bare store that have nothing else to do read at each election. */
      readonly asked?: boolean
    }
  /** Between two writes of one reconcile: right after its n-th further write request left. */
  | { readonly kind: 'CrashBetweenWrites'; readonly target: Target; readonly writes: number; readonly restartMs: number }
  /** The apiserver's watch caches, or that of one resource, stop following the store while it goes on serving. */
  | { readonly kind: 'FreezeCache'; readonly target: Target; readonly resource?: string | null; readonly forMs: number }
  /**
   * All API connections of a process break at once: every informer must resume or relist. afterWrites: soon after its n-th
   * further write request but of statuses and leases left, so that it may not hear what became of it.
   */
  | { readonly kind: 'BreakConnections'; readonly target: Target; readonly afterWrites?: number }
  /**
   * All watches of a process, or those of one resource, expire, and for a while its lists are refused: then each informer sees what there is now, and
   * nothing of what happened in between, as after a compaction.
   */
  | { readonly kind: 'ExpireWatches'; readonly target: Target; readonly resource?: string | null; readonly forMs: number }
  /**
   * The caches, or that of one resource, of an apiserver that the process does not use stop following the store; some time later the process crashes,
   * and begins again with what that one still shows: it had seen more in its life before.
   */
  | {
      readonly kind: 'TimeTravel'
      readonly target: Target
      readonly resource?: string | null
      readonly afterMs: number
      readonly restartMs: number
      readonly forMs: number
    }
  /**
   * More at once than any budget allows. control plane: all its machines lose power; processes: all of Kubernetes is killed,
   * kubelets and proxies too, and only the store's members and the containers go on.
   */
  | { readonly kind: 'Outage'; readonly of: 'control plane' | 'processes'; readonly forMs: number }

/** Resources with the subresource scale. */
export type Scalable = 'deployments' | 'replicasets' | 'statefulsets' | 'replicationcontrollers'

/** What users and programs do. Objects are named 'namespace/name'. */
export type UserAction =
  | { readonly kind: 'Apply'; readonly object: Manifest }
  /** kubectl replace --force: deleted, and made anew as soon as it is gone. */
  | { readonly kind: 'Replace'; readonly object: Manifest }
  | { readonly kind: 'Scale'; readonly resource: Scalable; readonly name: string; readonly replicas: number }
  /** Changes the image of the first container of the template: a rollout. */
  | { readonly kind: 'SetImage'; readonly deployment: string; readonly image: string }
  /** kubectl rollout undo --to-revision; 0: the one before. */
  | { readonly kind: 'Rollback'; readonly deployment: string; readonly revision: number }
  | { readonly kind: 'Pause'; readonly deployment: string; readonly paused: boolean }
  | {
      readonly kind: 'Delete'
      readonly resource: string
      readonly name: string
      readonly propagation: 'Background' | 'Foreground' | 'Orphan'
    }
  /**
   * Puts an object under an owner, as an operator of one's own might, also where that is not valid: beside those it has, or
   * instead of them, who are deleted first.
   */
  | {
      readonly kind: 'Own'
      readonly resource: string
      readonly name: string
      readonly owner: { readonly resource: string; readonly name: string }
      readonly blocks: boolean
      readonly instead?: boolean
    }
  /** The n-th pod, modulo how many there are, in name order, of those the selector matches. */
  | { readonly kind: 'DeletePod'; readonly nth: number; readonly force: boolean }
  | { readonly kind: 'Cordon'; readonly node: string; readonly unschedulable: boolean }
  /** kubectl drain --ignore-daemonsets --force: no new pods, and those there are evicted, as budgets allow. */
  | {
      readonly kind: 'Drain'
      readonly node: string
      /** The node takes pods again once it is empty: it was only to be worked on. */
      readonly uncordon?: boolean
    }
  | { readonly kind: 'DeleteNode'; readonly node: string }
  /** kubectl taint nodes: puts them on, or takes them off again. */
  | { readonly kind: 'Taint'; readonly node: string; readonly taints: readonly Taint[]; readonly remove: boolean }
  /** The program in the n-th running container ends by itself. */
  | { readonly kind: 'ExitContainer'; readonly nth: number; readonly exitCode: number }
  /** The program in the n-th running container answers no probe for a while. */
  | { readonly kind: 'HangContainer'; readonly nth: number; readonly forMs: number }
  /**
   * What the pods of a workload ('namespace/name': those whose names begin with it) have to do in all from now on, in
   * thousandths of a core, evenly shared; null: nobody measures it. Without it they are idle.
   */
  | { readonly kind: 'SetLoad'; readonly workload: string; readonly milliCpu: number | null }
  /** A connection to every service port from a node's own rules. */
  | { readonly kind: 'Connect'; readonly node: string }
  /** A request of the n-th etcd client (modulo their number), or of each, sent to the member it is connected to. */
  | { readonly kind: 'Etcd'; readonly client: number | 'each'; readonly request: EtcdClientAction }
export type EtcdClientAction =
  | KvRequest
  | { readonly kind: 'Compact'; readonly back: number; readonly physical?: boolean }
  | { readonly kind: 'LeaseGrant'; readonly slot: number; readonly ttlSeconds: number }
  /** On the lease this client last granted in that slot. */
  | { readonly kind: 'LeaseRevoke' | 'LeaseKeepAlive'; readonly slot: number }
  | { readonly kind: 'PutWithLease'; readonly key: string; readonly value: string; readonly slot: number }
  /** startBack: how many revisions back to start; 0: now. A negative number starts in the future. */
  | {
      readonly kind: 'Watch'
      readonly key: string
      readonly rangeEnd?: string
      readonly startBack: number
      readonly prevKv: boolean
      readonly filters?: readonly ('NOPUT' | 'NODELETE')[]
      readonly progressNotify?: boolean
      readonly fragment?: boolean
    }
  /** The n-th of the watches this client has open, modulo how many they are. */
  | { readonly kind: 'CancelWatch'; readonly nth: number }
  /** Asks for a progress notice. */
  | { readonly kind: 'AskProgress' }
  | { readonly kind: 'LeaseTimeToLive'; readonly slot: number; readonly keys: boolean }
  | LeaseLeasesRequest
  /** The hash of the keys so many revisions back; 0: now. */
  | { readonly kind: 'HashKv'; readonly back: number }
  | Exclude<MaintenanceRequest, HashKvRequest>
  /** Who has been authenticated asks as that user, until he asks as nobody again. */
  | AuthRequest
  /** Who the members are, who votes, who leads. */
  | MembersRequest
  | { readonly kind: 'LogOut' }
  | { readonly kind: 'Reconnect' }

export type Action = UserAction | Fault

export interface TimedAction {
  readonly atMs: number
  readonly do: Action
  /** Counted from when the cluster has come to rest after the storm. Where it does not come to rest this is not done. */
  readonly atRest?: true
}

export interface Plan {
  readonly format: 1
  readonly suite: string
  readonly seed: string
  readonly cluster: ClusterShape
  readonly weather: Weather
  /** In order of atMs, those at rest last. */
  readonly actions: readonly TimedAction[]
  /** When the storm ends: faults are healed, users stop. */
  readonly stormMs: number
  /** How long convergence may take once the core is healed. */
  readonly calmMs: number
  /** How long no write but heartbeats may follow convergence; the run ends after it. */
  readonly quietMs: number
  /** Whether it is compared with how the same users fare on a day without faults. */
  readonly compared?: true
  /** The user's own controller that runs in this cluster. Absent: none. */
  readonly controller?: ControllerModule
}

/** Where a controller of one's own comes from. */
export interface ControllerModule {
  /** Its processes are '<name>-0' and so on, their Lease is called so. */
  readonly name: string
  /** Path of the module, as it was given. */
  readonly module: string
  /** Over its sources, 16 hex digits. */
  readonly hash: string
}

/** An object as a user writes it: not yet defaulted. Validated against the kind's schema before it gets here. */
export type Manifest = Pick<ApiObject, 'apiVersion' | 'kind'> & {
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Labels; readonly annotations?: Labels }
  readonly [field: string]: unknown
}
