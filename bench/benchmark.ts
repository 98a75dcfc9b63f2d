/**
 * A benchmark is data: what is counted, what it is compared with, and two pieces of work to measure.
 *
 * Both pieces do the same units of work, so that their ratio means something on any machine.
 */

/** Does a piece of work, a few tenths of a second of it, and returns how many units that was. */
export type Work = () => number

/** Several pieces: each is measured by itself, and the one in the middle counts. */
export interface Prepared {
  readonly subject: Work | readonly Work[]
  readonly baseline: Work | readonly Work[]
}

/** What is to be reached; a figure that is missing is not asked for. */
export interface Target {
  /** Units a CPU second. */
  readonly perSecond?: number
  /** Subject's units a second by the baseline's. */
  readonly ratio?: number
  /** Of the whole process, in megabytes. */
  readonly peakMemory?: number
}

export interface Benchmark {
  readonly name: string
  /** What is measured, for people. */
  readonly sentence: string
  /** The units that are counted, in the plural: 'events'. */
  readonly units: string
  /** What the subject is compared with, for people. */
  readonly baseline: string
  readonly target?: Target
  /** The subject does all that the baseline does first: its figure is of what it does besides. */
  readonly besides?: true
  /** Builds what is not to be measured: plans, recorded histories. */
  prepare(): Prepared
}
