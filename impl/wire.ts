/**
 * Everything that travels between processes of the cluster, and the host such a process gets.
 */
import type { Observation } from '../model/state/history.ts'
import type { Host, Process } from '../sim/host.ts'
import type { ApiClientMessage, ApiServerMessage } from './apiserver/api.ts'
import type { CriMessage } from './container-runtime/api.ts'
import type { EtcdClientMessage, EtcdServerMessage } from './etcd/api.ts'
import type { PeerMessage } from './etcd/peers.ts'
import type { RaftMessage } from './etcd/raft-message.ts'
import type { ProxyMessage } from './kube-proxy/api.ts'

export type Message =
  | EtcdClientMessage
  | EtcdServerMessage
  | ApiClientMessage
  | ApiServerMessage
  | CriMessage
  | ProxyMessage
  /** Between members, by their ids: a process may have been one before, under another id. */
  | { readonly kind: 'Raft'; readonly from: string; readonly to: string; readonly message: RaftMessage }
  | { readonly kind: 'Peer'; readonly message: PeerMessage }

type WithoutTime<T> = T extends unknown ? Omit<T, 'atMs'> : never
/** An observation before the world has put the time on it. */
export type Sighting = WithoutTime<Observation>

export type ClusterHost = Host<Message, Sighting>
export type ClusterProcess = Process<Message>
/** Builds a process from its host: what a restart calls again. */
export type Program = (host: ClusterHost) => ClusterProcess
