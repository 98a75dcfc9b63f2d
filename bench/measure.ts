/**
 * Measures subject and baseline in turns, so that whatever else the machine does falls on both alike.
 *
 * The clock is the CPU time of the whole process, helper threads of the engine included: it stands still while another
 * process has the core, and hides nothing of what a run costs.
 */
import type { Benchmark, Work } from './benchmark.ts'

/** Of several repetitions. */
export interface Spread {
  readonly least: number
  readonly median: number
  readonly most: number
}

export interface Measurement {
  readonly name: string
  readonly sentence: string
  readonly units: string
  readonly baseline: string
  readonly repetitions: number
  /** Units a CPU second. */
  readonly subjectPerSecond: Spread
  readonly baselinePerSecond: Spread
  /** Of each repetition: the subject's units a second by those of the baseline right after it. */
  readonly ratio: Spread
  /** Megabytes the process held at most, the engine included. */
  readonly peakMemory: number
}

const spread = (values: readonly number[]): Spread => {
  const sorted = values.toSorted((one, other) => one - other)
  const at = (place: number): number => sorted[place] ?? Number.NaN
  return { least: at(0), median: at(sorted.length >> 1), most: at(sorted.length - 1) }
}

interface Cost {
  readonly units: number
  readonly cpuMicroseconds: number
}

/**
 * What an earlier piece of work left behind is collected before, not meanwhile. That also throws away the code that was
 * compiled for classes of which no object is left; `again`: so the work is done once before it is measured.
 */
const cost = (work: Work, again: boolean): Cost => {
  globalThis.gc?.()
  if (again) work()
  return taken(work)
}

const taken = (work: Work): Cost => {
  const before = process.cpuUsage()
  const units = work()
  const { user, system } = process.cpuUsage(before)
  return { units, cpuMicroseconds: user + system }
}

/** Of several pieces of work the one in the middle: what one leaves behind for another to collect falls on all alike. */
const costOf = (work: Work | readonly Work[], again: boolean): Cost => {
  if (typeof work === 'function') return cost(work, again)
  const costs = work.map(taken).toSorted((one, other) => one.cpuMicroseconds / one.units - other.cpuMicroseconds / other.units)
  return costs[costs.length >> 1] ?? { units: 0, cpuMicroseconds: 0 }
}

/** Units a CPU second, of a piece of work or of what it took longer than another. */
export const rate = ({ units, cpuMicroseconds }: Cost, than = 0): number => (units * 1_000_000) / Math.max(1, cpuMicroseconds - than)

/** CPU time after which the engine has compiled what it is going to compile. */
const WARM_UP_MS = 4_000

/** True: the work is so short that compiling weighs in it. */
const warmUp = (work: Work | readonly Work[], leastMs: number): boolean => {
  const once = typeof work === 'function' ? work : () => work.reduce((units, one) => units + one(), 0)
  const before = process.cpuUsage()
  let lastMs: number
  do {
    const start = process.cpuUsage()
    once()
    lastMs = process.cpuUsage(start).user / 1_000
  } while (process.cpuUsage(before).user < leastMs * 1_000)
  return lastMs < leastMs
}

export const measure = (benchmark: Benchmark, repetitions: number, warmUpMs = WARM_UP_MS): Measurement => {
  const { name, sentence, units, baseline } = benchmark
  const work = benchmark.prepare()
  const again = { subject: warmUp(work.subject, warmUpMs), baseline: warmUp(work.baseline, warmUpMs) }
  const rounds = Array.from({ length: repetitions }, () => {
    const subject = costOf(work.subject, again.subject)
    const beside = costOf(work.baseline, again.baseline)
    return { subject: rate(subject, benchmark.besides === true ? beside.cpuMicroseconds : 0), baseline: rate(beside) }
  })
  return {
    name,
    sentence,
    units,
    baseline,
    repetitions,
    subjectPerSecond: spread(rounds.map((round) => round.subject)),
    baselinePerSecond: spread(rounds.map((round) => round.baseline)),
    ratio: spread(rounds.map((round) => round.subject / round.baseline)),
    peakMemory: Math.ceil(process.resourceUsage().maxRSS / 1024),
  }
}
