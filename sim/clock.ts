/**
 * The clocks of one machine. The monotonic one runs at its own rate; the wall clock is that plus an offset that may jump.
 *
 * Everything is computed from the world's time in one step, so no error adds up.
 */
const MILLION = 1_000_000
/** 2026-01-01T00:00:00Z: when every run begins. */
export const EPOCH_MS = 1_767_225_600_000

export class Clock {
  private offsetMs: number
  private readonly rate: number

  /** driftPpm: millionths by which this clock runs fast; negative: slow. */
  constructor(offsetMs: number, driftPpm: number) {
    this.offsetMs = offsetMs
    this.rate = MILLION + driftPpm
  }

  elapsed(worldMs: number): number {
    return this.rate === MILLION ? worldMs : Math.floor((worldMs * this.rate) / MILLION)
  }

  now(worldMs: number): number {
    return EPOCH_MS + this.elapsed(worldMs) + this.offsetMs
  }

  /** World milliseconds after which at least `ms` have passed on this clock. */
  worldSpan(ms: number): number {
    return this.rate === MILLION ? ms : Math.ceil((ms * MILLION) / this.rate)
  }

  jump(deltaMs: number): void {
    this.offsetMs += deltaMs
  }
}
