/**
 * Majorities of a configuration. While it is joint, both halves have to agree.
 *
 * Source: etcd-io/raft quorum/majority.go, quorum/joint.go.
 */
import type { Configuration } from '../../model/state/keyspace.ts'

export type Tally = 'won' | 'lost' | 'open'

const scratch: number[] = []

/** The highest index that a majority holds. Nobody to ask: no limit. */
const heldByMajority = (voters: readonly string[], heldBy: (member: string) => number): number => {
  const count = voters.length
  if (count === 0) return Infinity
  for (let place = 0; place < count; place++) {
    // Sorted as they come, the highest first: there are never many.
    const held = heldBy(voters[place] as string)
    let at = place
    while (at > 0 && (scratch[at - 1] as number) < held) {
      scratch[at] = scratch[at - 1] as number
      at--
    }
    scratch[at] = held
  }
  return scratch[count >> 1] as number
}

/** The highest index that a quorum holds. */
export const heldByQuorum = ({ voters, outgoing }: Configuration, heldBy: (member: string) => number): number =>
  Math.min(heldByMajority(voters, heldBy), heldByMajority(outgoing, heldBy))

const tallyOf = (voters: readonly string[], votes: ReadonlyMap<string, boolean>): Tally => {
  let granted = 0
  let missing = 0
  for (const voter of voters) {
    const vote = votes.get(voter)
    if (vote === undefined) missing++
    else if (vote) granted++
  }
  const majority = (voters.length >> 1) + 1
  if (granted >= majority || voters.length === 0) return 'won'
  return granted + missing >= majority ? 'open' : 'lost'
}

export const tally = ({ voters, outgoing }: Configuration, votes: ReadonlyMap<string, boolean>): Tally => {
  const one = tallyOf(voters, votes)
  const other = tallyOf(outgoing, votes)
  if (one === 'lost' || other === 'lost') return 'lost'
  return one === 'won' && other === 'won' ? 'won' : 'open'
}

/** Whether those for whom `agrees` holds are a quorum. */
export const isQuorum = (configuration: Configuration, agrees: (member: string) => boolean): boolean =>
  heldByQuorum(configuration, (member) => (agrees(member) ? 1 : 0)) === 1
