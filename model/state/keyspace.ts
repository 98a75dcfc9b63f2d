/**
 * What a client of etcd can ask and be told: keys, revisions, transactions, leases, watches.
 *
 * Values are immutable JSON values kept by reference (Kubernetes objects, or plain strings in the etcd suite).
 * Source: https://etcd.io/docs/v3.6/learning/api/ and api/etcdserverpb/rpc.proto. Subset: see `EtcdRequest`.
 */
import type { AuthRequest, AuthResponse } from './auth.ts'
import type { MaintenanceRequest, MaintenanceResponse, StatusRequest } from './maintenance.ts'
import type { MembersRequest, MembersResponse } from './membership.ts'

export type Key = string
export type Revision = number
export type LeaseId = number
export type Value = unknown

export interface Stored {
  readonly value: Value
  readonly createRevision: Revision
  readonly modRevision: Revision
  /** 1 on creation, +1 for each put since. */
  readonly version: number
  /** 0: no lease. */
  readonly lease: LeaseId
}
export interface KeyValue extends Stored {
  readonly key: Key
}

/** [key, rangeEnd): one key when rangeEnd is absent; '\0' means all keys >= key. */
export interface KeyRange {
  readonly key: Key
  readonly rangeEnd?: Key
}

export interface RangeRequest extends KeyRange {
  readonly kind: 'Range'
  /** 0 or absent: latest. */
  readonly revision?: Revision
  /** 0 or absent: no limit. */
  readonly limit?: number
  readonly sortOrder?: 'NONE' | 'ASCEND' | 'DESCEND'
  readonly sortTarget?: 'KEY' | 'VERSION' | 'CREATE' | 'MOD' | 'VALUE'
  /** Of these four, 0 or absent: no bound. */
  readonly minModRevision?: Revision
  readonly maxModRevision?: Revision
  readonly minCreateRevision?: Revision
  readonly maxCreateRevision?: Revision
  readonly countOnly?: boolean
  readonly keysOnly?: boolean
  /** Answer from the member's own applied state, perhaps stale. Default: linearizable. */
  readonly serializable?: boolean
}
export interface PutRequest {
  readonly kind: 'Put'
  readonly key: Key
  readonly value: Value
  readonly lease?: LeaseId
  readonly prevKv?: boolean
  /** Keep the value the key has; it must exist, and `value` be empty. */
  readonly ignoreValue?: boolean
  /** Keep the lease the key has; it must exist, and `lease` be none. */
  readonly ignoreLease?: boolean
}
export interface DeleteRangeRequest extends KeyRange {
  readonly kind: 'DeleteRange'
  readonly prevKv?: boolean
}
export interface Compare extends KeyRange {
  readonly target: 'version' | 'create' | 'mod' | 'value' | 'lease'
  readonly result: '=' | '!=' | '<' | '>'
  readonly operand: number | string
}
export type KvRequest = RangeRequest | PutRequest | DeleteRangeRequest | TxnRequest
export interface TxnRequest {
  readonly kind: 'Txn'
  readonly compare: readonly Compare[]
  readonly success: readonly KvRequest[]
  readonly failure: readonly KvRequest[]
}
export interface CompactRequest {
  readonly kind: 'Compact'
  readonly revision: Revision
  /** Answer only when what is compacted is also gone from the disk. */
  readonly physical?: boolean
}
export interface LeaseGrantRequest {
  readonly kind: 'LeaseGrant'
  readonly ttlSeconds: number
  /** 0: the server chooses. */
  readonly id: LeaseId
}
export interface LeaseRevokeRequest {
  readonly kind: 'LeaseRevoke'
  readonly id: LeaseId
}
export interface LeaseKeepAliveRequest {
  readonly kind: 'LeaseKeepAlive'
  readonly id: LeaseId
}
export type LeaseRequest = LeaseRevokeRequest | LeaseKeepAliveRequest
export interface LeaseTimeToLiveRequest {
  readonly kind: 'LeaseTimeToLive'
  readonly id: LeaseId
  /** Say which keys are attached to it. */
  readonly keys?: boolean
}
export interface LeaseLeasesRequest {
  readonly kind: 'LeaseLeases'
}
/** What is asked of the store itself. */
export type StoreRequest =
  | KvRequest
  | CompactRequest
  | LeaseGrantRequest
  | LeaseRequest
  | LeaseTimeToLiveRequest
  | LeaseLeasesRequest
  | StatusRequest
export type EtcdRequest = StoreRequest | AuthRequest | MaintenanceRequest | MembersRequest

/** Who votes, and who only listens. */
export interface Configuration {
  readonly voters: readonly MemberId[]
  /** The half that is on its way out, while it is joint; both halves then decide. */
  readonly outgoing: readonly MemberId[]
  readonly learners: readonly MemberId[]
  /** Voters on their way out that will go on as learners. */
  readonly learnersNext: readonly MemberId[]
  /** The leader ends the joint configuration by itself. */
  readonly autoLeave: boolean
}
/**
 * A member for as long as it is one: the name of its process, followed by '.n' when that joins for the n-th time again.
 * What has been removed never comes back under the same id.
 */
export type MemberId = string

export interface Header {
  readonly revision: Revision
  readonly raftTerm: number
  readonly member: string
}
export interface RangeResponse {
  readonly kind: 'Range'
  readonly header: Header
  readonly kvs: readonly KeyValue[]
  readonly count: number
  readonly more: boolean
}
export interface PutResponse {
  readonly kind: 'Put'
  readonly header: Header
  readonly prevKv?: KeyValue
}
export interface DeleteRangeResponse {
  readonly kind: 'DeleteRange'
  readonly header: Header
  readonly deleted: number
  readonly prevKvs?: readonly KeyValue[]
}
export interface TxnResponse {
  readonly kind: 'Txn'
  readonly header: Header
  readonly succeeded: boolean
  readonly responses: readonly KvResponse[]
}
export type KvResponse = RangeResponse | PutResponse | DeleteRangeResponse | TxnResponse
export interface CompactResponse {
  readonly kind: 'Compact'
  readonly header: Header
}
export interface LeaseResponse {
  readonly kind: 'LeaseGrant' | 'LeaseRevoke' | 'LeaseKeepAlive' | 'LeaseTimeToLive'
  readonly header: Header
  readonly id: LeaseId
  /** Granted or remaining seconds; -1: expired or unknown. */
  readonly ttlSeconds: number
  /** Of LeaseTimeToLive: 0 when there is no such lease. */
  readonly grantedTtlSeconds?: number
  /** Of LeaseTimeToLive, when asked for and there are any. */
  readonly keys?: readonly Key[]
}
export interface LeaseLeasesResponse {
  readonly kind: 'LeaseLeases'
  readonly header: Header
  /** In no order. */
  readonly leases: readonly LeaseId[]
}
/** Among members only. */
export interface LeaseCheckpointResponse {
  readonly kind: 'LeaseCheckpoint'
  readonly header: Header
}
export type EtcdResponse =
  | KvResponse
  | CompactResponse
  | LeaseResponse
  | LeaseLeasesResponse
  | LeaseCheckpointResponse
  | AuthResponse
  | MaintenanceResponse
  | MembersResponse

/** `definite`: the request certainly had and will have no effect. Source: api/v3rpc/rpctypes/error.go. */
export interface EtcdError {
  readonly kind: 'Error'
  readonly message: string
  readonly definite: boolean
}

export interface WatchCreateRequest extends KeyRange {
  /** 0 or absent: from the next revision on. */
  readonly startRevision?: Revision
  readonly prevKv?: boolean
  readonly progressNotify?: boolean
  readonly filters?: readonly ('NOPUT' | 'NODELETE')[]
  /** A response that is larger than a request may be comes in parts. */
  readonly fragment?: boolean
}
/** A DELETE carries only key and modRevision (that of the deletion); value undefined, version 0. */
export interface WatchEvent {
  readonly type: 'PUT' | 'DELETE'
  readonly kv: KeyValue
  readonly prevKv?: KeyValue
}
