/** Who is a member: voters decide, learners only listen, and no two configurations in a row can decide apart. SEMANTICS 2.1. */
import type { Invariant } from '../../invariant.ts'
import type { MemberId } from '../../state/keyspace.ts'
import { watching } from '../define.ts'
import { Configurations, decides } from '../raft/configurations.ts'
import { THESIS } from '../raft/elections.ts'

const safety = { kind: 'history', strength: 'safety' } as const
const LEARNERS = 'https://etcd.io/docs/v3.6/learning/design-learner/'

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

export const MEMBERSHIP: readonly Invariant[] = [learnersOnlyListen, electedByVoters]
