/**
 * The members as the log has made them, and whether a change to them is allowed.
 *
 * Checked twice, as in etcd: before it is proposed, where it would put the cluster at risk, and when it is applied, where
 * an earlier entry may have got in between.
 * Source: server/etcdserver/api/membership/cluster.go; error texts: api/v3rpc/rpctypes/error.go.
 */
import type { Configuration, EtcdError, MemberId } from '../../model/state/keyspace.ts'
import type { MemberInfo } from '../../model/state/membership.ts'
import { changed, isLearner, isVoter, membersOf, NOBODY, type ConfigurationChange } from './configuration.ts'
import { badConfiguration, MEMBER_EXISTS, NO_MEMBER, NOT_LEARNER, PEER_URLS_EXIST, TOO_MANY_LEARNERS } from './errors.ts'
import type { LogRequest, MembersLogRequest } from './log-request.ts'

/** etcd's --max-learners. */
const LEARNERS_MOST = 1
/** Of the leader's log a learner must hold this share to be promoted (readyPercent). */
const READY_SHARE = 0.9

interface Known {
  readonly name: string
  readonly peerUrls: readonly string[]
}

export interface MembershipImage {
  readonly configuration: Configuration
  readonly members: readonly (readonly [MemberId, Known])[]
  readonly removed: readonly MemberId[]
}

export class Membership {
  configuration: Configuration = NOBODY
  private members = new Map<MemberId, Known>()
  private removed = new Set<MemberId>()

  image(): MembershipImage {
    return { configuration: this.configuration, members: [...this.members], removed: [...this.removed] }
  }

  restore({ configuration, members, removed }: MembershipImage): void {
    this.configuration = configuration
    this.members = new Map(members)
    this.removed = new Set(removed)
  }

  list(): readonly MemberInfo[] {
    return membersOf(this.configuration).map((id) => this.info(id))
  }

  info(id: MemberId): MemberInfo {
    const { name, peerUrls } = this.members.get(id) ?? { name: '', peerUrls: [] }
    return { id, name, peerUrls, isLearner: isLearner(this.configuration, id) }
  }

  has(id: MemberId): boolean {
    return this.members.has(id)
  }

  wasRemoved(id: MemberId): boolean {
    return this.removed.has(id)
  }

  /** The process that a member is reached at; null: it is not known. */
  processOf(id: MemberId): string | null {
    return this.members.get(id)?.peerUrls[0] ?? null
  }

  /** An id that no member has had, for one that runs in that process. */
  newId(process: string): MemberId {
    if (!this.isKnown(process)) return process
    for (let again = 1; ; again++) {
      const id = `${process}.${again}`
      if (!this.isKnown(id)) return id
    }
  }

  private isKnown(id: MemberId): boolean {
    return this.members.has(id) || this.removed.has(id)
  }

  // Applying

  /** Null: done. Otherwise why nothing was changed. */
  apply(request: MembersLogRequest): EtcdError | null {
    const problem = this.problemWith(request)
    if (problem !== null) return problem
    const change = changeOf(request)
    if (change !== null) {
      const after = changed(this.configuration, change)
      if (typeof after === 'string') return badConfiguration(after)
      this.configuration = after
      for (const id of this.members.keys()) if (!membersOf(after).includes(id)) this.forget(id)
    }
    this.note(request)
    return null
  }

  private forget(id: MemberId): void {
    this.members.delete(id)
    this.removed.add(id)
  }

  private note(request: MembersLogRequest): void {
    if (request.kind === 'MemberAdd') {
      this.members.set(request.id as MemberId, { name: '', peerUrls: request.peerUrls })
    } else if (request.kind === 'MemberUpdate') {
      this.members.set(request.id, { name: this.info(request.id).name, peerUrls: request.peerUrls })
    } else if (request.kind === 'MemberPublish') {
      this.members.set(request.id, { name: request.name, peerUrls: this.info(request.id).peerUrls })
    }
  }

  private problemWith(request: MembersLogRequest): EtcdError | null {
    switch (request.kind) {
      case 'MemberAdd': {
        if (request.id === undefined || this.isKnown(request.id)) return MEMBER_EXISTS
        if (this.urlsTaken(request.peerUrls, request.id)) return PEER_URLS_EXIST
        const learners = this.configuration.learners.length + this.configuration.learnersNext.length
        return request.isLearner === true && learners >= LEARNERS_MOST ? TOO_MANY_LEARNERS : null
      }
      case 'MemberPromote':
        if (!this.has(request.id)) return NO_MEMBER
        return isLearner(this.configuration, request.id) ? null : NOT_LEARNER
      case 'MemberUpdate':
        if (!this.has(request.id)) return NO_MEMBER
        return this.urlsTaken(request.peerUrls, request.id) ? PEER_URLS_EXIST : null
      case 'MemberRemove':
      case 'MemberPublish':
        return this.has(request.id) ? null : NO_MEMBER
      case 'Reconfigure':
        return request.steps.every(({ member }) => this.has(member)) ? null : NO_MEMBER
    }
  }

  private urlsTaken(peerUrls: readonly string[], by: MemberId): boolean {
    return [...this.members].some(([id, known]) => id !== by && known.peerUrls.some((url) => peerUrls.includes(url)))
  }

  // Before proposing (strict-reconfig-check)

  private voters(): readonly MemberInfo[] {
    return this.list().filter(({ id }) => isVoter(this.configuration, id))
  }

  /** Whether the voters that have started are a quorum of those there will be, with one more, or without one. */
  enoughStarted(request: MembersLogRequest): boolean {
    if (request.kind === 'MemberAdd' && request.isLearner === true) return true
    const voters = this.voters()
    const others = request.kind === 'MemberRemove' ? voters.filter(({ id }) => id !== request.id) : voters
    const started = others.filter(({ name }) => name !== '').length
    switch (request.kind) {
      case 'MemberAdd':
        // A single member that was restored may be given a second one.
        return (started === 1 && others.length === 1) || started >= quorumOf(others.length + 1)
      case 'MemberPromote':
        return started + 1 >= quorumOf(others.length + 1)
      case 'MemberRemove':
        return others.length === voters.length || (others.length > 0 && started >= quorumOf(others.length))
      default:
        return true
    }
  }

  /** Whether this change leaves an active quorum. `active`: has been connected to this member for a while. */
  healthy(request: MembersLogRequest, active: (id: MemberId) => boolean): boolean {
    const voters = this.voters()
    const connected = voters.filter(({ id }) => active(id)).length
    if (request.kind === 'MemberAdd') return connected === voters.length
    if (request.kind !== 'MemberRemove' || !isVoter(this.configuration, request.id)) return true
    // One that is down is no part of the active quorum.
    return !active(request.id) || connected - 1 >= quorumOf(voters.length - 1)
  }
}

const quorumOf = (count: number): number => (count >> 1) + 1

/** Whether a learner has caught up. */
export const isReady = (match: number, leaderMatch: number): boolean => match >= leaderMatch * READY_SHARE

/** What a request does to the configuration; null: nothing. */
export const changeOf = (request: LogRequest): ConfigurationChange | null => {
  switch (request.kind) {
    case 'MemberAdd':
      return { steps: [{ kind: request.isLearner === true ? 'AddLearner' : 'AddVoter', member: request.id as MemberId }], joint: 'no' }
    case 'MemberRemove':
      return { steps: [{ kind: 'Remove', member: request.id }], joint: 'no' }
    case 'MemberPromote':
      return { steps: [{ kind: 'AddVoter', member: request.id }], joint: 'no' }
    case 'Reconfigure':
      return { steps: request.steps, joint: request.joint }
    default:
      return null
  }
}
