/**
 * Raft as etcd runs it: pre-vote, check-quorum, learners, joint configurations, snapshots. A pure state machine: it is
 * stepped with messages and told of time; what it wants done piles up in `outbox` until its server takes it.
 *
 * Source: Ongaro, Consensus: Bridging Theory and Practice, 2014; etcd-io/raft.
 */
import type { Configuration } from '../../model/state/keyspace.ts'
import type { Random } from '../../sim/random.ts'
import { isVoter, membersOf, NOBODY } from './configuration.ts'
import { Leader, type Led } from './leader.ts'
import { Log } from './log.ts'
import type { Window } from './progress.ts'
import { tally } from './quorum.ts'
import type { Entry, Proposal, RaftLetter, RaftMessage } from './raft-message.ts'
import type { Snapshot } from './snapshot.ts'

export type Role = 'follower' | 'pre-candidate' | 'candidate' | 'leader'

/** What must be on disk before what depends on it is said; of the commit index only that it does no harm. */
export interface HardState {
  readonly term: number
  readonly vote: string | null
  readonly commit: number
}

export interface RaftEvents {
  elected(term: number): void
  steppedDown(term: number, reason: string): void
  /** It stands for election in that term, or asks whether it would be of use. */
  campaigned(term: number, pre: boolean): void
  committed(index: number, entryTerm: number): void
  /** A read this member asked for may be served once `index` is applied. */
  readReady(context: string, index: number): void
  proposalsDropped(proposals: readonly Proposal[]): void
  /** This leader sends `to` again from `next` on. */
  steppedBack(to: string, match: number, next: number): void
  /** All that is applied now, for a member that is too far behind. */
  snapshot(): Snapshot
  /** The log now begins after this snapshot, which is to be stored and to replace all that was applied. */
  installed(snapshot: Snapshot): void
}

export interface RaftOptions {
  readonly electionMs: number
  /** Entries sent in one Append. */
  readonly entriesMost: number
  /** What may be under way to one member without an answer. */
  readonly window: Window
}

export class Raft implements Led {
  readonly id: string
  readonly options: RaftOptions
  readonly events: RaftEvents
  readonly log = new Log()
  configuration: Configuration = NOBODY
  role: Role = 'follower'
  term = 0
  vote: string | null = null
  leader: string | null = null
  commit = 0
  /** The last entry whose effect, on the configuration above all, is known here. */
  applied = 0
  /** The last index that is durable on this member's own disk. */
  durable = 0
  /** What changed since the server last wrote: entries from here on, and the hard state. */
  unwrittenFrom = 1
  hardStateChanged = false
  outbox: RaftLetter[] = []
  private readonly random: Random
  /** While this member leads. */
  private leading: Leader | null = null
  private votes = new Map<string, boolean>()
  private transferring = false
  /** Local time of the last word from the leader, and when patience ends. */
  private heardMs = -Infinity
  electionDueMs = 0

  constructor(id: string, options: RaftOptions, random: Random, events: RaftEvents) {
    this.id = id
    this.options = options
    this.random = random
    this.events = events
  }

  /** After a restart: what the disk still held. */
  restore(state: HardState, snapshot: Snapshot | null, entries: readonly Entry[]): void {
    this.term = state.term
    this.vote = state.vote
    if (snapshot !== null) this.startFrom(snapshot)
    for (const entry of entries) {
      if (entry.index <= this.log.lastIndex) this.log.truncateFrom(entry.index)
      this.log.append(entry)
    }
    this.durable = this.log.lastIndex
    this.unwrittenFrom = this.log.lastIndex + 1
    this.commit = Math.max(this.commit, Math.min(state.commit, this.log.lastIndex))
  }

  private startFrom({ index, term, configuration }: Snapshot): void {
    this.log.restartAt(index, term)
    this.configuration = configuration
    this.commit = index
    this.applied = index
  }

  resetElectionTimer(nowMs: number): void {
    this.electionDueMs = nowMs + this.random.between(this.options.electionMs, this.options.electionMs * 2 - 1)
  }

  send(to: string, message: RaftMessage): void {
    this.outbox.push({ kind: 'Raft', from: this.id, to, message })
  }

  // Elections

  electionTimeout(nowMs: number): void {
    this.resetElectionTimer(nowMs)
    this.transferring = false
    if (this.mayCampaign()) this.campaign(nowMs, true)
  }

  /** Only a voter, and only with the configuration that its log says is in force. */
  private mayCampaign(): boolean {
    if (this.role === 'leader' || !isVoter(this.configuration, this.id)) return false
    return !this.hasUnappliedChange()
  }

  private hasUnappliedChange(): boolean {
    for (let index = this.applied + 1; index <= this.commit; index++) {
      if (this.log.get(index).proposal?.change !== undefined) return true
    }
    return false
  }

  private campaign(nowMs: number, pre: boolean): void {
    this.votes = new Map()
    this.leader = null
    if (pre) this.role = 'pre-candidate'
    else {
      this.role = 'candidate'
      this.setTerm(this.term + 1)
      this.castVote(this.id)
      this.resetElectionTimer(nowMs)
    }
    const term = pre ? this.term + 1 : this.term
    this.events.campaigned(term, pre)
    const { lastIndex, lastTerm } = this.log
    for (const peer of membersOf(this.configuration)) {
      if (peer === this.id || !isVoter(this.configuration, peer)) continue
      this.send(peer, { kind: 'VoteRequest', term, pre, lastIndex, lastTerm, transfer: this.transferring })
    }
    // Its own vote counts once it is on its disk; whether it would give it needs no disk.
    if (pre) this.count(this.id, true, nowMs)
  }

  private count(voter: string, granted: boolean, nowMs: number): void {
    if (!this.votes.has(voter)) this.votes.set(voter, granted)
    const result = tally(this.configuration, this.votes)
    if (result === 'lost') this.becomeFollower(this.term, null, 'lost the vote')
    else if (result === 'won' && this.role === 'pre-candidate') this.campaign(nowMs, false)
    else if (result === 'won') this.becomeLeader()
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
    this.leading = null
    this.transferring = false
    if (led) this.events.steppedDown(before, reason)
  }

  private becomeLeader(): void {
    this.role = 'leader'
    this.leader = this.id
    this.transferring = false
    this.events.elected(this.term)
    this.leading = new Leader(this)
    this.leading.begin()
  }

  stepDown(reason: string): void {
    this.becomeFollower(this.term, null, reason)
  }

  /** Every election timeout. */
  checkQuorum(): void {
    this.leading?.checkQuorum()
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
      if (message.pre || (!message.transfer && this.inLease(nowMs))) return
      this.becomeFollower(message.term, null, `${from} stands for term ${message.term}`)
      return
    }
    // A granted pre-vote carries the term it was asked for, which nobody has begun yet.
    if (message.kind === 'VoteReply' && message.pre && message.granted) return
    const leads = message.kind === 'Append' || message.kind === 'Heartbeat' || message.kind === 'Install'
    this.becomeFollower(message.term, leads ? from : null, `${from} is in term ${message.term}`)
  }

  /** A sender that is behind learns the term, so that nobody waits for ever on what cannot be given. */
  private lowerTerm(from: string, message: RaftMessage): void {
    if (message.kind === 'Append' || message.kind === 'Heartbeat') {
      this.send(from, { kind: 'AppendReply', term: this.term, rejected: true, match: 0, hint: 0, hintTerm: 0 })
    } else if (message.kind === 'VoteRequest' && message.pre)
      this.send(from, { kind: 'VoteReply', term: this.term, pre: true, granted: false })
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
      this.send(from, { kind: 'VoteReply', term: this.term, pre, granted: false })
      return
    }
    if (!pre) {
      this.resetElectionTimer(nowMs)
      if (this.vote === null) this.castVote(from)
    }
    this.send(from, { kind: 'VoteReply', term: message.term, pre, granted: true })
  }

  private handle(from: string, message: RaftMessage, nowMs: number): void {
    switch (message.kind) {
      case 'VoteReply':
        return this.onVoteReply(from, message, nowMs)
      case 'Append':
        this.heard(from, nowMs)
        return this.onAppend(from, message)
      case 'Install':
        this.heard(from, nowMs)
        return this.onInstall(from, message.snapshot)
      case 'Heartbeat':
        this.heard(from, nowMs)
        this.commitTo(Math.min(message.commit, this.log.lastIndex))
        return this.send(from, { kind: 'HeartbeatReply', term: this.term, context: message.context })
      case 'AppendReply':
        return this.leading?.onAppendReply(from, message)
      case 'HeartbeatReply':
        return this.leading?.onHeartbeatReply(from, message.context)
      case 'ReadIndex':
        return this.leading?.readIndex(from, message.context)
      case 'ReadIndexReply':
        return this.events.readReady(message.context, message.index)
      case 'Propose':
        return this.propose(message.proposals)
      case 'TransferLeader':
        return this.transferLeader(message.to, nowMs)
      case 'TimeoutNow':
        return this.timeoutNow(nowMs)
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
    if (awaited && message.term === term) this.count(from, message.granted, nowMs)
  }

  // The log

  propose(proposals: readonly Proposal[]): void {
    if (this.leading !== null) this.leading.propose(proposals)
    else if (this.leader !== null) this.send(this.leader, { kind: 'Propose', term: this.term, proposals })
    else this.events.proposalsDropped(proposals)
  }

  private onAppend(from: string, message: RaftMessage & { kind: 'Append' }): void {
    const { prevIndex, prevTerm, entries } = message
    // What is committed here agrees with any leader's log, and may be compacted away.
    if (prevIndex < this.commit) return this.acknowledge(from, this.commit)
    if (!this.log.has(prevIndex, prevTerm)) {
      const hint = this.log.lastIndexNotAfterTerm(prevIndex, prevTerm)
      this.send(from, { kind: 'AppendReply', term: this.term, rejected: true, match: prevIndex, hint, hintTerm: this.log.termAt(hint) })
      return
    }
    for (const entry of entries) {
      if (this.log.has(entry.index, entry.term)) continue
      if (entry.index <= this.log.lastIndex) this.truncate(entry.index)
      this.log.append(entry)
    }
    const match = prevIndex + entries.length
    this.commitTo(Math.min(message.commit, match))
    this.acknowledge(from, match)
  }

  private acknowledge(to: string, match: number): void {
    this.send(to, { kind: 'AppendReply', term: this.term, rejected: false, match, hint: 0, hintTerm: 0 })
  }

  private truncate(index: number): void {
    if (index <= this.commit) throw new Error(`entry ${index} is committed and cannot be replaced`)
    this.log.truncateFrom(index)
    this.unwrittenFrom = Math.min(this.unwrittenFrom, index)
    this.durable = Math.min(this.durable, index - 1)
  }

  /** A snapshot in place of what this member lacks. */
  private onInstall(from: string, snapshot: Snapshot): void {
    const { index, term } = snapshot
    if (index > this.commit) {
      // Nothing is missing: it only says that so much is committed.
      if (this.log.has(index, term)) this.commitTo(index)
      else {
        this.startFrom(snapshot)
        this.durable = 0
        this.unwrittenFrom = index + 1
        this.events.installed(snapshot)
      }
    }
    this.acknowledge(from, this.commit)
  }

  /** The server has made everything up to this entry durable, and what was decided in `votedTerm`. */
  wrote(index: number, term: number, votedTerm: number, nowMs: number): void {
    if (this.role === 'candidate' && votedTerm === this.term) this.count(this.id, true, nowMs)
    if (!this.log.has(index, term)) return
    this.durable = Math.max(this.durable, index)
    this.leading?.maybeCommit()
  }

  commitTo(index: number): void {
    if (index <= this.commit) return
    this.commit = index
    this.events.committed(index, this.log.termAt(index))
  }

  // What the server has done

  /** Entries up to this one have been applied. */
  appliedTo(index: number): void {
    this.applied = index
    this.leading?.appliedTo(index)
  }

  /** A change in the log takes effect when it is applied. */
  configure(configuration: Configuration): void {
    this.configuration = configuration
    if (this.role === 'leader' && !isVoter(configuration, this.id)) this.stepDown('it is no voter any more')
    this.leading?.configured()
  }

  /** What a snapshot stands for may go, but for some entries that save a slow follower the snapshot. */
  compactTo(index: number): void {
    this.log.compactTo(index)
  }

  /** A snapshot that was sent so long ago should have arrived. */
  snapshotOverdue(to: string, index: number): void {
    this.leading?.snapshotOverdue(to, index)
  }

  // Reads and leadership

  heartbeat(nowMs: number): void {
    this.leading?.heartbeat(nowMs)
  }

  /** Asks up to which index a linearizable read must wait. Nothing comes back when there is no leader: ask again. */
  readIndex(context: string): void {
    if (this.leading !== null) this.leading.readIndex(this.id, context)
    else if (this.leader !== null) this.send(this.leader, { kind: 'ReadIndex', term: this.term, context })
  }

  transferLeader(to: string, nowMs: number): void {
    if (this.leading !== null) this.leading.transfer(to, nowMs)
    else if (this.leader !== null) this.send(this.leader, { kind: 'TransferLeader', term: this.term, to })
  }

  /** The leader wants this member to take over: at once, without asking first. */
  private timeoutNow(nowMs: number): void {
    if (!this.mayCampaign()) return
    this.transferring = true
    this.campaign(nowMs, false)
  }

  /** How far a member's log is known to agree with this leader's; null: this one does not lead, or knows no such member. */
  matchOf(member: string): number | null {
    if (this.leading === null) return null
    return member === this.id ? this.durable : (this.leading.progress.get(member)?.match ?? null)
  }
}
