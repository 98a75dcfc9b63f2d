/**
 * Who votes, who only listens, and how that changes: one member at a time, or many through a joint configuration.
 *
 * Source: etcd-io/raft confchange/confchange.go; Ongaro's thesis, chapter 4.
 */
import type { Configuration } from '../../model/state/keyspace.ts'
import type { ConfigurationStep, ReconfigureRequest } from '../../model/state/membership.ts'

/** What one entry of the log does to the configuration. */
export type ConfigurationChange = Pick<ReconfigureRequest, 'steps' | 'joint'>

export const NOBODY: Configuration = { voters: [], outgoing: [], learners: [], learnersNext: [], autoLeave: false }
export const LEAVE_JOINT: ConfigurationChange = { steps: [], joint: 'no' }

export const isJoint = (configuration: Configuration): boolean => configuration.outgoing.length > 0

/** Everybody the leader replicates to, in order of name. */
export const membersOf = ({ voters, outgoing, learners }: Configuration): readonly string[] =>
  [...new Set([...voters, ...outgoing, ...learners])].toSorted()

export const isVoter = ({ voters, outgoing }: Configuration, member: string): boolean =>
  voters.includes(member) || outgoing.includes(member)
export const isLearner = (configuration: Configuration, member: string): boolean =>
  configuration.learners.includes(member) && !isVoter(configuration, member)

const without = (members: readonly string[], member: string): readonly string[] => members.filter((one) => one !== member)
const including = (members: readonly string[], member: string): readonly string[] => [...without(members, member), member].toSorted()

const stepped = (configuration: Configuration, { kind, member }: ConfigurationStep): Configuration => {
  const removed = {
    ...configuration,
    voters: without(configuration.voters, member),
    learners: without(configuration.learners, member),
    learnersNext: without(configuration.learnersNext, member),
  }
  switch (kind) {
    case 'AddVoter':
      return { ...removed, voters: including(removed.voters, member) }
    case 'AddLearner':
      // It still votes in the outgoing half: it becomes a learner when that is left.
      return removed.outgoing.includes(member)
        ? { ...removed, learnersNext: including(removed.learnersNext, member) }
        : { ...removed, learners: including(removed.learners, member) }
    case 'Remove':
      return removed
  }
}

const difference = (one: readonly string[], other: readonly string[]): number =>
  one.filter((member) => !other.includes(member)).length + other.filter((member) => !one.includes(member)).length

/** The configuration after a change. A text: why there is none. */
export const changed = (configuration: Configuration, change: ConfigurationChange): Configuration | string => {
  const { steps, joint } = change
  if (steps.length === 0) return left(configuration)
  if (isJoint(configuration)) return 'config is already joint'
  if (joint !== 'no' && configuration.voters.length === 0) return "can't make a zero-voter config joint"
  const outgoing = joint === 'no' ? [] : configuration.voters
  const after = steps.reduce(stepped, { ...configuration, outgoing, autoLeave: joint === 'auto' })
  if (after.voters.length === 0) return 'removed all voters'
  if (joint === 'no' && difference(configuration.voters, after.voters) > 1)
    return 'more than one voter changed without entering joint config'
  return after
}

const left = (configuration: Configuration): Configuration | string => {
  if (!isJoint(configuration)) return "can't leave a non-joint config"
  const { voters, learners, learnersNext } = configuration
  return { voters, outgoing: [], learners: learnersNext.reduce(including, learners), learnersNext: [], autoLeave: false }
}
