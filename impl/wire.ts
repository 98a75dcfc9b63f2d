/**
 * Everything that travels between processes of the cluster, and the host such a process gets.
 */
import type { Observation } from '../model/state/history.ts'
import type { Host, Process } from '../sim/host.ts'
import type { ApiClientMessage, ApiServerMessage } from './apiserver/api.ts'
import type { CriMessage } from './container-runtime/api.ts'
import type { EtcdClientMessage, EtcdServerMessage } from './etcd/api.ts'
import type { PeerMessage } from './etcd/peers.ts'
import type { RaftLetter } from './etcd/raft-message.ts'
import type { ProxyMessage } from './kube-proxy/api.ts'

export type Message =
  | EtcdClientMessage
  | EtcdServerMessage
  | ApiClientMessage
  | ApiServerMessage
  | CriMessage
  | ProxyMessage
  | RaftLetter
  | { readonly kind: 'Peer'; readonly message: PeerMessage }

type WithoutTime<T> = T extends unknown ? Omit<T, 'atMs'> : never
/**
 * An observation before the world has put the time on it. What is seen often leaves room for that (`atMs: NOW`) and is not
 * copied: whoever said it has no further use of it.
 */
export type Sighting = WithoutTime<Observation> | Observation
export const NOW = 0

export type ClusterHost = Host<Message, Sighting>
export type ClusterProcess = Process<Message>
/** Builds a process from its host: what a restart calls again. */
export type Program = (host: ClusterHost) => ClusterProcess
