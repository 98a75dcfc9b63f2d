/** Raft as messages in and effects out: a group of members whose messages the test carries, drops and keeps. */
import { expect, test } from 'vitest'
import type { Configuration } from '../../model/state/keyspace.ts'
import { Streams } from '../../sim/random.ts'
import { changed, LEAVE_JOINT, NOBODY, type ConfigurationChange } from './configuration.ts'
import type { Proposal, RaftMessage } from './raft-message.ts'
import { Raft } from './raft.ts'
import { firstSnapshot } from './server.ts'
import type { Snapshot } from './snapshot.ts'

const ELECTION_MS = 1_000
const voting = (...voters: readonly string[]): Configuration => ({ ...NOBODY, voters })
const proposal = (id: string, change?: ConfigurationChange): Proposal => ({
  id,
  request: { kind: 'Put', key: id, value: '' },
  author: 'test',
  via: 'test',
  ...(change === undefined ? {} : { change }),
})

interface Letter {
  readonly from: string
  readonly to: string
  readonly message: RaftMessage
}

class Group {
  readonly members = new Map<string, Raft>()
  readonly ready: string[] = []
  letters: Letter[] = []
  nowMs = 0
  private readonly cut = new Set<string>()

  constructor(names: readonly string[], configuration: Configuration, window = { messagesMost: 512, entriesMost: 4_096 }) {
    for (const id of names) {
      const options = { electionMs: ELECTION_MS, entriesMost: 4, window }
      const raft: Raft = new Raft(id, options, new Streams('1').stream(id), {
        elected: () => {},
        steppedDown: () => {},
        campaigned: () => {},
        committed: () => {},
        readReady: (context, index) => this.ready.push(`${id} ${context} ${index}`),
        proposalsDropped: () => {},
        steppedBack: () => {},
        snapshot: (): Snapshot => ({
          ...firstSnapshot([]),
          index: raft.applied,
          term: raft.log.termAt(raft.applied),
          configuration: raft.configuration,
        }),
        installed: () => {},
      })
      raft.configure(configuration)
      this.members.set(id, raft)
    }
  }

  of(id: string): Raft {
    return this.members.get(id) as Raft
  }

  /** Does what a server does: writes at once, applies what is committed, takes what is to be sent. */
  settle(id: string): void {
    const raft = this.of(id)
    while (raft.hardStateChanged || raft.unwrittenFrom <= raft.log.lastIndex || raft.applied < raft.commit || raft.outbox.length > 0) {
      raft.hardStateChanged = false
      raft.unwrittenFrom = raft.log.lastIndex + 1
      for (const { to, message } of raft.outbox) this.letters.push({ from: id, to, message })
      raft.outbox = []
      raft.wrote(raft.log.lastIndex, raft.log.lastTerm, raft.term, this.nowMs)
      while (raft.applied < raft.commit) {
        const change = raft.log.get(raft.applied + 1).proposal?.change
        const after = change === undefined ? undefined : changed(raft.configuration, change)
        if (typeof after === 'object') raft.configure(after)
        raft.appliedTo(raft.applied + 1)
      }
    }
  }

  do(id: string, act: (raft: Raft) => void): void {
    act(this.of(id))
    this.settle(id)
  }

  take(): readonly Letter[] {
    const { letters } = this
    this.letters = []
    return letters
  }

  isolate(...ids: readonly string[]): void {
    for (const id of ids) this.cut.add(id)
  }

  heal(): void {
    this.cut.clear()
  }

  deliver({ from, to, message }: Letter): void {
    if (this.cut.has(from) || this.cut.has(to) || !this.members.has(to)) return
    this.of(to).step(from, message, this.nowMs)
    this.settle(to)
  }

  /** Carries messages until there are none. */
  run(): void {
    while (this.letters.length > 0) for (const letter of this.take()) this.deliver(letter)
  }

  elect(id: string): void {
    this.nowMs += 3 * ELECTION_MS
    this.do(id, (raft) => raft.electionTimeout(this.nowMs))
    this.run()
  }

  propose(id: string, ...proposals: readonly Proposal[]): void {
    this.do(id, (raft) => raft.propose(proposals))
  }

  heartbeat(id: string): void {
    this.do(id, (raft) => raft.heartbeat(this.nowMs))
    this.run()
  }
}

const THREE = ['a', 'b', 'c']
const kindsTo = (letters: readonly Letter[], to: string): readonly string[] =>
  letters.filter((letter) => letter.to === to).map(({ message }) => message.kind)

test('a leader does not commit an entry of an earlier term by counting its copies (Raft, figure 8)', () => {
  const group = new Group(THREE, voting(...THREE))
  group.elect('a')
  group.isolate('b', 'c')
  group.propose('a', proposal('old'))
  group.run()
  group.of('a').checkQuorum()
  group.of('a').checkQuorum()
  group.heal()
  group.nowMs += 3 * ELECTION_MS
  group.do('a', (raft) => raft.electionTimeout(group.nowMs))
  const replies = new Set<RaftMessage['kind']>(['VoteRequest', 'VoteReply'])
  while (group.letters.some(({ message }) => replies.has(message.kind)))
    for (const letter of group.take()) if (replies.has(letter.message.kind)) group.deliver(letter)
  const leader = group.of('a')
  expect(leader.role).toBe('leader')
  const committed = leader.commit
  group.do('a', (raft) =>
    raft.step('b', { kind: 'AppendReply', term: raft.term, rejected: false, match: 2, hint: 0, hintTerm: 0 }, group.nowMs),
  )
  expect([leader.commit, leader.log.termAt(2)]).toEqual([committed, 1])
})

test('a leader sends what fits its window, and the rest as answers come', () => {
  const group = new Group(THREE, voting(...THREE), { messagesMost: 2, entriesMost: 100 })
  group.elect('a')
  group.propose('a', ...Array.from({ length: 20 }, (_, place) => proposal(`p${place}`)))
  group.propose('a', proposal('more'))
  const sent = group.take()
  expect(kindsTo(sent, 'b')).toEqual(['Append', 'Append'])
  for (const letter of sent) group.deliver(letter)
  group.run()
  expect(THREE.map((id) => group.of(id).log.lastIndex)).toEqual([22, 22, 22])
})

test('entries that were lost are found missing by the next heartbeat, and an answer that was overtaken changes nothing', () => {
  const group = new Group(THREE, voting(...THREE))
  group.elect('a')
  group.isolate('b')
  group.propose('a', proposal('lost'))
  group.run()
  group.heal()
  expect(group.of('b').log.lastIndex).toBe(1)
  group.heartbeat('a')
  expect(group.of('b').log.lastIndex).toBe(2)
  const { term } = group.of('a')
  group.do('a', (raft) => raft.step('b', { kind: 'AppendReply', term, rejected: true, match: 1, hint: 0, hintTerm: 0 }, group.nowMs))
  expect(group.take()).toEqual([])
  expect(group.of('a').matchOf('b')).toBe(2)
})

test('a member whose entries are compacted away is sent a snapshot, and follows from there', () => {
  const group = new Group(THREE, voting(...THREE))
  group.elect('a')
  group.isolate('c')
  group.propose('a', ...Array.from({ length: 10 }, (_, place) => proposal(`p${place}`)))
  group.run()
  group.of('a').compactTo(9)
  group.heal()
  group.do('a', (raft) => raft.heartbeat(group.nowMs))
  const seen: string[] = []
  while (group.letters.length > 0) {
    for (const letter of group.take()) {
      if (letter.to === 'c') seen.push(letter.message.kind)
      group.deliver(letter)
    }
  }
  expect(seen).toContain('Install')
  group.propose('a', proposal('after'))
  group.run()
  expect([group.of('c').log.firstIndex, group.of('c').log.lastIndex, group.of('c').configuration]).toEqual([12, 12, voting(...THREE)])
})

test('a snapshot that never arrived is asked about again', () => {
  const group = new Group(THREE, voting(...THREE))
  group.elect('a')
  group.isolate('c')
  group.propose('a', proposal('x'), proposal('y'))
  group.run()
  group.of('a').compactTo(3)
  group.heal()
  group.do('a', (raft) => raft.heartbeat(group.nowMs))
  while (!group.letters.some(({ message }) => message.kind === 'Install')) for (const letter of group.take()) group.deliver(letter)
  group.take()
  group.heartbeat('a')
  expect(group.of('c').log.lastIndex).toBe(1)
  group.do('a', (raft) => raft.snapshotOverdue('c', 3))
  group.run()
  expect(group.of('c').log.lastIndex).toBe(3)
})

const step = (kind: 'AddVoter' | 'AddLearner' | 'Remove', member: string) => ({ kind, member })
const replace: ConfigurationChange = {
  steps: [step('Remove', 'b'), step('Remove', 'c'), step('AddVoter', 'd'), step('AddVoter', 'e')],
  joint: 'explicit',
}

test('while the configuration is joint both halves have to hold an entry', () => {
  const group = new Group(['a', 'b', 'c', 'd', 'e'], voting(...THREE))
  group.elect('a')
  group.propose('a', proposal('joint', replace))
  group.run()
  expect(group.of('a').configuration).toEqual({ ...NOBODY, voters: ['a', 'd', 'e'], outgoing: THREE })
  const { commit } = group.of('a')
  group.isolate('d', 'e')
  group.propose('a', proposal('x'))
  group.run()
  expect(group.of('a').commit).toBe(commit)
  group.heal()
  group.heartbeat('a')
  group.heartbeat('a')
  expect(group.of('a').commit).toBe(commit + 1)
  group.isolate('b', 'c')
  group.propose('a', proposal('y'))
  group.run()
  expect(group.of('a').commit).toBe(commit + 1)
  group.heal()
  group.heartbeat('a')
  group.heartbeat('a')
  group.propose('a', proposal('leave', LEAVE_JOINT))
  group.run()
  expect(group.of('a').configuration).toEqual(voting('a', 'd', 'e'))
})

test('a leader leaves a joint configuration by itself where it was asked to', () => {
  const group = new Group(['a', 'b', 'c', 'd'], voting(...THREE))
  group.elect('a')
  group.propose('a', proposal('joint', { steps: [step('AddVoter', 'd'), step('Remove', 'b')], joint: 'auto' }))
  group.run()
  expect(group.of('c').configuration).toEqual(voting('a', 'c', 'd'))
})

test('one change at a time: another one is not taken before the first has been applied', () => {
  const group = new Group(['a', 'b', 'c', 'd'], voting(...THREE))
  group.elect('a')
  const add = { steps: [step('AddLearner', 'd')], joint: 'no' } as const
  const remove = { steps: [step('Remove', 'b')], joint: 'no' } as const
  group.propose('a', proposal('add', add), proposal('remove', remove))
  const { log } = group.of('a')
  expect([log.get(2).proposal?.id, log.get(3).proposal]).toEqual(['add', null])
  group.run()
  expect(group.of('a').configuration).toEqual({ ...voting(...THREE), learners: ['d'] })
})

test('a learner holds the log and decides nothing', () => {
  const group = new Group(['a', 'b', 'c', 'd'], { ...voting(...THREE), learners: ['d'] })
  group.elect('a')
  const { commit } = group.of('a')
  group.isolate('b', 'c')
  group.propose('a', proposal('x'))
  group.run()
  expect([group.of('d').log.lastIndex, group.of('a').commit]).toEqual([commit + 1, commit])
  group.elect('d')
  expect(group.of('d').role).toBe('follower')
})

test('a member that knows of a change it has not applied does not stand for election', () => {
  const group = new Group(THREE, voting(...THREE))
  group.elect('a')
  const raft = group.of('b')
  const change = proposal('add', { steps: [step('AddVoter', 'd')], joint: 'no' })
  const append: RaftMessage = {
    kind: 'Append',
    term: 1,
    prevIndex: 1,
    prevTerm: 1,
    entries: [{ index: 2, term: 1, proposal: change }],
    commit: 2,
  }
  raft.step('a', append, group.nowMs)
  raft.outbox = []
  raft.electionTimeout(group.nowMs + 3 * ELECTION_MS)
  expect([raft.role, raft.outbox]).toEqual(['follower', []])
  raft.appliedTo(2)
  raft.electionTimeout(group.nowMs + 6 * ELECTION_MS)
  expect(raft.role).toBe('pre-candidate')
})

test('a leader that is removed commits that, and steps down', () => {
  const group = new Group(THREE, voting(...THREE))
  group.elect('a')
  group.propose('a', proposal('remove', { steps: [step('Remove', 'a')], joint: 'no' }))
  group.run()
  expect([group.of('a').role, group.of('a').leader]).toEqual(['follower', null])
  group.elect('b')
  expect([group.of('b').role, group.of('b').configuration]).toEqual(['leader', voting('b', 'c')])
})

test('a leader hands over to a member that holds all, at once and without a pre-vote', () => {
  const group = new Group(THREE, voting(...THREE))
  group.elect('a')
  group.do('a', (raft) => raft.transferLeader('b', group.nowMs))
  expect(group.letters).toEqual([{ from: 'a', to: 'b', message: { kind: 'TimeoutNow', term: 1 } }])
  group.run()
  expect(THREE.map((id) => group.of(id).role)).toEqual(['follower', 'leader', 'follower'])
  expect(group.of('b').term).toBe(2)
})

test('while a leader hands over it takes no proposals; after an election timeout it goes on itself', () => {
  const group = new Group(THREE, voting(...THREE))
  group.elect('a')
  group.isolate('b')
  group.do('a', (raft) => raft.transferLeader('b', group.nowMs))
  const { lastIndex } = group.of('a').log
  group.propose('a', proposal('dropped'))
  expect(group.of('a').log.lastIndex).toBe(lastIndex)
  group.nowMs += ELECTION_MS
  group.heartbeat('a')
  group.propose('a', proposal('taken'))
  expect(group.of('a').log.lastIndex).toBe(lastIndex + 1)
})

test('a member that was cut off does not unseat the leader when it comes back', () => {
  const group = new Group(THREE, voting(...THREE))
  group.elect('a')
  group.isolate('c')
  group.elect('c')
  group.elect('c')
  expect([group.of('c').role, group.of('c').term]).toEqual(['pre-candidate', 1])
  group.heal()
  group.heartbeat('a')
  expect(THREE.map((id) => [group.of(id).leader, group.of(id).term])).toEqual(THREE.map(() => ['a', 1]))
})

test('a leader that no quorum has answered for an election timeout steps down', () => {
  const group = new Group(THREE, voting(...THREE))
  group.elect('a')
  group.isolate('b', 'c')
  group.do('a', (raft) => raft.checkQuorum())
  expect(group.of('a').role).toBe('leader')
  group.heartbeat('a')
  group.do('a', (raft) => raft.checkQuorum())
  expect(group.of('a').role).toBe('follower')
})

test('a read waits until the leader has committed in its term, and until a quorum has said that it still leads', () => {
  const group = new Group(THREE, voting(...THREE))
  group.elect('a')
  group.do('a', (raft) => raft.readIndex('first'))
  const asked = group.take()
  expect(group.ready).toEqual([])
  group.do('a', (raft) => raft.readIndex('second'))
  group.take()
  // The acknowledgement of one context is none of the other that was asked later.
  for (const letter of asked) group.deliver(letter)
  group.run()
  expect(group.ready).toEqual(['a first 1'])
  group.heartbeat('a')
  expect(group.ready).toEqual(['a first 1', 'a second 1'])
})

test('a new leader keeps reads until its first entry is committed', () => {
  const group = new Group(THREE, voting(...THREE))
  group.nowMs += 3 * ELECTION_MS
  group.do('a', (raft) => raft.electionTimeout(group.nowMs))
  const votes = new Set<RaftMessage['kind']>(['VoteRequest', 'VoteReply'])
  while (group.of('a').role !== 'leader') for (const letter of group.take()) if (votes.has(letter.message.kind)) group.deliver(letter)
  group.do('a', (raft) => raft.readIndex('early'))
  expect([group.ready, group.letters.some(({ message }) => message.kind === 'Heartbeat')]).toEqual([[], false])
  group.run()
  expect(group.ready).toEqual(['a early 1'])
})

test('a lone member leads when its vote is on its disk, and not before', () => {
  const group = new Group(['a'], voting('a'))
  const raft = group.of('a')
  raft.electionTimeout(3 * ELECTION_MS)
  expect([raft.role, raft.vote]).toEqual(['candidate', 'a'])
  raft.wrote(0, 0, raft.term, 3 * ELECTION_MS)
  expect(raft.role).toBe('leader')
  expect(raft.commit).toBe(0)
  group.settle('a')
  expect(raft.commit).toBe(1)
})
