/** Replaced by the Raft implementation. */
export interface RaftMessage {
  readonly term: number
}
