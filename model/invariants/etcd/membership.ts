/** Who is a member: voters decide, learners only listen, and no two configurations in a row can decide apart. SEMANTICS 2.1. */
import type { Invariant } from '../../invariant.ts'
import type { Seen } from '../../state/history.ts'
import type { Configuration, MemberId } from '../../state/keyspace.ts'
import { watching } from '../define.ts'
import { Configurations, decides } from '../raft/configurations.ts'
import { Disks, REPORTS, type Reported } from '../raft/disks.ts'
import { THESIS } from '../raft/elections.ts'

const safety = { kind: 'history', strength: 'safety' } as const
const LEARNERS = 'https://etcd.io/docs/v3.6/learning/design-learner/'

/** Some of their members that decide in the one while all others decide in the other; null: there are none. */
const apart = (one: Configuration, other: Configuration): readonly MemberId[] | null => {
  const all = [...new Set([...one.voters, ...one.outgoing, ...other.voters, ...other.outgoing])]
  for (let bits = 0; bits < 1 << all.length; bits++) {
    const inside = (member: MemberId): boolean => (bits & (1 << all.indexOf(member))) !== 0
    if (decides(one, inside) && decides(other, (member) => !inside(member))) return all.filter(inside)
  }
  return null
}

const neverApart: Invariant = watching(
  {
    id: 'ETCD-S24',
    sentence: 'a majority of one configuration and one of the next always have a member in common',
    source: `${THESIS}, section 4.1; etcd op-guide/runtime-reconf-design`,
    sometimes: 'a voter is added or removed',
    ...safety,
  },
  ['Configured'],
  () => {
    const configurations = new Configurations()
    return {
      observe(next) {
        const seen = next as Seen<'Configured'>
        const before = configurations.observe(seen)
        if (before === null || before.voters.length === 0) return 'vacuous'
        const { configuration, index } = seen
        const some = apart(before, configuration)
        if (some !== null)
          return {
            why: `${some.join(', ')} decide among voters ${before.voters.join(', ')} while the others decide among ${configuration.voters.join(', ')}, as of index ${index}`,
          }
        return before.voters.join() === configuration.voters.join() ? 'holds' : 'notable'
      },
    }
  },
)

const learnersOnlyListen: Invariant = watching(
  {
    id: 'ETCD-S24b',
    sentence: 'a learner neither stands for election nor leads, and answers no client but about itself or from its own state',
    source: LEARNERS,
    sometimes: 'a learner refuses a client',
    ...safety,
  },
  ['Configured', 'Campaigned', 'Elected', 'Invoke', 'Reply'],
  () => {
    const configurations = new Configurations()
    /** Call → what it asked, and which members knew themselves to be learners. */
    const asked = new Map<string, { readonly kind: string; readonly serializable: boolean; readonly learners: ReadonlySet<MemberId> }>()
    const isLearner = (member: MemberId): boolean => configurations.of(member)?.learners.includes(member) === true
    return {
      observe(next) {
        switch (next.kind) {
          case 'Configured':
            configurations.observe(next)
            return 'vacuous'
          case 'Campaigned':
          case 'Elected':
            return isLearner(next.member)
              ? { why: `${next.member} is a learner and ${next.kind === 'Elected' ? 'leads' : 'stands for'} term ${next.term}` }
              : 'holds'
          case 'Invoke': {
            if (next.request.kind === 'Api') return 'vacuous'
            const learners = new Set((configurations.latest?.learners ?? []).filter(isLearner))
            const serializable = next.request.kind === 'Range' && next.request.serializable === true
            asked.set(next.call, { kind: next.request.kind, serializable, learners })
            return 'vacuous'
          }
          case 'Reply': {
            const before = asked.get(next.call)
            asked.delete(next.call)
            if (before === undefined || before.learners.size === 0) return 'vacuous'
            if (next.outcome.kind === 'refused') return next.outcome.reason.includes('learner') ? 'notable' : 'vacuous'
            if (next.outcome.kind !== 'done' || before.serializable || OF_ITSELF.has(before.kind)) return 'vacuous'
            const member = next.outcome.response?.header.member ?? ''
            if (!before.learners.has(member) || !isLearner(member)) return 'vacuous'
            return { why: `call ${next.call}, a ${before.kind}, was answered by the learner ${member}` }
          }
          default:
            return 'vacuous'
        }
      },
    }
  },
)
/** What is asked of one member about itself. */
const OF_ITSELF: ReadonlySet<string> = new Set(['Status', 'HashKv', 'Defragment', 'Snapshot', 'Alarm'])

/** etcd's readyPercentThreshold. */
const READY = 0.9

const promotedWhenReady: Invariant = watching(
  {
    id: 'ETCD-S24c',
    sentence: "a learner becomes a voter only when it holds nine tenths of the leader's log",
    source: `${LEARNERS}; server/etcdserver/server.go readyPercentThreshold`,
    sometimes: 'a learner becomes a voter',
    ...safety,
  },
  ['Configured', ...REPORTS],
  () => {
    const configurations = new Configurations()
    const disks = new Disks()
    return {
      observe(next) {
        if (next.kind !== 'Configured') {
          disks.observe(next as Reported)
          return 'vacuous'
        }
        const before = configurations.observe(next)
        const { configuration, index } = next
        // Whoever goes through a joint configuration asks for no promotion, and is not asked whether it is ready.
        if (configuration.outgoing.length > 0) return 'vacuous'
        const promoted = before?.learners.filter((member) => configuration.voters.includes(member)) ?? []
        for (const member of promoted) {
          const holds = disks.lastIndex(member)
          if (holds < Math.floor(READY * (index - 1)))
            return { why: `${member} became a voter at index ${index} while its log ended at ${holds}` }
        }
        return promoted.length > 0 ? 'notable' : 'vacuous'
      },
    }
  },
)

const electedByVoters: Invariant = watching(
  {
    id: 'RAFT-R1',
    sentence: 'whoever leads has the votes of a majority of the voters that it knows of',
    source: `${THESIS}, section 3.4; etcd-io/etcd#7280`,
    sometimes: 'not all voted for it',
    ...safety,
  },
  ['Configured', 'Restored', 'Voted', 'Elected'],
  () => {
    const configurations = new Configurations()
    const seen = new Set<MemberId>()
    /** '<term>/<candidate>' → who voted for it. */
    const votes = new Map<string, Set<MemberId>>()
    return {
      observe(next) {
        switch (next.kind) {
          case 'Configured':
            configurations.observe(next)
            return 'vacuous'
          case 'Restored':
            seen.add(next.member)
            return 'vacuous'
          case 'Voted': {
            const of = `${next.term}/${next.candidate}`
            const cast = votes.get(of) ?? new Set()
            votes.set(of, cast.add(next.member))
            return 'vacuous'
          }
          case 'Elected': {
            const { member, term } = next
            const cast = new Set([...(votes.get(`${term}/${member}`) ?? []), member])
            const configuration = configurations.of(member) ?? configurations.around(0, [...seen])[0]
            if (configuration === undefined) return 'vacuous'
            if (!decides(configuration, (voter) => cast.has(voter)))
              return {
                why: `${member} leads term ${term} with the votes of ${[...cast].join(', ')}, of the voters ${configuration.voters.join(', ')}`,
              }
            return configuration.voters.every((voter) => cast.has(voter)) ? 'holds' : 'notable'
          }
          default:
            return 'vacuous'
        }
      },
    }
  },
)

export const MEMBERSHIP: readonly Invariant[] = [neverApart, learnersOnlyListen, promotedWhenReady, electedByVoters]
