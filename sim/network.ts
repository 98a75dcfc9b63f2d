/**
 * Links between machines: how long a message takes, and whether it arrives at all.
 *
 * A link is one direction of one pair of machines. Every link draws from a stream of its own.
 */
import type { Random } from './random.ts'

export interface NetworkWeather {
  readonly latencyMs: readonly [number, number]
  readonly lossPerMille: number
  readonly duplicatePerMille: number
  /** Share of datagrams that take up to ten times the longest latency. */
  readonly reorderPerMille: number
}

/** How long a connection lives over a link that lets nothing through, and how unevenly its ends find out. */
export const KEEPALIVE_MS = 5_000
const REORDER_FACTOR = 10

export class Link {
  readonly random: Random
  /** Cuts that forbid it; several faults may overlap. */
  private cuts = 0
  private clogs = 0
  private extraMs = 0
  /** What waits for the link to be unclogged. */
  private held: (() => void)[] = []

  constructor(random: Random) {
    this.random = random
  }

  get blocked(): boolean {
    return this.cuts > 0
  }

  get clogged(): boolean {
    return this.clogs > 0
  }

  cut(): void {
    this.cuts++
  }

  mend(): void {
    this.cuts--
  }

  slow(extraMs: number): void {
    this.extraMs += extraMs
  }

  clog(): void {
    this.clogs++
  }

  /** Returns what had been held, to be sent now in order. */
  unclog(): readonly (() => void)[] {
    this.clogs--
    if (this.clogs > 0) return []
    const held = this.held
    this.held = []
    return held
  }

  hold(send: () => void): void {
    this.held.push(send)
  }

  latency(weather: NetworkWeather): number {
    return this.random.between(weather.latencyMs[0], weather.latencyMs[1]) + this.extraMs
  }

  /** A datagram's latency: now and then much longer, so that others overtake it. */
  datagramLatency(weather: NetworkWeather): number {
    const latency = this.latency(weather)
    return this.random.chance(weather.reorderPerMille) ? latency + this.random.below(weather.latencyMs[1] * REORDER_FACTOR) : latency
  }
}
