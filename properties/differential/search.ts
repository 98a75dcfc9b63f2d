/**
 * Looks for a sequence of operations that makes machines differ, and makes it as short as it can.
 *
 * Several lanes look at once, each with machines of its own, since one that waits for a server's answer leaves the
 * processor to others. Each sequence has a seed of its own.
 */
import fc from 'fast-check'
import { ModelMachine } from './model-machine.ts'
import { sequence, type Sequence } from './operations.ts'
import { runSequence, type Compared, type Difference, type Tally } from './run.ts'

export interface SearchOptions {
  /** Requests, in all lanes together, each put to every machine. */
  readonly operations: number
  readonly seed: number
  readonly lanes: number
  /** Of one sequence. */
  readonly longest?: number
  /** The machines of one lane. They are stopped when it is done. */
  readonly machines: (lane: number) => Promise<readonly Compared[]>
  readonly onProgress?: (tally: Tally) => void
}

export interface Found {
  readonly difference: Difference
  /** The operations that are left of it. */
  readonly operations: number
}
export interface SearchResult {
  readonly tally: Tally
  readonly sequences: number
  readonly found: Found | null
}

const LONGEST = 120
const COUNTS = ['requests', 'events', 'refusals', 'notAsked'] as const
/** How many sequences may be tried to make a failing one short, and for how long. */
const TRIES_MOST = 2_000
const SHORTEN_MS = 120_000

export const search = async (options: SearchOptions): Promise<SearchResult> => {
  const tally: Tally = { requests: 0, events: 0, refusals: 0, notAsked: 0 }
  const state = { sequences: 0, over: false }
  const lanes = Array.from({ length: options.lanes }, (_, lane) => searchLane(lane, options, tally, state))
  // All of them have stopped what they started before it is said what went wrong in one.
  const ended = await Promise.allSettled(lanes)
  const broken = ended.find((lane) => lane.status === 'rejected')
  if (broken !== undefined) throw broken.reason
  const found = ended.map((lane) => (lane.status === 'fulfilled' ? lane.value : null)).find((one) => one !== null) ?? null
  return { tally, sequences: state.sequences, found }
}

const searchLane = async (
  lane: number,
  options: SearchOptions,
  tally: Tally,
  state: { sequences: number; over: boolean },
): Promise<Found | null> => {
  const machines = await options.machines(lane).catch((error: unknown) => {
    state.over = true
    throw error
  })
  const model = new ModelMachine()
  const sequences = sequence(options.longest ?? LONGEST)
  const share = options.operations / options.lanes
  const own: Tally = { requests: 0, events: 0, refusals: 0, notAsked: 0 }
  try {
    for (let draw = lane; own.requests < share && !state.over; draw += options.lanes) {
      const drawing = { seed: options.seed + draw, numRuns: 1, unbiased: true } as const
      const before = { ...own }
      const [drawn] = fc.sample(sequences, drawing)
      const difference = await runSequence(drawn as Sequence, model, machines, own)
      state.sequences++
      for (const count of COUNTS) tally[count] += own[count] - before[count]
      options.onProgress?.(tally)
      if (difference === null) continue
      state.over = true
      return await shortest(sequences, drawing, difference, (one) => runSequence(one, model, machines, { ...own }))
    }
    return null
  } catch (error) {
    state.over = true
    throw error
  } finally {
    for (const { machine } of machines) await machine.stop()
  }
}

/** First fast-check's own shrinker, then single operations and watches that can be left out. A server may be dead by now. */
const shortest = async (
  sequences: fc.Arbitrary<Sequence>,
  drawing: { readonly seed: number; readonly numRuns: 1; readonly unbiased: true },
  first: Difference,
  run: (candidate: Sequence) => Promise<Difference | null>,
): Promise<Found> => {
  let found: { readonly sequence: Sequence | null; readonly difference: Difference } = { sequence: null, difference: first }
  let tries = 0
  const deadline = performance.now() + SHORTEN_MS
  const differs = async (candidate: Sequence): Promise<boolean> => {
    if (tries++ >= TRIES_MOST || performance.now() > deadline) return false
    const difference = await run(candidate).catch(() => null)
    if (difference === null) return false
    found = { sequence: candidate, difference }
    return true
  }
  await fc.check(
    fc.asyncProperty(sequences, async (one) => !(await differs(one))),
    drawing,
  )
  for (let place = 0; found.sequence !== null && place < sizeOf(found.sequence);)
    if (!(await differs(without(found.sequence, place)))) place++
  return { difference: found.difference, operations: found.sequence === null ? 0 : sizeOf(found.sequence) }
}

const sizeOf = ({ operations, watches }: Sequence): number => operations.length + watches.length
const without = ({ operations, watches }: Sequence, place: number): Sequence =>
  place < operations.length
    ? { operations: operations.toSpliced(place, 1), watches }
    : { operations, watches: watches.toSpliced(place - operations.length, 1) }
