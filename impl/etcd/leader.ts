/**
 * What a member does while it leads: it replicates its log, commits what a quorum holds, confirms reads, hands over.
 *
 * Source: etcd-io/raft raft.go (stepLeader), read_only.go.
 */
import type { Configuration } from '../../model/state/keyspace.ts'
import { isJoint, isLearner, LEAVE_JOINT, membersOf } from './configuration.ts'
import type { Log } from './log.ts'
import { Progress } from './progress.ts'
import { heldByQuorum, isQuorum } from './quorum.ts'
import type { Entry, Proposal, RaftMessage } from './raft-message.ts'
import type { RaftEvents, RaftOptions } from './raft.ts'

/** What a leader needs of the member that it is. */
export interface Led {
  readonly id: string
  readonly options: RaftOptions
  readonly events: RaftEvents
  readonly log: Log
  readonly term: number
  readonly commit: number
  readonly applied: number
  /** The last index that is on its own disk. */
  readonly durable: number
  readonly configuration: Configuration
  send(to: string, message: RaftMessage): void
  commitTo(index: number): void
  stepDown(reason: string): void
}

interface PendingRead {
  readonly context: string
  /** The member that asked, this one included. */
  readonly from: string
  readonly index: number
  readonly acks: Set<string>
}

const NO_ENTRIES: readonly Entry[] = []
const READS_HELD_MOST = 1_024

export class Leader {
  /** Of everybody but itself. */
  readonly progress = new Map<string, Progress>()
  /** Whom it is about to hand over to. */
  transferee: string | null = null
  private readonly member: Led
  private transferSinceMs = 0
  private reads: PendingRead[] = []
  /** Asked before it had committed an entry of its own term. */
  private heldReads: { readonly from: string; readonly context: string }[] = []
  /** The last entry that may change the configuration and may not have been applied: no further change before that. */
  private changeIndex: number

  constructor(member: Led) {
    this.member = member
    this.changeIndex = member.log.lastIndex
    this.configured()
  }

  /** Begins its term: with an empty entry, since only entries of its own term are committed by counting. */
  begin(): void {
    this.append(null)
    this.broadcastAppend()
  }

  /** There is a new configuration: whom to replicate to, and perhaps a smaller quorum. */
  configured(): void {
    const { id, log, options, configuration } = this.member
    const members = membersOf(configuration)
    for (const peer of this.progress.keys()) if (!members.includes(peer)) this.progress.delete(peer)
    for (const peer of members) {
      if (peer === id || this.progress.has(peer)) continue
      const progress = new Progress(log.lastIndex + 1, options.window)
      // A newcomer is given an election timeout to be heard from.
      progress.active = true
      this.progress.set(peer, progress)
    }
    if (this.transferee !== null && !members.includes(this.transferee)) this.transferee = null
    if (this.maybeCommit() || this.progress.size === 0) return
    for (const [peer, progress] of this.progress) this.sendAppend(peer, progress, false)
  }

  // Proposals

  propose(proposals: readonly Proposal[]): void {
    if (this.transferee !== null) {
      this.member.events.proposalsDropped(proposals)
      return
    }
    for (const proposal of proposals) {
      const { change } = proposal
      if (change !== undefined && !this.mayChange(change.steps.length === 0)) {
        // As in etcd an empty entry stands for it, and who asked gets no answer in time.
        this.append(null)
        continue
      }
      this.append(proposal)
      if (change !== undefined) this.changeIndex = this.member.log.lastIndex
    }
    this.broadcastAppend()
  }

  /** One change at a time, each applied before the next is begun; a joint configuration is only ever left. */
  private mayChange(leaves: boolean): boolean {
    if (this.changeIndex > this.member.applied) return false
    return isJoint(this.member.configuration) === leaves
  }

  private append(proposal: Proposal | null): void {
    const { log, term } = this.member
    log.append({ index: log.lastIndex + 1, term, proposal })
  }

  /** Everything up to `applied` has been applied: a joint configuration that is to end by itself ends now. */
  appliedTo(applied: number): void {
    const { configuration } = this.member
    if (!configuration.autoLeave || applied < this.changeIndex || this.transferee !== null) return
    const leave: Proposal = {
      id: `leave-joint/${this.member.term}/${this.member.log.lastIndex + 1}`,
      request: { kind: 'Reconfigure', steps: [], joint: 'no' },
      author: this.member.id,
      via: this.member.id,
      change: LEAVE_JOINT,
    }
    this.propose([leave])
  }

  // Replication

  private broadcastAppend(): void {
    for (const [peer, progress] of this.progress) this.sendAppend(peer, progress, true)
  }

  /** False: it may be sent nothing now, or there is nothing to send. */
  private sendAppend(to: string, progress: Progress, evenEmpty: boolean): boolean {
    if (progress.blocked) return false
    const { log, options, commit } = this.member
    const prevIndex = progress.next - 1
    if (!log.knows(prevIndex)) return this.sendSnapshot(to, progress)
    const entries = progress.windowFull ? NO_ENTRIES : log.slice(progress.next, Math.min(log.lastIndex, prevIndex + options.entriesMost))
    if (entries.length === 0 && !evenEmpty) return false
    this.member.send(to, { kind: 'Append', term: this.member.term, prevIndex, prevTerm: log.termAt(prevIndex), entries, commit })
    progress.sent(entries.length)
    return true
  }

  /** What it lacks is compacted away. */
  private sendSnapshot(to: string, progress: Progress): boolean {
    if (!progress.active) return false
    const snapshot = this.member.events.snapshot()
    progress.becomeSnapshot(snapshot.index)
    this.member.send(to, { kind: 'Install', term: this.member.term, snapshot })
    return true
  }

  /** Nobody knows what became of a snapshot that was sent; it is found out by asking. */
  snapshotOverdue(to: string, index: number): void {
    const progress = this.progress.get(to)
    if (progress?.state !== 'snapshot' || progress.snapshotIndex !== index) return
    progress.snapshotIndex = 0
    progress.becomeProbe()
    this.sendAppend(to, progress, true)
  }

  onAppendReply(from: string, message: RaftMessage & { kind: 'AppendReply' }): void {
    const progress = this.progress.get(from)
    if (progress === undefined) return
    progress.active = true
    if (message.rejected) this.rejected(from, progress, message)
    else this.acknowledged(from, progress, message.match)
  }

  private rejected(from: string, progress: Progress, message: RaftMessage & { kind: 'AppendReply' }): void {
    const { log, events } = this.member
    const agreed = log.lastIndexNotAfterTerm(message.hint, message.hintTerm)
    if (!progress.rejected(message.match, agreed)) return
    if (progress.state === 'replicate') progress.becomeProbe()
    events.steppedBack(from, progress.match, progress.next)
    this.sendAppend(from, progress, true)
  }

  private acknowledged(from: string, progress: Progress, match: number): void {
    const { log } = this.member
    const news = progress.acknowledged(match)
    if (!news && !(progress.match === match && progress.state === 'probe')) return
    if (progress.state === 'replicate') progress.landed(match)
    // Where its log agrees is known, and what follows is not compacted away.
    else if (progress.match + 1 >= log.firstIndex) progress.becomeReplicate()
    this.maybeCommit()
    while (progress.next <= log.lastIndex && this.sendAppend(from, progress, false));
    if (from === this.transferee && progress.match === log.lastIndex) this.member.send(from, { kind: 'TimeoutNow', term: this.member.term })
  }

  /** How far a member's disk is known to hold this log. */
  private readonly heldBy = (voter: string): number =>
    voter === this.member.id ? this.member.durable : (this.progress.get(voter)?.match ?? 0)

  /** True: more is committed, and everybody was told. */
  maybeCommit(): boolean {
    const { member } = this
    const index = heldByQuorum(member.configuration, this.heldBy)
    if (index <= member.commit) return false
    // Only an entry of its own term is committed by counting; the ones before come with it (Raft, section 3.6.2).
    if (member.log.termAt(index) !== member.term) return false
    member.commitTo(index)
    const held = this.heldReads
    this.heldReads = []
    for (const { from, context } of held) this.confirm(from, context)
    this.broadcastAppend()
    return true
  }

  // Heartbeats and reads

  heartbeat(nowMs: number): void {
    // The other one did not take over within an election timeout: this one goes on.
    if (this.transferee !== null && nowMs - this.transferSinceMs >= this.member.options.electionMs) this.transferee = null
    this.sendHeartbeats(this.reads.at(-1)?.context ?? '')
  }

  private sendHeartbeats(context: string): void {
    const { commit } = this.member
    for (const [peer, { match }] of this.progress)
      this.member.send(peer, { kind: 'Heartbeat', term: this.member.term, commit: Math.min(commit, match), context })
  }

  onHeartbeatReply(from: string, context: string): void {
    const progress = this.progress.get(from)
    if (progress === undefined) return
    progress.active = true
    progress.paused = false
    // What was sent may be lost: an answer to this one tells.
    if (progress.match < this.member.log.lastIndex || progress.state === 'probe') this.sendAppend(from, progress, true)
    if (context !== '') this.confirmed(from, context)
  }

  /** Whether a read that `from` asks for may be served, and up to which index it has to wait. */
  readIndex(from: string, context: string): void {
    const { member } = this
    // Before it has committed in its own term a leader does not know what was committed (section 6.4).
    if (member.log.termAt(member.commit) !== member.term) {
      if (this.heldReads.length < READS_HELD_MOST) this.heldReads.push({ from, context })
      return
    }
    this.confirm(from, context)
  }

  private confirm(from: string, context: string): void {
    const { member } = this
    if (this.reads.some((read) => read.context === context)) return
    const read: PendingRead = { context, from, index: member.commit, acks: new Set([member.id]) }
    if (isQuorum(member.configuration, (voter) => read.acks.has(voter))) {
      this.answerRead(read)
      return
    }
    this.reads.push(read)
    this.sendHeartbeats(context)
  }

  /** A confirmed context confirms the leadership for all reads asked before it as well. */
  private confirmed(from: string, context: string): void {
    const place = this.reads.findIndex((one) => one.context === context)
    const read = this.reads[place]
    if (read === undefined) return
    read.acks.add(from)
    if (!isQuorum(this.member.configuration, (voter) => read.acks.has(voter))) return
    for (const ready of this.reads.splice(0, place + 1)) this.answerRead(ready)
  }

  private answerRead({ from, context, index }: PendingRead): void {
    if (from === this.member.id) this.member.events.readReady(context, index)
    else this.member.send(from, { kind: 'ReadIndexReply', term: this.member.term, context, index })
  }

  /** Every election timeout: a leader that a quorum has not answered gives up. */
  checkQuorum(): void {
    const { member } = this
    const active = isQuorum(member.configuration, (voter) => voter === member.id || this.progress.get(voter)?.active === true)
    for (const progress of this.progress.values()) progress.active = false
    if (!active) member.stepDown('no quorum answered for an election timeout')
  }

  // Handing over

  transfer(to: string, nowMs: number): void {
    const { member } = this
    const progress = this.progress.get(to)
    if (progress === undefined || isLearner(member.configuration, to) || this.transferee === to) return
    this.transferee = to
    this.transferSinceMs = nowMs
    if (progress.match === member.log.lastIndex) member.send(to, { kind: 'TimeoutNow', term: member.term })
    else this.sendAppend(to, progress, true)
  }
}
