/**
 * One sequence of operations on several machines at once: after every step all must have said the same as the first.
 */
import type { StoreRequest } from '../../model/components/etcd-store.ts'
import type { Revision, WatchCreateRequest, WatchEvent } from '../../model/state/keyspace.ts'
import { isLostTombstone, isNotAsked, withoutLostPrevious } from './granted.ts'
import type { Answer, Ended, Machine, Stream } from './machine.ts'
import type { ModelMachine } from './model-machine.ts'
import type { Sequence } from './operations.ts'
import { sayAnswer, sayEvent, sayRequest, sayWatch } from './say.ts'
import { shiftAnswer, shiftEvent, shiftRequest, shiftWatch } from './shift.ts'

export interface Compared {
  readonly machine: Machine
  /** A released server, with what is granted to those. */
  readonly real: boolean
}

/** What each machine said where they first differ, after the steps before. */
export interface Difference {
  readonly steps: readonly string[]
  readonly answers: readonly { readonly machine: string; readonly said: string }[]
}

export interface Tally {
  requests: number
  events: number
  refusals: number
  /** Requests that would have met a known defect of real servers. */
  notAsked: number
}

const ALL: WatchCreateRequest = { key: '\0', rangeEnd: '\0', prevKv: true }
const LAST = '~'

export const runSequence = async (
  sequence: Sequence,
  model: ModelMachine,
  others: readonly Compared[],
  tally: Tally,
): Promise<Difference | null> => {
  const base = await model.reset()
  const peers: Peer[] = []
  for (const { machine, real } of others) peers.push(new Peer(machine, real, (await machine.reset()) - base))
  const run = new Run(model, peers, tally)
  try {
    return await run.all(sequence)
  } finally {
    run.end()
  }
}

/** One of the machines, its revisions in the specification's count. */
class Peer {
  readonly machine: Machine
  readonly real: boolean
  private readonly by: number

  constructor(machine: Machine, real: boolean, by: number) {
    this.machine = machine
    this.real = real
    this.by = by
  }

  async ask(request: StoreRequest): Promise<Answer> {
    return shiftAnswer(await this.machine.ask(shiftRequest(request, this.by)), -this.by)
  }

  watch(request: WatchCreateRequest): Promise<Stream> {
    return this.machine.watch(shiftWatch(request, this.by))
  }

  /** Waits for what a watch is owed, and says it and what came of it in words; what may be missing is put beside it. */
  async sawOf(stream: Stream, expected: Stream, request: WatchCreateRequest, compacted: Revision): Promise<Saw> {
    const mayLose = (event: WatchEvent): boolean => this.real && request.startRevision === compacted && isLostTombstone(event, compacted)
    await stream.settle(expected.ended === null ? expected.events.filter((event) => !mayLose(event)).length : Infinity)
    const seen = stream.events.map((event) => shiftEvent(event, -this.by))
    const came = new Set(seen.map(sayEvent))
    const due = expected.events.filter((event) => !mayLose(event) || came.has(sayEvent(event)))
    const granted = due.map((event, index) => withoutLostPrevious(event, seen[index], compacted))
    return {
      expected: sayStream(granted.map(sayEvent), expected.ended, 0),
      said: sayStream(seen.map(sayEvent), stream.ended, this.by),
    }
  }
}

interface Saw {
  readonly expected: string
  readonly said: string
}

const sayStream = (events: readonly string[], ended: Ended | null, by: number): string =>
  [...events, ...(ended === null ? [] : [sayEnd(ended, by)])].join('; ') || 'nothing'

/** Of a compaction the revision says it all; servers differ in the words they put to it. */
const sayEnd = ({ reason, compactRevision }: Ended, by: number): string =>
  compactRevision > 0 ? `cancelled: compacted at ${compactRevision - by}` : `cancelled: ${reason}`

interface Watch {
  readonly request: WatchCreateRequest
  readonly expected: Stream
  readonly streams: readonly Stream[]
}

class Run {
  private readonly model: ModelMachine
  private readonly peers: readonly Peer[]
  private readonly tally: Tally
  /** In words only when they are needed. */
  private readonly steps: (() => string)[] = []
  private readonly watches: Watch[] = []

  constructor(model: ModelMachine, peers: readonly Peer[], tally: Tally) {
    this.model = model
    this.peers = peers
    this.tally = tally
  }

  async all({ operations, watches }: Sequence): Promise<Difference | null> {
    await this.watch(ALL)
    for (const operation of operations) {
      if (operation.kind === 'Watch') await this.watch(operation.request(this.model.keyspace))
      else if (operation.kind === 'Alarm') await this.alarm(operation.raised)
      else {
        for (const request of operation.requests(this.model.keyspace)) {
          const difference = await this.ask(request)
          if (difference !== null) return difference
        }
      }
    }
    await this.alarm(false)
    for (const watch of watches) await this.watch(watch(this.model.keyspace))
    // Of the watches that look back the last has something to wait for: when it has it, the others have been looked after.
    if (watches.length > 0) await this.watch({ ...ALL, startRevision: Math.max(2, this.model.keyspace.revision) })
    return (await this.ask({ kind: 'Put', key: LAST, value: '' })) ?? (await this.compareWatches())
  }

  end(): void {
    for (const { streams } of this.watches) for (const stream of streams) stream.close()
  }

  private async ask(request: StoreRequest): Promise<Difference | null> {
    const { tally } = this
    const answer = this.model.ask(request)
    const expected = sayAnswer(answer)
    // What the specification refuses leaves its state as it is: a machine that is not asked stays beside it.
    const skip = answer.kind === 'Error' && isNotAsked(request, this.model.spaceLeft)
    tally.requests++
    if (answer.kind === 'Error') tally.refusals++
    if (skip) tally.notAsked++
    const asked = this.peers.filter(({ real }) => !(real && skip))
    const answers = await Promise.all(asked.map((peer) => peer.ask(request)))
    const said = answers.map(sayAnswer)
    if (said.every((one) => one === expected)) {
      this.steps.push(() => sayRequest(request))
      return null
    }
    return this.differ(
      sayRequest(request),
      expected,
      asked,
      said.map((one) => ({ said: one })),
    )
  }

  private async alarm(raised: boolean): Promise<void> {
    if (raised !== this.model.spaceLeft) return
    for (const machine of [this.model, ...this.peers.map((peer) => peer.machine)]) await machine.alarm(raised)
    this.steps.push(() => (raised ? 'alarm raise NOSPACE' : 'alarm disarm'))
  }

  private differ(words: string, expected: string, peers: readonly Peer[], said: readonly Pick<Saw, 'said'>[]): Difference {
    const others = peers.map(({ machine }, index) => ({ machine: machine.name, said: said[index]?.said ?? '' }))
    return { steps: [...this.steps.map((say) => say()), words], answers: [{ machine: this.model.name, said: expected }, ...others] }
  }

  private async watch(request: WatchCreateRequest): Promise<void> {
    const expected = await this.model.watch(request)
    const streams: Stream[] = []
    for (const peer of this.peers) streams.push(await peer.watch(request))
    this.watches.push({ request, expected, streams })
    this.steps.push(() => `${sayWatch(request)} &`)
  }

  private async compareWatches(): Promise<Difference | null> {
    const { compacted } = this.model.keyspace
    for (const { request, expected, streams } of this.watches.toReversed()) {
      const saws: Saw[] = []
      for (const [index, peer] of this.peers.entries()) saws.push(await peer.sawOf(streams[index] as Stream, expected, request, compacted))
      const wrong = saws.find((saw) => saw.expected !== saw.said)
      if (wrong !== undefined) return this.differ(sayWatch(request), wrong.expected, this.peers, saws)
      this.tally.events += expected.events.length
    }
    return null
  }
}
