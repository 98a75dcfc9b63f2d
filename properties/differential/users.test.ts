/**
 * Goal: what users may do is what the specification says they may. Method: random changes of users, roles and permissions, and
 * requests by those users, to the specification, the implementation and a real etcd.
 */
import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { NO_USERS, type By } from '../../model/components/etcd-auth.ts'
import { RealUsers } from './real-users.ts'
import { searchUsers } from './search-users.ts'
import { SimulatedUsers } from './simulated-users.ts'
import { transcript } from './transcript.ts'
import { isAdmin, specified, type UserMachine, type UserRequest } from './users.ts'

const PRESENT = spawnSync('etcd', ['--version']).status === 0
const absent = PRESENT ? '' : ' (without a real etcd: there is none on this machine)'

test(`the specification, the implementation and a real etcd let users do the same${absent}`, async () => {
  const real = PRESENT ? [{ machine: await RealUsers.start('etcd'), real: true }] : []
  const machines = [...real, { machine: new SimulatedUsers(1), real: false }]
  const { tally, difference } = await searchUsers({ sequences: 80, seed: 1, machines })
  expect(difference === null ? 'no difference' : transcript(difference).join('\n')).toBe('no difference')
  expect(Math.min(tally.permitted, tally.denied)).toBeGreaterThan(tally.requests / 40)
})

/** Right, but that it takes a request for another one before it looks who asks. */
class WrongUsers implements UserMachine {
  readonly name = 'wrong'
  private auth = NO_USERS
  private readonly mistaken: (request: UserRequest) => UserRequest

  constructor(mistaken: (request: UserRequest) => UserRequest) {
    this.mistaken = mistaken
  }

  resetUsers(): Promise<void> {
    this.auth = NO_USERS
    return Promise.resolve()
  }

  askAs(by: By, request: UserRequest): Promise<string> {
    const { auth, said } = specified(this.auth, by, isAdmin(request) ? request : this.mistaken(request))
    this.auth = auth
    return Promise.resolve(said)
  }

  stop(): Promise<void> {
    return Promise.resolve()
  }
}

/** Three users, their roles, and that it matters. */
const PREPARING_STEPS = 9

test.each<[string, (request: UserRequest) => UserRequest]>([
  ['what was before is told to those who may only write', (request) => ('prevKv' in request ? { ...request, prevKv: false } : request)],
  ['compares are not looked at', (request) => (request.kind === 'Txn' ? { ...request, compare: [] } : request)],
  ['a range is taken for its first key', (request) => (request.kind === 'Range' ? { kind: 'Range', key: request.key } : request)],
])('%s: found, in at most five requests beside those that bring users about', async (_, mistaken) => {
  const { difference } = await searchUsers({ sequences: 2_000, seed: 1, machines: [{ machine: new WrongUsers(mistaken), real: false }] })
  expect(difference?.steps.length).toBeLessThanOrEqual(PREPARING_STEPS + 5)
})
