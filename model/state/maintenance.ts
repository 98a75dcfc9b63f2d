/**
 * What an operator of etcd can ask of one member: alarms, defragmentation, hashes, snapshots.
 *
 * Source: api/etcdserverpb/rpc.proto (Maintenance); names are its. Members are named, not numbered.
 */
import type { Header, Revision } from './keyspace.ts'

export type AlarmType = 'NOSPACE' | 'CORRUPT'
export interface AlarmMember {
  readonly memberId: string
  readonly alarm: AlarmType
}

export interface AlarmRequest {
  readonly kind: 'Alarm'
  readonly action: 'GET' | 'ACTIVATE' | 'DEACTIVATE'
  /** Absent: of any member. */
  readonly memberId?: string
  /** NONE: of any kind. */
  readonly alarm: AlarmType | 'NONE'
}
export interface HashKvRequest {
  readonly kind: 'HashKv'
  /** 0: the current one. */
  readonly revision: Revision
}
export interface StatusRequest {
  readonly kind: 'Status'
}
export type MaintenanceRequest =
  | AlarmRequest
  | HashKvRequest
  /** Frees on this member what compaction left unused. */
  | { readonly kind: 'Defragment' }
  /** All that this member holds, at one point in time. */
  | { readonly kind: 'Snapshot' }
  | StatusRequest

export interface AlarmResponse {
  readonly kind: 'Alarm'
  readonly header: Header
  readonly alarms: readonly AlarmMember[]
}
export interface HashKvResponse {
  readonly kind: 'HashKv'
  readonly header: Header
  readonly hash: string
  readonly hashRevision: Revision
  readonly compactRevision: Revision
}
export interface SnapshotResponse {
  readonly kind: 'Snapshot'
  readonly header: Header
  /** Of the keys in it, as HashKv; and how far it is compacted. */
  readonly hash: string
  readonly compactRevision: Revision
  /** What it holds is the server's own matter; absent in histories. */
  readonly blob?: unknown
}
export interface StatusResponse {
  readonly kind: 'Status'
  readonly header: Header
  readonly leader: string | null
  readonly raftIndex: number
  readonly raftAppliedIndex: number
  /** Bytes on the disk; what of them is in use, the rest is free until it is defragmented. */
  readonly dbSize?: number
  readonly dbSizeInUse?: number
  readonly alarms?: readonly AlarmMember[]
}
export type MaintenanceResponse =
  | AlarmResponse
  | HashKvResponse
  | SnapshotResponse
  | StatusResponse
  | { readonly kind: 'Defragment'; readonly header: Header }
