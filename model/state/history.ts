/**
 * What an outside observer saw: the one vocabulary every subject speaks.
 *
 * A history is an array of observations in the order of virtual time. It holds no functions and no
 * cycles: it can be written as JSON lines. Times are milliseconds since the start of the run.
 */
import type { Usage } from './autoscaling.ts'
import type { Cluster, ObjectRef } from './cluster.ts'
import type { Configuration, EtcdError, EtcdRequest, EtcdResponse, Key, KeyRange, LeaseId, Revision, Stored, Value } from './keyspace.ts'
import type { AlarmMember } from './maintenance.ts'
import type { PersistentVolume, Time, Uid } from './objects.ts'
import type { Fault } from './plan.ts'
import type { ResourceName } from './resources.ts'

export type ProcessName = string
export type MachineName = string
/** Unique in a run. */
export type CallId = string

/** A request to the Kubernetes API as its client meant it. */
export interface ApiCall {
  readonly kind: 'Api'
  readonly verb: 'get' | 'list' | 'create' | 'update' | 'patch' | 'delete' | 'bind' | 'evict'
  readonly resource: ResourceName
  readonly subresource?: 'status' | 'binding' | 'scale' | 'eviction' | 'finalize'
  readonly namespace?: string
  readonly name?: string
  /** get and list: absent is consistent, '0' is any, N is not older than N. update: the version it replaces. */
  readonly resourceVersion?: string
  /** list: by a selector, so that it shows some of what there is. */
  readonly selective?: true
  /** delete, evict: preconditions. */
  readonly uid?: Uid
}
/**
 * done: it took effect (or read); refused: it certainly did not; unknown: it may have, or may later (ALLOW-1).
 * `revision`: of the list or of the object returned, from the API; header.revision from etcd.
 */
export type Outcome =
  | {
      readonly kind: 'done'
      readonly revision: Revision
      readonly code?: number
      readonly response?: EtcdResponse
      /** For API reads: [key, modification revision] of each object returned; for API writes: of the object. */
      readonly objects?: readonly (readonly [Key, Revision])[]
    }
  | { readonly kind: 'refused'; readonly reason: string; readonly code?: number; readonly error?: EtcdError }
  | { readonly kind: 'unknown'; readonly reason: string }

/** The store's revision up to which a component had seen each resource when it decided. */
export type View = Readonly<Record<ResourceName, Revision>>

/** A pod and the node it counts on. */
export interface Placed {
  readonly uid: Uid
  readonly node: string
}
/** Whom a scheduler counts on nodes beside those its view shows there. */
export interface Counted {
  /** Bound by itself, and not seen bound yet. */
  readonly assumed: readonly Placed[]
  /** Told that room is made for them there. */
  readonly promised: readonly Placed[]
  /** Volumes that it counts as taken, and does not see taken yet. */
  readonly taken?: readonly { readonly volume: string; readonly claim: NonNullable<PersistentVolume['spec']['claimRef']> }[]
}

/** What a component decided from its view, said at the moment it sends the write. */
export type Choice =
  | ({ readonly kind: 'Bind'; readonly pod: ObjectRef; readonly node: string } & Counted)
  /**
   * The scheduler lets a pod that it may have held back go to its node. together: pods that it counts on nodes then, this one
   * among them, whether its view shows them bound or not.
   */
  | { readonly kind: 'Permit'; readonly pod: ObjectRef; readonly node: string; readonly together: readonly Uid[] }
  /** The scheduler found no node. `reason` is the message of the PodScheduled condition. */
  | ({ readonly kind: 'Unschedulable'; readonly pod: ObjectRef; readonly reason: string } & Counted)
  /** The scheduler makes room on a node for a pod of higher priority: all who have to go, also those on their way already. */
  | ({ readonly kind: 'Preempt'; readonly pod: ObjectRef; readonly node: string; readonly victims: readonly ObjectRef[] } & Counted)
  /** nowMs: what the owner's controller's own clock says, where it goes by times in its view. node: the one it is made for. */
  | { readonly kind: 'CreatePod'; readonly owner: ObjectRef; readonly name: string; readonly nowMs?: number; readonly node?: string }
  | { readonly kind: 'DeletePod'; readonly owner: ObjectRef; readonly pod: ObjectRef; readonly nowMs?: number }
  /** index: of an Indexed Job. nowMs: what the controller's own clock says, since 1970. */
  | {
      readonly kind: 'CreateJobPod'
      readonly owner: ObjectRef
      readonly name: string
      readonly index: number | null
      readonly nowMs: number
    }
  | {
      readonly kind: 'DeleteJobPod'
      readonly owner: ObjectRef
      readonly pod: ObjectRef
      readonly because: 'excess' | 'suspended' | 'finished'
    }
  /** An autoscaler looked: replicas null when no metric could be told. The view: of the target the version that it read. */
  | {
      readonly kind: 'Recommend'
      readonly owner: ObjectRef
      readonly target: ObjectRef
      readonly current: number
      readonly replicas: number | null
      readonly usage: Usage
      readonly nowMs: number
    }
  | { readonly kind: 'Autoscale'; readonly owner: ObjectRef; readonly target: ObjectRef; readonly from: number; readonly to: number }
  /** A CronJob starts a Job. The view: of the CronJob the version that was read last. nowMs: by the controller's clock, since 1970. */
  | { readonly kind: 'StartJob'; readonly owner: ObjectRef; readonly name: string; readonly dueMs: number; readonly nowMs: number }
  /** A CronJob deletes a Job that still runs, to start the next. */
  | { readonly kind: 'ReplaceJob'; readonly owner: ObjectRef; readonly job: ObjectRef }
  /** Its time after its end is over. The view is the version that was read last, of itself alone. */
  | { readonly kind: 'ExpireJob'; readonly job: ObjectRef; readonly nowMs: number }
  /** A Job is to end so; it is told when its pods have ended and are counted. */
  | {
      readonly kind: 'FinishJob'
      readonly owner: ObjectRef
      readonly outcome: 'Complete' | 'Failed'
      readonly reason: string
      readonly nowMs: number
    }
  | { readonly kind: 'AdoptPod' | 'ReleasePod'; readonly owner: ObjectRef; readonly pod: ObjectRef }
  | { readonly kind: 'CreateReplicaSet'; readonly owner: ObjectRef; readonly name: string; readonly replicas: number }
  | {
      readonly kind: 'ScaleReplicaSet'
      readonly owner: ObjectRef
      readonly replicaSet: ObjectRef
      readonly from: number
      readonly to: number
    }
  | { readonly kind: 'DeleteReplicaSet'; readonly owner: ObjectRef; readonly replicaSet: ObjectRef }
  | { readonly kind: 'CollectGarbage'; readonly object: ObjectRef; readonly owners: readonly ObjectRef[] }
  /** An owner on its way out need not wait any more: for its dependents to go, or to be let go. */
  | { readonly kind: 'ReleaseOwner'; readonly object: ObjectRef; readonly finalizer: string }
  /** sinceMs: for how long, on the controller's own monotonic clock, it saw no change of the node's heartbeat. */
  | { readonly kind: 'MarkUnknown'; readonly node: string; readonly sinceMs: number }
  /** The node gets the taint that drives pods out. zones: how many were ready and not in each, as the round of that view counted. */
  | {
      readonly kind: 'GiveUpNode'
      readonly node: string
      readonly zones: Readonly<Record<string, { readonly ready: number; readonly unready: number }>>
    }
  /** Taint eviction. toleratedMs: what the pod's tolerations allow (0: none tolerates); waitedMs: how long it waited. */
  | { readonly kind: 'EvictPod'; readonly pod: ObjectRef; readonly node: string; readonly toleratedMs: number; readonly waitedMs: number }
  /** Pod garbage collection. absentMs: how long the pod's node was missing from its view. */
  | {
      readonly kind: 'ForceDeletePod'
      readonly pod: ObjectRef
      readonly node: string
      readonly reason: 'node gone' | 'out of service' | 'never bound' | 'too many'
      readonly absentMs: number
    }
  /**
   * A volume is to leave a node: its kubelet does not have it in use, or nobody waits for the kubelet any more. volume: as the
   * node's status names it. waitedMs: since it was first seen that no pod there uses it. The view: of the node, as it was read last.
   */
  | {
      readonly kind: 'DetachVolume'
      readonly attachment: ObjectRef
      readonly volume: string
      readonly node: string
      readonly because: 'unmounted' | 'not ready' | 'out of service'
      readonly waitedMs: number
    }
  /** A token whose account is not there. uid null: the secret names none, and is for whoever has the name. The view: of the secret. */
  | { readonly kind: 'DeleteToken'; readonly secret: ObjectRef; readonly account: { readonly name: string; readonly uid: Uid | null } }
  | { readonly kind: 'WriteEndpoints'; readonly service: ObjectRef; readonly slice: string }
  | { readonly kind: 'MirrorEndpoints'; readonly endpoints: ObjectRef; readonly slice: string }
  /** What of a quota is used, as far as its controller sees. */
  | { readonly kind: 'CountQuota'; readonly quota: ObjectRef }
  /** What a budget allows, from the pods that the disruption controller sees. disrupted: evicted ones that it counts as gone. */
  | {
      readonly kind: 'CountBudget'
      readonly budget: ObjectRef
      readonly disrupted: readonly string[]
      /** By the controller's own clock. */
      readonly at: Time
      readonly expectedPods: number
      readonly desiredHealthy: number
      readonly currentHealthy: number
      readonly disruptionsAllowed: number
    }

export type ProbeKind = 'startup' | 'liveness' | 'readiness'
export type HookKind = 'postStart' | 'preStop'

/** What is durable of a member's Raft state. */
export interface Disk {
  readonly term: number
  readonly vote: ProcessName | null
  readonly from: number
  readonly lastIndex: number
  /** Runs [first index, entry term] from `from` up to lastIndex. */
  readonly log: readonly (readonly [number, number])[]
}

/** Which faults ended, were skipped by the budget, or had no target. */
export type FaultOutcome = 'begun' | 'ended' | 'skipped'

export type Observation = { readonly atMs: number } &
  // Requests
  (
    | {
        readonly kind: 'Invoke'
        readonly process: ProcessName
        readonly call: CallId
        readonly request: EtcdRequest | ApiCall
        /** Name of the server it was sent to. */
        readonly to: ProcessName
      }
    | { readonly kind: 'Reply'; readonly process: ProcessName; readonly call: CallId; readonly outcome: Outcome }
    // The committed state, one observation a changed key, in the order of revisions
    | {
        readonly kind: 'Commit'
        readonly revision: Revision
        readonly key: Key
        readonly before: Stored | null
        readonly after: Stored | null
        /** The process on whose behalf it was written: 'scheduler-0', 'kubelet-node-1', 'user', 'lessor' for an expired lease. */
        readonly author: ProcessName
        /** The apiserver (or etcd client) that sent it. */
        readonly via: ProcessName
        /** Of etcd's own users the one who asked for it, where he had been authenticated. */
        readonly user?: string
        /** Of the Raft entry that made it, where the subject shows it. */
        readonly index?: number
        readonly term?: number
      }
    | { readonly kind: 'Compacted'; readonly revision: Revision }
    /** An entry raised or disarmed alarms: all that are raised since. */
    | { readonly kind: 'Alarmed'; readonly index: number; readonly alarms: readonly AlarmMember[] }
    /** An entry changed users, roles or whether they are asked for: the revision of the auth store since. */
    | { readonly kind: 'AuthChanged'; readonly index: number; readonly authRevision: number; readonly request: EtcdRequest }
    // etcd members
    /** A member applied an entry. digest: of its whole applied state, equal for equal states. */
    | {
        readonly kind: 'Applied'
        readonly member: ProcessName
        readonly index: number
        readonly term: number
        readonly revision: Revision
        readonly digest: string
      }
    /** A snapshot took the place of all that the member had applied: of its own disk at its start, or of the leader's. */
    | {
        readonly kind: 'Installed'
        readonly member: ProcessName
        readonly index: number
        readonly term: number
        readonly revision: Revision
        readonly digest: string
      }
    /** A member stored a snapshot of what it had applied; its log begins with firstIndex now. */
    | { readonly kind: 'SnapshotTaken'; readonly member: ProcessName; readonly index: number; readonly firstIndex: number }
    /** A member applied a change of the members at an index, or found it in a snapshot: who votes from then on. */
    | { readonly kind: 'Configured'; readonly member: ProcessName; readonly index: number; readonly configuration: Configuration }
    /** A member stands for election in a term; pre: it only asks whether it would be elected. */
    | { readonly kind: 'Campaigned'; readonly member: ProcessName; readonly term: number; readonly pre: boolean }
    /** A member's commit index rose: the last entry it now knows committed. */
    | {
        readonly kind: 'Committed'
        readonly member: ProcessName
        readonly term: number
        readonly index: number
        readonly entryTerm: number
      }
    /** A member began: what its disk still held, and how long it waits for a leader. */
    | ({ readonly kind: 'Restored'; readonly member: ProcessName; readonly electionMs: number } & Disk)
    /** More of it became durable: `log` replaces what stood from `from` on. */
    | ({ readonly kind: 'Persisted'; readonly member: ProcessName } & Disk)
    /** The first message of its sort that a member sent in a term since it started. Requests passed on to the leader carry none. */
    | { readonly kind: 'Spoke'; readonly member: ProcessName; readonly term: number; readonly message: string; readonly pre: boolean }
    /** A leader went back in what it sends a member next, to find where their logs agree. */
    | {
        readonly kind: 'SteppedBack'
        readonly member: ProcessName
        readonly term: number
        readonly to: ProcessName
        readonly match: number
        readonly next: number
      }
    /** log: runs [first index, entry term] of the new leader's log, ascending, up to lastIndex. */
    | {
        readonly kind: 'Elected'
        readonly member: ProcessName
        readonly term: number
        readonly lastIndex: number
        readonly log: readonly (readonly [number, number])[]
      }
    | { readonly kind: 'Voted'; readonly member: ProcessName; readonly term: number; readonly candidate: ProcessName }
    | { readonly kind: 'SteppedDown'; readonly member: ProcessName; readonly term: number; readonly reason: string }
    /** A member's own hash of its keys up to a revision (HashKV): equal for equal contents and compaction. */
    | {
        readonly kind: 'Hashed'
        readonly member: ProcessName
        readonly revision: Revision
        readonly compactRevision: Revision
        readonly hash: string
      }
    | { readonly kind: 'LeaseGranted'; readonly lease: LeaseId; readonly ttlMs: number }
    /** expired: revoked by the leader because its time was up, not by a client. */
    | { readonly kind: 'LeaseRevoked'; readonly lease: LeaseId; readonly expired: boolean }
    // Watches, as their clients saw them. layer 'api': key is that of the object, events are selector-transformed
    | {
        readonly kind: 'WatchOpened'
        readonly layer: 'etcd' | 'api'
        readonly stream: string
        readonly process: ProcessName
        readonly from: ProcessName
        readonly range: KeyRange
        readonly startRevision: Revision
        readonly filters?: readonly string[]
        readonly fieldSelector?: string
      }
    /** revision: the header's. progress: a notice (etcd) or bookmark (api) without events. */
    | {
        readonly kind: 'WatchDelivered'
        readonly layer: 'etcd' | 'api'
        readonly stream: string
        readonly revision: Revision
        readonly events: readonly Delivered[]
        readonly progress: boolean
        /** More of the same revision follows in the next response: the client asked for fragments. */
        readonly fragment?: boolean
      }
    | {
        readonly kind: 'WatchClosed'
        readonly layer: 'etcd' | 'api'
        readonly stream: string
        readonly reason: string
        readonly compactRevision?: Revision
      }
    // Leader election among controllers, by each process's own belief
    | { readonly kind: 'Leading' | 'StoppedLeading'; readonly process: ProcessName; readonly lease: string }
    | { readonly kind: 'Decision'; readonly process: ProcessName; readonly view: View; readonly choice: Choice }
    // Containers, as the runtime of a node sees them
    | {
        readonly kind: 'SandboxCreated'
        /** The process that asked the runtime for it. */
        readonly by: ProcessName
        readonly node: string
        readonly pod: Uid
        readonly sandbox: string
        readonly ip: string
      }
    | {
        readonly kind: 'SandboxRemoved'
        readonly node: string
        readonly pod: Uid
        readonly sandbox: string
        readonly ip: string
      }
    | {
        readonly kind: 'ContainerStarted'
        /** The process that asked the runtime for it. */
        readonly by: ProcessName
        readonly node: string
        readonly pod: Uid
        readonly podName: string
        readonly container: string
        readonly id: string
        readonly init: boolean
        readonly sandbox: string
      }
    | {
        readonly kind: 'StopSignal'
        readonly node: string
        readonly id: string
        readonly signal: 'TERM' | 'KILL'
        readonly graceMs: number
        readonly reason: string
      }
    /** The program was asked by its kubelet whether it has started, lives, or can serve. */
    | {
        readonly kind: 'Probed'
        readonly node: string
        readonly pod: Uid
        readonly container: string
        readonly id: string
        readonly probe: ProbeKind
        readonly passed: boolean
      }
    | {
        readonly kind: 'HookChanged'
        readonly node: string
        readonly pod: Uid
        readonly container: string
        readonly id: string
        readonly hook: HookKind
        readonly outcome: 'begun' | 'succeeded' | 'failed'
      }
    /** by: 'itself' (exit), 'stop' (signal), 'crash' (the machine died with it). */
    | {
        readonly kind: 'ContainerExited'
        readonly node: string
        readonly pod: Uid
        readonly container: string
        readonly id: string
        readonly exitCode: number
        readonly by: 'itself' | 'stop' | 'crash'
      }
    // Volumes, named as the status of nodes names them
    /** The record of the storage back end changes. by: the process that asked for it, for that VolumeAttachment. */
    | {
        readonly kind: 'VolumeAttached' | 'VolumeDetached'
        readonly volume: string
        readonly node: string
        readonly attachment: string
        readonly by: ProcessName
      }
    | { readonly kind: 'VolumeExpanded'; readonly volume: string; readonly size: string; readonly by: ProcessName }
    | { readonly kind: 'VolumeMounted' | 'VolumeUnmounted'; readonly node: string; readonly pod: Uid; readonly volume: string }
    // Services
    /** A node's whole rule table after an atomic swap: 'namespace/service:port' → backend addresses. view: of its caches. */
    | {
        readonly kind: 'RulesSwapped'
        readonly node: string
        readonly view: View
        readonly rules: Readonly<Record<string, { readonly clusterIP: string; readonly backends: readonly string[] }>>
      }
    /** A test connection to a service through a node's rules. backend null: rejected. */
    | {
        readonly kind: 'Routed'
        readonly node: string
        readonly service: string
        readonly clusterIP: string
        readonly backend: string | null
        /** Whether a container of a pod with that address ran at that moment. */
        readonly answered: boolean
      }
    // The world
    | {
        readonly kind: 'ProcessStarted' | 'ProcessEnded'
        readonly process: ProcessName
        readonly machine: MachineName
        readonly reason: string
      }
    | { readonly kind: 'FaultChanged'; readonly fault: Fault; readonly outcome: FaultOutcome; readonly detail: string }
    /** What a workload's pods have to do in all, in thousandths of a core; null: nobody measures it. */
    | { readonly kind: 'LoadSet'; readonly workload: string; readonly milliCpu: number | null }
    | { readonly kind: 'UserActed'; readonly action: string; readonly detail: string }
    /** A user empties a node, of these pods. abandoned: it cannot go on, for what `detail` says. */
    | {
        readonly kind: 'DrainChanged'
        readonly node: string
        readonly outcome: 'begun' | 'ended' | 'abandoned'
        readonly pods: readonly Uid[]
        readonly detail: string
      }
    /** The same users, on a day without faults: what they wrote, and how it was when that came to rest; see model/ending.ts. */
    | { readonly kind: 'Compared'; readonly writes: readonly string[]; readonly state: readonly string[] }
    | { readonly kind: 'PhaseBegan'; readonly phase: Cluster['phase'] }
  )
export type ObservationKind = Observation['kind']
/** One kind of observation. */
export type Seen<Kind extends ObservationKind> = Kind extends ObservationKind ? OfKind<Observation, Kind> : never
type OfKind<One, Kind extends string> = One extends { readonly kind: infer Own }
  ? Kind extends Own
    ? One & { readonly kind: Kind }
    : never
  : never

/** One watch event. Where commits are seen they hold what it says; a subject without them gives the values too. */
export interface Delivered {
  readonly type: 'PUT' | 'DELETE' | 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly key: Key
  readonly revision: Revision
  /** etcd only. */
  readonly createRevision?: Revision
  readonly version?: number
  readonly prevRevision?: Revision
  /** etcd without commits only: what the PUT wrote, and what the previous value was where it was asked for. */
  readonly value?: Value
  readonly lease?: LeaseId
  readonly prevValue?: Value
}

export type History = readonly Observation[]
