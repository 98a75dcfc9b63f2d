/**
 * Raft as etcd runs it: pre-vote, check-quorum, ReadIndex. A pure state machine: it is stepped with messages and
 * told of time; what it wants done piles up in `outbox` until its server takes it.
 *
 * Source: Ongaro, Consensus: Bridging Theory and Practice, 2014; etcd-io/raft.
 */
import type { Random } from '../../sim/random.ts'
import { Log } from './log.ts'
import type { Entry, Proposal, RaftMessage, Unsent } from './raft-message.ts'

export type Role = 'follower' | 'pre-candidate' | 'candidate' | 'leader'

interface Progress {
  match: number
  next: number
  /** Heard from since the last check for a quorum. */
  active: boolean
  /** Nothing was acknowledged since the last heartbeat reply: what was sent may be lost. */
  stuck: boolean
}

interface PendingRead {
  readonly context: number
  /** The member that asked, this one included, and its own context. */
  readonly from: string
  readonly fromContext: number
  readonly index: number
  readonly acks: Set<string>
}

/** What must be on disk before what depends on it is said. */
export interface HardState {
  readonly term: number
  readonly vote: string | null
}

export interface RaftEvents {
  elected(term: number): void
  steppedDown(term: number, reason: string): void
  committed(index: number, entryTerm: number): void
  /** A read this member asked for may be served once `index` is applied. */
  readReady(context: number, index: number): void
  proposalsDropped(proposals: readonly Proposal[]): void
  /** This leader sends `to` again from `next` on. */
  steppedBack(to: string, match: number, next: number): void
}

export interface RaftOptions {
  readonly electionMs: number
  /** Entries sent in one Append. */
  readonly entriesMost: number
}

export class Raft {
  readonly log = new Log()
  role: Role = 'follower'
  term = 0
  vote: string | null = null
  leader: string | null = null
  commit = 0
  /** The last index that is durable on this member's own disk. */
  durable = 0
  /** What changed since the server last wrote: entries from here on, and the hard state. */
  unwrittenFrom = 1
  hardStateChanged = false
  outbox: { readonly to: string; readonly message: RaftMessage }[] = []
  private readonly id: string
  private readonly peers: readonly string[]
  private readonly options: RaftOptions
  private readonly random: Random
  private readonly events: RaftEvents
  private votes = new Map<string, boolean>()
  private readonly progress = new Map<string, Progress>()
  private readonly reads: PendingRead[] = []
  private contexts = 0
  /** Local time of the last word from the leader, and when patience ends. */
  private heardMs = -Infinity
  electionDueMs = 0

  constructor(id: string, members: readonly string[], options: RaftOptions, random: Random, events: RaftEvents) {
    this.id = id
    this.peers = members.filter((member) => member !== id)
    this.options = options
    this.random = random
    this.events = events
  }

  /** After a restart: what the disk still held. */
  restore(state: HardState, entries: readonly Entry[]): void {
    this.term = state.term
    this.vote = state.vote
    for (const entry of entries) {
      this.log.truncateFrom(entry.index)
      this.log.append(entry)
    }
    this.durable = this.log.lastIndex
    this.unwrittenFrom = this.log.lastIndex + 1
  }

  get hardState(): HardState {
    return { term: this.term, vote: this.vote }
  }

  private get quorum(): number {
    return Math.floor((this.peers.length + 1) / 2) + 1
  }

  resetElectionTimer(nowMs: number): void {
    this.electionDueMs = nowMs + this.random.between(this.options.electionMs, this.options.electionMs * 2 - 1)
  }

  private send(to: string, message: Unsent): void {
    this.outbox.push({ to, message: { ...message, term: this.term } })
  }

  // Elections

  electionTimeout(nowMs: number): void {
    this.resetElectionTimer(nowMs)
    if (this.role === 'leader') return
    this.campaign(nowMs, true)
  }

  private campaign(nowMs: number, pre: boolean): void {
    this.votes = new Map([[this.id, true]])
    this.leader = null
    if (pre) {
      this.role = 'pre-candidate'
    } else {
      this.role = 'candidate'
      this.setTerm(this.term + 1)
      this.castVote(this.id)
      this.resetElectionTimer(nowMs)
    }
    if (this.peers.length === 0) {
      // Alone it wins as soon as its own vote is on the disk.
      if (pre) this.campaign(nowMs, false)
      return
    }
    const { lastIndex, lastTerm } = this.log
    const term = pre ? this.term + 1 : this.term
    for (const peer of this.peers) {
      this.outbox.push({ to: peer, message: { kind: 'VoteRequest', term, pre, lastIndex, lastTerm } })
    }
  }

  private won(nowMs: number, pre: boolean): void {
    if (pre) this.campaign(nowMs, false)
    else this.becomeLeader()
  }

  private votesGranted(): number {
    return [...this.votes.values()].filter(Boolean).length
  }

  private setTerm(term: number): void {
    this.term = term
    this.vote = null
    this.hardStateChanged = true
  }

  private castVote(candidate: string): void {
    this.vote = candidate
    this.hardStateChanged = true
  }

  private becomeFollower(term: number, leader: string | null, reason: string): void {
    const led = this.role === 'leader'
    const before = this.term
    if (term > this.term) this.setTerm(term)
    this.role = 'follower'
    this.leader = leader
    this.votes.clear()
    this.reads.length = 0
    if (led) this.events.steppedDown(before, reason)
  }

  private becomeLeader(): void {
    this.role = 'leader'
    this.leader = this.id
    this.reads.length = 0
    this.progress.clear()
    for (const peer of this.peers) {
      this.progress.set(peer, { match: 0, next: this.log.lastIndex + 1, active: true, stuck: false })
    }
    this.events.elected(this.term)
    this.append(null)
    this.maybeCommit()
    this.broadcastAppend()
  }

  /** Every election timeout: a leader that a quorum has not answered gives up. */
  checkQuorum(): void {
    if (this.role !== 'leader') return
    const active = 1 + [...this.progress.values()].filter((peer) => peer.active).length
    for (const peer of this.progress.values()) peer.active = false
    if (active < this.quorum) this.becomeFollower(this.term, null, 'no quorum answered for an election timeout')
  }

  // Messages

  step(from: string, message: RaftMessage, nowMs: number): void {
    if (message.term > this.term) this.higherTerm(from, message, nowMs)
    else if (message.term < this.term) {
      this.lowerTerm(from, message)
      return
    }
    if (message.kind === 'VoteRequest') {
      // Still in a later term: ignored for the sake of the leader heard from, whoever this member voted for in its own.
      if (message.pre || message.term === this.term) this.onVoteRequest(from, message, nowMs)
      return
    }
    if (message.term !== this.term && message.kind !== 'VoteReply') return
    this.handle(from, message, nowMs)
  }

  private higherTerm(from: string, message: RaftMessage, nowMs: number): void {
    if (message.kind === 'VoteRequest') {
      if (message.pre || this.inLease(nowMs)) return
      this.becomeFollower(message.term, null, `${from} stands for term ${message.term}`)
      return
    }
    // A granted pre-vote carries the term it was asked for, which nobody has begun yet.
    if (message.kind === 'VoteReply' && message.pre && message.granted) return
    const leads = message.kind === 'Append' || message.kind === 'Heartbeat'
    this.becomeFollower(message.term, leads ? from : null, `${from} is in term ${message.term}`)
  }

  /** A sender that is behind learns the term, so that nobody waits for ever on a vote that cannot be given. */
  private lowerTerm(from: string, message: RaftMessage): void {
    if (message.kind === 'Append' || message.kind === 'Heartbeat') {
      this.send(from, { kind: 'AppendReply', rejected: true, match: 0, hint: 0, hintTerm: 0 })
    } else if (message.kind === 'VoteRequest') this.send(from, { kind: 'VoteReply', pre: message.pre, granted: false })
  }

  /** Heard from a leader within the election timeout: nobody else gets this member's vote. */
  private inLease(nowMs: number): boolean {
    return this.role === 'leader' || (this.leader !== null && nowMs - this.heardMs < this.options.electionMs)
  }

  private onVoteRequest(from: string, message: RaftMessage & { kind: 'VoteRequest' }, nowMs: number): void {
    const { pre, lastIndex, lastTerm } = message
    const mayVote = pre
      ? message.term > this.term && !this.inLease(nowMs)
      : this.vote === from || (this.vote === null && this.leader === null)
    if (!mayVote || !this.log.upToDate(lastIndex, lastTerm)) {
      this.send(from, { kind: 'VoteReply', pre, granted: false })
      return
    }
    if (!pre) {
      this.resetElectionTimer(nowMs)
      if (this.vote === null) this.castVote(from)
    }
    this.outbox.push({ to: from, message: { kind: 'VoteReply', term: message.term, pre, granted: true } })
  }

  private handle(from: string, message: RaftMessage, nowMs: number): void {
    switch (message.kind) {
      case 'VoteReply':
        return this.onVoteReply(from, message, nowMs)
      case 'Append':
        this.heard(from, nowMs)
        return this.onAppend(from, message)
      case 'AppendReply':
        return this.onAppendReply(from, message)
      case 'Heartbeat':
        this.heard(from, nowMs)
        this.commitTo(Math.min(message.commit, this.log.lastIndex))
        return this.send(from, { kind: 'HeartbeatReply', context: message.context })
      case 'HeartbeatReply':
        return this.onHeartbeatReply(from, message.context)
      case 'ReadIndex':
        return this.leaderRead(from, message.context)
      case 'ReadIndexReply':
        return this.events.readReady(message.context, message.index)
      case 'Propose':
        return this.propose(message.proposals)
      case 'VoteRequest':
      case 'Ask':
      case 'Answer':
        return
    }
  }

  private heard(from: string, nowMs: number): void {
    if (this.role !== 'follower') this.becomeFollower(this.term, from, `${from} leads`)
    this.leader = from
    this.heardMs = nowMs
    this.resetElectionTimer(nowMs)
  }

  private onVoteReply(from: string, message: RaftMessage & { kind: 'VoteReply' }, nowMs: number): void {
    const awaited = message.pre ? this.role === 'pre-candidate' : this.role === 'candidate'
    const term = message.pre && message.granted ? this.term + 1 : this.term
    if (!awaited || message.term !== term) return
    this.votes.set(from, message.granted)
    const granted = this.votesGranted()
    if (granted >= this.quorum) this.won(nowMs, message.pre)
    else if (this.votes.size - granted >= this.quorum) this.becomeFollower(this.term, null, 'lost the vote')
  }

  // Replication

  propose(proposals: readonly Proposal[]): void {
    if (this.role === 'leader') {
      for (const proposal of proposals) this.append(proposal)
      this.maybeCommit()
      this.broadcastAppend()
    } else if (this.leader !== null) this.send(this.leader, { kind: 'Propose', proposals })
    else this.events.proposalsDropped(proposals)
  }

  private append(proposal: Proposal | null): void {
    this.log.append({ index: this.log.lastIndex + 1, term: this.term, proposal })
  }

  private broadcastAppend(): void {
    for (const peer of this.peers) this.sendAppend(peer)
  }

  private sendAppend(to: string): void {
    const progress = this.progress.get(to)
    if (progress === undefined) return
    const prevIndex = progress.next - 1
    const entries = this.log.slice(progress.next, Math.min(this.log.lastIndex, prevIndex + this.options.entriesMost))
    progress.next += entries.length
    this.send(to, { kind: 'Append', prevIndex, prevTerm: this.log.termAt(prevIndex), entries, commit: this.commit })
  }

  private onAppend(from: string, message: RaftMessage & { kind: 'Append' }): void {
    const { prevIndex, prevTerm, entries } = message
    if (!this.log.has(prevIndex, prevTerm)) {
      const hint = this.log.lastIndexNotAfterTerm(prevIndex, prevTerm)
      this.send(from, { kind: 'AppendReply', rejected: true, match: prevIndex, hint, hintTerm: this.log.termAt(hint) })
      return
    }
    for (const entry of entries) {
      if (this.log.has(entry.index, entry.term)) continue
      if (entry.index <= this.log.lastIndex) this.truncate(entry.index)
      this.log.append(entry)
    }
    const match = prevIndex + entries.length
    this.commitTo(Math.min(message.commit, match))
    this.send(from, { kind: 'AppendReply', rejected: false, match, hint: 0, hintTerm: 0 })
  }

  private truncate(index: number): void {
    if (index <= this.commit) throw new Error(`entry ${index} is committed and cannot be replaced`)
    this.log.truncateFrom(index)
    this.unwrittenFrom = Math.min(this.unwrittenFrom, index)
    this.durable = Math.min(this.durable, index - 1)
  }

  private onAppendReply(from: string, message: RaftMessage & { kind: 'AppendReply' }): void {
    const progress = this.progress.get(from)
    if (this.role !== 'leader' || progress === undefined) return
    progress.active = true
    if (message.rejected) {
      // A rejection that was overtaken says nothing: what it speaks of has been acknowledged since.
      if (message.match < progress.match) return
      const agreed = this.log.lastIndexNotAfterTerm(message.hint, message.hintTerm)
      progress.next = Math.max(progress.match + 1, Math.min(agreed + 1, message.match))
      this.events.steppedBack(from, progress.match, progress.next)
      this.sendAppend(from)
      return
    }
    if (message.match > progress.match) {
      progress.match = message.match
      progress.stuck = false
      this.maybeCommit()
    }
    progress.next = Math.max(progress.next, progress.match + 1)
    // Where its log agrees is known: the rest follows without waiting for answers (etcd's StateReplicate).
    while (progress.next <= this.log.lastIndex) this.sendAppend(from)
  }

  /** The server has made everything up to this entry durable, and what was decided in `votedTerm`. */
  wrote(index: number, term: number, votedTerm: number): void {
    if (this.role === 'candidate' && this.peers.length === 0 && votedTerm === this.term) this.becomeLeader()
    if (!this.log.has(index, term)) return
    this.durable = Math.max(this.durable, index)
    if (this.role === 'leader') this.maybeCommit()
  }

  private maybeCommit(): void {
    const matches = [this.durable, ...[...this.progress.values()].map((peer) => peer.match)]
    matches.sort((one, other) => other - one)
    const index = matches[this.quorum - 1] ?? 0
    if (index <= this.commit) return
    // Only an entry of its own term is committed by counting; the ones before come with it (Raft, section 3.6.2).
    if (this.log.termAt(index) !== this.term) return
    this.commitTo(index)
    this.broadcastAppend()
  }

  private commitTo(index: number): void {
    if (index <= this.commit) return
    this.commit = index
    this.events.committed(index, this.log.termAt(index))
  }

  // Heartbeats and reads

  heartbeat(): void {
    if (this.role !== 'leader') return
    this.sendHeartbeats(this.reads.at(-1)?.context ?? 0)
  }

  private sendHeartbeats(context: number): void {
    for (const peer of this.peers) {
      const match = this.progress.get(peer)?.match ?? 0
      this.send(peer, { kind: 'Heartbeat', commit: Math.min(this.commit, match), context })
    }
  }

  private onHeartbeatReply(from: string, context: number): void {
    const progress = this.progress.get(from)
    if (this.role !== 'leader' || progress === undefined) return
    progress.active = true
    if (progress.match < this.log.lastIndex) {
      if (progress.stuck) {
        progress.next = progress.match + 1
        this.events.steppedBack(from, progress.match, progress.next)
        this.sendAppend(from)
      }
      progress.stuck = true
    }
    if (context > 0) this.acknowledge(from, context)
  }

  /** An acknowledged context confirms leadership for all reads asked before it as well. */
  private acknowledge(from: string, context: number): void {
    let ready = -1
    for (const [place, read] of this.reads.entries()) {
      if (read.context > context) break
      read.acks.add(from)
      if (read.acks.size + 1 >= this.quorum) ready = place
    }
    for (const read of this.reads.splice(0, ready + 1)) this.answerRead(read.from, read.fromContext, read.index)
  }

  private answerRead(from: string, context: number, index: number): void {
    if (from === this.id) this.events.readReady(context, index)
    else this.send(from, { kind: 'ReadIndexReply', context, index })
  }

  /** Asks up to which index a linearizable read must wait. Nothing comes back when there is no leader: ask again. */
  readIndex(context: number): void {
    if (this.role === 'leader') this.leaderRead(this.id, context)
    else if (this.leader !== null) this.send(this.leader, { kind: 'ReadIndex', context })
  }

  private leaderRead(from: string, fromContext: number): void {
    if (this.role !== 'leader') return
    // Before it has committed in its own term a leader does not know what was committed (section 6.4).
    if (this.log.termAt(this.commit) !== this.term) return
    if (this.peers.length === 0) {
      this.answerRead(from, fromContext, this.commit)
      return
    }
    this.contexts++
    this.reads.push({ context: this.contexts, from, fromContext, index: this.commit, acks: new Set() })
    this.sendHeartbeats(this.contexts)
  }
}
