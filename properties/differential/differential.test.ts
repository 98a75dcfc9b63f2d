/**
 * Goal: the specification, the implementation and a real etcd say the same. Method: random sequences of operations on all
 * at once, every answer and every watch compared. EVENKEEL_OPERATIONS: how many requests, by default 100,000.
 */
import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import type { StoreRequest } from '../../model/components/etcd-store.ts'
import type { Revision, WatchCreateRequest } from '../../model/state/keyspace.ts'
import type { Answer, Machine, Stream } from './machine.ts'
import { ModelMachine } from './model-machine.ts'
import { RealMachine } from './real-machine.ts'
import { search, type SearchResult } from './search.ts'
import { SimulatedMachine } from './simulated-machine.ts'
import { transcript } from './transcript.ts'

const OPERATIONS = Number(process.env['EVENKEEL_OPERATIONS'] ?? 100_000)
const LANES = 4
const MINUTES_MS = 60_000

const explained = ({ found }: SearchResult): string => (found === null ? 'no difference' : transcript(found.difference).join('\n'))

test('clusters of one and of three members say what the specification says', async () => {
  const machines = async () => [1, 3].map((members) => ({ machine: new SimulatedMachine(members), real: false }))
  const result = await search({ operations: 30_000, seed: 1, lanes: 1, machines })
  expect(explained(result)).toBe('no difference')
})

const PRESENT = spawnSync('etcd', ['--version']).status === 0
const absent = PRESENT ? '' : ' (not run: there is no etcd on this machine)'

test.skipIf(!PRESENT)(
  `a real etcd and the implementation say what the specification says${absent}`,
  async () => {
    const machines = async () => [
      { machine: await RealMachine.start('etcd'), real: true },
      { machine: new SimulatedMachine(1), real: false },
    ]
    const result = await search({ operations: OPERATIONS, seed: 1_000_000, lanes: LANES, machines })
    expect(explained(result)).toBe('no difference')
    expect(result.tally.requests).toBeGreaterThanOrEqual(OPERATIONS)
    expect(result.tally.events).toBeGreaterThan(OPERATIONS / 10)
    expect(result.tally.notAsked).toBeLessThan(OPERATIONS / 50)
  },
  10 * MINUTES_MS,
)

test.skipIf(!PRESENT)(`leases for less time than a server grants last as long as it grants at least${absent}`, async () => {
  const machines: readonly Machine[] = [new ModelMachine(), new SimulatedMachine(1), await RealMachine.start('etcd')]
  for (const machine of machines) await machine.reset()
  for (const [id, ttlSeconds] of [-3, 0, 1, 2, 3].entries()) {
    const said = machines.map(async (machine) => {
      const answer = await machine.ask({ kind: 'LeaseGrant', id: id + 1, ttlSeconds })
      return answer.kind === 'LeaseGrant' ? answer.ttlSeconds : answer
    })
    expect(await Promise.all(said)).toEqual(machines.map(() => Math.max(2, ttlSeconds)))
  }
  for (const machine of machines) await machine.stop()
})

// What is wrong with a machine that is right otherwise.

type Wrong = (answer: Answer, request: StoreRequest) => Answer

class WrongMachine extends ModelMachine {
  override readonly name = 'wrong'
  private readonly wrong: Wrong

  constructor(wrong: Wrong) {
    super()
    this.wrong = wrong
  }

  override ask(request: StoreRequest): Answer {
    return this.wrong(super.ask(request), request)
  }
}

/** Watches that look back miss what stands at the very revision they start from. */
class ForgetfulMachine extends ModelMachine {
  override readonly name = 'forgetful'

  override async watch(request: WatchCreateRequest): Promise<Stream> {
    const stream = await super.watch(request)
    const skips = (start: Revision): boolean => start > 0 && start <= this.keyspace.revision
    const first = stream.events[0]
    if (first === undefined || !skips(request.startRevision ?? 0)) return stream
    return { ...stream, events: stream.events.filter(({ kv }) => kv.modRevision > first.kv.modRevision) }
  }
}

const foundIn = (machine: Machine): Promise<SearchResult> =>
  search({ operations: 50_000, seed: 1, lanes: 1, machines: () => Promise.resolve([{ machine, real: false }]) })

test.each<[string, Wrong]>([
  [
    'versions that stop at two',
    (answer) =>
      answer.kind === 'Range' ? { ...answer, kvs: answer.kvs.map((kv) => ({ ...kv, version: Math.min(kv.version, 2) })) } : answer,
  ],
  [
    'a count of what is shown, not of what there is',
    (answer) => (answer.kind === 'Range' ? { ...answer, count: answer.kvs.length } : answer),
  ],
  [
    'more where the limit is just reached',
    (answer, request) =>
      answer.kind === 'Range' && request.kind === 'Range'
        ? { ...answer, more: answer.more || answer.kvs.length === request.limit }
        : answer,
  ],
  [
    'a revision for a deletion of nothing',
    (answer) =>
      answer.kind === 'DeleteRange' && answer.deleted === 0
        ? { ...answer, header: { ...answer.header, revision: answer.header.revision + 1 } }
        : answer,
  ],
  [
    'the wrong one of two refusals',
    (answer) =>
      answer.kind === 'Error' ? { ...answer, message: answer.message.replace('has been compacted', 'is a future revision') } : answer,
  ],
])('%s: found, in at most five operations', async (_, wrong) => {
  const { found } = await foundIn(new WrongMachine(wrong))
  expect(found?.operations).toBeLessThanOrEqual(5)
})

test('a watch that loses its first event: found, in at most five operations', async () => {
  const { found } = await foundIn(new ForgetfulMachine())
  expect(found?.operations).toBeLessThanOrEqual(5)
  expect(found?.difference.answers.map(({ machine }) => machine)).toEqual(['specification', 'forgetful'])
})
