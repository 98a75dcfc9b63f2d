/** Who votes, as members came to apply it. Where nobody says, all members that were ever seen. */
import { sameValue } from '../../components/objects.ts'
import type { Seen } from '../../state/history.ts'
import type { Configuration, MemberId } from '../../state/keyspace.ts'

export const everybody = (voters: readonly MemberId[]): Configuration => ({
  voters,
  outgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
})

const majority = (members: readonly MemberId[], has: (member: MemberId) => boolean): boolean =>
  members.filter(has).length >= Math.floor(members.length / 2) + 1

/** Whether those that `has` picks decide: of both halves, while it is joint. */
export const decides = ({ voters, outgoing }: Configuration, has: (member: MemberId) => boolean): boolean =>
  majority(voters, has) && (outgoing.length === 0 || majority(outgoing, has))

/** The process a member runs in: what joins again has a number after its name. */
export const processOf = (member: MemberId): string => member.split('.')[0] ?? member

export class Configurations {
  /** By the index that made them, in order; one that a snapshot repeats at a later index stands once. */
  private made: readonly { readonly index: number; readonly configuration: Configuration }[] = []
  private readonly own = new Map<MemberId, Configuration>()

  /** The one before it, when this is the first time anybody applied it. */
  observe({ member, index, configuration }: Seen<'Configured'>): Configuration | null {
    this.own.set(member, configuration)
    if (this.made.some((one) => one.index === index)) return null
    const before = this.made.findLast((one) => one.index < index)
    this.made = [...this.made, { index, configuration }]
      .toSorted((one, other) => one.index - other.index)
      .filter((one, place, all) => place === 0 || !sameValue(one.configuration, all[place - 1]?.configuration))
    return before?.configuration ?? null
  }

  get latest(): Configuration | null {
    return this.made.at(-1)?.configuration ?? null
  }

  /** As the member itself has applied it. */
  of(member: MemberId): Configuration | null {
    return this.own.get(member) ?? null
  }

  /**
   * Whether it stands for election, by what it has applied itself. One that does not may yet refuse its vote to one whose log
   * is shorter: who counts on it for a majority may wait for ever (etcd-io/raft raft.go, promotable; a leader's new entry
   * may reach the disk of a follower and not its own).
   */
  stands(member: MemberId): boolean {
    const own = this.own.get(member)
    return own === undefined || [...own.voters, ...own.outgoing].includes(member)
  }

  /**
   * Whether those that `runs` picks are enough to go on, by the latest configuration and by what each of them knows: the
   * other of two voters may be removed and gone, or be a learner, before the one that is left has heard of it (etcd-io/raft
   * README; etcd op-guide/runtime-configuration).
   */
  goesOn(runs: (member: MemberId) => boolean): boolean {
    const { latest } = this
    if (latest === null) return true
    const knowing = [latest, ...latest.voters.filter(runs).flatMap((member) => this.own.get(member) ?? [])]
    return knowing.every((configuration) => decides(configuration, (member) => runs(member) && this.stands(member)))
  }

  /** Whether a process runs a voter; so it is where nobody says who votes. */
  votes(process: string): boolean {
    const { latest } = this
    return latest === null || [...latest.voters, ...latest.outgoing].some((member) => processOf(member) === process)
  }

  /** Those in force around an index: a change counts once it is applied, which may be some entries later. */
  around(index: number, seen: readonly MemberId[]): readonly Configuration[] {
    const until = this.made.filter((one) => one.index <= index).slice(-2)
    return until.length === 0 ? [this.made[0]?.configuration ?? everybody(seen)] : until.map((one) => one.configuration)
  }
}
