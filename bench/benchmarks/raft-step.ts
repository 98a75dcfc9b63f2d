/** Raft alone: five members that hand each other their messages at once, in order; every write is durable at once. */
import { Raft } from '../../impl/etcd/raft.ts'
import type { RaftMessage } from '../../impl/etcd/raft-message.ts'
import { Streams } from '../../sim/random.ts'
import type { Benchmark } from '../benchmark.ts'
import { heapLoop } from '../heap-loop.ts'

const MEMBERS = ['etcd-0', 'etcd-1', 'etcd-2', 'etcd-3', 'etcd-4']
const PROPOSALS = 20_000
const ELECTION_MS = 1_000

interface Letter {
  readonly from: string
  readonly to: string
  readonly message: RaftMessage
}

const CONFIGURATION = { voters: MEMBERS, outgoing: [], learners: [], learnersNext: [], autoLeave: false }
const OPTIONS = { electionMs: ELECTION_MS, entriesMost: 256, window: { messagesMost: 512, entriesMost: 16_384 } }

const memberOf = (name: string, streams: Streams): Raft => {
  const raft = new Raft(name, OPTIONS, streams.stream(name), {
    elected: () => {},
    steppedDown: () => {},
    committed: () => {},
    readReady: () => {},
    proposalsDropped: () => {},
    steppedBack: () => {},
    campaigned: () => {},
    snapshot: () => {
      throw new Error('nothing is compacted here')
    },
    installed: () => {},
  })
  raft.configure(CONFIGURATION)
  return raft
}

/** Does what a server does for its Raft: writes, and takes what is to be sent. */
const settle = (from: string, raft: Raft, letters: Letter[]): void => {
  if (raft.hardStateChanged || raft.unwrittenFrom <= raft.log.lastIndex) {
    raft.hardStateChanged = false
    raft.unwrittenFrom = raft.log.lastIndex + 1
    raft.wrote(raft.log.lastIndex, raft.log.lastTerm, raft.term, ELECTION_MS)
  }
  for (const { to, message } of raft.outbox) letters.push({ from, to, message })
  raft.outbox = []
}

/** Returns how many messages were stepped. */
const replicate = (): number => {
  const streams = new Streams('1')
  const members = new Map(MEMBERS.map((name) => [name, memberOf(name, streams)]))
  const leader = members.get('etcd-0') as Raft
  let steps = 0
  const deliver = (letters: Letter[]): void => {
    for (const { from, to, message } of letters) {
      const raft = members.get(to) as Raft
      raft.step(from, message, ELECTION_MS)
      steps++
      settle(to, raft, letters)
    }
  }
  const then = (run: () => void): void => {
    run()
    const letters: Letter[] = []
    settle('etcd-0', leader, letters)
    deliver(letters)
  }
  then(() => leader.electionTimeout(ELECTION_MS))
  for (let proposal = 0; proposal < PROPOSALS; proposal++) {
    const request = { kind: 'Put', key: 'key', value: 'value' } as const
    then(() => leader.propose([{ id: `etcd-0/1/${proposal}`, request, author: 'client', via: 'client' }]))
  }
  if (leader.commit !== PROPOSALS + 1) throw new Error(`${leader.commit} entries were committed, not ${PROPOSALS + 1}`)
  return steps
}

export const raftStep: Benchmark = {
  name: 'raft-step',
  sentence: `${PROPOSALS} proposals replicated to five members, one after another, without network, disk or store`,
  units: 'messages',
  baseline: 'a hand-written heap loop over as many messages',
  prepare: () => {
    const steps = replicate()
    return { subject: replicate, baseline: () => heapLoop(steps) }
  },
}
