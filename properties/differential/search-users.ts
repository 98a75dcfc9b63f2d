/** Looks for requests about users that make machines differ, and makes them few. */
import fc from 'fast-check'
import { userSequence } from './user-operations.ts'
import { runUsers, type UserMachine, type UserTally } from './users.ts'
import type { Difference } from './run.ts'

export interface UserSearch {
  readonly sequences: number
  readonly seed: number
  readonly machines: readonly { readonly machine: UserMachine; readonly real: boolean }[]
}

const LONGEST = 40

export const searchUsers = async ({
  sequences,
  seed,
  machines,
}: UserSearch): Promise<{ readonly tally: UserTally; readonly difference: Difference | null }> => {
  const tally: UserTally = { requests: 0, permitted: 0, denied: 0 }
  let difference: Difference | null = null
  const outcome = await fc.check(
    fc.asyncProperty(userSequence(LONGEST), async (sequence) => {
      const found = await runUsers(sequence, machines, tally)
      difference = found ?? difference
      return found === null
    }),
    { seed, numRuns: sequences },
  )
  for (const { machine } of machines) await machine.stop()
  if (outcome.failed && difference === null) throw outcome.errorInstance
  return { tally, difference }
}
